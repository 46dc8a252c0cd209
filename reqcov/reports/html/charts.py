"""Where the shapes of pictures lie, in the units of an SVG's viewBox."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from reqcov.analysis.overview import DayRow
from reqcov.analysis.show import FileShown
from reqcov.analysis.source.code import File
from reqcov.reports.html.templating import heat
from reqcov.reports.text import percent

WIDTH = 1000
HEIGHT = 120
MANY_DAYS = 100
"""More are told by the week."""
MANY_WEEKS = 300
"""More are told by several: a server may once have believed that it was 1970."""


@dataclass(frozen=True, slots=True)
class Bar:
    """The requests of some days."""

    x: float
    y: float
    width: float
    height: float
    first: date
    last: date
    requests: int


def days_of_a_bar(days: int) -> int:
    """One, or as many whole weeks as it takes for the bars to be few."""
    return 7 * math.ceil(days / 7 / MANY_WEEKS) if days > MANY_DAYS else 1


def bars(days: Sequence[DayRow]) -> list[Bar]:
    """One for each day, or for some weeks where that is too many; the highest takes all of the height."""
    size = days_of_a_bar(len(days))
    spans = [days[start : start + size] for start in range(0, len(days), size)]
    counts = [sum(row.requests for row in span) for span in spans]
    step, most = WIDTH / len(spans), max(counts) or 1
    return [
        Bar(
            x=round(number * step + step * 0.1, 2),
            y=round(HEIGHT - (height := HEIGHT * requests / most), 2),
            width=round(min(step * 0.8, 60), 2),
            height=round(height, 2),
            first=span[0].day,
            last=span[-1].day,
            requests=requests,
        )
        for number, (span, requests) in enumerate(zip(spans, counts, strict=True))
    ]


@dataclass(frozen=True, slots=True)
class Block:
    """A function, as wide as it has statements."""

    x: float
    width: float
    heat: int
    """0 where none of the requests ran it."""
    name: str
    told: str
    """What share of the requests ran it, for people."""


def strip(file: File, shown: FileShown, requests: int) -> list[Block]:
    """The functions of a file in the order of the text, by how many of the `requests` ran each."""
    ran = {(row.first, row.name): row.requests for row in shown.functions}
    functions = [each for each in file.code.functions if each.statements]
    step = WIDTH / max(1, sum(each.statements.bit_count() for each in functions))
    blocks, x = [], 0.0
    for each in functions:
        width = step * each.statements.bit_count()
        own = ran.get((each.first, each.name))
        share = own / requests if own and requests else 0.0
        blocks.append(
            Block(
                x=round(x, 1),
                width=round(width, 1),
                heat=heat(share) if own is not None else 0,
                name=each.name,
                told="never" if own is None else f"{percent(share)} of the requests",
            )
        )
        x += width
    return blocks
