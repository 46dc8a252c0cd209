"""The files of a store, each at the version that is shown, and what of them ran."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from reqcov.analysis.parsed import Parsed, Track
from reqcov.analysis.source.carry import EVERYTHING, Carried, carry
from reqcov.analysis.source.code import DEFAULT_EXCLUDE, Code, File, Function, decode
from reqcov.analysis.source.masks import Mask
from reqcov.record import unpack_arcs
from reqcov.store.reading import StoredSource, StoreReader


@dataclass(frozen=True, slots=True)
class Version:
    """A version of a file, as far as it matters to the one that is shown."""

    builds: frozenset[str]
    """That used it."""
    last_seen: float
    """When a process last began to use it."""
    kept: Mask
    """The function statements of the version shown that were in it already."""
    ran: frozenset[str] | None
    """The names of its functions that any request ran, sampled or not; None where requests ran it, and which is not
    known: it can't be parsed, or its text was not kept."""


class Codebase:
    """What sets of lines, by the ids that a store gives them, stand for in the files that are shown."""

    def __init__(
        self,
        reader: StoreReader,
        fits: Callable[[Collection[str]], bool] = lambda builds: True,  # noqa: ARG005
        *,
        exclude: str = DEFAULT_EXCLUDE,
        current: Callable[[str], bytes | None] | None = None,
        track: Track = iter,
    ) -> None:
        """Read what is needed.

        - `fits`: whether a version of a file may be shown that these builds used; the newest of them is.
        - `exclude`, `current`, `track`: as `View.of` has them.
        """
        self._footprints = reader.footprints()
        self._lines = reader.lines()
        self._sources = reader.sources()
        self._parsed = Parsed(reader, exclude, track)
        self.writers = reader.writers()
        """The processes that wrote, the latest first."""
        self._carried: dict[int, Carried] = {}
        self._pieces: dict[int, tuple[str, Mask]] = {}
        self._arcs: dict[int, frozenset[tuple[int, int]]] = {}
        shown: dict[str, StoredSource] = {}
        for source in sorted(self._sources.values(), key=lambda each: each.last_seen):
            if fits(source.builds):
                shown[source.source.path] = source
        self._parsed.prepare(source.source.digest for source in shown.values())
        self.files = {path: self._file(source, current) for path, source in sorted(shown.items())}
        """By path in order, every measured file that was imported in the builds asked for."""

    def _file(self, source: StoredSource, current: Callable[[str], bytes | None] | None) -> File:
        path, digest = source.source
        now = current(path) if current else None
        if now is None or hashlib.sha256(now).hexdigest() == digest:
            return File(path, digest, self._parsed.text(digest), self._parsed.code(digest), source.builds)
        text = decode(now)
        return File(path, hashlib.sha256(now).hexdigest(), text, self._parsed.read(text), source.builds)

    def prepare(self, footprints: Iterable[int]) -> None:
        """Parse what is needed to tell what these footprints ran."""
        used = {self._lines[key].source for key in self.held(footprints)}
        self._parsed.prepare(self._sources[key].source.digest for key in used)

    def complete(self) -> None:
        """Read all that may be asked for, while the store is at hand: afterwards any thread may ask, at any time."""
        for source in self._sources.values():
            file = self.files.get(source.source.path)
            if file is not None:
                self._way(source, file)

    def address(self, footprint: int) -> str:
        """The footprint as `RequestRecord.footprint` has it."""
        return self._footprints[footprint][0]

    def pieces(self, footprint: int) -> Collection[int]:
        """The ids of the sets of lines that the footprint holds."""
        return self._footprints[footprint][1]

    def held(self, footprints: Iterable[int]) -> set[int]:
        """The ids of the sets of lines that any of these footprints holds."""
        return set().union(*(self._footprints[footprint][1] for footprint in set(footprints)))

    def codes_of(self, path: str) -> list[tuple[str, Code]]:
        """The digest and the code of every version of a file."""
        digests = [source.source.digest for source in self._sources.values() if source.source.path == path]
        self._parsed.prepare(digests)
        return [(digest, self._parsed.code(digest)) for digest in digests]

    def text(self, digest: str) -> str | None:
        """A version of a file; None where it was not kept."""
        return self._parsed.text(digest)

    def running(self, path: str, lines: Callable[[Code], Mask]) -> set[int]:
        """The ids of the sets of lines that hold any of the `lines` of their version of a file."""
        wanted = self._wanted(path, lines)
        return {key for key, each in self._lines.items() if each.mask & wanted.get(each.source, 0)}

    def ran_outside(self, path: str, lines: Callable[[Code], Mask]) -> bool:
        """Whether any of the `lines` of a version of a file ran outside of all requests and jobs."""
        return any(self._sources[key].outside & mask for key, mask in self._wanted(path, lines).items())

    def _wanted(self, path: str, lines: Callable[[Code], Mask]) -> dict[int, Mask]:
        """By the id of the version; of one that nothing can be told of, all lines."""
        found = {}
        for key, source in self._sources.items():
            if source.source.path == path:
                code = self._parsed.code(source.source.digest)
                found[key] = ~0 if code.problem else lines(code)
        return found

    def piece(self, key: int) -> tuple[str, Mask]:
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

    def code_of(self, key: int) -> Code:
        """What the version of the file consists of that a set of lines is of."""
        return self._parsed.code(self._sources[self._lines[key].source].source.digest)

    def unchanged(self, key: int) -> Mask:
        """The function statements of the version shown that were in that version, too."""
        code = self.code_of(key)
        return self._shown(code.standing_for(code.in_functions), self._sources[self._lines[key].source])

    def left_behind(self, key: int) -> list[tuple[Function, Mask]]:
        """The functions of that version of which the set of lines holds statements that aren't shown; with these."""
        source, code = self._sources[self._lines[key].source], self.code_of(key)
        file = self.files.get(source.source.path)
        own = code.translate(self._lines[key].mask) & code.in_functions
        if file is not None:
            own = self._way(source, file).dropped(own)
        return [(each, own & each.statements) for each in code.functions if own & each.statements]

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
        return self._of_any_version({key: source.ran for key, source in self._sources.items()})

    @property
    def problems(self) -> dict[str, str]:
        """By path, why nothing can be told of a file: it can't be parsed, or its text was not kept."""
        return {path: file.code.problem for path, file in self.files.items() if file.code.problem}

    @cached_property
    def outside(self) -> dict[str, Mask]:
        """By path, the function statements that were seen to run outside of all requests and jobs."""
        return self._of_any_version({key: source.outside for key, source in self._sources.items()})

    def _of_any_version(self, masks: Mapping[int, Mask]) -> dict[str, Mask]:
        ran = [(self._sources[key], mask) for key, mask in masks.items() if mask]
        self._parsed.prepare(source.source.digest for source, _ in ran)
        found: dict[str, Mask] = defaultdict(int)
        for source, mask in ran:
            found[source.source.path] |= self._shown(mask, source)
        return dict(found)

    @cached_property
    def versions(self) -> dict[str, list[Version]]:
        """By path, all versions of the files that are shown, in no order."""
        self._parsed.prepare(source.source.digest for source in self._sources.values())
        found: dict[str, list[Version]] = {path: [] for path in self.files}
        for source in self._sources.values():
            if source.source.path in found:
                code = self._parsed.code(source.source.digest)
                statements = code.translate(source.ran)
                ran = frozenset(each.name for each in code.functions if each.statements & statements)
                kept = self._shown(code.in_functions, source)
                unknown = code.problem and source.ran
                version = Version(source.builds, source.last_seen, kept, None if unknown else ran)
                found[source.source.path].append(version)
        return found

    @cached_property
    def reachable(self) -> int:
        """Function statements of all files: what requests could run."""
        return sum(file.code.in_functions.bit_count() for file in self.files.values())

    def ran(self, footprints: Iterable[int]) -> dict[str, Mask]:
        """By path, the function statements that any of these footprints holds."""
        found: dict[str, Mask] = defaultdict(int)
        for path, mask in map(self.piece, self.held(footprints)):
            found[path] |= mask
        return dict(found)

    def dropped(self, footprints: Iterable[int]) -> dict[str, int]:
        """By path, how many statements of earlier versions these footprints hold that could not be carried over."""
        ran: dict[int, Mask] = defaultdict(int)
        for key in self.held(footprints):
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

    def changed(self, footprints: Iterable[int]) -> dict[str, dict[str, set[int]]]:
        """By path and name, the functions that have changed since, and which of these footprints hold some of each."""
        footprints = set(footprints)
        names: dict[int, tuple[str, list[str]]] = {}
        for key in self.held(footprints):
            path = self._sources[self._lines[key].source].source.path
            if path in self.files:
                names[key] = path, [function.name for function, _ in self.left_behind(key)]
        found: dict[str, dict[str, set[int]]] = defaultdict(lambda: defaultdict(set))
        for footprint in footprints:
            for key in self.pieces(footprint):
                path, changed = names.get(key, ("", []))
                for name in changed:
                    found[path][name].add(footprint)
        return found

    def branches(self, footprints: Iterable[int]) -> set[bool]:
        """Whether what these footprints hold was recorded with its arcs: with, without, both, or nothing is held."""
        return {bool(self._lines[key].arcs) for key in self.held(footprints)}

    def arcs(self, footprints: Iterable[int]) -> dict[str, set[tuple[int, int]]]:
        """By path, the arcs in functions of the version shown that any of these footprints holds."""
        found: dict[str, set[tuple[int, int]]] = defaultdict(set)
        for key in self.held(footprints):
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
