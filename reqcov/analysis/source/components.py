"""Things that lead to each other, found in what one thing leads to."""

from __future__ import annotations

from collections.abc import Callable, Container, Hashable, Iterable, Iterator
from typing import TypeVar

T = TypeVar("T", bound=Hashable)


def components(start: T, others: Callable[[T], Iterable[T]], known: Container[T]) -> Iterator[list[T]]:
    """The strongly connected components of what can be reached from `start` and is not in `known`.

    `others` tells what a thing leads to. What a component leads to comes before it. Each thing is asked for once
    (Tarjan, "Depth-first search and linear graph algorithms", 1972).
    """
    number: dict[T, int] = {}
    lowest: dict[T, int] = {}
    open_: dict[T, None] = {}

    def enter(thing: T) -> tuple[T, Iterator[T]]:
        number[thing] = lowest[thing] = len(number)
        open_[thing] = None
        return thing, iter(others(thing))

    path = [enter(start)]
    while path:
        here, rest = path[-1]
        for other in rest:
            if other in open_:
                lowest[here] = min(lowest[here], number[other])
            elif other not in number and other not in known:
                path.append(enter(other))
                break
        else:
            path.pop()
            if path:
                before = path[-1][0]
                lowest[before] = min(lowest[before], lowest[here])
            if lowest[here] == number[here]:
                component: list[T] = []
                while not component or component[-1] != here:
                    component.append(open_.popitem()[0])
                yield component
