"""Which modules may call functions themselves, as far as names and imports tell."""

from __future__ import annotations

import posixpath
from collections import defaultdict
from collections.abc import Collection, Mapping

from reqcov.analysis.source.imports import Imports
from reqcov.analysis.source.outline import Outline, called_by

CONFTEST = "conftest.py"


def is_test(path: str) -> bool:
    """Whether pytest collects it, or uses it beside what it collects."""
    name = posixpath.basename(path)
    return name == CONFTEST or (name.startswith("test_") and name.endswith(".py")) or name.endswith("_test.py")


class Reach:
    """Follows the names of functions from module to module."""

    def __init__(self, outlines: Mapping[str, Outline], graph: Imports) -> None:
        """Of the modules by path, and of who imports them."""
        self._outlines = outlines
        self._graph = graph
        self._all_near: dict[str, set[str]] = {}
        self._indexes: dict[str, Mapping[str, set[str]]] = {}

    def of(self, path: str, functions: Collection[str]) -> set[str]:
        """The modules that have the name of one of these of `path`, or of what calls it, and import it from there.

        What they get without its name, as an object of a factory elsewhere, is not found.
        """
        found: set[str] = set()
        waiting = [(path, function) for function in functions]
        seen = set(waiting)
        while waiting:
            where, function = waiting.pop()
            for other in self._near(where):
                index = self._index(other)
                for name in called_by(function) & index.keys():
                    found.add(other)
                    # What names it outside of functions may hand it on, as a package that imports it does.
                    more = {(other, each or function) for each in index[name]} - seen
                    seen |= more
                    waiting += more
        return found

    def _near(self, path: str) -> set[str]:
        """A module, those that import it, and tests to whom a `conftest.py` hands what it imports."""
        if path not in self._all_near:
            importers = self._graph.importers(path)
            above = tuple(each.removesuffix(CONFTEST) for each in importers if posixpath.basename(each) == CONFTEST)
            below = {each for each in self._outlines if above and each.startswith(above) and is_test(each)}
            self._all_near[path] = {path, *importers, *below}
        return self._all_near[path]

    def _index(self, path: str) -> Mapping[str, set[str]]:
        """By a name, the functions of a module that have it in them; an empty one for what is outside of functions."""
        if path not in self._indexes:
            index: dict[str, set[str]] = defaultdict(set)
            made = self._outlines.get(path, Outline())
            for name in made.mentions_at_import:
                index[name].add("")
            for function, body in made.bodies.items():
                for name in body.mentions:
                    index[name].add(function)
            self._indexes[path] = index
        return self._indexes[path]
