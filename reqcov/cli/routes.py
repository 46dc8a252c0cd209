"""`reqcov routes`."""

from __future__ import annotations

from pathlib import Path

import click

from reqcov.analysis.routes import Routes, routes
from reqcov.analysis.view import Chosen
from reqcov.cli.options import choosing, format_option, store_option, tell, view_of
from reqcov.reports.text import percent, table, when


@click.command("routes")
@store_option
@choosing
@format_option
def command(store: Path, chosen: Chosen, output: str) -> None:
    """Routes by traffic, and how much code each runs.

    LINES are distinct statements in functions that the route's requests ran, REACH is their share of all that requests
    could run, ONLY HERE how many of them no other route runs, be it asked for or not.
    """
    with view_of(store, chosen) as view:
        answer = routes(view)
    tell(answer, output, _show)


def _show(answer: Routes) -> None:
    """For people."""
    table(
        ("route", "#requests", "#share", "#lines", "#reach", "#only here", "#behaviours", "@last seen"),
        [
            (
                row.route,
                str(row.requests),
                percent(row.share),
                str(row.lines),
                percent(row.reach),
                str(row.only_here),
                str(row.behaviours),
                when(row.last_seen),
            )
            for row in answer.routes
        ],
    )
