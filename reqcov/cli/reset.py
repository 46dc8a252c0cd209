"""`reqcov reset`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from reqcov.cli.options import store_option
from reqcov.cli.prune import shrunk
from reqcov.reports.text import plural, say
from reqcov.store.keeping import reset
from reqcov.store.reading import reading


@click.command("reset")
@store_option
@click.option("--yes", is_flag=True, help="Don't ask.")
def command(store: Path, yes: bool) -> None:
    """Empty the store.

    Servers that write to it need not be stopped: they go on, and count from nothing. `reqcov snapshot` keeps a copy.
    """
    with reading(store) as reader:
        requests, before = plural(round(reader.requests()), "request"), reader.size()
    if not yes:
        if not sys.stdin.isatty():
            raise click.UsageError(f"There is nobody to ask whether {store} shall be emptied; say --yes.")
        click.confirm(f"Forget {requests} in {store}?", abort=True)
    reset(store)
    say(f"Forgot {requests}.", shrunk(store, before))
