"""`reqcov prune`."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import click

from reqcov.cli.options import age, store_option
from reqcov.errors import StoreError
from reqcov.reports.text import plural, say, size
from reqcov.store.keeping import prune, shrink
from reqcov.store.reading import reading

NAMES = {
    "footprint": ("behaviour", "behaviours"),
    "source": ("version of a file", "versions of files"),
    "route": ("route", "routes"),
    "labels": ("set of labels", "sets of labels"),
    "build": ("build", "builds"),
    "writer": ("process", "processes"),
}
"""By table, what people call its rows."""


@click.command("prune")
@store_option
@click.option("--older-than", required=True, metavar="AGE", help="In days or weeks: 90d, 12w.")
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
def command(store: Path, older_than: str, dry_run: bool) -> None:
    """Forget what is older than some days.

    These are the requests of earlier days (UTC), and then what no other request and no build of later days needs:
    behaviours, sources, routes, labels, builds. Servers that write to the store need not be stopped.
    """
    try:
        first = datetime.now(UTC).date() - age(older_than)
    except (ValueError, OverflowError):
        raise click.UsageError(f"--older-than takes an age in days or weeks (90d, 12w), not {older_than!r}.") from None
    with reading(store) as reader:
        before = reader.size()
    pruned = prune(store, (first - date(1970, 1, 1)).days, dry_run=dry_run)
    requests = plural(round(pruned.requests), "request")
    rows = ", ".join(plural(pruned.rows[table], *names) for table, names in NAMES.items())
    say(f"{'Would forget' if dry_run else 'Forgot'} {requests} from before {first}, with {rows}.")
    if not dry_run:
        say(shrunk(store, before))


def shrunk(store: Path, before: int) -> str:
    """Make the file as small as it can be, and tell how small that is."""
    try:
        shrink(store)
    except StoreError as error:
        return f"The file is as large as it was, and what is free in it is used again: {error}"
    with reading(store) as reader:
        return f"The file has {size(reader.size())}; it had {size(before)}."
