"""`reqcov gaps`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

import click

from reqcov.analysis.gaps import Gap, Gaps, gaps
from reqcov.analysis.inputs.changes import Change, changed_lines, read_diff
from reqcov.analysis.inputs.current import current_file
from reqcov.analysis.inputs.matching import match
from reqcov.analysis.inputs.tested import Covered, find, tested
from reqcov.analysis.source.masks import Mask
from reqcov.analysis.view import Chosen, View
from reqcov.cli.options import choosing, format_option, store_option, tell, tests_option, view_of
from reqcov.reports.text import percent, plural, printable, say, some, table
from reqcov.store.model import TEST

TOO_MANY = 2
"""The exit status where there are more gap lines than were allowed."""

MANY = 20
"""Gaps that are listed for people."""

ROUTES = 2
"""Routes that are named beside a gap."""


@click.command("gaps")
@tests_option(required=True)
@click.argument("more", metavar="[FILE]...", nargs=-1)
@store_option
@choosing
@click.option(
    "--diff",
    type=click.File("rb"),
    metavar="FILE",
    help="Only lines that this unified diff adds or changes; - for standard input.",
)
@click.option(
    "--top", type=click.IntRange(1), default=MANY, show_default=True, metavar="N", help="List so many; JSON has all."
)
@click.option(
    "--fail-over",
    type=click.IntRange(0),
    metavar="N",
    help=f"End with status {TOO_MANY} where gaps have more lines.",
)
@format_option
def command(
    tests: tuple[str, ...],
    more: tuple[str, ...],
    store: Path,
    chosen: Chosen,
    diff: BinaryIO | None,
    top: int,
    fail_over: int | None,
    output: str,
) -> None:
    """What requests run and tests do not, by requests.

    A gap is the lines of one function that the very same requests ran, and no test did. More files may follow without
    --tests, as a shell writes `--tests .coverage.*`. The code is that of this folder, as tests ran it.

    Requests that tests made, which have the label `test`, are no traffic: they are left out, unless --label test=GLOB
    asks for them. With --diff, lines count too that stand in functions of which requests ran an earlier version only.
    Where no requests are chosen by --route, --label, --since, --until or --build, lines come last that only requests
    ran which were not sampled.
    """
    files = find([*tests, *more])
    changes = read_diff(diff.read()) if diff is not None else None
    with view_of(store, chosen, current=True, counted=False) as view:
        covered = tested(files, view.files, Path.cwd())
        answer = gaps(view, covered.lines, changed=_changed(view, changes))
        _warn(view, covered)
    tell(answer, output, lambda answer: _show(answer, top))
    if fail_over is not None and answer.lines > fail_over:
        click.echo(f"{plural(answer.lines, 'line')} in gaps, more than --fail-over {fail_over}.", err=True)
        raise SystemExit(TOO_MANY)


def _changed(view: View, changes: Iterable[Change] | None) -> dict[str, Mask] | None:
    """By path, the lines that came; where there is a diff."""
    if changes is None:
        return None
    lines = changed_lines(changes)
    matched = match(lines, view.files, Path.cwd().as_posix())
    unknown = [name for name in (*matched.unknown, *matched.unclear) if name.endswith(".py")]
    if unknown:
        _tell(f"Of the diff, not in the store: {some(unknown)}.")
    found: dict[str, Mask] = defaultdict(int)
    for name, path in matched.paths.items():
        found[path] |= lines[name]
    return found


def _warn(view: View, covered: Covered) -> None:
    """Say of which files it can't be told what tests covered."""
    if covered.unclear:
        _tell(f"Left out, for they may be more than one file of the store: {some(covered.unclear)}.")
    if covered.unknown:
        _tell(f"Not in the store: {plural(len(covered.unknown), 'file')} of --tests, {some(covered.unknown)}.")
    gone = [path for path in view.files if path not in covered.lines and current_file(path) is None]
    if gone:
        _tell(f"Not in this folder, and shown as they ran: {some(gone)}.")


def _tell(sentence: str) -> None:
    click.echo(printable(sentence), err=True)


def _show(answer: Gaps, top: int) -> None:
    """For people."""
    what, before = "function statement", ""
    if answer.changes:
        what, before = "changed function statement", ", or an earlier version of its function"
    if answer.gaps:
        table(("#requests", "#share", "file", "lines", "function", "routes"), map(_row, answer.gaps[:top]))
        rest = answer.gaps[top:]
        if rest:
            lines = plural(sum(len(gap.lines) for gap in rest), "line")
            say(f"and {plural(len(rest), 'gap')} more, of {lines}; --top lists more, --format json all.")
        say("")
    if not answer.ran:
        say(f"None of {plural(answer.requests, 'request')} ran a {what}{before}.")
    else:
        say(
            f"{plural(answer.requests, 'request')} ran {plural(answer.ran, what)}{before}; "
            f"tests ran {answer.tested:,} of them, {percent(answer.share)}; {percent(answer.weighted)} by requests.",
            f"{plural(answer.lines, 'line')} in {plural(len(answer.gaps), 'gap')}.",
        )
    for note in _notes(answer):
        say(note)


def _row(gap: Gap) -> tuple[str, ...]:
    routes = [f"{row.route} ({row.requests})" for row in gap.routes[:ROUTES]]
    routes += [f"{len(gap.routes) - ROUTES} more"] if len(gap.routes) > ROUTES else []
    known = gap.kind != "not sampled"
    return (
        str(gap.requests) if known else "?",
        percent(gap.share) if known else "?",
        gap.path,
        gap.ranges,
        gap.function + (" (changed)" if gap.kind == "changed" else ""),
        ", ".join(routes) if known else "(not sampled)",
    )


def _notes(answer: Gaps) -> list[str]:
    notes = []
    if answer.of_tests:
        made = "was made by a test" if answer.of_tests == 1 else "were made by tests"
        notes.append(f"{plural(answer.of_tests, 'request')} {made} and left out; --label '{TEST}=*' asks for them.")
    unknown = answer.unread + answer.uncounted
    if unknown:
        notes.append(f"Of {plural(unknown, 'request')} not all lines are known: there may be more gaps.")
    if any(gap.kind == "changed" for gap in answer.gaps):
        notes.append(
            "changed: requests ran an earlier version of the function; whether they run these lines is not known."
        )
    if answer.dropped and not answer.changes:
        dropped = sum(answer.dropped.values())
        left_out = f"{plural(dropped, 'line')} that ran in functions that have changed since"
        notes.append(f"{left_out} {'is' if dropped == 1 else 'are'} left out: {some(answer.dropped)}.")
    notes += [f"{path}: {problem}." for path, problem in answer.problems.items()]
    return notes
