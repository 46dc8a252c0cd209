"""Who runs a line."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Literal

from reqcov.analysis.routes import first_seen, last_seen
from reqcov.analysis.source.code import File, lines
from reqcov.analysis.view import View
from reqcov.errors import ReqcovError
from reqcov.store.model import unpack_labels
from reqcov.store.reading import Hit

MANY = 5
"""Names that an error lists at most."""


@dataclass(frozen=True, kw_only=True)
class LineRow:
    """Requests that run the line."""

    route: str
    """With its method: `GET /orders/{id}`; a job's name."""
    labels: dict[str, str]
    """Their labels, values by key."""
    requests: int
    """An estimate where not every request is sampled."""
    share: float
    """Of the requests of this route with these labels, 0 to 1."""
    first_seen: datetime
    """When the first request that ran the line began."""
    last_seen: datetime
    """When the last request that ran the line began."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """Who runs a line, the most frequent first."""

    path: str
    """In its project, with `/`."""
    asked: int
    """The line that was asked for."""
    line: int
    """The first line of its statement."""
    text: str
    """What is written there."""
    kind: Literal["function", "import-time", "excluded", "none"]
    """A statement in a function; one that runs when the module is imported or a class is made; one that coverage.py is
    told to leave out; none at all."""
    function: str | None
    """Qualified name of the innermost function around it."""
    function_first: int | None
    """The line of the function's first decorator or of its `def`."""
    function_last: int | None
    """The function's last line."""
    requests: int
    """That run the line, of those asked for."""
    share: float
    """Of the requests asked for, 0 to 1."""
    seen: bool
    """Whether any request ever ran it, asked for or not, sampled or not."""
    watched: int
    """How many requests were asked for."""
    watched_since: datetime
    """When the first of them was seen."""
    dropped: int
    """Lines that ran of earlier versions of the file, in functions that have changed since: they were not asked."""
    routes: list[LineRow]
    """The most frequent one first; a route once for each set of labels."""


def line(view: View, path: str, number: int) -> Line:
    """Who runs the line `number` of the file that is stored as `path`.

    Raises ReqcovError where the file has no such line, or can't be read.
    """
    file = view.files[path]
    if file.code.problem:
        raise ReqcovError(f"Nothing can be told of {path}: {file.code.problem}.")
    source = lines(file.text or "")
    if not 1 <= number <= len(source):
        raise ReqcovError(f"{path} has {len(source)} lines, so there is no line {number}.")
    first = file.code.translate(1 << number).bit_length() - 1
    function = file.code.function_at(number)
    rows = _rows(view, view.holding(path, first))
    requests = sum(_total(hits) for hits in rows.values())
    return Line(
        path=path,
        asked=number,
        line=first,
        text=source[first - 1],
        kind=_kind(file, first),
        function=function.name if function else None,
        function_first=function.first if function else None,
        function_last=function.last if function else None,
        requests=round(requests),
        share=requests / view.requests,
        seen=bool(view.codebase.seen.get(path, 0) >> first & 1),
        watched=round(view.requests),
        watched_since=first_seen(view.hits),
        dropped=view.dropped.get(path, 0),
        routes=_told(view, rows),
    )


def _kind(file: File, line: int) -> Literal["function", "import-time", "excluded", "none"]:
    if file.code.in_functions >> line & 1:
        return "function"
    if file.code.statements >> line & 1:
        return "import-time"
    return "excluded" if file.code.excluded >> line & 1 else "none"


def _total(hits: Iterable[Hit]) -> float:
    return sum(hit.requests for hit in hits)


def _rows(view: View, footprints: set[int]) -> dict[tuple[str, str], list[Hit]]:
    rows: dict[tuple[str, str], list[Hit]] = defaultdict(list)
    for hit in view.hits:
        if hit.footprint in footprints:
            rows[view.routes[hit.route].context, hit.labels].append(hit)
    return rows


def _told(view: View, rows: dict[tuple[str, str], list[Hit]]) -> list[LineRow]:
    all_of: dict[tuple[str, str], float] = defaultdict(float)
    for hit in view.hits:
        all_of[view.routes[hit.route].context, hit.labels] += hit.requests
    told = [
        LineRow(
            route=key[0],
            labels=unpack_labels(key[1]),
            requests=round(_total(hits)),
            share=_total(hits) / all_of[key],
            first_seen=first_seen(hits),
            last_seen=last_seen(hits),
        )
        for key, hits in rows.items()
    ]
    return sorted(told, key=lambda row: (-row.requests, row.route, sorted(row.labels.items())))


def find(name: str, paths: Collection[str], folder: Path) -> str:
    """The stored path that a person means by `name`: a path, the end of one, or a file on disk seen from `folder`.

    Raises ReqcovError where there is none, or more than one.
    """
    on_disk, given = Path(os.path.normpath(folder / name)), Path(os.path.normpath(name)).as_posix()
    if given in paths:
        return given
    if on_disk.is_relative_to(folder) and (inside := on_disk.relative_to(folder).as_posix()) in paths:
        return inside
    found = [path for path in paths if path.endswith(f"/{given}")]
    if len(found) != 1:  # paths are seen from the project, or from the folder that packages are installed in
        lying = (path for path in found or paths if on_disk.as_posix().endswith(f"/{path}"))
        found = sorted(lying, key=len)[-1:] or found
    if len(found) == 1:
        return found[0]
    if found:
        some = ", ".join(sorted(found)[:MANY]) + (f" and {len(found) - MANY} more" if len(found) > MANY else "")
        raise ReqcovError(f"{name!r} may be {some}; give more of the path.")
    close = get_close_matches(given, paths, n=3)
    hint = f"did you mean {' or '.join(close)}?" if close else "`reqcov report` lists them."
    raise ReqcovError(f"No measured file is called {name!r}; {hint}")
