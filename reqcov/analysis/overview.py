"""When requests came, and to which builds."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from reqcov.analysis.routes import first_seen, last_seen, statuses
from reqcov.analysis.view import View
from reqcov.store.reading import Hit

EPOCH = date(1970, 1, 1)


@dataclass(frozen=True, kw_only=True)
class DayRow:
    """One day in UTC, with requests or without."""

    day: date
    requests: int
    """That began on it; an estimate where not every request is sampled."""


@dataclass(frozen=True, kw_only=True)
class BuildRow:
    """One build with requests."""

    build: str
    """Version or commit."""
    requests: int
    """An estimate where not every request is sampled."""
    share: float
    """Of the requests asked for, 0 to 1."""
    routes: int
    """Distinct ones that were asked for."""
    first_seen: datetime
    """When the first of its requests began."""
    last_seen: datetime
    """When the last of its requests began."""


@dataclass(frozen=True, kw_only=True)
class Overview:
    """The requests asked for."""

    requests: int
    """An estimate where not every request is sampled."""
    statuses: dict[str, int]
    """Requests by class of status, `2xx`; `none` where there was no answer."""
    first_seen: datetime
    """When the first of them began."""
    last_seen: datetime
    """When the last of them began."""
    days: list[DayRow]
    """From the first day with requests to the last one, none left out."""
    builds: list[BuildRow]
    """The newest one first."""


def overview(view: View) -> Overview:
    """The chosen requests, of which there is at least one."""
    by_day: dict[int, float] = defaultdict(float)
    by_build: dict[str, list[Hit]] = defaultdict(list)
    for hit in view.hits:
        by_day[hit.day] += hit.requests
        by_build[hit.build].append(hit)
    builds = [_build(view, name, hits) for name, hits in by_build.items()]
    return Overview(
        requests=round(view.requests),
        statuses=statuses(view.hits),
        first_seen=first_seen(view.hits),
        last_seen=last_seen(view.hits),
        days=[
            DayRow(day=EPOCH + timedelta(day), requests=round(by_day[day]))
            for day in range(min(by_day), max(by_day) + 1)
        ],
        builds=sorted(builds, key=lambda row: (row.first_seen, row.build), reverse=True),
    )


def _build(view: View, name: str, hits: list[Hit]) -> BuildRow:
    requests = sum(hit.requests for hit in hits)
    return BuildRow(
        build=name,
        requests=round(requests),
        share=requests / view.requests,
        routes=len({view.routes[hit.route].context for hit in hits}),
        first_seen=first_seen(hits),
        last_seen=last_seen(hits),
    )
