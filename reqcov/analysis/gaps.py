"""What requests run and tests do not: what to test first."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from reqcov.analysis.routes import count, moment
from reqcov.analysis.source.code import File, Function
from reqcov.analysis.source.masks import Mask, numbers, ranges, span
from reqcov.analysis.view import View
from reqcov.store.model import OTHER, TEST, UNREAD, unpack_labels
from reqcov.store.reading import Hit

Kind = Literal["ran", "changed", "not sampled"]


@dataclass(frozen=True, kw_only=True)
class GapRoute:
    """A route whose requests run the lines of a gap."""

    route: str
    """With its method: `GET /orders/{id}`; a job's name."""
    requests: int
    """How many of its requests run them; an estimate where not every request is sampled."""


@dataclass(frozen=True, kw_only=True)
class Gap:
    """Lines of one function that the very same requests ran, and no test did."""

    kind: Kind
    """Whether requests that were recorded ran these lines; or, of a diff, an earlier version of their function; or only
    requests did that were not sampled."""
    path: str
    """In its project, with `/`."""
    lines: list[int]
    """In ascending order."""
    ranges: str
    """The lines for people, as `coverage report` joins them: `3-5, 9`."""
    function: str
    """The `__qualname__` of the function: `Cart.total`."""
    first: int
    """The line of the function's first decorator or of its `def`."""
    last: int
    """The function's last line."""
    requests: int
    """That ran these lines, or an earlier version of their function; an estimate where not every request is sampled; 0
    where only requests did that were not sampled."""
    share: float
    """Of all requests, 0 to 1."""
    routes: list[GapRoute]
    """To which these requests were, the most frequent one first."""
    last_seen: datetime | None
    """When the last of these requests began; null where only requests did that were not sampled."""


@dataclass(frozen=True, kw_only=True)
class Gaps:
    """Code that requests run and tests do not, what most requests run first."""

    requests: int
    """That were asked for, without those of tests; an estimate where not every request is sampled."""
    of_tests: int
    """Requests that tests made, which have the label `test`: they are left out, unless they were asked for by it."""
    unread: int
    """Requests that were counted though not all of their lines were seen."""
    uncounted: int
    """Requests whose behaviour the store had no room for: their lines are not among these."""
    changes: bool
    """Whether only lines of a diff were asked for; all counts of lines are of these then."""
    ran: int
    """Function statements that the requests ran; of a diff, also those in functions of which they ran an earlier
    version."""
    tested: int
    """How many of these tests ran too."""
    share: float
    """That is as a share, 0 to 1; 1 where there are none."""
    weighted: float
    """The same, each line counted as often as requests ran it: the share of what users run that is tested.
    Where no request was sampled, so that this isn't known, it is `share`."""
    lines: int
    """Lines in gaps."""
    dropped: dict[str, int]
    """By path, lines that ran of earlier versions, in functions that have changed since: they are in no gap."""
    problems: dict[str, str]
    """By path, why nothing can be told of a file: it can't be parsed, or its text was not kept."""
    gaps: list[Gap]
    """The one with most requests first, then by path and line; those that were not sampled come last."""


def gaps(view: View, tested: Mapping[str, Mask], *, changed: Mapping[str, Mask] | None = None) -> Gaps:
    """What the chosen requests ran, and no test did.

    `tested` and `changed` are lines of the files that are shown, by path: those that tests ran, and those that are
    asked for, all where it is None. What requests would run now of a function that has changed since they ran it,
    nobody knows; but where lines are asked for, those in such functions count. Where every request was chosen, the
    lines that only requests ran which were not sampled are gaps too.
    """
    of_tests, hits = _split(view)
    total = _requests(hits)
    use_of = _by_footprint(view, hits)
    ran, pieces = _ran(view, hits), view.requests_by_piece(hits)
    earlier: dict[tuple[str, int], _Use] = {}
    if changed is not None:
        for path, function, use in _earlier(view, use_of, ran):
            earlier[path, function.first] = use
            ran[path] |= function.statements
            pieces.append((path, function.statements, use.requests))
        ran = {path: mask & view.files[path].code.translate(changed.get(path, 0)) for path, mask in ran.items()}
    done = {path: mask & view.files[path].code.translate(tested.get(path, 0)) for path, mask in ran.items()}
    left = {path: mask & ~done[path] for path, mask in ran.items()}
    uses = _uses(view, use_of, left)
    weight = sum(requests * (mask & ran.get(path, 0)).bit_count() for path, mask, requests in pieces)
    of_done = sum(requests * (mask & done.get(path, 0)).bit_count() for path, mask, requests in pieces)
    rows = [
        row for path, mask in left.items() for row in _rows(view.files[path], mask, uses.get(path, {}), earlier, total)
    ]
    share = count(done.values()) / count(ran.values()) if any(ran.values()) else 1.0
    return Gaps(
        requests=round(total),
        of_tests=round(_requests(of_tests)),
        unread=_of(view, hits, UNREAD),
        uncounted=_of(view, hits, OTHER),
        changes=changed is not None,
        ran=count(ran.values()),
        tested=count(done.values()),
        share=share,
        weighted=of_done / weight if weight else share,
        lines=count(left.values()),
        dropped=dict(sorted(view.codebase.dropped(use_of).items())),
        problems=view.codebase.problems,
        gaps=sorted(rows, key=lambda row: (row.kind == "not sampled", -row.requests, row.path, row.lines)),
    )


def _split(view: View) -> tuple[list[Hit], list[Hit]]:
    """The requests that tests made, none where they were asked for, and the others."""
    if any(key == TEST for key, _ in view.chosen.labels):
        return [], view.hits
    made = {labels for labels in {hit.labels for hit in view.hits} if TEST in unpack_labels(labels)}
    return [hit for hit in view.hits if hit.labels in made], [hit for hit in view.hits if hit.labels not in made]


def _ran(view: View, hits: Iterable[Hit]) -> dict[str, Mask]:
    """By path, what these requests ran; where every request was chosen, also what none ran that was recorded."""
    ran = view.codebase.ran(hit.footprint for hit in hits)
    found = {path: ran.get(path, 0) for path in view.files}
    if view.chosen.everything:
        recorded = view.codebase.ran(hit.footprint for hit in view.hits)
        for path in found:
            found[path] |= view.codebase.seen.get(path, 0) & ~recorded.get(path, 0)
    return found


def _requests(hits: Iterable[Hit]) -> float:
    return sum(hit.requests for hit in hits)


def _of(view: View, hits: Iterable[Hit], address: str) -> int:
    return round(_requests(hit for hit in hits if view.codebase.address(hit.footprint) == address))


@dataclass(slots=True)
class _Use:
    """Requests that ran the same."""

    routes: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    last: float = 0.0

    @property
    def requests(self) -> float:
        """How many these are."""
        return sum(self.routes.values())

    @classmethod
    def of(cls, uses: Iterable[_Use]) -> _Use:
        """All of them together."""
        made = cls()
        for use in uses:
            made.last = max(made.last, use.last)
            for route, requests in use.routes.items():
                made.routes[route] += requests
        return made


def _by_footprint(view: View, hits: Iterable[Hit]) -> dict[int, _Use]:
    found: dict[int, _Use] = defaultdict(_Use)
    for hit in hits:
        use = found[hit.footprint]
        use.routes[view.routes[hit.route].context] += hit.requests
        use.last = max(use.last, hit.last_seen)
    return dict(found)


def _earlier(view: View, use_of: Mapping[int, _Use], ran: Mapping[str, Mask]) -> Iterator[tuple[str, Function, _Use]]:
    """The functions of which requests ran earlier versions only, and these requests."""
    for path, footprints in view.codebase.changed(use_of).items():
        for function in view.files[path].code.functions:
            if function.name in footprints and not function.statements & ran[path]:
                yield path, function, _Use.of(use_of[each] for each in footprints[function.name])


def _uses(view: View, use_of: Mapping[int, _Use], left: Mapping[str, Mask]) -> dict[str, dict[Mask, _Use]]:
    """By path and by what of its lines that are `left` they ran, the requests; no footprint is at two of these."""
    pieces = {key: view.codebase.piece(key) for key in view.codebase.held(use_of)}
    together: dict[str, dict[Mask, list[_Use]]] = defaultdict(lambda: defaultdict(list))
    for footprint, use in use_of.items():
        ran: dict[str, Mask] = defaultdict(int)
        for path, mask in map(pieces.__getitem__, view.codebase.pieces(footprint)):
            ran[path] |= mask & left.get(path, 0)
        for path, mask in ran.items():
            if mask:
                together[path][mask].append(use)
    return {path: {mask: _Use.of(uses) for mask, uses in by_mask.items()} for path, by_mask in together.items()}


def _rows(
    file: File, left: Mask, uses: Mapping[Mask, _Use], earlier: Mapping[tuple[str, int], _Use], total: float
) -> Iterator[Gap]:
    """The gaps of one file."""
    for function in file.code.functions:
        own = left & function.statements
        of_function: dict[Mask, list[_Use]] = defaultdict(list)
        for mask, use in uses.items():
            if mask & own:
                of_function[mask & own].append(use)
        for lines, masks in _parted(own, of_function):
            if masks:
                yield _row(
                    file, function, lines, "ran", _Use.of(use for mask in masks for use in of_function[mask]), total
                )
            elif (file.path, function.first) in earlier:
                yield _row(file, function, lines, "changed", earlier[file.path, function.first], total)
            else:
                yield _row(file, function, lines, "not sampled", _Use(), total)


def _parted(lines: Mask, masks: Iterable[Mask]) -> list[tuple[Mask, list[Mask]]]:
    """The lines that are in the very same masks together, and which these are."""
    parts: list[tuple[Mask, list[Mask]]] = [(lines, [])]
    for mask in masks:
        inside = [(part & mask, [*those, mask]) for part, those in parts]
        outside = [(part & ~mask, those) for part, those in parts]
        parts = [each for each in (*inside, *outside) if each[0]]
    return parts if lines else []


def _row(file: File, function: Function, lines: Mask, kind: Kind, use: _Use, total: float) -> Gap:
    routes = [GapRoute(route=route, requests=round(requests)) for route, requests in use.routes.items()]
    return Gap(
        kind=kind,
        path=file.path,
        lines=numbers(lines),
        ranges=ranges(lines, file.code.statements & span(function.first, function.last)),
        function=function.name,
        first=function.first,
        last=function.last,
        requests=round(use.requests),
        share=use.requests / total if total else 0.0,
        routes=sorted(routes, key=lambda row: (-row.requests, row.route)),
        last_seen=moment(use.last) if use.routes else None,
    )
