"""The files that a diff is of, as they are now and as they were before."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from reqcov.analysis.inputs.changes import Change
from reqcov.analysis.source.code import decode
from reqcov.analysis.source.outline import Outline, outline


@dataclass(frozen=True, kw_only=True)
class Project:
    """The files beside those that a diff changes."""

    modules: tuple[str, ...]
    """Paths of the Python files that are there now, as a diff has them."""
    read: Callable[[str], bytes | None]
    """A file by such a path; None where it is not there."""
    folder: str = ""
    """The current folder, as such a path."""


@dataclass(frozen=True, kw_only=True)
class Sides:
    """A file before and after."""

    old: str | None
    new: str | None
    known: bool = True
    """Whether these are its texts: what was found may be neither, and a binary file has none."""


@dataclass(slots=True)
class Worlds:
    """All modules, before a diff and after it, by path."""

    before: dict[str, Outline] = field(default_factory=dict)
    after: dict[str, Outline] = field(default_factory=dict)
    sides: list[Sides] = field(default_factory=list)
    """Of each change."""


def worlds(
    changes: Iterable[Change], project: Project, stored: Callable[[str], Iterable[str]], more: Mapping[str, str]
) -> Worlds:
    """What there was and is.

    - `stored`: by path, the texts of the versions of a file that a store has, which are asked where the file in the
      project is not the one that the diff is of.
    - `more`: the texts of modules that are in no file of the project, by path.
    """
    found = Worlds()
    texts = {path: decode(content) for path in project.modules if (content := project.read(path)) is not None}
    for path, text in {**more, **texts}.items():
        if (made := outline(text, names_only=True)) is not None:
            found.before[path] = found.after[path] = made
    for change in changes:
        sides = _sides(change, project, stored)
        found.sides.append(sides)
        for world, where, written in ((found.before, change.old, sides.old), (found.after, change.new, sides.new)):
            if where is not None and written is not None and where.endswith(".py"):
                made = outline(written)
                if made is not None:
                    world[where] = made
                else:
                    world.pop(where, None)
        if change.old != change.new:
            if change.new is not None:
                found.before.pop(change.new, None)
            if change.old is not None:
                found.after.pop(change.old, None)
    return found


def _sides(change: Change, project: Project, stored: Callable[[str], Iterable[str]]) -> Sides:
    contents = [project.read(path) for path in dict.fromkeys((change.new, change.old)) if path is not None]
    texts = [text.encode("utf-8", "surrogateescape") for text in stored(change.path)]
    # What is there no more has no lines.
    empty = [b""] if change.old is None or change.new is None else []
    for content in (*contents, *texts, *empty):
        if content is not None and (both := change.sides(content)) is not None:
            old, new = map(decode, both)
            return Sides(old=old if change.old is not None else None, new=new if change.new is not None else None)
    return Sides(old=None, new=None, known=False)
