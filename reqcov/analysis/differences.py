"""By which lines behaviours differ from each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reqcov.analysis.show import BehaviourRow
from reqcov.analysis.source.masks import Mask, ranges
from reqcov.analysis.view import View


@dataclass(frozen=True, slots=True)
class Difference:
    """How what a behaviour ran of a file differs from what another one did."""

    path: str
    more: Mask
    """Function statements that the other one lacks."""
    fewer: Mask
    """Function statements that only the other one has."""
    statements: Mask
    """Of the file."""

    @property
    def first(self) -> int:
        """The first line that makes a difference."""
        differing = self.more | self.fewer
        return (differing & -differing).bit_length() - 1

    @property
    def more_ranges(self) -> str:
        """For people, as `coverage report` joins lines: `3-5, 9`."""
        return ranges(self.more, self.statements)

    @property
    def fewer_ranges(self) -> str:
        """For people."""
        return ranges(self.fewer, self.statements)


def differences(view: View, behaviours: Sequence[BehaviourRow]) -> list[list[Difference]]:
    """For each of these behaviours of the view's requests, how it differs from the first of them, by path."""
    keys = {view.codebase.address(key): key for key in view.behaviours(view.hits)}
    ran = [view.codebase.ran([keys[row.footprint]]) for row in behaviours]
    return [_between(view, each, ran[0]) for each in ran]


def _between(view: View, ran: dict[str, Mask], other: dict[str, Mask]) -> list[Difference]:
    found = []
    for path in sorted(ran.keys() | other.keys()):
        own, others = ran.get(path, 0), other.get(path, 0)
        if own != others:
            found.append(Difference(path, own & ~others, others & ~own, view.files[path].code.statements))
    return found
