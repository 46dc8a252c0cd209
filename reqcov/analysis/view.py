"""What the chosen requests ran, on the newest version of each file."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Literal

from reqcov.analysis.carry import EVERYTHING, Carried, carry
from reqcov.analysis.code import DEFAULT_EXCLUDE, Code, decode
from reqcov.analysis.masks import Mask, numbers
from reqcov.analysis.parsed import Parsed, Track
from reqcov.record import UNMATCHED, unpack_arcs
from reqcov.store.model import OTHER, UNREAD, unpack_labels
from reqcov.store.reading import Hit, Route, StoredSource, StoreReader


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

    @property
    def everything(self) -> bool:
        """Whether no request is left out."""
        return self == Chosen()

    @property
    def since_day(self) -> int:
        """As a store counts days."""
        return (self.since - date(1970, 1, 1)).days if self.since else 0

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

    def fits_labels(self, labels: Mapping[str, str]) -> bool:
        """Whether requests with these labels are asked for."""
        return all(key in labels and fnmatchcase(labels[key], pattern) for key, pattern in self.labels)


@dataclass(frozen=True, slots=True)
class File:
    """The version of a file that is shown."""

    path: str
    """In its project, with `/`."""
    digest: str
    """SHA-256 of its content, hexadecimal."""
    text: str | None
    """None where it was not kept: the file had been edited since it was imported."""
    code: Code
    builds: frozenset[str]
    """That used this version, or the last one before it where the file is shown as it is now."""


class View:
    """The requests that were chosen from a store, and the code that they ran."""

    def __init__(
        self,
        reader: StoreReader,
        chosen: Chosen,
        *,
        exclude: str = DEFAULT_EXCLUDE,
        current: Callable[[str], bytes | None] | None = None,
        track: Track = iter,
    ) -> None:
        """Read what is needed.

        - `exclude`: the regular expression for what coverage.py leaves out.
        - `current`: from a path to the file as it is now, None where there is none; without it, files are shown as they
          ran last.
        - `track`: goes through the files that are to be parsed.
        """
        self.chosen = chosen
        self.all_routes = reader.routes()
        """By id, with or without requests."""
        self.routes = chosen.pick(self.all_routes)
        """Of these, the ones that were asked for."""
        self.all_hits = _fitting(reader.hits(chosen.since_day), chosen)
        """The requests to all routes that fit otherwise."""
        self.hits = [hit for hit in self.all_hits if hit.route in self.routes]
        """The requests that were asked for."""
        self._footprints = reader.footprints()
        self._lines = reader.lines()
        self._sources = reader.sources()
        self._parsed = Parsed(reader, exclude, track)
        self._carried: dict[int, Carried] = {}
        self._pieces: dict[int, tuple[str, Mask]] = {}
        self._arcs: dict[int, frozenset[tuple[int, int]]] = {}
        shown: dict[str, StoredSource] = {}
        for source in sorted(self._sources.values(), key=lambda each: each.last_seen):
            if not chosen.builds or any(map(chosen.fits_build, source.builds)):
                shown[source.source.path] = source
        used = {self._lines[key].source for key in self._held(hit.footprint for hit in self.hits)}
        self._parsed.prepare(source.source.digest for source in shown.values())
        self._parsed.prepare(self._sources[key].source.digest for key in used)
        self.files = {path: self._file(source, current) for path, source in sorted(shown.items())}
        """By path in order, every measured file that was imported in the builds asked for."""

    def _file(self, source: StoredSource, current: Callable[[str], bytes | None] | None) -> File:
        path, digest = source.source
        now = current(path) if current else None
        if now is None or hashlib.sha256(now).hexdigest() == digest:
            return File(path, digest, self._parsed.text(digest), self._parsed.code(digest), source.builds)
        text = decode(now)
        return File(path, hashlib.sha256(now).hexdigest(), text, self._parsed.read(text), source.builds)

    def _held(self, footprints: Iterable[int]) -> set[int]:
        """The ids of the sets of lines that any of these footprints holds."""
        return set().union(*(self._footprints[footprint][1] for footprint in set(footprints)))

    def _piece(self, key: int) -> tuple[str, Mask]:
        """The path, and the function statements of the version shown, that a set of lines stands for."""
        if key not in self._pieces:
            source = self._sources[self._lines[key].source]
            self._pieces[key] = source.source.path, self._shown(self._lines[key].mask, source)
        return self._pieces[key]

    def _shown(self, mask: Mask, source: StoredSource) -> Mask:
        """The function statements of the version shown that lines of another one stand for."""
        file = self.files.get(source.source.path)
        if file is None:
            return 0
        mask = self._way(source, file).lines(mask)
        return file.code.translate(mask) & file.code.in_functions

    def _way(self, source: StoredSource, file: File) -> Carried:
        """From a version to the one that is shown."""
        if source.id not in self._carried:
            digest = source.source.digest
            old, new = self._parsed.text(digest), file.text
            if digest == file.digest:
                self._carried[source.id] = EVERYTHING
            elif old is None or new is None:
                self._carried[source.id] = Carried(())
            else:
                self._carried[source.id] = carry(old, new, {old: self._parsed.code(digest), new: file.code}.__getitem__)
        return self._carried[source.id]

    @cached_property
    def seen(self) -> dict[str, Mask]:
        """By path, the function statements that any request ran, chosen or not, sampled or not."""
        ran = [source for source in self._sources.values() if source.ran]
        self._parsed.prepare(source.source.digest for source in ran)
        found: dict[str, Mask] = defaultdict(int)
        for source in ran:
            found[source.source.path] |= self._shown(source.ran, source)
        return dict(found)

    @cached_property
    def covered(self) -> dict[str, Mask]:
        """By path, the function statements that the chosen requests ran.

        Where no request was left out, with those that only requests ran which were not sampled.
        """
        ran = self.ran(hit.footprint for hit in self.hits)
        if self.chosen.everything:
            for path, mask in self.seen.items():
                ran[path] = ran.get(path, 0) | mask
        return ran

    @cached_property
    def dropped(self) -> dict[str, int]:
        """By path, how many statements of earlier versions the chosen requests ran that could not be carried over."""
        ran: dict[int, Mask] = defaultdict(int)
        for key in self._held(hit.footprint for hit in self.hits):
            ran[self._lines[key].source] |= self._lines[key].mask
        found: dict[str, int] = defaultdict(int)
        for key, mask in ran.items():
            source = self._sources[key]
            file = self.files.get(source.source.path)
            if file is not None and file.digest != source.source.digest:
                code = self._parsed.code(source.source.digest)
                statements = code.translate(mask) & ~code.excluded
                found[file.path] += self._way(source, file).dropped(statements).bit_count()
        return {path: lines for path, lines in found.items() if lines}

    @cached_property
    def requests(self) -> float:
        """How many requests were chosen."""
        return sum(hit.requests for hit in self.hits)

    @cached_property
    def reachable(self) -> int:
        """Function statements of all files: what requests could run."""
        return sum(file.code.in_functions.bit_count() for file in self.files.values())

    def ran(self, footprints: Iterable[int]) -> dict[str, Mask]:
        """By path, the function statements that any of these footprints holds."""
        found: dict[str, Mask] = defaultdict(int)
        for path, mask in map(self._piece, self._held(footprints)):
            found[path] |= mask
        return dict(found)

    @cached_property
    def branches(self) -> Literal["all", "some", "none"]:
        """How much of what the chosen requests ran was recorded with its arcs."""
        kinds = {bool(self._lines[key].arcs) for key in self._held(hit.footprint for hit in self.hits)}
        return "some" if len(kinds) > 1 else "all" if True in kinds else "none"

    def arcs(self, footprints: Iterable[int]) -> dict[str, set[tuple[int, int]]]:
        """By path, the arcs in functions of the version shown that any of these footprints holds."""
        found: dict[str, set[tuple[int, int]]] = defaultdict(set)
        for key in self._held(footprints):
            found[self._sources[self._lines[key].source].source.path] |= self._shown_arcs(key)
        return dict(found)

    def _shown_arcs(self, key: int) -> frozenset[tuple[int, int]]:
        if key not in self._arcs:
            lines = self._lines[key]
            source = self._sources[lines.source]
            file = self.files.get(source.source.path)
            arcs: Iterable[tuple[int, int]] = ()
            if file is not None:
                inner = file.code.standing_for(file.code.in_functions)
                arcs = self._way(source, file).arcs(unpack_arcs(lines.arcs))
                arcs = (arc for arc in arcs if all(end < 0 or inner >> end & 1 for end in arc))
            self._arcs[key] = frozenset(arcs)
        return self._arcs[key]

    def requests_by_piece(self, hits: Iterable[Hit]) -> list[tuple[str, Mask, float]]:
        """Paths, lines that ran together, and how many of the requests ran them."""
        by_footprint: dict[int, float] = defaultdict(float)
        for hit in hits:
            by_footprint[hit.footprint] += hit.requests
        by_piece: dict[int, float] = defaultdict(float)
        for footprint, requests in by_footprint.items():
            for key in self._footprints[footprint][1]:
                by_piece[key] += requests
        return [(*self._piece(key), requests) for key, requests in by_piece.items()]

    def requests_by_line(self, hits: Iterable[Hit]) -> dict[str, dict[int, float]]:
        """By path and line, how many of the requests ran it."""
        found: dict[str, dict[int, float]] = defaultdict(lambda: defaultdict(float))
        for path, mask, requests in self.requests_by_piece(hits):
            lines = found[path]
            for number in numbers(mask):
                lines[number] += requests
        return {path: dict(lines) for path, lines in found.items()}

    def address(self, footprint: int) -> str:
        """The footprint as `RequestRecord.footprint` has it."""
        return self._footprints[footprint][0]

    def behaviours(self, hits: Iterable[Hit]) -> set[int]:
        """The footprints of these requests, without the two that stand for what is not known."""
        return {each for each in {hit.footprint for hit in hits} if self.address(each) not in (UNREAD, OTHER)}

    def holding(self, path: str, line: int) -> set[int]:
        """The footprints of chosen requests that hold a line."""
        wanted = 1 << line
        used = {hit.footprint for hit in self.hits}
        pieces = {key for key in self._held(used) if self._piece(key)[0] == path and self._piece(key)[1] & wanted}
        return {key for key in used if not pieces.isdisjoint(self._footprints[key][1])}


def _fitting(hits: Iterable[Hit], chosen: Chosen) -> list[Hit]:
    """Those of the requests that fit, whatever their route."""
    hits = [hit for hit in hits if chosen.fits_build(hit.build)]
    if not chosen.labels:
        return hits
    fits = {labels: chosen.fits_labels(unpack_labels(labels)) for labels in {hit.labels for hit in hits}}
    return [hit for hit in hits if fits[hit.labels]]
