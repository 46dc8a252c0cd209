"""Which modules may call functions themselves, as far as names and imports tell."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping

from reqcov.analysis.source.imports import Imports
from reqcov.analysis.source.outline import Outline, called_by


def reaching(path: str, functions: Collection[str], outlines: Mapping[str, Outline], graph: Imports) -> set[str]:
    """The modules that have the name of one of the functions of `path`, or of what calls it, and import it from there.

    What they get without its name, as an object of a factory elsewhere, is not found.
    """
    indexes: dict[str, Mapping[str, set[str]]] = {}
    found: set[str] = set()
    waiting = [(path, function) for function in functions]
    seen = set(waiting)
    while waiting:
        where, function = waiting.pop()
        for other in (where, *graph.importers(where)):
            if other not in indexes:
                indexes[other] = _functions_by_mention(outlines[other]) if other in outlines else {}
            for name in called_by(function) & indexes[other].keys():
                found.add(other)
                # What names it outside of functions may hand it on, as a package that imports it does.
                more = {(other, each or function) for each in indexes[other][name]} - seen
                seen |= more
                waiting += more
    return found


def _functions_by_mention(made: Outline) -> Mapping[str, set[str]]:
    """By a name, the functions that have it in them; an empty one for what is outside of functions."""
    found: dict[str, set[str]] = defaultdict(set)
    for name in made.mentions_at_import:
        found[name].add("")
    for function, body in made.bodies.items():
        for name in body.mentions:
            found[name].add(function)
    return found
