"""Which requests are looked at, and what they ran on the newest version of each file."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Literal

from reqcov.analysis.codebase import Codebase
from reqcov.analysis.parsed import Track
from reqcov.analysis.source.code import DEFAULT_EXCLUDE
from reqcov.analysis.source.masks import Mask, numbers
from reqcov.record import UNMATCHED
from reqcov.store.model import OTHER, UNREAD, Run, unpack_labels
from reqcov.store.reading import Hit, Route, StoreReader


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """Which requests are asked for; all of them, where nothing is said."""

    routes: tuple[str, ...] = ()
    """Patterns (`*`, `?`, `[abc]`) of which one fits the context `GET /orders/{id}`, or its route alone."""
    labels: tuple[tuple[str, str], ...] = ()
    """Keys and patterns for their values, all of which fit."""
    builds: tuple[str, ...] = ()
    """Patterns of which one fits."""
    since: date | None = None
    """In UTC; that day included."""
    until: date | None = None
    """In UTC; that day included."""

    @property
    def everything(self) -> bool:
        """Whether no request is left out."""
        return self == Chosen()

    @property
    def since_day(self) -> int:
        """As a store counts days."""
        return (self.since - date(1970, 1, 1)).days if self.since else 0

    @property
    def until_day(self) -> int:
        """As a store counts days."""
        return ((self.until or date.max) - date(1970, 1, 1)).days

    def fits_build(self, build: str) -> bool:
        """Whether the build is asked for."""
        return not self.builds or any(fnmatchcase(build, pattern) for pattern in self.builds)

    def pick(self, routes: Mapping[int, Route]) -> dict[int, Route]:
        """Those of the routes that are asked for; a pattern that is the name of some stands for these alone."""
        if not self.routes:
            return dict(routes)
        names = {key: (route.context, route.template or UNMATCHED) for key, route in routes.items()}
        picked: set[int] = set()
        for pattern in self.routes:
            exactly = {key for key, own in names.items() if pattern in own}
            picked |= exactly or {key for key, own in names.items() if any(fnmatchcase(name, pattern) for name in own)}
        return {key: route for key, route in routes.items() if key in picked}

    def fits_version(self, builds: Iterable[str]) -> bool:
        """Whether a version of a file is asked for that these builds used."""
        return not self.builds or any(map(self.fits_build, builds))

    def fits_labels(self, labels: Mapping[str, str]) -> bool:
        """Whether requests with these labels are asked for."""
        return all(key in labels and fnmatchcase(labels[key], pattern) for key, pattern in self.labels)


class View:
    """The requests that were chosen from a store, and the code that they ran."""

    def __init__(
        self,
        codebase: Codebase,
        chosen: Chosen,
        all_routes: Mapping[int, Route],
        all_hits: Mapping[int, list[Hit]],
        all_requests: float,
        routes: Mapping[int, Route],
        runs: Mapping[str, Run],
    ) -> None:
        """Of `all_hits`, which fit `chosen` but for their routes, look at those to `routes`, that were asked for."""
        self.codebase = codebase
        self.files = codebase.files
        """By path in order, every measured file that was imported in the builds asked for."""
        self.chosen = chosen
        self.all_routes = all_routes
        """By id, with or without requests."""
        self.routes = routes
        """Of these, the ones that were asked for."""
        self.all_hits = all_hits
        """By the id of their route, the requests to all routes that fit otherwise."""
        self.all_requests = all_requests
        """How many these are."""
        self.runs = runs
        """The latest run of each test that was told of, by its name."""
        self.hits = [hit for route in self.routes for hit in all_hits.get(route, ())]
        """The requests that were asked for."""
        codebase.prepare(hit.footprint for hit in self.hits)

    @classmethod
    def of(
        cls,
        reader: StoreReader,
        chosen: Chosen,
        *,
        exclude: str = DEFAULT_EXCLUDE,
        current: Callable[[str], bytes | None] | None = None,
        track: Track = iter,
    ) -> View:
        """What was chosen from the store that is read.

        - `exclude`: the regular expression for what coverage.py leaves out.
        - `current`: from a path to the file as it is now, None where there is none; without it, files are shown as they
          ran last.
        - `track`: goes through the files that are to be parsed.
        """
        codebase = Codebase(reader, chosen.fits_version, exclude=exclude, current=current, track=track)
        hits = fitting(reader.hits(chosen.since_day), chosen)
        routes = reader.routes()
        requests = sum(hit.requests for hit in hits)
        return cls(codebase, chosen, routes, by_route(hits), requests, chosen.pick(routes), reader.tests())

    def of_route(self, context: str) -> View:
        """The same look at the requests to this route alone: not at those to `GET /a` where a job is called `/a`."""
        chosen = replace(self.chosen, routes=(context,))
        routes = {key: route for key, route in self.routes.items() if route.context == context}
        return View(self.codebase, chosen, self.all_routes, self.all_hits, self.all_requests, routes, self.runs)

    @cached_property
    def covered(self) -> dict[str, Mask]:
        """By path, the function statements that the chosen requests ran.

        Where no request was left out, with those that only requests ran which were not sampled.
        """
        ran = self.codebase.ran(hit.footprint for hit in self.hits)
        if self.chosen.everything:
            for path, mask in self.codebase.seen.items():
                ran[path] = ran.get(path, 0) | mask
        return ran

    @cached_property
    def dropped(self) -> dict[str, int]:
        """By path, how many statements of earlier versions the chosen requests ran that could not be carried over."""
        return self.codebase.dropped(hit.footprint for hit in self.hits)

    @cached_property
    def requests(self) -> float:
        """How many requests were chosen."""
        return sum(hit.requests for hit in self.hits)

    @cached_property
    def branches(self) -> Literal["all", "some", "none"]:
        """How much of what the chosen requests ran was recorded with its arcs."""
        kinds = self.codebase.branches(hit.footprint for hit in self.hits)
        return "some" if len(kinds) > 1 else "all" if True in kinds else "none"

    def requests_by_piece(self, hits: Iterable[Hit]) -> list[tuple[str, Mask, float]]:
        """Paths, lines that ran together, and how many of the requests ran them."""
        by_footprint: dict[int, float] = defaultdict(float)
        for hit in hits:
            by_footprint[hit.footprint] += hit.requests
        by_piece: dict[int, float] = defaultdict(float)
        for footprint, requests in by_footprint.items():
            for key in self.codebase.pieces(footprint):
                by_piece[key] += requests
        return [(*self.codebase.piece(key), requests) for key, requests in by_piece.items()]

    def requests_by_line(self, hits: Iterable[Hit]) -> dict[str, dict[int, float]]:
        """By path and line, how many of the requests ran it."""
        found: dict[str, dict[int, float]] = defaultdict(lambda: defaultdict(float))
        for path, mask, requests in self.requests_by_piece(hits):
            lines = found[path]
            for number in numbers(mask):
                lines[number] += requests
        return {path: dict(lines) for path, lines in found.items()}

    def behaviours(self, hits: Iterable[Hit]) -> set[int]:
        """The footprints of these requests, without the two that stand for what is not known."""
        return {each for each in {hit.footprint for hit in hits} if self.codebase.address(each) not in (UNREAD, OTHER)}

    def holding(self, path: str, line: int) -> set[int]:
        """The footprints of chosen requests that hold a line."""
        wanted = 1 << line
        used = {hit.footprint for hit in self.hits}
        pieces = set()
        for key in self.codebase.held(used):
            where, mask = self.codebase.piece(key)
            if where == path and mask & wanted:
                pieces.add(key)
        return {key for key in used if not pieces.isdisjoint(self.codebase.pieces(key))}


def by_route(hits: Iterable[Hit]) -> dict[int, list[Hit]]:
    """The requests to each route, by its id."""
    found: dict[int, list[Hit]] = defaultdict(list)
    for hit in hits:
        found[hit.route].append(hit)
    return dict(found)


def fitting(hits: Iterable[Hit], chosen: Chosen) -> list[Hit]:
    """Those of the requests that fit, whatever their route."""
    days = range(chosen.since_day, chosen.until_day + 1)
    hits = [hit for hit in hits if hit.day in days and chosen.fits_build(hit.build)]
    if not chosen.labels:
        return hits
    fits = {labels: chosen.fits_labels(unpack_labels(labels)) for labels in {hit.labels for hit in hits}}
    return [hit for hit in hits if fits[hit.labels]]
