"""Reports, imported when somebody wants one."""

from __future__ import annotations

from collections.abc import Iterator

from lending.books import everything
from lending.loans import overdue
from lending.registry import SECTIONS, section


@section
def stock(day: int) -> Iterator[str]:
    for book in everything():
        yield line(book.label, book.weight)


@section
def late(day: int) -> Iterator[str]:
    for text in overdue(day):
        yield line(text, day)


def line(text: str, number: int) -> str:
    return f"{text};{number}"


def heading() -> str:
    return f"sections: {len(SECTIONS)}"


HEADING = heading()


def write(name: str, day: int) -> str:
    return "\n".join([HEADING, *SECTIONS[name](day)])
