"""What the chosen requests ran, on the newest version of each file."""

from __future__ import annotations

import hashlib
import json
import platform
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from fnmatch import fnmatchcase
from functools import cached_property, partial

import coverage

from reqcov.analysis.carry import Carried, carry
from reqcov.analysis.code import DEFAULT_EXCLUDE, Code, decode, parse
from reqcov.analysis.masks import Mask, numbers
from reqcov.store.model import unpack_labels
from reqcov.store.reading import Hit, Route, StoredSource, StoreReader

Track = Callable[[Collection[StoredSource]], Iterable[StoredSource]]
"""Shows how far something that takes long has come."""


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

    def fits_route(self, route: Route) -> bool:
        """Whether the route is asked for."""
        names = {route.context, route.template}
        return not self.routes or any(name == p or fnmatchcase(name, p) for p in self.routes for name in names)

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
        self._reader = reader
        self._exclude = exclude
        self.routes = {key: route for key, route in reader.routes().items() if chosen.fits_route(route)}
        """By id, the routes that were asked for, with or without requests."""
        self.hits = self._chosen_hits(chosen)
        """The requests that were asked for."""
        self._footprints = reader.footprints()
        sources = reader.sources()
        shown: dict[str, StoredSource] = {}
        for source in sorted(sources.values(), key=lambda each: each.last_seen):
            if any(map(chosen.fits_build, source.builds)):
                shown[source.source.path] = source
        codes = self._codes(shown.values(), track)
        self.files: dict[str, File] = {}
        """By path in order, every measured file that was imported in the builds asked for."""
        for path, source in sorted(shown.items()):
            digest, now = source.source.digest, current(path) if current else None
            if now is None or hashlib.sha256(now).hexdigest() == digest:
                self.files[path] = File(path, digest, self._text(digest), codes[digest])
            else:
                text = decode(now)
                self.files[path] = File(path, hashlib.sha256(now).hexdigest(), text, parse(text, exclude))
        self._carried: dict[int, Carried] = {}
        self._dropped: dict[int, tuple[str, Mask]] = {}
        used = {key for footprint in {hit.footprint for hit in self.hits} for key in self._footprints[footprint][1]}
        lines = {key: each for key, each in reader.lines().items() if key in used}
        self._pieces = {
            key: (sources[each.source].source.path, self._shown(each.mask, sources[each.source]))
            for key, each in lines.items()
        }
        # Each set of lines: the path, and the function statements of the version shown that it stands for.
        self.seen: dict[str, Mask] = defaultdict(int)
        """By path, the function statements that any request ran, chosen or not, sampled or not."""
        for source in sources.values():
            self.seen[source.source.path] |= self._shown(source.ran, source)

    def _chosen_hits(self, chosen: Chosen) -> list[Hit]:
        by_labels: dict[str, list[Hit]] = defaultdict(list)
        for hit in self._reader.hits(chosen.since_day):
            if hit.route in self.routes and chosen.fits_build(hit.build):
                by_labels[hit.labels].append(hit)
        return [hit for labels, hits in by_labels.items() if chosen.fits_labels(unpack_labels(labels)) for hit in hits]

    def _text(self, digest: str) -> str | None:
        content = self._reader.content(digest)
        return decode(content) if content is not None else None

    def _codes(self, sources: Iterable[StoredSource], track: Track) -> dict[str, Code]:
        """What each source consists of, by digest; from memory where an earlier reader has worked it out."""
        versions = platform.python_version(), coverage.__version__, self._exclude
        rules = hashlib.sha256(repr(versions).encode()).hexdigest()[:16]
        codes = {digest: Code.from_dict(json.loads(text)) for digest, text in self._reader.parsed(rules).items()}
        new = {source.source.digest: source for source in sources if source.source.digest not in codes}
        if new:
            for source in track(list(new.values())):
                text = self._text(source.source.digest)
                codes[source.source.digest] = Code() if text is None else parse(text, self._exclude)
            worked_out = {digest: json.dumps(codes[digest].to_dict()).encode() for digest in new}
            self._reader.remember_parsed(rules, worked_out)
        return codes

    def _shown(self, mask: Mask, source: StoredSource) -> Mask:
        """The function statements of the version shown that lines of another one stand for."""
        path, digest = source.source
        file = self.files.get(path)
        if file is None:
            return 0
        if digest != file.digest:
            if source.id not in self._carried:
                read = partial(parse, exclude=self._exclude)
                self._carried[source.id] = carry(self._text(digest) or "", file.text or "", read)
            way = self._carried[source.id]
            self._dropped[source.id] = path, self._dropped.get(source.id, (path, 0))[1] | way.dropped(mask)
            mask = way.lines(mask)
        return file.code.translate(mask) & file.code.in_functions

    @property
    def dropped(self) -> dict[str, int]:
        """By path, how many lines of earlier versions could not be carried over, for their function changed."""
        found: dict[str, int] = defaultdict(int)
        for path, mask in self._dropped.values():
            found[path] += mask.bit_count()
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
        for key in {key for footprint in footprints for key in self._footprints[footprint][1]}:
            path, mask = self._pieces[key]
            found[path] |= mask
        return dict(found)

    def requests_by_line(self, hits: Iterable[Hit]) -> dict[str, dict[int, float]]:
        """By path and line, how many of the requests ran it."""
        by_footprint: dict[int, float] = defaultdict(float)
        for hit in hits:
            by_footprint[hit.footprint] += hit.requests
        by_piece: dict[int, float] = defaultdict(float)
        for footprint, requests in by_footprint.items():
            for key in self._footprints[footprint][1]:
                by_piece[key] += requests
        found: dict[str, dict[int, float]] = defaultdict(lambda: defaultdict(float))
        for key, requests in by_piece.items():
            path, mask = self._pieces[key]
            lines = found[path]
            for number in numbers(mask):
                lines[number] += requests
        return {path: dict(lines) for path, lines in found.items()}

    def address(self, footprint: int) -> str:
        """The footprint as `RequestRecord.footprint` has it."""
        return self._footprints[footprint][0]

    def holding(self, path: str, line: int) -> set[int]:
        """The footprints that hold a line."""
        wanted = 1 << line
        pieces = {key for key, (name, mask) in self._pieces.items() if name == path and mask & wanted}
        used = {hit.footprint for hit in self.hits}
        return {key for key in used if not pieces.isdisjoint(self._footprints[key][1])}
