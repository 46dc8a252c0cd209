"""Answers as text: tables for people on a terminal, plain columns in a pipe."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

WIDE = 10_000
"""Columns in a pipe: nothing is wrapped or cut there."""


def say(*lines: str) -> None:
    """Lines of text, exactly as they are."""
    for line in lines:
        print(line)  # noqa: T201


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A table; the names of columns with numbers begin with `#`, and they are set to the right."""
    terminal = sys.stdout.isatty()
    made = Table(box=SIMPLE_HEAD if terminal else None, pad_edge=False)
    for name in columns:
        number = name.startswith("#")
        made.add_column(name.lstrip("#"), justify="right" if number else "left", no_wrap=number, overflow="fold")
    for row in rows:
        made.add_row(*(Text(cell) for cell in row))
    if terminal:
        Console().print(made)
        return
    console = Console(width=WIDE, color_system=None)
    with console.capture() as capture:
        console.print(made)
    say(*(line.rstrip() for line in capture.get().splitlines()))


def percent(share: float) -> str:
    """`0.1234` as `12.3%`."""
    return f"{100 * share:.1f}%"


def when(moment: datetime) -> str:
    """To the minute, in UTC."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M}"


def size(count: int) -> str:
    """Bytes: `3.8 MB`."""
    amount = float(count)
    for unit in ("bytes", "kB", "MB"):
        if round(amount) < 1000:
            return f"{amount:.3g} {unit}"
        amount /= 1000
    return f"{amount:.1f} GB"


def plural(count: int, one: str, many: str | None = None) -> str:
    """`1 line`, `1,234 lines`."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"
