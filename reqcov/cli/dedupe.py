"""`reqcov dedupe`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import click

from reqcov.analysis.dedupe import By, Dedupe, KeptRow, Of, RedundantRow, dedupe
from reqcov.analysis.view import Chosen
from reqcov.cli.options import choosing, format_option, store_option, tell, view_of
from reqcov.reports.text import DROPPED, percent, plural, printable, say, table

NAMED = 3
"""Kept ones that are named for people beside one that adds nothing."""

UNITS = {"lines": ("line", "lines"), "arcs": ("arc", "arcs"), "footprint": ("behaviour", "behaviours")}

THINGS = {"tests": ("test", "tests"), "routes": ("route", "routes"), "requests": ("behaviour", "behaviours")}


@click.command("dedupe")
@store_option
@choosing
@click.option(
    "--of",
    type=click.Choice(["tests", "routes", "requests"]),
    help="What is looked at; by requests, recorded behaviours are meant.  [default: tests where there are any]",
)
@click.option(
    "--by",
    type=click.Choice(["lines", "arcs", "footprint"]),
    default="lines",
    show_default=True,
    help="What has to stay: every line, every arc, every distinct behaviour.",
)
@click.option("-o", "--output", "kept", metavar="FILE", help="Write the names of those that are kept, one a line.")
@click.option("--redundant", metavar="FILE", help="Write the names of those that add nothing, one a line.")
@format_option
def command(
    store: Path, chosen: Chosen, of: Of | None, by: By, kept: str | None, redundant: str | None, output: str
) -> None:
    """Tests, routes or behaviours that add nothing to the others.

    It finds the fewest that run every line that all of them run, and deletes nothing. ADDS is what each next one adds
    to those before it, ALL what they cover together, ALONE what would be lost without it, UNIQUE what of that no other
    one runs at all, kept or not.

    Tests that did not pass, and those of which it isn't known what they ran, are set aside: they are in neither file.
    """
    with view_of(store, chosen) as view:
        answer = dedupe(view, of, by)
    for name, rows in ((kept, answer.kept), (redundant, answer.redundant)):
        if name is not None:
            _write(name, rows)
    tell(answer, output, _show)


def _write(name: str, rows: Iterable[KeptRow | RedundantRow]) -> None:
    """One name a line, whatever is in it."""
    Path(name).write_text("".join(f"{printable(row.name)}\n" for row in rows), "utf-8")


def _show(answer: Dedupe) -> None:
    """For people."""
    things, units = THINGS[answer.of], UNITS[answer.by]
    less = len(answer.redundant)
    rest = f"{plural(less, 'other')} {_do(less, 'add')} nothing" if less else "none can be left out"
    say(
        f"{answer.after:,} of {plural(answer.before, *things)} {_do(answer.after, 'cover')} all "
        f"{plural(answer.total, *units)}; {rest}.",
        "No fewer do." if answer.smallest else f"At least {answer.at_least:,} are needed; fewer were not found.",
        "",
    )
    table(
        ("kept", "#requests", f"#{units[1]}", "#adds", "#all", "#alone", "#unique"),
        [
            (
                row.name,
                str(row.requests),
                str(row.size),
                str(row.adds),
                percent(row.share),
                str(row.alone),
                str(row.unique),
            )
            for row in answer.kept
        ],
    )
    if answer.redundant:
        say("")
        table(
            ("adds nothing", "#requests", f"#{units[1]}", "covered by"),
            [(row.name, str(row.requests), str(row.size), _few(row.covered_by)) for row in answer.redundant],
        )
    if answer.aside:
        say("")
        table(("set aside", "because"), [(row.name, row.reason) for row in answer.aside])
    if answer.dropped:
        say("", DROPPED)
    if answer.problems:
        say("", *(f"{path}: {problem}." for path, problem in answer.problems.items()))


def _do(count: int, verb: str) -> str:
    return f"{verb}s" if count == 1 else verb


def _few(names: list[str]) -> str:
    more = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {more:,} more" if more > 0 else "")
