"""`reqcov line`."""

from __future__ import annotations

from pathlib import Path

import click

from reqcov.analysis.line import Line, find, line
from reqcov.analysis.view import Chosen
from reqcov.cli.options import choosing, current_option, format_option, store_option, tell, view_of
from reqcov.reports.text import percent, plural, say, table, when

MOST_DIGITS = 9
"""Of a line number; of thousands of them Python makes no number."""


def place(ctx: click.Context, param: click.Parameter, text: str) -> tuple[str, int]:  # noqa: ARG001
    """`shop/cart.py:42` taken apart. Raises click.BadParameter for anything else."""
    name, _, digits = text.rpartition(":")
    if not name or not digits.isdecimal() or len(digits) > MOST_DIGITS or int(digits) == 0:
        raise click.BadParameter(f"{text!r} is no line of a file; write FILE:LINE, as in shop/cart.py:42.")
    return name, int(digits)


@click.command("line")
@click.argument("where", metavar="FILE:LINE", callback=place)
@store_option
@choosing
@current_option
@format_option
def command(where: tuple[str, int], store: Path, chosen: Chosen, current: bool, output: str) -> None:
    """Who runs a line: routes, labels, requests, when.

    FILE is a path as `reqcov report` shows it, the end of one, or a file in this folder. SHARE is of the requests of
    that route with these labels.
    """
    with view_of(store, chosen, current=current) as view:
        name, wanted = where
        answer = line(view, find(name, view.files.keys(), Path.cwd()), wanted)
    tell(answer, output, _show)


def _show(answer: Line) -> None:
    """For people."""
    inside = f" in {answer.function} ({answer.function_first}-{answer.function_last})" if answer.function else ""
    say(f"{answer.path}:{answer.line}{inside}", "", f"    {answer.text.strip().expandtabs()}", "")
    if answer.asked != answer.line:
        say(f"Line {answer.asked} goes on with the statement that begins on line {answer.line}.")
    if not answer.routes:
        say(_why_nobody(answer))
    else:
        say(f"{answer.requests:,} of {plural(answer.watched, 'request')} run it ({percent(answer.share)}).", "")
        labelled = any(row.labels for row in answer.routes)
        table(
            ("route", *(["labels"] if labelled else []), "#requests", "#share", "@first seen", "@last seen"),
            [
                (
                    row.route,
                    *([", ".join(f"{key}={value}" for key, value in row.labels.items())] if labelled else []),
                    str(row.requests),
                    percent(row.share),
                    when(row.first_seen),
                    when(row.last_seen),
                )
                for row in answer.routes
            ],
        )
    if answer.dropped:
        say(
            "",
            f"{plural(answer.dropped, 'line')} of older versions of this file could not be carried over: "
            "their functions changed. --build shows a version as it ran.",
        )


def _why_nobody(answer: Line) -> str:
    """What kind of line it is that no request runs."""
    watched = f"{plural(answer.watched, 'request')} since {when(answer.watched_since)} UTC"
    match answer.kind:
        case "function" if answer.seen:
            return f"None of the {watched} ran it; other requests did, or some that were not sampled."
        case "function":
            return f"No request has run it: {watched}."
        case "import-time":
            return "It runs when the module is imported or a class is made, not in requests."
        case "excluded":
            return "coverage.py is told to leave it out."
        case "none":
            return "There is no statement on this line."
