"""Lines carried over from one version of a source file to another."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from reqcov.analysis.source.code import Code, lines, parse, without_warnings
from reqcov.analysis.source.masks import Mask, span


class Move(NamedTuple):
    """A function that is in both texts."""

    lines: Mask
    """Of its body, in the old text; less what moves with another."""
    by: int
    """How far down they are now."""
    heads: Mask
    """Where it and the functions in it begin, in the old text: negative numbers in arcs name them so."""


@dataclass(frozen=True, slots=True)
class Carried:
    """Where the lines of an old text are in a new one."""

    moves: tuple[Move, ...]
    """No line comes twice, on either side."""

    def lines(self, mask: Mask) -> Mask:
        """What became of lines of the old text, be they lines that ran or statements."""
        carried = 0
        for move in self.moves:
            carried |= _shifted(mask & move.lines, move.by)
        return carried

    def arcs(self, arcs: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
        """What became of arcs of the old text: one that is within a function moves with it."""
        for arc in arcs:
            for move in self.moves:
                if all((move.lines >> end if end > 0 else move.heads >> -end) & 1 for end in arc):
                    start, end = arc
                    yield start + (move.by if start > 0 else -move.by), end + (move.by if end > 0 else -move.by)

    def dropped(self, mask: Mask) -> Mask:
        """The lines of the old text that could not be carried."""
        for move in self.moves:
            mask &= ~move.lines
        return mask


EVERYTHING = Carried((Move(~0, 0, ~0),))


def carry(old: str, new: str, read: Callable[[str], Code] = parse) -> Carried:
    """The lines of `old` whose innermost function is in `new` too, unchanged.

    A function is unchanged where its text is the same from the first decorator to the last line, with all that is in
    it, however far it is indented as a whole. It is looked for under its qualified name (of several that are equal the
    first becomes the first), then under any name, if the text is left over only once on either side. Only the lines of
    bodies are carried: decorators and `def` lines run in what is around them. Nothing outside of functions is carried,
    unless the whole text is the same; nothing at all from or to a text that can't be parsed.

    `read` is `parse`, or the same with a memory.
    """
    if lines(old) == lines(new):
        return EVERYTHING
    pairs = _Pairs(_written(old, read), _written(new, read))
    pairs.find(lambda one: (one.name, one.text))
    pairs.find(lambda one: one.text, only_one=True)
    return Carried(tuple(pairs.moves))


@dataclass(frozen=True, slots=True)
class _Written:
    """A function as it is written."""

    name: str
    first: int
    body: Mask
    indent: str
    raw: str
    text: str
    """`raw` less `indent`."""

    def means(self, other: _Written) -> bool:
        """Whether the same text means the same too: strings over several lines have no indentation, but contents."""
        if self.raw == other.raw:
            return True
        tree = self._tree()
        return tree is not None and tree == other._tree()

    def _tree(self) -> str | None:
        try:
            with without_warnings():
                tree = ast.parse(f"if _:\n{self.raw}" if self.indent else self.raw)
            return ast.dump(ast.Module(tree.body[0].body if self.indent else tree.body))  # type: ignore[attr-defined]
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None


def _written(text: str, read: Callable[[str], Code]) -> list[_Written]:
    """The functions of a text, the longest first: so none comes before one that it is in."""
    source = lines(text)
    found = []
    for function in read(text).functions:
        own = source[function.first - 1 : function.last]
        indent = own[0][: -len(own[0].lstrip(" \t\f"))]
        dedented = "\n".join(line.removeprefix(indent) for line in own)
        body = span(function.body, function.last)
        found.append(_Written(function.name, function.first, body, indent, "\n".join(own), dedented))
    return sorted(found, key=lambda each: -len(each.text))


class _Pairs:
    """Unchanged functions of two texts."""

    def __init__(self, ours: list[_Written], theirs: list[_Written]) -> None:
        self.moves: list[Move] = []
        self._ours = ours
        self._theirs = theirs
        self._left = 0
        self._filled = 0

    def find(self, key: Callable[[_Written], Hashable], *, only_one: bool = False) -> None:
        """Pair what is free and has the same key."""
        theirs = _by(key, self._theirs)
        for same, ours in _by(key, self._ours).items():
            these = [each for each in ours if each.body & ~self._left]
            those = [each for each in theirs.get(same, ()) if each.body & ~self._filled]
            if only_one and not len(these) == len(those) == 1:
                continue
            for one in these:
                other = next((each for each in those if one.means(each)), None)
                if other is not None:
                    those.remove(other)
                    self._pair(one, other)

    def _pair(self, one: _Written, other: _Written) -> None:
        by = other.first - one.first
        # What is in them may have been paired before, by its name.
        moved = one.body & ~self._left & ~_shifted(self._filled, -by)
        self.moves.append(Move(moved, by, moved | 1 << one.first))
        self._left |= moved
        self._filled |= _shifted(moved, by)


def _by(key: Callable[[_Written], Hashable], written: Iterable[_Written]) -> dict[Hashable, list[_Written]]:
    groups = defaultdict(list)
    for each in written:
        groups[key(each)].append(each)
    return groups


def _shifted(mask: Mask, by: int) -> Mask:
    return mask << by if by > 0 else mask >> -by
