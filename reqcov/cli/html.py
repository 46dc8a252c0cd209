"""`reqcov html`."""

from __future__ import annotations

from pathlib import Path

import click

from reqcov.analysis.view import Chosen
from reqcov.cli.options import choosing, store_option, tracked, view_of
from reqcov.reports.text import plural, say


@click.command("html")
@click.option(
    "-o",
    "--output",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("reqcov-html"),
    show_default=True,
    help="The folder to write; what is in it of an earlier report is replaced.",
)
@store_option
@choosing
def command(folder: Path, store: Path, chosen: Chosen) -> None:
    """Write the report as a folder of pages, for a browser or any static host.

    The pages show what requests came, what each route runs, and each file with who runs its lines. Open index.html.
    """
    from reqcov.reports.html.site import Site

    with view_of(store, chosen) as view:
        site = Site(view, stamp="")
        names = list(site.names())
        for name in tracked(names, "Writing"):
            file = folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(site.render(name))
    say(f"{plural(len(names), 'file')} written; open {folder / 'index.html'}")
