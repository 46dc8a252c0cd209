"""`reqcov dead`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import click

from reqcov.analysis.code import Code, decode, parse
from reqcov.analysis.dead import UNUSED, Dead, DeadFile, DeadFunction, dead
from reqcov.analysis.view import Chosen
from reqcov.cli import unimported
from reqcov.cli.options import (
    choosing_code,
    current_file,
    current_option,
    format_option,
    store_option,
    tell,
    tracked,
    view_of,
)
from reqcov.config import excluded
from reqcov.reports.text import percent, plural, say, some, table, when

MANY = 50
"""Functions that are listed for people."""


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
        answer = dead(view, unimported=_unimported(view.files))
    tell(answer, output, lambda answer: _show(answer, top))


def _unimported(imported: Iterable[str]) -> dict[str, tuple[str, Code]] | None:
    """What the files consist of that nobody imported; None where this is not the project's folder."""
    paths = unimported.find(Path.cwd(), list(imported))
    if paths is None:
        return None
    exclude, found = excluded(), {}
    for path in tracked(paths):
        content = current_file(path)
        if content is not None:
            text = decode(content)
            found[path] = text, parse(text, exclude)
    return found


def _show(answer: Dead, top: int) -> None:
    """For people: the evidence first."""
    say(*_evidence(answer), "")
    rows = [(file, row) for file in answer.files for row in file.rows]
    rows.sort(key=lambda each: each[1].verdict not in UNUSED)
    if rows:
        table(("file", "lines", "function", "#stmts", "verdict", "why"), [_row(*each) for each in rows[:top]])
        rest = rows[top:]
        if rest:
            lines = plural(sum(row.statements for _, row in rest), "statement")
            say(f"and {plural(len(rest), 'function')} more, of {lines}; --top.")
        say("")
    share = percent(answer.unused / answer.statements) if answer.statements else "0.0%"
    unused = sum(1 + row.inner for _, row in rows if row.verdict in UNUSED)
    say(
        f"{plural(unused, 'function')} of {answer.functions:,} unused, with {answer.unused:,} of "
        f"{plural(answer.statements, 'statement')}, {share}."
    )
    for note in _notes(answer):
        say(note)


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


def _row(file: DeadFile, row: DeadFunction) -> tuple[str, ...]:
    inner = f" (+{row.inner} in it)" if row.inner else ""
    lines = f"{row.first}-{row.last}" if row.last > row.first else f"{row.first}"
    return file.path, lines, row.function + inner, str(row.statements), row.verdict, _why(file, row)


def _why(file: DeadFile, row: DeadFunction) -> str:
    parts = [row.reason]
    if row.verdict in UNUSED and file.imported:
        parts.append(
            f"watched since {when(row.watched_since)}, {plural(row.requests, 'request')}"
            if row.watched_since is not None
            else "no request was recorded since it is as it is"
        )
    if file.unused == file.statements:
        parts.append("nor did anything else in this file" if file.imported else "")
    elif row.whole_class is not None:
        parts.append(f"nor did anything else in {row.whole_class}")
    return "; ".join(filter(None, parts))


def _notes(answer: Dead) -> list[str]:
    notes = []
    if not answer.exact:
        notes.append(
            "Not of every request all lines are known: what is told to have run in jobs, in tests or outside of "
            "requests, requests may have run too."
        )
    if answer.blind_outside:
        notes.append("The core settrace sees nothing outside of requests: background threads and timers ran unseen.")
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
