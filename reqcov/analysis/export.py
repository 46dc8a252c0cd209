"""Which routes ran each line, and how many requests: all that there is, for other programs."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from reqcov.analysis.source.code import File, Function
from reqcov.analysis.source.masks import Mask, numbers
from reqcov.analysis.view import View

NOT_SAMPLED = "(not sampled)"
"""The context of lines that are in no request which was recorded completely, though some request ran them."""


@dataclass(frozen=True, kw_only=True)
class ExportedLine:
    """One function statement."""

    line: int
    """Its first line."""
    requests: int
    """That ran it, an estimate where not every request is sampled; at least 1 if any ran it, 0 if none did."""
    routes: list[str]
    """Whose requests ran it, in order; empty where only requests that were not sampled did."""


@dataclass(frozen=True, kw_only=True)
class ExportedFunction:
    """One function with statements of its own."""

    name: str
    """Its `__qualname__`."""
    first: int
    """The line of its first decorator or of its `def`."""
    last: int
    """Its last line."""
    requests: int
    """That ran it, as those of lines."""
    statements: list[int]
    """The lines in `lines` that are its own, and not of a function in it."""


@dataclass(frozen=True, kw_only=True)
class ExportedFile:
    """One measured file that was imported, as it is in the current folder, or else as it ran last."""

    path: str
    """In its project, with `/`."""
    digest: str
    """SHA-256 of the version that the lines are those of, hexadecimal."""
    ran: int
    """Function statements that any of the requests ran."""
    lines: list[ExportedLine]
    """Every function statement, in order."""
    functions: list[ExportedFunction]
    """In the order of the text."""
    import_time: list[int]
    """The statements of modules and classes, which no request runs."""
    excluded: list[int]
    """The lines that coverage.py is configured to leave out."""


@dataclass(frozen=True, kw_only=True)
class Export:
    """What the chosen requests ran."""

    requests: int
    """That were chosen; an estimate where not every request is sampled."""
    routes: dict[str, int]
    """Requests by route, with its method: `GET /orders/{id}`."""
    files: list[ExportedFile]
    """Every measured file that was imported, by path."""


def lines_by_context(view: View) -> dict[str, dict[str, Mask]]:
    """By context and path, the function statements that ran."""
    found = {context: view.codebase.ran(footprints) for context, footprints in _by_context(view).items()}
    rest = dict(view.covered)
    for masks in found.values():
        for path, mask in masks.items():
            rest[path] &= ~mask
    if any(rest.values()):
        found[NOT_SAMPLED] = rest
    return found


def arcs_by_context(view: View) -> dict[str, dict[str, set[tuple[int, int]]]]:
    """By context and path, the arcs that ran."""
    return {context: view.codebase.arcs(footprints) for context, footprints in _by_context(view).items()}


def _by_context(view: View) -> dict[str, set[int]]:
    found: dict[str, set[int]] = defaultdict(set)
    for hit in view.hits:
        found[view.routes[hit.route].context].add(hit.footprint)
    return dict(sorted(found.items()))


def export(view: View) -> Export:
    """Everything that was chosen."""
    ran = lines_by_context(view)
    requests = view.requests_by_line(view.hits)
    by_route: dict[str, float] = defaultdict(float)
    for hit in view.hits:
        by_route[view.routes[hit.route].context] += hit.requests
    return Export(
        requests=round(view.requests),
        routes={route: round(by_route[route]) for route in sorted(by_route)},
        files=[
            _file(file, {context: masks.get(path, 0) for context, masks in ran.items()}, requests.get(path, {}))
            for path, file in view.files.items()
        ],
    )


def _file(file: File, ran: dict[str, Mask], requests: dict[int, float]) -> ExportedFile:
    routes: dict[int, list[str]] = {number: [] for number in numbers(file.code.in_functions)}
    for context, mask in ran.items():
        for number in numbers(mask):
            routes[number].append(context)
    counts = {number: max(round(requests.get(number, 0)), 1) if names else 0 for number, names in routes.items()}
    return ExportedFile(
        path=file.path,
        digest=file.digest,
        ran=sum(map(bool, counts.values())),
        lines=[
            ExportedLine(line=number, requests=counts[number], routes=[name for name in names if name != NOT_SAMPLED])
            for number, names in routes.items()
        ],
        functions=[_function(each, counts) for each in file.code.functions if each.statements],
        import_time=numbers(file.code.import_time),
        excluded=numbers(file.code.excluded),
    )


def _function(function: Function, counts: dict[int, int]) -> ExportedFunction:
    statements = numbers(function.statements)
    return ExportedFunction(
        name=function.name,
        first=function.first,
        last=function.last,
        requests=max(counts[number] for number in statements),  # who runs a function runs its first statement
        statements=statements,
    )
