"""`reqcov merge`."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path

import click
from rich.console import Console
from rich.progress import track

from reqcov.cli.options import store_path_type
from reqcov.reports.text import say
from reqcov.store.merge import T, merge
from reqcov.store.reading import reading

MANY = 20_000
"""Rows that take long enough to show progress."""


@click.command("merge")
@click.argument("stores", nargs=-1, required=True)
@click.option("-o", "--output", required=True, metavar="STORE", help="Where to; with one of the stores, it is added to.")
def command(stores: tuple[str, ...], output: str) -> None:
    """Put several stores together in one.

    STORES are paths or URLs; they are only read. Requests that two of them hold because one is a copy of the other count
    once, so merging again what was merged before adds only what is new.
    """
