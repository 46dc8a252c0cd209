"""`reqcov export`."""

from __future__ import annotations

import os
import sqlite3
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import click
import coverage
from coverage.exceptions import CoverageException

from reqcov.analysis.export import NOT_SAMPLED, Export, arcs_by_context, export, lines_by_context
from reqcov.analysis.inputs.current import current_file
from reqcov.analysis.source.masks import numbers
from reqcov.analysis.view import Chosen, View
from reqcov.cli.options import choosing, store_option, tracked, view_of
from reqcov.errors import ReqcovError
from reqcov.reports import coverage_data
from reqcov.reports.cobertura import cobertura
from reqcov.reports.json import as_json
from reqcov.reports.lcov import lcov
from reqcov.reports.text import plural, printable, some

TEXTS: dict[str, Callable[[Export], str]] = {
    "lcov": lcov,
    "xml": lambda answer: cobertura(answer, folder=str(Path.cwd()), seconds=time.time()),
    "json": lambda answer: as_json(answer, compact=True) + "\n",
}


@click.command("export")
@click.argument("form", metavar="coverage|lcov|xml|json", type=click.Choice(["coverage", *TEXTS]))
@click.option(
    "-o",
    "target",
    metavar="FILE",
    required=True,
    type=click.Path(path_type=Path, allow_dash=True),
    help="File to write or replace; - for standard output.",
)
@store_option
@choosing
def command(form: str, target: Path, store: Path, chosen: Chosen) -> None:
    """Write a coverage.py data file, lcov, Cobertura XML or JSON.

    All describe the code of this folder as it is now. In a coverage.py data file the contexts are routes; the others
    count function statements, and their hits are requests.
    """
    dash = str(target) == "-"
    if dash and form == "coverage":
        raise click.UsageError("A coverage.py data file can't go to standard output; name a file with -o.")
    if target.exists() and store.exists() and target.samefile(store):
        raise click.UsageError(f"{target} is the store itself; name another file with -o.")
    with view_of(store, chosen, current=True, counted=False) as view:
        gone = _tell(view)
        if form == "coverage":
            _write_coverage(target, view)
            if gone:
                _say("coverage.py reports on files that are not in this folder with --ignore-errors only.")
            return
        text = TEXTS[form](export(view)).encode()
    if dash:
        click.echo(text, nl=False)
    else:
        with _replacing(target) as part:
            part.write_bytes(text)


def _tell(view: View) -> list[str]:
    """Say what is not as it ran; returns the files that are not in this folder."""
    if view.dropped:
        lines = plural(sum(view.dropped.values()), "line")
        files = some([f"{path} ({count})" for path, count in sorted(view.dropped.items())])
        _say(f"Left out: {lines} that ran in functions that have changed since, in {files}.")
    gone = [path for path in view.files if current_file(path) is None]
    if gone:
        _say(f"Not in this folder, and exported as they ran: {some(gone)}.")
    broken = [f"{path} ({file.code.problem})" for path, file in view.files.items() if file.code.problem]
    if broken:
        _say(f"Exported without lines: {some(broken)}.")
    return gone


def _write_coverage(target: Path, view: View) -> None:
    lines = lines_by_context(view)
    arcs = view.branches == "all" and NOT_SAMPLED not in lines
    if view.branches != "none" and not arcs:
        _say("Left out: branches, for it is not known of all lines that ran which ones they took.")
    names = _names(view.files)
    ran: Mapping[str, Mapping[str, Any]] = arcs_by_context(view) if arcs else lines
    contexts = ((context, _renamed(ran[context], names)) for context in tracked(list(ran), "Writing"))
    with _replacing(target) as part:
        coverage_data.write(part, set(names.values()), contexts, arcs=arcs)


def _renamed(by_path: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, set[Any]]:
    """By name of the file, lines or arcs."""
    found: dict[str, set[Any]] = defaultdict(set)
    for path in by_path.keys() & names.keys():
        ran = by_path[path]
        found[names[path]].update(numbers(ran) if isinstance(ran, int) else ran)
    return found


def _names(paths: Iterable[str]) -> dict[str, str]:
    """What coverage.py calls the files, were it run in this folder."""
    relative = coverage.Coverage(data_file=None).get_option("run:relative_files")
    folder = Path.cwd()
    names = {}
    for path in paths:
        name = Path(path).resolve()
        if relative and name.is_relative_to(folder):
            name = name.relative_to(folder)
        names[path] = str(name)
    return names


@contextmanager
def _replacing(target: Path) -> Iterator[Path]:
    """A file that takes the place of `target` if all goes well.

    Raises ReqcovError where it can't be written.
    """
    target = target.resolve()
    if target.exists() and not target.is_file():
        raise ReqcovError(f"{target} is no regular file; name another one with -o.")
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        yield part
        part.replace(target)
    except (OSError, CoverageException, sqlite3.Error) as error:
        raise ReqcovError(f"{target} can't be written: {error}; name another file with -o.") from error
    finally:
        with suppress(OSError):
            part.unlink()


def _say(message: str) -> None:
    click.echo(printable(message), err=True)
