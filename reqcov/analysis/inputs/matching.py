"""Which file of a store a name means that another machine, or another folder, gave to it."""

from __future__ import annotations

import posixpath
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

_WINDOWS = re.compile(r"[A-Za-z]:[\\/]|[^/]*\\[^/]*$")
_INSTALLED = ("site-packages", "dist-packages")

Parts = tuple[str, ...]


class Way(NamedTuple):
    """A folder on the other machine, and the one of the store that it stands for: of both, what they don't share."""

    there: Parts
    here: Parts


class Fit(NamedTuple):
    """A file of the store that ends like a name."""

    path: str
    way: Way
    shared: int
    """How many parts of the two are the same, from the end."""


@dataclass(frozen=True, kw_only=True)
class Matched:
    """What names mean."""

    paths: dict[str, str] = field(default_factory=dict)
    """By name; several names may mean the same file."""
    unknown: list[str] = field(default_factory=list)
    """Names that no file of the store can be meant by."""
    unclear: list[str] = field(default_factory=list)
    """Names that may mean several files, or share the one that they may mean with other names."""


def match(names: Iterable[str], paths: Collection[str], folder: str) -> Matched:
    """Which of `paths`, as a store has them, each of the names means.

    It is the one that it shares most parts with, from the end; more exactly, the one that has to be meant where the
    folder that explains most of the names is the root. All of one of the two has to be shared, or more than the last
    part: every package has an `__init__.py`. Of names below one another's folder only those are taken whose folder
    explains more, for `lib/app.py` is not `app.py`, even where the store has no other. `folder` is the current one,
    which decides where nothing else does.
    """
    names = list(dict.fromkeys(names))
    by_last = _by_last(paths)
    fits = {name: _fits(name, by_last) for name in names}
    ways = _Ways(fits.values(), _parts(folder))
    paths_of: dict[str, str] = {}
    unclear = []
    for name, some in fits.items():
        most = max((ways.strength(fit.way) for fit in some), default=None)
        best = [fit for fit in some if ways.strength(fit.way) == most]
        if len(best) == 1 and not ways.doubted(best[0]):
            paths_of[name] = best[0].path
        elif best and (len(best) > 1 or not ways.refuted(best[0])):
            unclear.append(name)
    unknown = [name for name in names if name not in paths_of and name not in unclear]
    return Matched(paths=paths_of, unknown=unknown, unclear=unclear)


class _Ways:
    """Which folder stands for which, by what speaks for each."""

    def __init__(self, fits: Iterable[list[Fit]], folder: Parts) -> None:
        self._folder = folder
        self._shared: dict[Way, int] = defaultdict(int)
        for some in fits:
            for fit in some:
                self._shared[fit.way] += fit.shared
        self._at: dict[Parts, list[Way]] = defaultdict(list)
        self._below: dict[Parts, list[Way]] = defaultdict(list)
        for way in self._shared:
            self._at[way.there].append(way)
            for above in _above(way.there):
                self._below[above].append(way)

    def strength(self, way: Way) -> tuple[int, bool]:
        """How much is explained by it."""
        return self._shared[way], way == Way(self._folder, ())

    def refuted(self, fit: Fit) -> bool:
        """Whether a stronger way says that these two are not the same file."""
        return any(self.strength(way) > self.strength(fit.way) for way in self._against(fit))

    def doubted(self, fit: Fit) -> bool:
        """Whether a way that is no weaker says so."""
        return any(self.strength(way) >= self.strength(fit.way) for way in self._against(fit))

    def _against(self, fit: Fit) -> Iterator[Way]:
        """The ways that lead from the name to another path, or to the path from another name of the same tree."""
        for above in _above(fit.way.there):
            yield from self._at[above]
        path = _parts(fit.path)
        for way in self._below[fit.way.there]:
            if path[: len(way.here)] == way.here:
                yield way


def _above(parts: Parts) -> Iterator[Parts]:
    """The folders that a folder is in; what is relative is in none that is not."""
    return (parts[:length] for length in range(parts[:1] == ("/",), len(parts)))


def _parts(name: str) -> Parts:
    """Of a name as any system writes it; of an installed file those below the folder of installed packages."""
    if _WINDOWS.match(name):
        name = re.sub(r"^(?=\w:)", "/", name.replace("\\", "/"))
    root = "/" if name.startswith("/") else ""
    parts = tuple(part for part in posixpath.normpath(name).split("/") if part not in ("", ".", ".."))
    for place, part in reversed(list(enumerate(parts[:-1]))):
        if part in _INSTALLED:
            return parts[place + 1 :]
    return (root, *parts) if root else parts


def _by_last(paths: Iterable[str]) -> dict[str, list[tuple[str, Parts]]]:
    """Paths with their parts, by the last of them."""
    found: dict[str, list[tuple[str, Parts]]] = defaultdict(list)
    for path in paths:
        parts = _parts(path)
        if parts:
            found[parts[-1]].append((path, parts))
    return dict(found)


def _fits(name: str, by_last: dict[str, list[tuple[str, Parts]]]) -> list[Fit]:
    """The paths that share most with the name, and all that it ends in."""
    own = _parts(name)
    found: list[Fit] = []
    for path, parts in by_last.get(own[-1], ()) if own else ():
        shared = 0
        while shared < min(len(own), len(parts)) and own[-1 - shared] == parts[-1 - shared]:
            shared += 1
        if shared in (len(own), len(parts)) or shared > 1:
            found.append(Fit(path, Way(own[: len(own) - shared], parts[: len(parts) - shared]), shared))
    most = max((fit.shared for fit in found), default=0)
    return [fit for fit in found if fit.shared == most or not fit.way.here]
