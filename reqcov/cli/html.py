"""`reqcov html`."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path

import click

from reqcov.analysis.inputs.tested import find, tested
from reqcov.analysis.view import Chosen
from reqcov.cli import unimported
from reqcov.cli.options import choosing, store_option, tests_option, tracked, view_of
from reqcov.errors import ReqcovError
from reqcov.reports.text import plural, say

OURS = "data/requests.js"
"""What a folder has that a report was written to."""

OF_ONE = re.compile(r"(file|route|data/side)/[a-z0-9._-]*[0-9a-f]{10}\.(html|js)")
"""Pages and scripts of one file, route, build or label: there may be none for it the next time."""


@click.command("html")
@click.option(
    "-o",
    "--output",
    "folder",
    type=click.Path(path_type=Path),
    default=Path("reqcov-html"),
    show_default=True,
    help="The folder to write; an earlier report in it is replaced.",
)
@tests_option(required=False)
@store_option
@choosing
def command(folder: Path, tests: tuple[str, ...], store: Path, chosen: Chosen) -> None:
    """Write the report as pages for a browser.

    Open index.html, or put the folder on any static host. The pages show which requests came when, what each route
    runs, who runs each line of each file, how any two routes, builds or labels differ, which functions no request ran,
    and which tests add nothing. They hold your source code.

    With --tests they show what requests run and tests do not, on the code of this folder, as tests ran it.
    """
    from reqcov.reports.html.site import Site
    from reqcov.reports.html.writing import write, written

    if folder.exists() and not folder.is_dir():
        raise ReqcovError(f"{folder} is a file; name a folder with -o.")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / OURS).exists():
        raise ReqcovError(f"{folder} holds something else than a report; name another folder with -o, or empty it.")
    files = find(tests)
    with view_of(store, chosen, current=bool(files)) as view:
        covered = tested(files, view.files, Path.cwd()) if files else None
        site = Site(view, tested=(lambda: covered) if covered else None, unimported=unimported.here(view.files))
        names = sorted(site.names(), key=lambda name: name != OURS)  # first: what is cut short is a report as well
        write(site, folder, names[0])
        site.find_answers()
        view.codebase.complete()  # nobody but us may read the store: a connection does not survive a fork
        for _ in tracked(written(site, folder, names[1:]), "Writing", len(names) - 1):
            pass
    _tidy(folder, set(names))
    pages = sum(name.endswith(".html") for name in names)
    say(f"{plural(pages, 'page')} written; open {folder / 'index.html'}")


def _tidy(folder: Path, names: Collection[str]) -> None:
    """Remove what an earlier report had and this one has not."""
    for file in folder.glob("*/**/*"):
        name = file.relative_to(folder).as_posix()
        if name not in names and OF_ONE.fullmatch(name):
            file.unlink()
