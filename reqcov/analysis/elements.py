"""Numbers what requests ran, so that sets of it are integers: bit n is set where thing n is in the set."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Iterable

from reqcov.analysis.source.masks import Mask, numbers, of
from reqcov.analysis.view import View


class Elements(ABC):
    """Numbers what some footprints hold."""

    def __init__(self, view: View, footprints: Iterable[int]) -> None:
        self.view = view
        self._masks: dict[int, Mask] = {}
        self.number(set(footprints))

    def mask(self, footprints: Iterable[int]) -> Mask:
        """What any of these holds, which are among those that were numbered."""
        mask = 0
        for each in footprints:
            if each not in self._masks:
                self._masks[each] = self.held(each)
            mask |= self._masks[each]
        return mask

    @abstractmethod
    def number(self, footprints: set[int]) -> None:
        """Give numbers, which depend on nothing but what is there."""

    @abstractmethod
    def held(self, footprint: int) -> Mask:
        """What one footprint holds."""

    @abstractmethod
    def lines(self, mask: Mask) -> dict[str, Mask]:
        """By path, the lines that these elements are about."""


class Lines(Elements):
    """Function statements of the versions shown."""

    def number(self, footprints: set[int]) -> None:
        """Those of a file follow each other."""
        self._places: list[tuple[str, int]] = []
        self._of_file: dict[str, tuple[int, dict[int, int]]] = {}
        self._pieces: dict[int, Mask] = {}
        for path, mask in sorted(self.view.codebase.ran(footprints).items()):
            found = numbers(mask)
            self._of_file[path] = len(self._places), {line: place for place, line in enumerate(found)}
            self._places += [(path, line) for line in found]

    def held(self, footprint: int) -> Mask:
        """By piece, for many footprints share them."""
        mask = 0
        for key in self.view.codebase.pieces(footprint):
            if key not in self._pieces:
                path, ran = self.view.codebase.piece(key)
                first, places = self._of_file[path]
                self._pieces[key] = of(places[line] for line in numbers(ran)) << first
            mask |= self._pieces[key]
        return mask

    def lines(self, mask: Mask) -> dict[str, Mask]:
        """Themselves."""
        return _together(self._places[number] for number in numbers(mask))


class Arcs(Elements):
    """Arcs in functions of the versions shown."""

    def number(self, footprints: set[int]) -> None:
        """By path and ends."""
        found = self.view.codebase.arcs(footprints)
        self._all = [(path, *arc) for path, arcs in sorted(found.items()) for arc in sorted(arcs)]
        self._numbers = {each: number for number, each in enumerate(self._all)}

    def held(self, footprint: int) -> Mask:
        """All of them."""
        found = self.view.codebase.arcs([footprint])
        return of(self._numbers[path, *arc] for path, arcs in found.items() for arc in arcs)

    def lines(self, mask: Mask) -> dict[str, Mask]:
        """Those they go to; of one that leaves a function the line it comes from."""
        chosen = [self._all[number] for number in numbers(mask)]
        found = _together((path, end if end > 0 else start) for path, start, end in chosen)
        codes = {path: self.view.files[path].code for path in found}
        return {path: codes[path].translate(lines) & codes[path].in_functions for path, lines in found.items()}


class Behaviours(Elements):
    """What ran together, as far as it is still there in the versions shown."""

    def number(self, footprints: set[int]) -> None:
        """By what they ran."""
        keys = {each: tuple(sorted(self.view.codebase.ran([each]).items())) for each in footprints}
        order = {key: number for number, key in enumerate(sorted(set(keys.values())))}
        self._numbers = {each: order[key] for each, key in keys.items()}

    def held(self, footprint: int) -> Mask:
        """Itself alone."""
        return 1 << self._numbers[footprint]

    def lines(self, mask: Mask) -> dict[str, Mask]:  # noqa: ARG002
        """None: another behaviour may run the same ones."""
        return {}


def _together(places: Iterable[tuple[str, int]]) -> dict[str, Mask]:
    found: dict[str, list[int]] = defaultdict(list)
    for path, line in places:
        found[path].append(line)
    return {path: of(lines) for path, lines in found.items()}
