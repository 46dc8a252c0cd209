"""Which modules import which, as their texts say."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from reqcov.analysis.source.outline import Import, Outline


@dataclass(frozen=True, slots=True)
class Importers:
    """Who imports a module, and what it is imported for."""

    loaded: frozenset[str]
    """The module, and those that import it when they are imported themselves."""
    lazily: frozenset[str]
    """Those that import one of these while a request runs."""
    roots: frozenset[str]
    """Those of `loaded` that nobody imports: what servers, test runners and commands begin with."""


class Imports:
    """The modules of a project, by path, and who imports them."""

    def __init__(self, outlines: Mapping[str, Outline]) -> None:
        self._outlines = outlines
        self._named: dict[str, list[tuple[str, str]]] = defaultdict(list)
        for path in outlines:
            for name, root in _names(path):
                self._named[name].append((path, root))
        self._importers: dict[str, set[tuple[str, str | None]]] = defaultdict(set)
        self._importing: dict[str, set[str]] = defaultdict(set)
        self._imports: dict[str, set[str]] = defaultdict(set)
        self._all_above: dict[str, set[str]] = {}
        self._stars: dict[str, set[str]] = defaultdict(set)
        for path, made in outlines.items():
            for found, function in self._imported(path, made):
                if found != path:
                    self._importers[found].add((path, function))
                    self._importing[found].add(path)
                    self._imports[path].add(found)

    def of(self, path: str, runs: Callable[[str, str], bool]) -> Importers:
        """Who imports `path`; `runs` tells of a file and a function whether requests call it, and nobody else."""
        loaded, lazily, waiting = {path}, set(), [path]
        while waiting:
            for importer, function in self._importers.get(waiting.pop(), ()):
                if function is not None and runs(importer, function):
                    lazily.add(importer)
                elif importer not in loaded:
                    loaded.add(importer)
                    waiting.append(importer)
        roots = {each for each in loaded if all(each in self._above(other) for other in self._above(each))}
        return Importers(frozenset(loaded), frozenset(lazily), frozenset(roots))

    def importers(self, path: str) -> set[str]:
        """Those that say that they import it."""
        return self._importing.get(path, set())

    def imported_by(self, path: str) -> set[str]:
        """Everything that is imported in the end where `path` is."""
        return self._closure(path, self._imports)

    def _above(self, path: str) -> set[str]:
        """Everything that imports `path` in the end."""
        if path not in self._all_above:
            self._all_above[path] = self._closure(path, self._importing)
        return self._all_above[path]

    @staticmethod
    def _closure(path: str, edges: Mapping[str, set[str]]) -> set[str]:
        found: set[str] = set()
        waiting = [path]
        while waiting:
            more = edges.get(waiting.pop(), set()) - found
            found |= more
            waiting += more
        return found

    def taken_whole(self, path: str) -> bool:
        """Whether somebody imports all names of it: `from shop.cart import *`."""
        return bool(self._stars[path])

    def _imported(self, path: str, made: Outline) -> Iterator[tuple[str, str | None]]:
        for each in made.imports:
            whole = each.name.endswith(".*")
            for found in self._resolved(path, each._replace(name=each.name.removesuffix(".*").strip("*"))):
                if whole:
                    self._stars[found].add(path)
                yield found, each.function
        for name in made.guesses:
            for found in self._resolved(path, Import(0, name, None)):
                yield found, None
        *above, _ = path.split("/")
        for depth in range(1, len(above) + 1):  # a module runs the packages that it is in, first
            package = "/".join([*above[:depth], "__init__.py"])
            if package in self._outlines:
                yield package, None

    def _resolved(self, path: str, wanted: Import) -> Iterable[str]:
        """The files that run when it is imported; several where it can't be told which one is meant."""
        parts = [part for part in wanted.name.split(".") if part]
        if wanted.level:
            folder = path.split("/")[: -wanted.level]
            names = ["/".join([*folder, *parts[:length]]) for length in range(len(parts) + 1)]
            files = (file for name in names for file in (f"{name}.py", f"{name}/__init__.py".lstrip("/")))
            return {file for file in files if file in self._outlines}
        own = path.rpartition("/")[0]
        return {
            file
            for length in range(1, len(parts) + 1)
            for file, root in self._named.get(".".join(parts[:length]), ())
            if root == own or f"{root}/__init__.py".lstrip("/") not in self._outlines
        }


def _names(path: str) -> Iterator[tuple[str, str]]:
    """What a file may be imported as, each with the folder that has to be on the path for it."""
    *folders, last = path.removesuffix(".py").split("/")
    parts = folders if last == "__init__" else [*folders, last]
    for start in range(len(parts)):
        yield ".".join(parts[start:]), "/".join(parts[:start])
