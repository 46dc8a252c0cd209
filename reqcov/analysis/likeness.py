"""What behaviours of several versions of the code have in common.

A function that is in all versions unchanged is compared statement by statement. Of one that was changed, added or
removed only this is: whether it ran.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Literal, NamedTuple, TypeAlias

from reqcov.analysis.codebase import Codebase
from reqcov.analysis.source.code import Function
from reqcov.analysis.source.masks import Mask

Place: TypeAlias = tuple[str, str]
"""A path, and a function's qualified name."""


Text: TypeAlias = Literal["unchanged", "changed", "added", "removed"]


class Ran(NamedTuple):
    """What ran; equal for what ran the same, as far as that can be told."""

    statements: frozenset[tuple[str, Mask]]
    """By path, function statements of the version shown, of functions that are in all versions."""
    functions: frozenset[Place]
    """Other functions."""


class Likeness:
    """Tells what some footprints, which are of several versions, have in common."""

    def __init__(self, codebase: Codebase, a: Collection[int], b: Collection[int]) -> None:
        """Of the footprints `a` and `b`, of which the latter are of the versions shown, or mostly."""
        self._codebase = codebase
        self._common: dict[str, Mask] = {}
        self._names: tuple[set[Place], set[Place]] = set(), set()
        for names, footprints in zip(self._names, (a, b), strict=True):
            for key in codebase.held(footprints):
                path, _ = codebase.piece(key)
                self._common[path] = self._common.get(path, ~0) & codebase.unchanged(key)
                names.update((path, function.name) for function in codebase.code_of(key).functions)
        shown = {path: codebase.files[path].code for path in self._common if path in codebase.files}
        self._names[1].update((path, function.name) for path, code in shown.items() for function in code.functions)
        self._left: dict[int, list[tuple[Function, Mask]]] = {}
        self._ran: dict[int, Ran] = {}
        self._all = self.others([*a, *b])

    def text(self, place: Place) -> Text:
        """What became of a function from the versions of `a` to those of `b`, that is not unchanged in all of them."""
        before, after = (place in names for names in self._names)
        return "changed" if before and after else "added" if after else "removed"

    def first(self, place: Place) -> int:
        """Where a function begins that is not in all versions: in the one shown, if that ran, else in an older one."""
        return self._all[place][0].first

    def of_one(self, footprint: int) -> Ran:
        """What this one ran."""
        if footprint not in self._ran:
            self._ran[footprint] = self.ran([footprint])
        return self._ran[footprint]

    def ran(self, footprints: Iterable[int]) -> Ran:
        """What any of these ran."""
        footprints = set(footprints)
        ran = self._codebase.ran(footprints)
        statements = {(path, mask & self._common[path]) for path, mask in ran.items() if mask & self._common[path]}
        return Ran(frozenset(statements), frozenset(self.others(footprints)))

    def others(self, footprints: Iterable[int]) -> dict[Place, tuple[Function, Mask]]:
        """The functions that are not in all versions, and which of their statements ran.

        As they are in the version shown, if that ran, else as they are in an older one.
        """
        found: dict[Place, tuple[Function, Mask]] = {}
        for key in sorted(self._codebase.held(footprints)):
            path, _ = self._codebase.piece(key)
            if key not in self._left:
                self._left[key] = self._codebase.left_behind(key)
            for function, own in self._left[key]:
                before = found.get((path, function.name))
                found[path, function.name] = function, own | (before[1] if before and before[0] == function else 0)
        for path, mask in self._codebase.ran(footprints).items():
            mask &= ~self._common[path]
            if mask:
                for function in self._codebase.files[path].code.functions:
                    if mask & function.statements:
                        found[path, function.name] = function, mask & function.statements
        return found
