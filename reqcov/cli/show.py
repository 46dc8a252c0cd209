"""`reqcov show`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import click

from reqcov.analysis.show import FileShown, FunctionRow, Show, show
from reqcov.analysis.view import Chosen
from reqcov.cli.options import choosing_within, current_option, format_option, store_option, tell, view_of
from reqcov.reports.text import DROPPED, percent, plural, say, table, when

MANY = 10
"""Behaviours that are listed for people."""


@click.command("show")
@click.argument("wanted", metavar="ROUTE")
@store_option
@choosing_within
@current_option
@format_option
def command(wanted: str, store: Path, chosen: Chosen, current: bool, output: str) -> None:
    """What one route runs: files, functions, lines, behaviours.

    ROUTE is a name as `reqcov routes` shows it, with or without its method, or a glob; what fits is shown together.

    SOME are the lines that only so many of the function's requests ran, NEVER those that none did. MORE and FEWER are
    the lines by which a behaviour differs from the commonest one.
    """
    with view_of(store, replace(chosen, routes=(wanted,)), current=current) as view:
        answer = show(view)
    tell(answer, output, _show)


def _show(answer: Show) -> None:
    """For people."""
    served = f"  ({', '.join(answer.endpoints)})" if answer.endpoints else ""
    say(*answer.routes[:-1], answer.routes[-1] + served)
    say(
        f"{plural(answer.requests, 'request')} ({percent(answer.share)} of all), "
        f"{when(answer.first_seen)} to {when(answer.last_seen)} UTC, "
        + ", ".join(f"{status}: {requests:,}" for status, requests in answer.statuses.items()),
        f"{plural(answer.lines, 'line')}, {percent(answer.reach)} of what requests could run",
    )
    if answer.unread:
        say(f"{plural(answer.unread, 'request')} were cut short: not all of their lines were seen.")
    if answer.uncounted:
        say(f"{plural(answer.uncounted, 'request')} behaved in ways that the store had no room for.")
    say("")
    table(
        ("file, function", "#requests", "ran", "some", "never"),
        [row for file in answer.files for row in _rows(file)],
        bold=lambda row: not row[0].startswith(" "),
    )
    if any(file.dropped for file in answer.files):
        say("", DROPPED)
    say("")
    _behaviours(answer)


def _rows(file: FileShown) -> Iterator[tuple[str, ...]]:
    dropped = f", {file.dropped} dropped" if file.dropped else ""
    yield file.path, "", f"{file.lines} of {file.statements} lines{dropped}", "", ""
    for function in file.functions:
        yield f"  {function.name}", str(function.requests), function.ranges, _some(function), function.missing_ranges


def _some(function: FunctionRow) -> str:
    """`44-45 (12), 47 (3)`."""
    return ", ".join(f"{part.ranges} ({part.requests})" for part in function.partly)


def _behaviours(answer: Show) -> None:
    table(
        ("behaviour", "#requests", "#share", "#lines", "#more", "#fewer", "@last seen"),
        [
            (
                row.footprint[:12],
                str(row.requests),
                percent(row.share),
                str(row.lines),
                str(row.more),
                str(row.fewer),
                when(row.last_seen),
            )
            for row in answer.behaviours[:MANY]
        ],
    )
    rest = answer.behaviours[MANY:]
    if rest:
        requests = sum(row.requests for row in rest)
        say(f"and {plural(len(rest), 'behaviour')} more, of {plural(requests, 'request')}; --format json has them all.")
