"""Two looks at one store, to be compared."""

from __future__ import annotations

from dataclasses import replace

from reqcov.analysis.codebase import Codebase
from reqcov.analysis.parsed import Track
from reqcov.analysis.source.code import DEFAULT_EXCLUDE
from reqcov.analysis.view import Chosen, View, by_route, fitting
from reqcov.store.reading import Hit, StoreReader


def sides(
    reader: StoreReader, chosen: Chosen, a: Chosen, b: Chosen, *, exclude: str = DEFAULT_EXCLUDE, track: Track = iter
) -> tuple[View, View]:
    """The requests that fit `chosen` and `a`, and those that fit `chosen` and `b`; the routes of both are `chosen`'s.

    Both are seen on the newest files that the requests of `b` used. `exclude` and `track` are as `View.of` has them.
    """
    hits = fitting(reader.hits(chosen.since_day), chosen)
    of_b = fitting(hits, b)
    builds = {hit.build for hit in of_b}
    codebase = Codebase(reader, lambda used: not builds.isdisjoint(used), exclude=exclude, track=track)
    routes, runs = reader.routes(), reader.tests()

    def look(side: Chosen, hits: list[Hit]) -> View:
        side = replace(side, routes=chosen.routes)
        requests = sum(hit.requests for hit in hits)
        return View(codebase, side, routes, by_route(hits), requests, chosen.pick(routes), runs)

    return look(a, fitting(hits, a)), look(b, of_b)
