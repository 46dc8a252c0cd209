"""What nobody calls any more, so it is thought."""

from __future__ import annotations

from collections.abc import Iterable


def export_to_fax(number: int) -> str:
    lines = []
    for part in str(number):
        lines.append(part * 2)
    return "\n".join(lines)


def import_from_tape(tape: Iterable[str]) -> list[str]:
    if not tape:
        return []
    return [line.rstrip() for line in tape]
