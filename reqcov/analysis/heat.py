"""Who ran which lines of a file, told apart by all that requests can be chosen by."""

from __future__ import annotations

from collections import defaultdict
from functools import cached_property
from typing import NamedTuple, TypeAlias

from reqcov.analysis.source.masks import Mask
from reqcov.analysis.view import View


class Group(NamedTuple):
    """Requests that no choice of routes, labels, builds and classes of status tells apart."""

    route: str
    """With its method: `GET /orders/{id}`; a job's name."""
    labels: str
    """As `reqcov.store.model.unpack_labels` reads them."""
    build: str
    status: int
    """The hundreds; 0 where there was no answer."""


class Tally(NamedTuple):
    """How many requests, and when the first and the last of them began, in seconds since the epoch."""

    requests: float
    first_seen: float
    last_seen: float

    def __add__(self, other: Tally) -> Tally:  # type: ignore[override]
        return Tally(
            self.requests + other.requests,
            min(self.first_seen, other.first_seen),
            max(self.last_seen, other.last_seen),
        )


Ran: TypeAlias = dict[Mask, dict[int, Tally]]
"""Lines that ran together, and by the number of each group, the requests that ran them."""


class Heat:
    """The chosen requests of a view by group, and what each group ran."""

    def __init__(self, view: View) -> None:
        self._view = view
        self.groups: dict[Group, Tally] = {}
        """Every group, in the order in which `ran` numbers them."""
        self._ran: dict[int, dict[int, Tally]] = defaultdict(dict)
        numbers: dict[Group, int] = {}
        for hit in view.hits:
            group = Group(view.routes[hit.route].context, hit.labels, hit.build, hit.status)
            tally = Tally(hit.requests, hit.first_seen, hit.last_seen)
            number = numbers.setdefault(group, len(numbers))
            _add(self.groups, group, tally)
            _add(self._ran[hit.footprint], number, tally)

    @cached_property
    def _pieces(self) -> dict[str, dict[int, list[int]]]:
        """By path, the sets of lines that ran of it, and the footprints that hold each."""
        found: dict[str, dict[int, list[int]]] = defaultdict(lambda: defaultdict(list))
        codebase = self._view.codebase
        for footprint in self._ran:
            for key in codebase.pieces(footprint):
                found[codebase.piece(key)[0]][key].append(footprint)
        return found

    def ran(self, path: str) -> Ran:
        """What ran of a file."""
        found: dict[Mask, dict[int, Tally]] = defaultdict(dict)
        for key, footprints in self._pieces.get(path, {}).items():
            _, mask = self._view.codebase.piece(key)
            for footprint in footprints:
                for number, tally in self._ran[footprint].items():
                    _add(found[mask], number, tally)
        found.pop(0, None)
        return dict(found)


def _add(tallies: dict[Group, Tally] | dict[int, Tally], key: Group | int, tally: Tally) -> None:
    tallies[key] = tallies[key] + tally if key in tallies else tally  # type: ignore[index]
