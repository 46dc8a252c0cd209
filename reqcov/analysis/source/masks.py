"""Sets of line numbers as integers: bit n is set where line n is in the set.

Union, intersection and difference are `|`, `&` and `& ~`; how many lines there are is `mask.bit_count()`.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import compress
from typing import TypeAlias

Mask: TypeAlias = int

_FROM_DIGITS = bytes.maketrans(b"01", b"\0\1")


def of(numbers: Iterable[int]) -> Mask:
    """The mask of these line numbers, none of them negative, in any order and as often as they come."""
    numbers = set(numbers)
    digits = bytearray(b"0" * (max(numbers, default=0) + 1))
    for number in numbers:
        digits[~number] = ord("1")
    return int(digits, 2)


def span(first: int, last: int) -> Mask:
    """The lines from `first` to `last`, both included; none where `last` comes before `first`."""
    return (1 << last + 1) - (1 << first) if first <= last else 0


def numbers(mask: Mask) -> list[int]:
    """The line numbers in ascending order."""
    digits = f"{mask:b}"[::-1].encode().translate(_FROM_DIGITS)
    return list(compress(range(len(digits)), digits))


def runs(mask: Mask, statements: Mask | None = None) -> list[tuple[int, int]]:
    """First and last line of each run of neighbours.

    With `statements` a run goes on across lines that are not among them, as in `coverage report --show-missing`.
    """
    gaps = ~mask if statements is None else statements & ~mask
    found = []
    while mask:
        first = (mask & -mask).bit_length() - 1
        above = gaps >> first
        run = mask & (((above & -above) << first) - 1) if above else mask
        found.append((first, run.bit_length() - 1))
        mask ^= run
    return found


def ranges(mask: Mask, statements: Mask | None = None) -> str:
    """The lines for people to read, by the runs that there are: `1-3, 7`."""
    return ", ".join(f"{first}-{last}" if last > first else f"{first}" for first, last in runs(mask, statements))
