"""Which tests, routes or behaviours add nothing to the others."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from reqcov.analysis.cover import cover, greedy
from reqcov.analysis.elements import Arcs, Behaviours, Elements, Lines
from reqcov.analysis.functions import FunctionLines, by_function
from reqcov.analysis.source.masks import Mask
from reqcov.analysis.view import View
from reqcov.errors import StoreError
from reqcov.record import LABEL_LENGTH
from reqcov.store.model import OTHER, TEST, UNREAD, Run, unpack_labels
from reqcov.store.reading import Hit

Of: TypeAlias = Literal["tests", "routes", "requests"]
By: TypeAlias = Literal["lines", "arcs", "footprint"]

ELEMENTS: Mapping[By, type[Elements]] = {"lines": Lines, "arcs": Arcs, "footprint": Behaviours}


@dataclass(frozen=True, kw_only=True)
class KeptRow:
    """One that is kept."""

    name: str
    """A test's id; a route with its method, or a job's name; a footprint as `RequestRecord.footprint` has it."""
    routes: list[str]
    """That its requests were for, the most frequent one first."""
    requests: int
    """An estimate where not every request is sampled."""
    size: int
    """How much it covers: lines, arcs or behaviours."""
    adds: int
    """What of that none of those before it covers."""
    share: float
    """What it and those before it cover of all, 0 to 1."""
    alone: int
    """What of it no other one covers that is kept: so much would be lost without it."""
    unique: int
    """What of it no other one covers at all, kept or not."""
    functions: list[FunctionLines]
    """The lines of what would be lost without it; of arcs the lines they go to. Empty for behaviours."""


@dataclass(frozen=True, kw_only=True)
class RedundantRow:
    """One that adds nothing to those that are kept."""

    name: str
    """As those that are kept are named."""
    routes: list[str]
    """That its requests were for, the most frequent one first."""
    requests: int
    """An estimate where not every request is sampled."""
    size: int
    """How much it covers: lines, arcs or behaviours."""
    covered_by: list[str]
    """A few of the kept ones that cover all of it together, the one first that covers the most."""


@dataclass(frozen=True, kw_only=True)
class AsideRow:
    """One that can't be judged: it is neither kept nor called redundant, and covers nothing."""

    name: str
    """As those that are kept are named."""
    reason: str
    """Why not."""


@dataclass(frozen=True, kw_only=True)
class Dedupe:
    """The fewest that cover what all of them do."""

    of: Literal["tests", "routes", "requests"]
    """What was looked at; by requests, recorded behaviours are meant."""
    by: Literal["lines", "arcs", "footprint"]
    """What has to be covered: function statements, arcs in functions, or distinct behaviours."""
    before: int
    """How many there are, without those that can't be judged."""
    after: int
    """How many are kept."""
    smallest: bool
    """Whether it is known that no fewer do."""
    at_least: int
    """So many are needed in any case."""
    total: int
    """What all of them cover, and the kept ones: lines, arcs or behaviours."""
    requests: int
    """Of all of them; an estimate where not every request is sampled."""
    requests_after: int
    """Of those that are kept."""
    dropped: int
    """Lines that ran of earlier versions, in functions that have changed since: they count for nobody."""
    kept: list[KeptRow]
    """Each next one adds the most to those before it."""
    redundant: list[RedundantRow]
    """By name."""
    aside: list[AsideRow]
    """By name."""
    problems: dict[str, str]
    """By path, why nothing can be told of a file: it can't be parsed, or its text was not kept. Nobody covers any of
    it."""


def dedupe(view: View, of: Of | None = None, by: By = "lines") -> Dedupe:
    """The fewest tests, routes or behaviours of the chosen requests that cover what all of them do.

    Of those that are as good, tests with few requests are preferred, routes and behaviours with many.
    Without `of`, tests are looked at where there are any, else routes. Tests that did not pass are set aside.

    Raises StoreError where there is none that could be judged.
    """
    of = of or ("tests" if any(TEST in unpack_labels(hit.labels) for hit in view.hits) else "routes")
    found = _candidates(view, of)
    aside = _aside(view, of, by, found)
    judged = {name: hits for name, hits in found.items() if name not in aside}
    if not judged:
        raise StoreError(_nothing(view, of, by, aside))
    covered = ELEMENTS[by](view, [hit.footprint for hits in judged.values() for hit in hits])
    requests = {name: sum(hit.requests for hit in hits) for name, hits in judged.items()}
    liked = 1 if of == "tests" else -1
    names = sorted(judged, key=lambda name: (liked * round(requests[name], 6), name))
    masks = [covered.mask({hit.footprint for hit in judged[name]}) for name in names]
    answer = cover(masks)
    kept = {position: masks[position] for position in answer.chosen}
    routes = {name: _routes(view, hits) for name, hits in judged.items()}
    once, twice = _held(kept.values())
    _, twice_at_all = _held(masks)
    rows, so_far = [], 0
    for position in greedy(kept, once):
        mask, name = kept[position], names[position]
        adds, so_far = (mask & ~so_far).bit_count(), so_far | mask
        rows.append(
            KeptRow(
                name=name,
                routes=routes[name],
                requests=round(requests[name]),
                size=mask.bit_count(),
                adds=adds,
                share=so_far.bit_count() / once.bit_count(),
                alone=(mask & ~twice).bit_count(),
                unique=(mask & ~twice_at_all).bit_count(),
                functions=list(by_function(view, covered.lines(mask & ~twice))),
            )
        )
    by_mask: dict[Mask, list[str]] = {}
    redundant = []
    for position, name in enumerate(names):
        if position not in kept:
            mask = masks[position]
            if mask not in by_mask:
                by_mask[mask] = [names[each] for each in greedy(kept, mask)]
            redundant.append(
                RedundantRow(
                    name=name,
                    routes=routes[name],
                    requests=round(requests[name]),
                    size=mask.bit_count(),
                    covered_by=by_mask[mask],
                )
            )
    return Dedupe(
        of=of,
        by=by,
        before=len(names),
        after=len(kept),
        smallest=answer.smallest,
        at_least=answer.at_least,
        total=once.bit_count(),
        requests=round(sum(requests.values())),
        requests_after=round(sum(requests[names[position]] for position in kept)),
        dropped=sum(view.dropped.values()),
        kept=rows,
        redundant=sorted(redundant, key=lambda row: row.name),
        aside=[AsideRow(name=name, reason=reason) for name, reason in sorted(aside.items())],
        problems=view.codebase.problems,
    )


def _candidates(view: View, of: Of) -> dict[str, list[Hit]]:
    """The requests of each."""
    found: dict[str, list[Hit]] = defaultdict(list)
    for hit in view.hits:
        if of == "tests":
            test = unpack_labels(hit.labels).get(TEST)
            if test is not None:
                found[test].append(hit)
        elif of == "routes":
            found[view.routes[hit.route].context].append(hit)
        else:
            found[view.codebase.address(hit.footprint)].append(hit)
    return dict(found)


def _aside(view: View, of: Of, by: By, found: Mapping[str, list[Hit]]) -> dict[str, str]:
    """Why those that can't be judged can't."""
    reasons = {}
    for name, hits in found.items():
        reason = _unknown(view, by, hits)
        if of == "tests":
            reason = _inconclusive(name, hits, view.runs) or reason
        elif of == "routes" and any(view.routes[hit.route].template == OTHER for hit in hits):
            reason = "it stands for the routes that the store had no room for"
        if reason:
            reasons[name] = reason
    return reasons


def _inconclusive(name: str, hits: Sequence[Hit], runs: Mapping[str, Run]) -> str | None:
    """Why it isn't known what the test runs when it passes."""
    if name == OTHER:
        return "it stands for the tests that the store had no room for"
    if len(name) >= LABEL_LENGTH:
        return "its name was cut off, so it may be several"
    if name in runs and runs[name].outcome != "passed":
        return f"it {'was skipped' if runs[name].outcome == 'skipped' else runs[name].outcome or 'did not finish'}"
    if any(hit.requests > hit.recorded for hit in hits):
        return "not all of its requests were sampled"
    return None


def _unknown(view: View, by: By, hits: Sequence[Hit]) -> str | None:
    """Why it isn't known what the requests ran."""
    addresses = {view.codebase.address(hit.footprint) for hit in hits}
    if UNREAD in addresses:
        return "a request was cut short: not all of its lines were seen"
    if OTHER in addresses:
        return "a request behaved in a way that the store had no room for"
    if by == "arcs" and False in view.codebase.branches(hit.footprint for hit in hits):
        return "not all of its requests were recorded with arcs"
    return None


def _nothing(view: View, of: Of, by: By, aside: Mapping[str, str]) -> str:
    if not aside and of == "tests":
        return "No request that was asked for has the label test=...; compare --of routes or --of requests."
    if by == "arcs" and view.branches == "none":
        return "No request that was asked for was recorded with its arcs; record with branch=True, or leave --by out."
    name = min(aside)
    return f"None of {len(aside):,} {of} can be judged: of {name}, {aside[name]}."


def _routes(view: View, hits: Iterable[Hit]) -> list[str]:
    by_route: dict[str, float] = defaultdict(float)
    for hit in hits:
        by_route[view.routes[hit.route].context] += hit.requests
    return sorted(by_route, key=lambda route: (-by_route[route], route))


def _held(masks: Iterable[Mask]) -> tuple[Mask, Mask]:
    """What any of them holds, and what more than one does."""
    once = twice = 0
    for mask in masks:
        twice |= once & mask
        once |= mask
    return once, twice
