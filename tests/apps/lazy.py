"""Imported by whichever request needs it first; its body is part of no record."""

from __future__ import annotations

TABLE = {}
for number in range(3):
    TABLE[number] = number * 2


def terse(n: int) -> int: return n  # runs when odd  # fmt: skip


def unused(n: int) -> int: return -n  # never runs  # fmt: skip


class Lazy:
    kind = "lazy"
    if kind:
        other = kind * 2

    def __init__(self, n: int) -> None:
        self.n = n

    def text(self) -> str:
        return f"{self.kind} {terse(self.n)}"


def plain(n: int) -> str:
    found = TABLE.get(n)
    if found is None:
        return "none"
    return f"plain {found}"
