"""How the requests of two builds, of two labels or of two spans of time differ."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from typing import Literal, NamedTuple, TypeAlias, TypeVar

from reqcov.analysis.functions import FunctionLines, by_function
from reqcov.analysis.likeness import Likeness, Place, Ran, Text
from reqcov.analysis.routes import first_seen, last_seen
from reqcov.analysis.source.masks import Mask, numbers, ranges
from reqcov.analysis.view import View
from reqcov.store.reading import Hit

Change: TypeAlias = Literal["appeared", "vanished", "shifted", "same"]

T = TypeVar("T")
Pair: TypeAlias = tuple[T, T]
"""Of A and of B."""

SURE = 2.576
"""Standard deviations: chance alone makes a difference that is larger in one of a hundred cases."""


@dataclass(frozen=True, kw_only=True)
class DiffSide:
    """One of the two things that are compared."""

    name: str
    """As it was asked for."""
    kind: Literal["build", "label", "days"]
    """What that was taken to be."""
    builds: list[str]
    """That its requests were for."""
    requests: int
    """To the routes asked for; an estimate where not every request is sampled."""
    unknown: int
    """Of these, requests whose behaviour isn't known: they were cut short, or the store had no room."""
    first_seen: datetime
    """When the first of them began."""
    last_seen: datetime
    """When the last of them began."""


@dataclass(frozen=True, kw_only=True)
class FunctionChange:
    """A function that differs between the sides."""

    path: str
    """The file, in its project, with `/`."""
    name: str
    """The function's `__qualname__`: `Cart.total`."""
    ran_in: Literal["a", "b", "both"]
    """The side on which the lines ran, and not on the other one; `both` where the builds differ, and so does
    the function's text."""
    text: Text
    """What became of it between the versions of the two sides. Only unchanged ones are compared line by line."""
    first: int
    """The line of its first decorator or of its `def`. This and the lines are those of the newest version in B, but of
    what is removed, or changed and ran only in A, those of A."""
    lines: list[int]
    """In ascending order; none where both sides ran it."""
    ranges: str
    """The same for people, as `coverage report` joins them: `3-5, 9`."""


@dataclass(frozen=True, kw_only=True)
class BehaviourChange:
    """Requests of one route that ran the same, as far as that is comparable."""

    footprint: str
    """As `RequestRecord.footprint` has it: that of the most requests in B, or in A where it has vanished."""
    change: Literal["appeared", "vanished", "shifted"]
    """Only in B, only in A, or in both with another share."""
    requests_a: int
    """How many there were in A."""
    requests_b: int
    """How many there were in B."""
    share_a: float
    """Of the route's requests in A whose behaviour is known, 0 to 1."""
    share_b: float
    """The same in B."""
    more: list[FunctionLines]
    """What it runs that the route's commonest behaviour doesn't; of functions that were changed, added or removed, no
    lines."""
    fewer: list[FunctionLines]
    """What the route's commonest behaviour runs, and this one doesn't."""


@dataclass(frozen=True, kw_only=True)
class RouteChange:
    """One route that had requests on either side."""

    route: str
    """With its method: `GET /orders/{id}`; a job's name."""
    change: Literal["appeared", "vanished", "shifted", "same"]
    """Only in B, only in A, in both with another share, or with about the same."""
    requests_a: int
    """How many there were in A; an estimate where not every request is sampled."""
    requests_b: int
    """How many there were in B."""
    share_a: float
    """Of all requests in A, to whatever route, 0 to 1."""
    share_b: float
    """The same in B."""
    same: int
    """Behaviours whose share is about the same."""
    behaviours: list[BehaviourChange]
    """The others, those first whose share changed most."""
    functions: list[FunctionChange]
    """What its requests ran on one side only, by path; nothing where the route itself has appeared or vanished."""


@dataclass(frozen=True, kw_only=True)
class Diff:
    """What B does that A does not, and the other way round."""

    a: DiffSide
    """What is compared."""
    b: DiffSide
    """With what it is compared."""
    over: float
    """By how much a share must differ to count as shifted, 0 to 1; and by more than chance explains."""
    both: int
    """Requests that are on both sides."""
    routes: list[RouteChange]
    """Those first whose share changed most."""
    functions: list[FunctionChange]
    """What requests ran on one side only, whatever their route; and functions that were changed, and ran on both."""
    problems: dict[str, str]
    """By path, why nothing can be told of a file: it can't be parsed, or its text was not kept."""


Name: TypeAlias = tuple[str, Literal["build", "label", "days"]]
"""What a side is called, and what that was taken to be."""


def diff(a: View, b: View, names: tuple[Name, Name], over: float = 0.01) -> Diff:
    """How two looks at one store differ, as `sides` gives them; there are requests on both.

    `over` is the difference between two shares, 0 to 1, from which on it is told.
    """
    likeness = Likeness(b.codebase, _footprints(a), _footprints(b))
    of_a, of_b = _by_context(a), _by_context(b)
    totals = _Total.of(chain(*a.all_hits.values())), _Total.of(chain(*b.all_hits.values()))
    rows = [
        _route(b, likeness, totals, context, (of_a.get(context, []), of_b.get(context, [])), over)
        for context in sorted(of_a.keys() | of_b.keys())
    ]
    return Diff(
        a=_side(a, *names[0]),
        b=_side(b, *names[1]),
        over=over,
        both=round(sum(hit.requests for hit in set(a.hits) & set(b.hits))),
        routes=sorted(rows, key=lambda row: (-abs(row.share_b - row.share_a), row.route)),
        functions=list(_functions(b, likeness, (a.hits, b.hits))),
        problems=b.codebase.problems,
    )


def beyond_chance(share_a: float, count_a: int, share_b: float, count_b: int) -> bool:
    """Whether two shares of so many requests differ by more than chance alone explains.

    The comparison of two proportions by a normal deviate with pooled variance: NIST/SEMATECH e-Handbook of Statistical
    Methods, 7.3.3. Requests are taken to be independent of each other.
    """
    pooled = (share_a * count_a + share_b * count_b) / (count_a + count_b)
    variance = pooled * (1 - pooled) * (1 / count_a + 1 / count_b)
    return (share_b - share_a) ** 2 > SURE**2 * variance


def _side(view: View, name: str, kind: Literal["build", "label", "days"]) -> DiffSide:
    known = view.behaviours(view.hits)
    return DiffSide(
        name=name,
        kind=kind,
        builds=sorted({hit.build for hit in view.hits}),
        requests=round(view.requests),
        unknown=round(sum(hit.requests for hit in view.hits if hit.footprint not in known)),
        first_seen=first_seen(view.hits),
        last_seen=last_seen(view.hits),
    )


def _by_context(view: View) -> dict[str, list[Hit]]:
    found: dict[str, list[Hit]] = defaultdict(list)
    for hit in view.hits:
        found[view.routes[hit.route].context].append(hit)
    return found


def _footprints(view: View) -> set[int]:
    return {hit.footprint for hit in view.hits}


class _Total(NamedTuple):
    """How many requests some are."""

    requests: float
    recorded: int

    @classmethod
    def of(cls, hits: Iterable[Hit]) -> _Total:
        hits = list(hits)
        return cls(sum(hit.requests for hit in hits), sum(hit.recorded for hit in hits))

    def share(self, some: _Total) -> float:
        return some.requests / self.requests if self.requests else 0.0


def _change(some: Pair[_Total], totals: Pair[_Total], over: float) -> Change:
    """What happened to some requests of all, from A to B."""
    if not some[0].recorded:
        return "appeared"
    if not some[1].recorded:
        return "vanished"
    share_a, share_b = totals[0].share(some[0]), totals[1].share(some[1])
    sure = beyond_chance(share_a, totals[0].recorded, share_b, totals[1].recorded)
    return "shifted" if sure and abs(share_b - share_a) > over else "same"


def _route(
    view: View, likeness: Likeness, totals: Pair[_Total], context: str, hits: Pair[list[Hit]], over: float
) -> RouteChange:
    some = _Total.of(hits[0]), _Total.of(hits[1])
    change = _change(some, totals, over)
    behaviours = list(_behaviours(view, likeness, hits, over))
    on_both = change in ("shifted", "same")
    return RouteChange(
        route=context,
        change=change,
        requests_a=round(some[0].requests),
        requests_b=round(some[1].requests),
        share_a=totals[0].share(some[0]),
        share_b=totals[1].share(some[1]),
        same=sum(row is None for row in behaviours),
        behaviours=sorted(
            (row for row in behaviours if row is not None),
            key=lambda row: (-abs(row.share_b - row.share_a), row.footprint),
        ),
        functions=list(_functions(view, likeness, hits)) if on_both else [],
    )


def _behaviours(view: View, likeness: Likeness, hits: Pair[list[Hit]], over: float) -> Iterator[BehaviourChange | None]:
    """Those of one route; None for each whose share is about the same."""
    known = view.behaviours(chain(*hits))
    known_a, known_b = ([hit for hit in some if hit.footprint in known] for some in hits)
    totals = _Total.of(known_a), _Total.of(known_b)
    by_ran: dict[Ran, Pair[list[Hit]]] = defaultdict(lambda: ([], []))
    for side, some in enumerate((known_a, known_b)):
        for hit in some:
            by_ran[likeness.of_one(hit.footprint)][side].append(hit)
    counts = {ran: (_Total.of(in_a), _Total.of(in_b)) for ran, (in_a, in_b) in by_ran.items()}
    order = sorted(by_ran, key=lambda ran: (-counts[ran][0].requests - counts[ran][1].requests, _order(ran)))
    for ran in order:
        in_a, in_b = by_ran[ran]
        change = _change(counts[ran], totals, over)
        if change == "same":
            yield None
            continue
        yield BehaviourChange(
            footprint=view.codebase.address(_most(in_b or in_a)),
            change=change,
            requests_a=round(counts[ran][0].requests),
            requests_b=round(counts[ran][1].requests),
            share_a=totals[0].share(counts[ran][0]),
            share_b=totals[1].share(counts[ran][1]),
            more=list(_beyond(view, likeness, ran, order[0])),
            fewer=list(_beyond(view, likeness, order[0], ran)),
        )


def _beyond(view: View, likeness: Likeness, ran: Ran, other: Ran) -> Iterator[FunctionLines]:
    """What the one has that the other lacks."""
    yield from by_function(view, _less(dict(ran.statements), dict(other.statements)))
    for path, name in sorted(ran.functions - other.functions):
        yield FunctionLines(path=path, name=name, first=likeness.first((path, name)), lines=[], ranges="")


def _order(ran: Ran) -> tuple[list[tuple[str, Mask]], list[Place]]:
    return sorted(ran.statements), sorted(ran.functions)


def _most(hits: Iterable[Hit]) -> int:
    """The footprint of the most of these requests."""
    requests: dict[int, float] = defaultdict(float)
    for hit in hits:
        requests[hit.footprint] += hit.requests
    return max(requests, key=lambda footprint: (requests[footprint], -footprint))


def _less(ran: Mapping[str, Mask], others: Mapping[str, Mask]) -> dict[str, Mask]:
    return {path: mask & ~others.get(path, 0) for path, mask in ran.items()}


def _functions(view: View, likeness: Likeness, hits: Pair[list[Hit]]) -> Iterator[FunctionChange]:
    """What these requests ran on one side only, by path and line."""
    footprints = {hit.footprint for hit in hits[0]}, {hit.footprint for hit in hits[1]}
    same_builds = {hit.build for hit in hits[0]} == {hit.build for hit in hits[1]}
    ran_a, ran_b = (dict(likeness.ran(some).statements) for some in footprints)
    others = [likeness.others(some) for some in footprints]
    only: tuple[tuple[Literal["a", "b"], dict[str, Mask]], ...]
    only = ("a", _less(ran_a, ran_b)), ("b", _less(ran_b, ran_a))
    found = [
        FunctionChange(
            path=row.path,
            name=row.name,
            ran_in=side,
            text="unchanged",
            first=row.first,
            lines=row.lines,
            ranges=row.ranges,
        )
        for side, lines in only
        for row in by_function(view, lines)
    ]
    for place in others[0].keys() | others[1].keys():
        on_both = place in others[0] and place in others[1]
        if on_both and same_builds:
            continue
        function, mask = others[1].get(place) or others[0][place]
        found.append(
            FunctionChange(
                path=place[0],
                name=place[1],
                ran_in="both" if on_both else "b" if place in others[1] else "a",
                text=likeness.text(place),
                first=function.first,
                lines=[] if on_both else numbers(mask),
                ranges="" if on_both else ranges(mask, function.statements),
            )
        )
    yield from sorted(found, key=lambda row: (row.path, row.first, row.name, row.ran_in))
