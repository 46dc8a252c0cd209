"""What has changed between two texts of a module: functions, and what runs when it is imported."""

from __future__ import annotations

import builtins
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from reqcov.analysis.source.outline import Definition, Outline, last_name

BY_TEXT = frozenset({"getattr", "hasattr", "globals", "vars", "dir", "__dict__", "getmembers"})
"""What finds a function by a name that nobody has written."""


class Moved(NamedTuple):
    """A function that came or went."""

    name: str
    came: bool
    in_class: bool


@dataclass(frozen=True, kw_only=True)
class Edit:
    """What has changed."""

    touched: frozenset[str]
    """Qualified names of functions of the old text that are gone, or that do something else when they are called."""
    new: dict[str, int]
    """Those of functions that only the new text has, and where they begin."""
    at_import: str | None
    """What else has changed that runs when the module is imported, in words."""
    moved: tuple[Moved, ...]
    """Functions that came or went without anything else: whether that matters, the names in other modules tell."""


def edit(old: Outline, new: Outline) -> Edit:
    """What of the new text has another meaning than the old one."""
    touched = {
        name for name, body in old.bodies.items() if name not in new.bodies or new.bodies[name].texts != body.texts
    }
    came = {name: body.first for name, body in new.bodies.items() if name not in old.bodies}
    moved: list[Moved] = []
    reason = None
    for scope in dict.fromkeys((*old.scopes, *new.scopes)):
        before, after = old.scopes.get(scope, []), new.scopes.get(scope, [])
        bare = not scope or (scope in old.bare and scope in new.bare)
        gone_names, came_names = _defined(before) - _defined(after), _defined(after) - _defined(before)
        loose = {
            each.name
            for each in (*before, *after)
            if isinstance(each, Definition) and each.name in gone_names | came_names and each.plain and bare
        }
        moved += [Moved(name, name in came_names, bool(scope)) for name in sorted(loose)]
        if _without(before, loose) != _without(after, loose):
            reason = reason or _reason(scope, before, after)
    return Edit(touched=frozenset(touched), new=came, at_import=reason, moved=tuple(moved))


def named_elsewhere(moved: Moved, old: Outline, new: Outline, others: Mapping[str, Outline]) -> str | None:
    """Why it matters that a function came or went, in words; None where nobody can tell.

    `others` are the modules that may name it, by path.
    """
    name = last_name(moved.name)
    what = f"{moved.name} is {'new' if moved.came else 'gone'}"
    if name.startswith("__") or hasattr(builtins, name):
        return f"{what}, and Python itself knows that name"
    own = old if moved.came else new
    if name in own.mentions:
        return f"{what}, and the module has that name {'already' if moved.came else 'still'}"
    if moved.came and not own.mentions.isdisjoint(BY_TEXT):
        return f"{what}, and the module looks names up, perhaps that one"
    scope = moved.name.split(".")[-2] if moved.in_class else ""
    for path, other in others.items():
        if name in other.mentions:
            return f"{what}, and {path} has that name"
        if scope and scope in other.bases:
            return f"{what}, and {path} derives from {scope}"
    return f"{what}, and classes derive from {scope}" if scope in own.bases else None


def _defined(items: list[str | Definition]) -> set[str]:
    return {each.name for each in items if isinstance(each, Definition)}


def _without(items: list[str | Definition], names: set[str]) -> list[str | Definition]:
    return [each for each in items if not (isinstance(each, Definition) and each.name in names)]


def _reason(scope: str, before: list[str | Definition], after: list[str | Definition]) -> str:
    """What differs first, in words."""
    heads = {each.name: each.head for each in before if isinstance(each, Definition)}
    for each in after:
        if isinstance(each, Definition) and heads.get(each.name, each.head) != each.head:
            return f"the decorators, defaults or annotations of {each.name} changed"
    where = f"the class {scope.rstrip('.')}" if scope else "the module"
    names = sorted(_defined(before) ^ _defined(after))
    if names and [each for each in before if isinstance(each, str)] == [
        each for each in after if isinstance(each, str)
    ]:
        return f"{where} has other functions: {', '.join(names)}"
    return f"code that runs when {where} is {'made' if scope else 'imported'} changed"
