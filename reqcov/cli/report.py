"""`reqcov report`."""

from __future__ import annotations

from pathlib import Path

import click

from reqcov.analysis.report import FileRow, Report, report
from reqcov.analysis.view import Chosen
from reqcov.cli.options import choosing, current_option, format_option, store_option, tell, view_of
from reqcov.reports.text import DROPPED, percent, plural, say, table

TOO_LITTLE = 2
"""The exit status where less is covered than was asked for, as coverage.py has it."""


@click.command("report")
@store_option
@choosing
@current_option
@click.option("-m", "--show-missing", is_flag=True, help="Show the lines that no request ran.")
@click.option("--skip-covered", is_flag=True, help="Leave out files of which requests ran everything.")
@click.option(
    "--fail-under",
    type=click.FloatRange(0, 100),
    metavar="PERCENT",
    help=f"End with status {TOO_LITTLE} where less is covered.",
)
@format_option
def command(
    store: Path,
    chosen: Chosen,
    current: bool,
    show_missing: bool,
    skip_covered: bool,
    fail_under: float | None,
    output: str,
) -> None:
    """What requests run of each file.

    It is like `coverage report`: STMTS are statements in functions, which is what requests can run; those that run at
    import are told apart. Where no requests are chosen by --route, --label, --since, --until or --build, lines count
    that only requests ran which were not sampled.
    """
    with view_of(store, chosen, current=current, counted=False) as view:
        answer = report(view)
    tell(answer, output, lambda answer: _show(answer, show_missing=show_missing, skip_covered=skip_covered))
    if fail_under is not None and float(percent(answer.cover).rstrip("%")) < fail_under:
        click.echo(f"{percent(answer.cover)} is less than --fail-under {fail_under:g}.", err=True)
        raise SystemExit(TOO_LITTLE)


def _show(answer: Report, *, show_missing: bool, skip_covered: bool) -> None:
    """For people."""
    shown = [file for file in answer.files if file.missed or file.problem or file.dropped or not skip_covered]
    dropped = sum(file.dropped for file in answer.files)

    def row(each: FileRow | Report, name: str, lost: int, cover: str, missing: str) -> tuple[str, ...]:
        optional = [*([str(lost)] if dropped else []), *([missing] if show_missing else [])]
        return (name, str(each.statements), str(each.missed), cover, str(each.import_time), *optional)

    total = row(answer, "total", dropped, percent(answer.cover), "")
    rows = [
        row(file, file.path, file.dropped, "?" if file.problem else percent(file.cover), file.missing_ranges)
        for file in shown
    ]
    optional = [*(["#dropped"] if dropped else []), *(["missing"] if show_missing else [])]
    table(("file", "#stmts", "#miss", "#cover", "#at import", *optional), [*rows, total], bold=lambda row: row is total)
    notes = [DROPPED] if dropped else []
    notes += [f"{file.path}: {file.problem}." for file in answer.files if file.problem]
    if len(shown) < len(answer.files):
        notes.append(f"{plural(len(answer.files) - len(shown), 'file')} skipped: requests ran everything.")
    if notes:
        say("", *notes)
