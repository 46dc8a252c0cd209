"""`reqcov diff`."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from glob import escape
from pathlib import Path
from typing import Literal, TypeAlias

import click

from reqcov.analysis.diff import BehaviourChange, Diff, DiffSide, FunctionChange, RouteChange, diff
from reqcov.analysis.functions import FunctionLines
from reqcov.analysis.sides import sides
from reqcov.analysis.view import Chosen, View
from reqcov.cli.options import (
    choosing,
    format_option,
    label,
    nearest,
    since,
    store_option,
    tell,
    tracked,
)
from reqcov.config import excluded
from reqcov.errors import StoreError
from reqcov.reports.text import percent, plural, say, table, when
from reqcov.store.reading import reading

MANY = 20
"""Behaviours that are listed for people."""

NAMED = 3
"""Functions that are named for people beside a behaviour."""

Kind: TypeAlias = Literal["build", "label", "days"]


@click.command("diff")
@click.argument("a", metavar="A")
@click.argument("b", metavar="B")
@store_option
@choosing
@click.option(
    "--over",
    type=click.FloatRange(0, 100),
    default=1,
    show_default=True,
    metavar="POINTS",
    help="Percentage points by which a share must have changed.",
)
@format_option
def command(a: str, b: str, store: Path, chosen: Chosen, over: float, output: str) -> None:
    """What differs between two builds, two labels or two spans of time.

    A and B are builds (a name or a glob: 'v2.*'), labels (tenant=acme) or days in UTC, both ends included
    (2026-11-01..2026-11-07, 2026-11-08.., 7d..). What is the name of a build is taken to be one.

    Behaviours are compared by what they ran, on the code as B has it: of functions that were changed in between it
    counts only whether they ran. A share has shifted where it changed by more than --over, and by more than chance
    alone explains.
    """
    with reading(store) as reader:
        builds = [build.name for build in reader.builds()]
        kinds, asked = zip(*(_side(text, builds) for text in (a, b)), strict=True)
        if not builds:
            raise StoreError(f"The store {store} holds no requests yet; send your server some.")
        looks = sides(reader, chosen, *asked, exclude=excluded(), track=tracked)
        for text, kind, view in zip((a, b), kinds, looks, strict=True):
            if not view.hits:
                raise _nothing(text, kind, view, builds)
        answer = diff(*looks, names=((a, kinds[0]), (b, kinds[1])), over=over / 100)
    tell(answer, output, _show)


def _side(text: str, builds: Collection[str]) -> tuple[Kind, Chosen]:
    """Which requests are meant, and by what."""
    if text in builds:
        return "build", Chosen(builds=(escape(text),))
    first, dots, last = text.partition("..")
    if dots and (first or last) and all(re.fullmatch(r"|\d{1,5}[dw]|\d{4}-\d\d-\d\d", end) for end in (first, last)):
        return "days", Chosen(since=since(first) if first else None, until=since(last) if last else None)
    if "=" in text:
        return "label", Chosen(labels=(label(text),))
    return "build", Chosen(builds=(text,))


def _nothing(text: str, kind: Kind, view: View, builds: list[str]) -> StoreError:
    """Why there is nothing on one side."""
    if view.all_hits and not view.routes:
        return StoreError(f"No route fits {' or '.join(map(repr, view.chosen.routes))}; `reqcov routes` lists them.")
    if kind == "build" and not any(map(view.chosen.fits_build, builds)):
        some = ", ".join(map(repr, builds[-MANY:]))
        return StoreError(f"No build is called {text!r}; {nearest(text, builds) or f'there are {some}.'}")
    return StoreError(f"No request fits the {kind} {text!r}; widen that, or the other choices.")


def _show(answer: Diff) -> None:
    """For people."""
    say(*_told("A", answer.a), *_told("B", answer.b))
    if answer.both:
        say(f"{plural(answer.both, 'request')} on both sides.")
    routes = [row for row in answer.routes if row.change != "same"]
    if routes:
        say("")
        table(
            ("route", "#requests A", "#requests B", "#share A", "#share B", "change"),
            [(row.route, *_counts(row)) for row in routes],
        )
    same = len(answer.routes) - len(routes)
    if same:
        say("", f"{plural(same, 'route')} with about the same share.")
    behaviours = [(row.route, each) for row in answer.routes for each in row.behaviours if _on_both(row)]
    if behaviours:
        say("")
        table(
            ("route", "behaviour", "#requests A", "#requests B", "#share A", "#share B", "change", "more", "fewer"),
            [
                (route, row.footprint[:12], *_counts(row), _few(row.more), _few(row.fewer))
                for route, row in behaviours[:MANY]
            ],
        )
        if len(behaviours) > MANY:
            say(f"and {plural(len(behaviours) - MANY, 'behaviour')} more; --format json has them all.")
    if answer.functions:
        say("")
        table(("file, function", "ran only in A", "ran only in B", "code"), _functions(answer.functions))
    if not routes and not behaviours and not answer.functions:
        say("", "Nothing differs.")
    if answer.problems:
        say("", *(f"{path}: {problem}." for path, problem in answer.problems.items()))


def _told(letter: str, side: DiffSide) -> Iterator[str]:
    builds = "" if side.builds == [side.name] else f", {plural(len(side.builds), 'build')}"
    yield (
        f"{letter}: {side.kind} {side.name}{builds}, {plural(side.requests, 'request')}, {when(side.first_seen)} to "
        f"{when(side.last_seen)} UTC"
    )
    if side.unknown:
        yield f"   of {plural(side.unknown, 'request')} it isn't known what they ran"


def _on_both(row: RouteChange) -> bool:
    return row.change in ("shifted", "same")


def _counts(row: RouteChange | BehaviourChange) -> tuple[str, ...]:
    points = 100 * (row.share_b - row.share_a)
    change = f"{points:+.1f} points" if row.change == "shifted" else row.change
    return str(row.requests_a), str(row.requests_b), percent(row.share_a), percent(row.share_b), change


def _few(lines: list[FunctionLines]) -> str:
    """`total 7-9, tax 12 and 3 more`."""
    more = len(lines) - NAMED
    named = ", ".join(f"{row.name} {row.ranges}".rstrip() for row in lines[:NAMED])
    return named + (f" and {more:,} more" if more > 0 else "")


def _functions(changes: Iterable[FunctionChange]) -> Iterator[tuple[str, ...]]:
    """Those of a file below its path, each once."""
    path = None
    rows: dict[tuple[str, int, str], dict[str, FunctionChange]] = {}
    for change in changes:
        rows.setdefault((change.path, change.first, change.name), {})[change.ran_in] = change
    for (where, _, name), sides_of in rows.items():
        if where != path:
            path = where
            yield path, "", "", ""
        text = next(iter(sides_of.values())).text
        only_a, only_b = (sides_of[side].ranges if side in sides_of else "" for side in ("a", "b"))
        yield f"  {name}", only_a, only_b, "" if text == "unchanged" else text
