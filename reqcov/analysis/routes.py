"""Which routes are asked for how often, and how much code each of them runs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from reqcov.analysis.source.masks import Mask
from reqcov.analysis.view import View
from reqcov.store.reading import Hit


@dataclass(frozen=True, kw_only=True)
class RouteRow:
    """One route, with at least one request."""

    route: str
    """With its method: `GET /orders/{id}`; a job's name."""
    endpoint: str | None
    """Dotted name of the view that serves it, where the framework tells."""
    requests: int
    """An estimate where not every request is sampled."""
    share: float
    """Of the requests to the routes asked for, 0 to 1."""
    statuses: dict[str, int]
    """Requests by class of status, `2xx`; `none` where there was no answer."""
    lines: int
    """Distinct function statements that its requests ran."""
    reach: float
    """These, as a share of all function statements, 0 to 1."""
    only_here: int
    """Of its lines, those that no other route ran, be it among those asked for or not."""
    behaviours: int
    """Distinct footprints."""
    first_seen: datetime
    """When the first of its requests began."""
    last_seen: datetime
    """When the last of its requests began."""


@dataclass(frozen=True, kw_only=True)
class Routes:
    """Every route, the most frequent one first."""

    requests: int
    """To all of them; an estimate where not every request is sampled."""
    reachable: int
    """Function statements of all measured files that were imported."""
    routes: list[RouteRow]
    """The most frequent one first."""


def routes(view: View) -> Routes:
    """The routes that were chosen."""
    ran = {key: view.codebase.ran(hit.footprint for hit in hits) for key, hits in view.all_hits.items()}
    shared = ran_twice(ran.values())
    rows = []
    for key in view.routes.keys() & view.all_hits.keys():
        hits = view.all_hits[key]
        requests = sum(hit.requests for hit in hits)
        lines = count(ran[key].values())
        rows.append(
            RouteRow(
                route=view.routes[key].context,
                endpoint=view.routes[key].endpoint or None,
                requests=round(requests),
                share=requests / view.requests,
                statuses=statuses(hits),
                lines=lines,
                reach=lines / view.codebase.reachable if view.codebase.reachable else 0.0,
                only_here=count(mask & ~shared[path] for path, mask in ran[key].items()),
                behaviours=len(view.behaviours(hits)),
                first_seen=first_seen(hits),
                last_seen=last_seen(hits),
            )
        )
    rows.sort(key=lambda row: (-row.requests, row.route))
    return Routes(requests=round(view.requests), reachable=view.codebase.reachable, routes=rows)


def ran_twice(ran: Iterable[dict[str, Mask]]) -> dict[str, Mask]:
    """By path, what ran of more than one."""
    once: dict[str, Mask] = defaultdict(int)
    twice: dict[str, Mask] = defaultdict(int)
    for masks in ran:
        for path, mask in masks.items():
            twice[path] |= once[path] & mask
            once[path] |= mask
    return twice


def count(masks: Iterable[Mask]) -> int:
    """How many lines there are in all."""
    return sum(mask.bit_count() for mask in masks)


def statuses(hits: Iterable[Hit]) -> dict[str, int]:
    """Requests by class of status."""
    found: dict[str, float] = defaultdict(float)
    for hit in hits:
        found[status_class(hit.status)] += hit.requests
    return {name: round(requests) for name, requests in sorted(found.items())}


def status_class(hundreds: int) -> str:
    """`2xx`; `none` where there was no answer."""
    return f"{hundreds}xx" if hundreds else "none"


def first_seen(hits: Iterable[Hit]) -> datetime:
    """When the first of these requests, of which there is one at least, began."""
    return moment(min(hit.first_seen for hit in hits))


def last_seen(hits: Iterable[Hit]) -> datetime:
    """When the last of these requests, of which there is one at least, began."""
    return moment(max(hit.last_seen for hit in hits))


def moment(seconds: float) -> datetime:
    """In UTC."""
    return datetime.fromtimestamp(seconds, UTC)
