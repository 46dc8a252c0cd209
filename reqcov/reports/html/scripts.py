"""What pages share, as scripts: which requests there are, what the code consists of, what each side ran."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import reduce
from typing import Any, NamedTuple

from reqcov.analysis.heat import Heat, Ran
from reqcov.analysis.routes import status_class
from reqcov.analysis.source.masks import Mask, runs, span
from reqcov.analysis.view import View
from reqcov.reports.html import links
from reqcov.reports.text import printable
from reqcov.store.model import unpack_labels
from reqcov.store.reading import Hit


class Side(NamedTuple):
    """Requests that can be compared with others."""

    kind: str
    """`route`, `build` or `label`."""
    name: str
    hits: list[Hit]

    @property
    def script(self) -> str:
        """The name of the script that tells what they ran."""
        return links.side_script(self.kind, self.name)


def flat(mask: Mask) -> list[int]:
    """First and last line of each run of neighbours, in turn: `[3, 5, 9, 9]`."""
    return [line for run in runs(mask) for line in run]


def stretches(mask: Mask, statements: Mask) -> list[list[int]]:
    """The runs of each stretch of lines that no other statement interrupts, as people join them."""
    return [flat(mask & span(first, last)) for first, last in runs(mask, statements)]


def label_names(labels: str) -> list[str]:
    """Labels as the commands are given them: `tenant=acme`."""
    return [f"{key}={value}" for key, value in unpack_labels(labels).items()]


def requests(heat: Heat, stamp: str) -> dict[str, Any]:
    """`data/requests.js`: the requests that can be chosen from.

    - `stamp`: the state of the store that this is of.
    - `routes`, `labels`, `builds`, `statuses`: what there is, in order; `labels` has a list of `key=value` for
      each set of labels.
    - `pages`: those of the routes.
    - `groups`: for each group the numbers of its route, set of labels, build and status, its requests, and when the
      first of these began, in seconds since the epoch.
    """
    routes, labels, builds, statuses = (sorted(set(column)) for column in zip(*heat.groups, strict=True))
    labels.sort(key=lambda each: sorted(unpack_labels(each).items()))
    columns = [{value: number for number, value in enumerate(each)} for each in (routes, labels, builds, statuses)]
    return {
        "stamp": stamp,
        "routes": list(map(printable, routes)),
        "labels": [list(map(printable, label_names(each))) for each in labels],
        "builds": list(map(printable, builds)),
        "statuses": list(map(status_class, statuses)),
        "pages": list(map(links.route_page, routes)),
        "groups": [
            [
                *(column[value] for column, value in zip(columns, group, strict=True)),
                tally.requests,
                int(tally.first_seen),
            ]
            for group, tally in heat.groups.items()
        ],
    }


def ran(by_set: Ran, seen: Mask) -> dict[str, Any]:
    """What ran of a file, for its page; `seen` is what any requests ran of it, whether they are looked at or not.

    - `sets`: lines that ran together, as `flat` has them.
    - `rows`: for each set and group the numbers of both, how many of the group's requests ran the set, and when the
      first and the last of these began, in seconds since the epoch.
    - `seen`: lines that other requests ran, as `flat` has them.
    """
    return {
        "sets": list(map(flat, by_set)),
        "rows": [
            [place, group, tally.requests, int(tally.first_seen), int(tally.last_seen)]
            for place, tallies in enumerate(by_set.values())
            for group, tally in tallies.items()
        ],
        "seen": flat(reduce(lambda rest, mask: rest & ~mask, by_set, seen)),
    }


def code(view: View) -> dict[str, Any]:
    """`data/code.js`: what can be searched.

    - `files`: path, page, function statements, and how many of these the requests ran.
    - `functions`: the number of the file, name, first and last line, statements, how many of these ran, and the line
      where the body begins.
    - `routes`: name, page, requests; the most frequent one first.
    """
    files, functions = [], []
    for number, (path, file) in enumerate(view.files.items()):
        covered = view.covered.get(path, 0)
        statements = file.code.in_functions
        files.append(
            [printable(path), links.file_page(path), statements.bit_count(), (covered & statements).bit_count()]
        )
        functions += [
            [
                number,
                printable(each.name),
                each.first,
                each.last,
                each.statements.bit_count(),
                (covered & each.statements).bit_count(),
                each.body,
            ]
            for each in file.code.functions
        ]
    by_route: dict[str, float] = defaultdict(float)
    for hit in view.hits:
        by_route[view.routes[hit.route].context] += hit.requests
    ranked = sorted(by_route.items(), key=lambda item: (-round(item[1]), item[0]))
    routes = [[printable(context), links.route_page(context), round(requests)] for context, requests in ranked]
    return {"files": files, "functions": functions, "routes": routes}


def sides(view: View) -> Iterator[Side]:
    """Everything that can be compared: each route, each build, each label."""
    found: dict[tuple[str, str], list[Hit]] = defaultdict(list)
    names = {labels: label_names(labels) for labels in {hit.labels for hit in view.hits}}
    for hit in view.hits:
        found["route", view.routes[hit.route].context].append(hit)
        found["build", hit.build].append(hit)
        for name in names[hit.labels]:
            found["label", name].append(hit)
    for (kind, name), hits in found.items():
        yield Side(kind, name, hits)


def side(view: View, hits: Iterable[Hit]) -> dict[str, Any]:
    """A script of `data/side/`.

    - `requests`: how many these are.
    - `files`: path, `stretches` of what they ran, and how many lines of earlier versions they ran that are not among
      these, for the functions have changed since.
    """
    hits = list(hits)
    footprints = {hit.footprint for hit in hits}
    ran, dropped = view.codebase.ran(footprints), view.codebase.dropped(footprints)
    return {
        "requests": round(sum(hit.requests for hit in hits)),
        "files": [
            [printable(path), stretches(ran.get(path, 0), file.code.statements), dropped.get(path, 0)]
            for path, file in view.files.items()
            if ran.get(path) or path in dropped
        ],
    }
