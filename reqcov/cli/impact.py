"""`reqcov impact`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import BinaryIO

import click

from reqcov.analysis.impact import ChangedFile, Impact, impact
from reqcov.analysis.inputs.changes import Change, read_diff
from reqcov.analysis.inputs.project import Project
from reqcov.analysis.view import Chosen, View
from reqcov.cli import git
from reqcov.cli.options import format_option, store_option, tell, tracked
from reqcov.config import excluded
from reqcov.errors import StoreError
from reqcov.reports.text import percent, plural, printable, say, some, table
from reqcov.store.reading import StoreReader, reading

OPTIONS = ("-", "@")
"""What words begin with that pytest takes for something else than a test: whoever sends requests may name one so."""

WHY = {
    "touched": "runs what changed",
    "changed": "is changed itself",
    "careful": "to be careful",
    "unknown": "not known what it runs",
}


@click.command("impact")
@click.option("--since", "revision", metavar="REV", help="What differs from this commit, tag or branch of git.")
@click.option(
    "--diff", type=click.File("rb"), metavar="FILE", help="What this unified diff changes; - for standard input."
)
@click.option("--tests", "ids", is_flag=True, help="Print the ids of the tests to run, one a line, and nothing else.")
@click.option("--ignore", multiple=True, metavar="GLOB", help="Leave out changed files of such a path: 'docs/*'.")
@store_option
@format_option
def command(
    revision: str | None, diff: BinaryIO | None, ids: bool, ignore: tuple[str, ...], store: Path, output: str
) -> None:
    """Which routes and which tests run the functions that a diff touches.

    Everything that runs a touched function is listed, what most requests run first. Where more may depend on a change,
    as on code that runs at import, more is listed, and why is told. For --tests that is told on standard error.
    """
    if (revision is None) == (diff is None):
        raise click.UsageError("Give either --since or --diff.")
    folder = Path.cwd()
    changes = git.changes_since(revision, folder) if revision is not None else read_diff(diff.read() if diff else b"")
    own = _own(store, git.top(folder) or folder)
    changes = [
        each for each in changes if each.path not in own and not any(fnmatchcase(each.path, glob) for glob in ignore)
    ]
    with reading(store) as reader:
        answer = _answer(reader, store, changes, _project(folder))
    if ids:
        _tell_ids(answer)
    else:
        tell(answer, output, _show)


def _answer(reader: StoreReader, store: Path, changes: list[Change], project: Project) -> Impact:
    view = View.of(reader, Chosen(), exclude=excluded(), track=tracked)
    if not view.hits and not any(view.codebase.seen.values()):
        raise StoreError(f"The store {store} holds no requests yet; send your server some.")
    return impact(view, changes, project, reader.tests())


def _own(store: Path, home: Path) -> set[str]:
    """The paths of the store's own files, as git has them: that requests were recorded is no change."""
    path = Path(os.path.relpath(store.resolve(), home.resolve())).as_posix()
    return {f"{path}{end}" for end in ("", "-wal", "-shm")}


def _project(folder: Path) -> Project:
    """The files around the current folder: those of its repository, where it is in one."""
    top = git.top(folder)
    home = top or folder
    names = git.modules(home) if top is not None else sorted(_below(folder))

    def read(path: str) -> bytes | None:
        """A diff may be somebody else's: what it calls a path opens no device, and nothing outside the project."""
        file = Path(os.path.normpath(home / path))
        try:
            return file.read_bytes() if file.is_relative_to(home) and file.is_file() else None
        except (OSError, ValueError):
            return None

    inside = folder.resolve().relative_to(home.resolve()).as_posix() if top is not None else "."
    return Project(modules=tuple(names), read=read, folder="" if inside == "." else inside)


def _below(folder: Path) -> Iterator[str]:
    """The Python files of a folder, but for those of hidden folders and of virtual environments."""
    for where, folders, names in os.walk(folder):
        here = Path(where)
        folders[:] = [
            each for each in folders if not each.startswith(".") and not (here / each / "pyvenv.cfg").exists()
        ]
        yield from ((here / name).relative_to(folder).as_posix() for name in names if name.endswith(".py"))


def _tell_ids(answer: Impact) -> None:
    """For `pytest $(...)`: what else there is to say goes where the shell does not look."""
    for file in answer.files:
        for reason in file.reasons:
            click.echo(printable(f"{file.path}: {reason}."), err=True)
    if not answer.tests:
        click.echo("No test runs what changed; pytest without ids would run all.", err=True)
    elif len(answer.tests) == answer.tests_known:
        click.echo(f"All {plural(answer.tests_known, 'test')} that the store knows.", err=True)
    if answer.gone:
        click.echo(printable(f"Left out, for they are no more: {some(answer.gone)}."), err=True)
    options = [row.test for row in answer.tests if row.test.startswith(OPTIONS)]
    if options:
        click.echo(printable(f"Left out, for pytest would take them for options: {some(options)}."), err=True)
    say(*(row.test for row in answer.tests if row.test not in options))


def _show(answer: Impact) -> None:
    """For people."""
    if not answer.files:
        say("Nothing has changed.")
        return
    for file in answer.files:
        say(*_told(file))
    say("")
    if answer.routes:
        table(
            ("route", "#requests", "#share", "why"),
            [
                (row.route, str(row.requests), percent(row.share), WHY["touched" if row.touched else "careful"])
                for row in answer.routes
            ],
        )
        say("")
    if answer.tests:
        table(("test", "#requests", "why"), [(row.test, str(row.requests), WHY[row.why]) for row in answer.tests])
        say("")
    say(
        f"{answer.touched:,} of {plural(answer.requests, 'request')} ran what changed; "
        f"{len(answer.tests):,} of {plural(answer.tests_known, 'test')} to run."
    )
    if answer.gone:
        say(f"No more there: {some(answer.gone)}.")


def _told(file: ChangedFile) -> Iterator[str]:
    yield file.path
    for function in file.functions:
        where = f"line {function.first}" if function.first is not None else "gone"
        yield f"    {function.name} ({where}): {plural(function.requests, 'request')}"
    for new in file.new:
        yield f"    {new.name} (line {new.first}): new, nothing has run it yet"
    for reason in file.reasons:
        yield f"    {reason}"
