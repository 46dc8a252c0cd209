"""Answers as text: tables for people on a terminal, plain columns in a pipe."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from math import floor
from typing import TYPE_CHECKING
from unicodedata import combining, east_asian_width

if TYPE_CHECKING:
    from rich.table import Table

WIDE = 10_000
"""Columns: more than any terminal has."""

DROPPED = (
    "dropped: lines of older versions that ran, in functions that have changed since; --build shows them as they ran."
)

FOLDED = 8
"""Columns that a text is not folded below."""

NAMED = 5
"""Names that a sentence lists at most."""

TINY = 1e-9
"""By how much sums of the same estimates may differ, for the order in which they are added."""

Row = Sequence[str]


def say(*lines: str) -> None:
    """Lines of text."""
    for line in lines:
        print(printable(line))  # noqa: T201


def printable(text: str) -> str:
    """`text`, with escapes for what a terminal would obey: whoever asks for a path may put that into it."""
    return text if text.isprintable() else "".join(each if each.isprintable() else repr(each)[1:-1] for each in text)


def table(columns: Sequence[str], rows: Iterable[Row], *, bold: Callable[[Row], bool] = lambda row: False) -> None:  # noqa: ARG005
    """A table; `bold` tells which rows stand out.

    The names of columns with numbers begin with `#`: they are set to the right. Those of times begin with `@`. Neither
    is cut where the terminal is narrow: times are told by the day then, or by the minute if that is today, and the text
    of other columns is folded. Where that is not enough it is as in a pipe.
    """
    rows = list(rows)
    styles = ["bold" if bold(row) else "" for row in rows]
    rows = [tuple(map(printable, row)) for row in rows]
    if not sys.stdout.isatty():
        say(*_plain(columns, rows))
        return
    from rich.console import Console

    console = Console()
    made = _made(columns, zip(rows, styles, strict=True))
    if console.measure(made, options=console.options.update(width=WIDE)).maximum > console.width:
        rows = [_shortened(columns, row) for row in rows]
        if _least(columns, rows) > console.width:
            say(*_plain(columns, rows))
            return
        made = _made(columns, zip(rows, styles, strict=True))
    console.print(made)


def _plain(columns: Sequence[str], rows: Iterable[Row]) -> Iterator[str]:
    """Lines that are as long as need be."""
    cells = [[name.lstrip("#@") for name in columns], *rows]
    widths = [max(map(_width, column)) for column in zip(*cells, strict=True)]
    right = [name.startswith("#") for name in columns]
    for row in cells:
        padded = []
        for cell, width, to_right in zip(row, widths, right, strict=True):
            space = " " * (width - _width(cell))
            padded.append(space + cell if to_right else cell + space)
        yield "  ".join(padded).rstrip()


def _least(columns: Sequence[str], rows: Iterable[Row]) -> int:
    """The columns of a terminal below which numbers would be cut."""
    least = 0
    for name, *cells in zip(columns, *rows, strict=True):
        words = name.lstrip("#@").split()
        least += (max(map(_width, [*words, *cells])) if name[0] in "#@" else FOLDED) + 2
    return least


def _width(text: str) -> int:
    """Columns on a terminal."""
    return (
        len(text) if text.isascii() else sum((east_asian_width(each) in "WF") + (not combining(each)) for each in text)
    )


def _made(columns: Sequence[str], rows: Iterable[tuple[Row, str]]) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    made = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    for name in columns:
        fixed, title = name[0] in "#@", name.lstrip("#@")
        made.add_column(
            title.replace(" ", "\n") if fixed else title,
            justify="right" if name[0] == "#" else "left",
            no_wrap=fixed,
            overflow="fold",
        )
    for row, style in rows:
        made.add_row(*map(Text, row), style=style)
    return made


def _shortened(columns: Sequence[str], row: Row) -> Row:
    today = when(datetime.now(UTC))[:10]
    return [
        (cell[11:] if cell.startswith(today) else cell[:10]) if name.startswith("@") else cell
        for name, cell in zip(columns, row, strict=True)
    ]


def percent(share: float) -> str:
    """`0.1234` as `12.3%`; only all is `100.0%`, and only nothing `0.0%`."""
    tenths = round(1000 * share)
    if tenths == 1000 and share < 1 - TINY:
        tenths = 999
    if tenths == 0 and share > 0:
        tenths = 1
    return f"{tenths / 10:.1f}%"


def when(moment: datetime) -> str:
    """To the minute, in UTC."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M}"


def ago(seconds: float) -> str:
    """`0.4 s`, `12 min`, `3 h`, `5 days`."""
    for size, unit in ((86_400, " days"), (3_600, " h"), (60, " min")):
        if seconds >= 2 * size:
            return f"{floor(seconds / size)}{unit}"
    return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"


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


def some(names: Collection[str]) -> str:
    """`a, b, c, d, e and 3 more`."""
    shown = ", ".join(list(names)[:NAMED])
    return shown if len(names) <= NAMED else f"{shown} and {len(names) - NAMED} more"
