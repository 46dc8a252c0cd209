"""`reqcov merge`."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import click

from reqcov.reports.text import plural, say
from reqcov.store.locate import store_path
from reqcov.store.merge import T, merge
from reqcov.store.reading import reading

MANY = 20_000
"""Rows that take so long that progress is shown."""


@click.command("merge")
@click.argument("stores", nargs=-1, required=True)
@click.option("-o", "--output", required=True, metavar="STORE", help="Where to; one of STORES is added to.")
def command(stores: tuple[str, ...], output: str) -> None:
    """Put several stores together in one.

    STORES are paths or URLs; they are only read, except for the one that is named as output, too. Servers may write to
    all of them meanwhile. What two of them hold because one is a copy of the other counts once, so merging again adds
    only what is new.
    """
    out = store_path(output)
    merge([store_path(store) for store in stores], out, _tracked)
    with reading(out) as reader:
        say(f"{out} holds {plural(round(reader.requests()), 'request')}.")


def _tracked(items: Collection[T], what: str) -> Iterable[T]:
    if len(items) < MANY:
        return items
    from rich.console import Console
    from rich.progress import track

    return track(items, what, console=Console(stderr=True), transient=True)
