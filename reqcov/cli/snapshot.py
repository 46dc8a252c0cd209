"""`reqcov snapshot`."""

from __future__ import annotations

from pathlib import Path

import click

from reqcov.analysis.routes import moment
from reqcov.cli.options import store_option
from reqcov.reports.text import say, size, table, when
from reqcov.store.keeping import snapshot, snapshots


@click.command("snapshot")
@click.argument("name", required=False)
@store_option
@click.option("--force", is_flag=True, help="Replace the snapshot of that name.")
def command(store: Path, name: str | None, force: bool) -> None:
    """Keep a named copy of the store.

    It is written beside the store, while servers go on writing to that. Any command reads it with `--store PATH`, and
    `reqcov merge` adds it to another store. Without NAME, the snapshots that there are are listed.
    """
    if name is not None:
        say(str(snapshot(store, name, replace=force)))
        return
    found = snapshots(store)
    if not found:
        say(f"There are no snapshots of {store} yet.")
        return
    table(
        ("snapshot", "last request", "#size", "#requests", "path"),
        [
            (
                each.name,
                when(moment(each.last_seen)) if each.last_seen is not None else "none",
                size(each.size),
                f"{round(each.requests):,}",
                str(each.path),
            )
            for each in found
        ],
    )
