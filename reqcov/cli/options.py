"""The options that commands share."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from functools import wraps
from pathlib import Path
from typing import Any

import click
import coverage
from coverage.exceptions import CoverageException
from coverage.misc import join_regex
from rich.console import Console
from rich.progress import track

from reqcov.analysis.view import Chosen, View
from reqcov.config import configured
from reqcov.errors import ConfigError, StoreError
from reqcov.store.locate import DEFAULT, store_path
from reqcov.store.reading import reading

Command = Callable[..., None]


class Since(click.ParamType[date]):
    """A day, or how long ago it was."""

    name = "DATE|AGE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> date:
        """`2026-11-22`; `7d` and `2w` ago."""
        if isinstance(value, date):
            return value
        try:
            return datetime.now(UTC).date() - age(value)
        except ValueError:
            pass
        try:
            return date.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is neither a date (2026-11-22) nor an age in days or weeks (7d, 2w).", param, ctx)


def age(text: str) -> timedelta:
    """`7d` or `2w`. Raises ValueError for anything else."""
    found = re.fullmatch(r"(\d{1,5})([dw])", text)
    if found is None:
        raise ValueError(text)
    return timedelta(days=int(found[1]) * (7 if found[2] == "w" else 1))


class Label(click.ParamType[tuple[str, str]]):
    """A label's key and a pattern for its value."""

    name = "KEY=VALUE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        """`tenant=acme`."""
        if isinstance(value, tuple):
            return value
        key, equals, pattern = value.partition("=")
        if not equals or not key:
            self.fail(f"{value!r} is no label; write key=value.", param, ctx)
        return key, pattern


store_option = click.option(
    "--store",
    callback=lambda ctx, param, value: _store(value),  # noqa: ARG005
    help=f"Path or URL of the store.  [default: as configured, else {DEFAULT}]",
)

format_option = click.option(
    "--format",
    "output",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="For people, or for machines.",
)


current_option = click.option(
    "--current",
    is_flag=True,
    help="Show the code of this folder, not the code that ran: lines of changed functions are dropped.",
)


def current_file(path: str) -> bytes | None:
    """The file of that path in the current folder, as it is now; None where there is none."""
    try:
        return Path(path).read_bytes()
    except OSError:
        return None


def _store(value: str | None) -> Path:
    try:
        return store_path(value) if value is not None else configured("store") or Path(DEFAULT)
    except ConfigError as error:
        raise click.UsageError(str(error)) from error


def choosing(function: Command) -> Command:
    """Options for which requests are asked for; they arrive as `chosen`."""

    @wraps(function)
    def with_choice(
        route: tuple[str, ...],
        label: tuple[tuple[str, str], ...],
        since: date | None,
        build: tuple[str, ...],
        **rest: Any,
    ) -> None:
        function(chosen=Chosen(routes=route, labels=label, since=since, builds=build), **rest)

    for option in (
        click.option("--build", multiple=True, metavar="GLOB", help="Only requests to this build."),
        click.option("--since", type=Since(), help="Only requests from this day on (UTC): 2026-11-22, 7d, 2w."),
        click.option(
            "--label", type=Label(), multiple=True, help="Only requests with this label; VALUE may be a glob."
        ),
        click.option(
            "--route", multiple=True, metavar="GLOB", help="Only these routes: 'GET /orders/*' or '/orders/*'."
        ),
    ):
        with_choice = option(with_choice)
    return with_choice


@contextmanager
def view_of(store: Path, chosen: Chosen, current: Callable[[str], bytes | None] | None = None) -> Iterator[View]:
    """What was chosen from the store.

    Raises StoreError where there is nothing: the store is empty, or no request fits.
    """
    with reading(store) as reader:
        if not reader.hits():
            raise StoreError(f"The store {store} holds no requests yet; send your server some.")
        view = View(reader, chosen, exclude=excluded(), current=current, track=_tracked)
        if not view.hits:
            raise StoreError(f"No request in {store} fits; widen --route, --label, --since or --build.")
        yield view


def excluded() -> str:
    """The regular expression for the lines that coverage.py is configured to leave out."""
    try:
        return join_regex(coverage.Coverage(data_file=None).get_exclude_list("exclude"))
    except CoverageException as error:
        raise ConfigError(f"coverage.py's configuration can't be used: {error}") from error


def _tracked(sources: Any) -> Any:
    return track(sources, "Parsing", console=Console(stderr=True), transient=True, disable=len(sources) < 50)
