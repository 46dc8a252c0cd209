"""`reqcov dead`."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import click

from reqcov.analysis.dead import UNUSED, Dead, DeadFile, DeadFunction, Verdict, dead
from reqcov.analysis.view import Chosen
from reqcov.cli import unimported
from reqcov.cli.options import (
    choosing_code,
    current_option,
    format_option,
    store_option,
    tell,
    view_of,
)
from reqcov.reports.text import percent, plural, say, some, table, when

MANY = 50
"""Lines that are listed for people."""

ELSEWHERE: tuple[Verdict, ...] = ("outside", "job", "test")
"""Verdicts of what ran, but in no request as far as is known."""


@click.command("dead")
@store_option
@choosing_code
@current_option
@click.option(
    "--top", type=click.IntRange(1), default=MANY, show_default=True, metavar="N", help="List so many; JSON has all."
)
@format_option
def command(store: Path, chosen: Chosen, current: bool, top: int, output: str) -> None:
    """Functions that no request ran, and how well that is known.

    Requests that are not sampled count too: whatever they run first in a process is seen. What is `dead`, `changed` or
    `not imported` has nothing that speaks for it; `startup`, `outside`, `job`, `test` and `earlier` tell what else ran
    it, or may have. Functions in a listed function go with it; those that are only declared are left out.

    Files that nobody imported are looked for in this folder: where `source` is configured, else in the packages that
    something was imported from. Before you delete anything, see that it was watched for long enough.
    """
    with view_of(store, chosen, current=current, counted=False) as view:
        answer = dead(view, unimported=unimported.here(view.files))
    tell(answer, output, lambda answer: _show(answer, top))


def _show(answer: Dead, top: int) -> None:
    """For people: the evidence first."""
    say(*_evidence(answer), "")
    groups = [(file, group) for file in answer.files for group in _groups(file)]
    groups.sort(key=lambda each: each[1][0].verdict not in UNUSED)
    if groups:
        rows = [_row(answer, file, group) for file, group in groups[:top]]
        table(("file", "lines", "function", "#stmts", "verdict", "why"), rows)
        rest = [row for _, group in groups[top:] for row in group]
        if rest:
            lines = plural(sum(row.statements for row in rest), "statement")
            say(f"and {plural(len(rest), 'function')} more, of {lines}; --top.")
        say("")
    share = percent(answer.unused / answer.statements) if answer.statements else "0.0%"
    unused = sum(1 + row.inner for file in answer.files for row in file.rows if row.verdict in UNUSED)
    say(
        f"{unused:,} of {plural(answer.functions, 'function')} unused, with {answer.unused:,} of "
        f"{plural(answer.statements, 'statement')}, {share}."
    )
    for note in _notes(answer):
        say(note)


def _groups(file: DeadFile) -> list[list[DeadFunction]]:
    """Functions that share a line: those of a file, or of a class, of which the same is told of all."""
    if file.unused == file.statements and len({_evidence_of(row) for row in file.rows}) == 1:
        return [file.rows]
    of_class: dict[str, list[DeadFunction]] = defaultdict(list)
    for row in file.rows:
        if row.whole_class is not None:
            of_class[row.whole_class].append(row)
    groups: list[list[DeadFunction]] = []
    for row in file.rows:
        group = of_class.get(row.whole_class or "", [row])
        if len({_evidence_of(each) for each in group}) > 1:
            groups.append([row])
        elif row is group[0]:
            groups.append(group)
    return groups


def _evidence_of(row: DeadFunction) -> tuple[object, ...]:
    return row.verdict, row.reason, row.watched_since, row.requests


def _evidence(answer: Dead) -> list[str]:
    by = f"{plural(answer.processes, 'process', 'processes')} ({', '.join(answer.cores)})"
    if answer.watched_since is None or answer.until is None:
        return [f"Watched by {by}; no request was sampled, so nobody knows how many there were."]
    counts = [plural(answer.requests, "request"), f"{percent(answer.sampled)} of them recorded completely"]
    counts += [plural(answer.jobs, "job")] if answer.jobs else []
    counts += [plural(answer.of_tests, "request") + " of tests"] if answer.of_tests else []
    return [
        f"Watched from {when(answer.watched_since)} to {when(answer.until)} UTC: {', '.join(counts)};",
        f"{plural(len(answer.builds), 'build')} ({some(answer.builds)}), {by}.",
    ]


def _row(answer: Dead, file: DeadFile, group: list[DeadFunction]) -> tuple[str, ...]:
    row = group[0]
    first, last = row.first, max(each.last for each in group)
    functions = sum(1 + each.inner for each in group)
    if len(group) == 1:
        name = row.function + (f" (+{row.inner} in it)" if row.inner else "")
    else:
        whole = "whole file" if group is file.rows else f"class {row.whole_class}"
        name = f"{whole} ({plural(functions, 'function')})"
    return (
        file.path,
        f"{first}-{last}" if last > first else f"{first}",
        name,
        str(sum(each.statements for each in group)),
        row.verdict,
        _why(answer, row),
    )


def _why(answer: Dead, row: DeadFunction) -> str:
    """What the verdict does not say itself, and since when it was watched, if not from the beginning."""
    why = [] if row.verdict in ("dead", "not imported") else [row.reason]
    if row.verdict in ("dead", "changed") and row.watched_since != answer.watched_since:
        since = f"watched since {when(row.watched_since)}, " if row.watched_since is not None else ""
        why.append(f"{since}{plural(row.requests, 'request')}")
    return "; ".join(why)


def _notes(answer: Dead) -> list[str]:
    notes = []
    if not answer.exact and any(row.verdict in ELSEWHERE for file in answer.files for row in file.rows):
        notes.append(
            "Not of every request all lines are known: what is told to have run in jobs, in tests or outside of "
            "requests, requests may have run too."
        )
    if answer.blind_outside:
        notes.append("The core settrace sees little outside of requests: what threads and timers run is unseen.")
    if answer.unread:
        notes.append(f"{plural(answer.unread, 'request')} not read to the end: what only these ran is not known.")
    if answer.lost:
        notes.append(f"{plural(answer.lost, 'record')} got lost; what only these ran is unknown. See `reqcov doctor`.")
    if answer.undated:
        notes.append(
            f"{plural(answer.undated, 'function')} ran, perhaps before: requests that are not sampled have no date. "
            "Record every request (sample=1) to tell."
        )
    if not answer.unimported:
        notes.append("Files that nobody imported were not looked for: run this in the project's folder.")
    return notes + [f"{path}: {problem}." for path, problem in answer.problems.items()]
