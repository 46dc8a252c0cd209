"""What one route runs, or several together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from reqcov.analysis.routes import count, first_seen, last_seen, statuses
from reqcov.analysis.source.code import File
from reqcov.analysis.source.masks import Mask, numbers, of, ranges, span
from reqcov.analysis.view import View
from reqcov.store.model import OTHER, UNREAD
from reqcov.store.reading import Hit


@dataclass(frozen=True, kw_only=True)
class PartlyRun:
    """Lines of a function that not all of its requests ran, and each of them as many."""

    lines: list[int]
    """Neighbours, in ascending order."""
    ranges: str
    """The lines for people, as `coverage report` joins them: `3-5, 9`."""
    requests: int
    """How many ran them."""


@dataclass(frozen=True, kw_only=True)
class FunctionRow:
    """One function that ran."""

    name: str
    """Its `__qualname__`: `Cart.total`."""
    first: int
    """The line of its first decorator or of its `def`."""
    last: int
    """Its last line."""
    requests: int
    """How many ran any of it."""
    lines: list[int]
    """Its statements that ran."""
    ranges: str
    """The lines for people, as `coverage report` joins them: `3-5, 9`."""
    partly: list[PartlyRun]
    """Those that only some of its requests ran."""
    missing: list[int]
    """Its statements that none of the requests ran."""
    missing_ranges: str
    """The missing lines for people."""


@dataclass(frozen=True, kw_only=True)
class FileShown:
    """One file, of which something ran."""

    path: str
    """In its project, with `/`."""
    lines: int
    """How many of its function statements ran."""
    statements: int
    """How many function statements it has."""
    ranges: str
    """The lines that ran for people, as `coverage report` joins them: `3-5, 9`."""
    functions: list[FunctionRow]
    """Those that ran, in the order of the text."""
    dropped: int
    """Lines that ran of earlier versions, in functions that have changed since: they are not among these."""


@dataclass(frozen=True, kw_only=True)
class BehaviourRow:
    """Requests that ran the same lines."""

    footprint: str
    """As `RequestRecord.footprint` has it."""
    requests: int
    """An estimate where not every request is sampled."""
    share: float
    """Of the requests shown, 0 to 1."""
    lines: int
    """How many function statements they ran."""
    more: int
    """How many of these the commonest behaviour lacks."""
    fewer: int
    """How many the commonest behaviour has that these lack."""
    last_seen: datetime
    """When the last of them began."""


@dataclass(frozen=True, kw_only=True)
class Show:
    """What the requests of one route ran, or of several together."""

    routes: list[str]
    """With their methods, the most frequent one first: `GET /orders/{id}`; a job's name."""
    endpoints: list[str]
    """Dotted names of the views that served them."""
    requests: int
    """An estimate where not every request is sampled."""
    share: float
    """Of the requests to all routes, 0 to 1."""
    statuses: dict[str, int]
    """Requests by class of status, `2xx`; `none` where there was no answer."""
    unread: int
    """Requests that were counted though not all of their lines were seen."""
    uncounted: int
    """Requests whose behaviour the store had no room for: their lines are not among these."""
    first_seen: datetime
    """When the first of them began."""
    last_seen: datetime
    """When the last of them began."""
    lines: int
    """Distinct function statements that they ran."""
    reach: float
    """These, as a share of all function statements, 0 to 1."""
    files: list[FileShown]
    """By path."""
    behaviours: list[BehaviourRow]
    """The commonest one first."""


def show(view: View) -> Show:
    """What the chosen requests ran."""
    by_route: dict[int, float] = defaultdict(float)
    for hit in view.hits:
        by_route[hit.route] += hit.requests
    routes = [view.routes[key] for key in sorted(by_route, key=lambda key: (-by_route[key], view.routes[key].context))]
    ran = view.codebase.ran(hit.footprint for hit in view.hits)
    lines = count(ran.values())
    return Show(
        routes=list(dict.fromkeys(route.context for route in routes)),
        endpoints=list(dict.fromkeys(route.endpoint for route in routes if route.endpoint)),
        requests=round(view.requests),
        share=view.requests / view.all_requests,
        statuses=statuses(view.hits),
        unread=_of(view, UNREAD),
        uncounted=_of(view, OTHER),
        first_seen=first_seen(view.hits),
        last_seen=last_seen(view.hits),
        lines=lines,
        reach=lines / view.codebase.reachable if view.codebase.reachable else 0.0,
        files=_files(view, ran),
        behaviours=_behaviours(view),
    )


def _of(view: View, address: str) -> int:
    return round(sum(hit.requests for hit in view.hits if view.codebase.address(hit.footprint) == address))


def _files(view: View, ran: dict[str, Mask]) -> list[FileShown]:
    by_line = view.requests_by_line(view.hits)
    pieces: dict[str, list[tuple[Mask, float]]] = defaultdict(list)
    for path, mask, requests in view.requests_by_piece(view.hits):
        pieces[path].append((mask, requests))
    return [
        FileShown(
            path=path,
            lines=ran.get(path, 0).bit_count(),
            statements=file.code.in_functions.bit_count(),
            ranges=ranges(ran.get(path, 0), file.code.statements),
            functions=_functions(file, ran.get(path, 0), by_line.get(path, {}), pieces[path]),
            dropped=view.dropped.get(path, 0),
        )
        for path, file in view.files.items()
        if ran.get(path) or path in view.dropped
    ]


def _functions(file: File, ran: Mask, by_line: dict[int, float], pieces: list[tuple[Mask, float]]) -> list[FunctionRow]:
    rows = []
    for function in file.code.functions:
        own = ran & function.statements
        if own:
            around = file.code.statements & span(function.first, function.last)
            missing = function.statements & ~own
            requests = round(sum(each for mask, each in pieces if mask & own))
            rows.append(
                FunctionRow(
                    name=function.name,
                    first=function.first,
                    last=function.last,
                    requests=requests,
                    lines=numbers(own),
                    ranges=ranges(own, around),
                    partly=_partly(around, {line: round(by_line[line]) for line in numbers(own)}, requests),
                    missing=numbers(missing),
                    missing_ranges=ranges(missing, around),
                )
            )
    return rows


def _partly(around: Mask, by_line: dict[int, int], requests: int) -> list[PartlyRun]:
    """Neighbours with the same count together."""
    rows = []
    for some, run in groupby(numbers(around), by_line.get):
        if some is not None and some < requests:
            lines = list(run)
            rows.append(PartlyRun(lines=lines, ranges=ranges(of(lines), around), requests=some))
    return rows


def _behaviours(view: View) -> list[BehaviourRow]:
    by_footprint: dict[int, list[Hit]] = defaultdict(list)
    known = view.behaviours(view.hits)
    for hit in view.hits:
        if hit.footprint in known:
            by_footprint[hit.footprint].append(hit)
    order = sorted(
        by_footprint, key=lambda key: (-sum(hit.requests for hit in by_footprint[key]), view.codebase.address(key))
    )
    commonest = view.codebase.ran(order[:1])
    return [_behaviour(view, key, by_footprint[key], commonest) for key in order]


def _behaviour(view: View, key: int, hits: Iterable[Hit], commonest: dict[str, Mask]) -> BehaviourRow:
    hits, ran = list(hits), view.codebase.ran([key])
    requests = sum(hit.requests for hit in hits)
    return BehaviourRow(
        footprint=view.codebase.address(key),
        requests=round(requests),
        share=requests / view.requests,
        lines=count(ran.values()),
        more=count(mask & ~commonest.get(path, 0) for path, mask in ran.items()),
        fewer=count(mask & ~ran.get(path, 0) for path, mask in commonest.items()),
        last_seen=last_seen(hits),
    )
