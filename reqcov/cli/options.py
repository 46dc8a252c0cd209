"""The options that commands share."""

from __future__ import annotations

import difflib
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import click

from reqcov.analysis.inputs.current import current_file
from reqcov.analysis.view import Chosen, View
from reqcov.config import configured, excluded
from reqcov.errors import ConfigError, ReqcovError, StoreError
from reqcov.reports.json import as_json
from reqcov.reports.text import say
from reqcov.store.locate import DEFAULT, store_path
from reqcov.store.reading import reading

Command = Callable[..., None]

T = TypeVar("T")

MANY = 50
"""Files to parse, or routes to write, that take so long that progress is shown."""


def since(text: str) -> date:
    """`2026-11-22`; `7d` and `2w` ago. Raises click.BadParameter for anything else."""
    try:
        return datetime.now(UTC).date() - age(text)
    except ValueError:
        pass
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise click.BadParameter(
            f"{text!r} is neither a date (2026-11-22) nor an age in days or weeks (7d, 2w)."
        ) from None


def age(text: str) -> timedelta:
    """`7d` or `2w`. Raises ValueError for anything else."""
    found = re.fullmatch(r"(\d{1,5})([dw])", text)
    if found is None:
        raise ValueError(text)
    return timedelta(days=int(found[1]) * (7 if found[2] == "w" else 1))


def label(text: str) -> tuple[str, str]:
    """A label's key and a pattern for its value: `tenant=acme`. Raises click.BadParameter for anything else."""
    key, equals, pattern = text.partition("=")
    if not equals or not key:
        raise click.BadParameter(f"{text!r} is no label; write key=value.")
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


def tests_option(*, required: bool) -> Callable[[Command], Command]:
    """The files that tests wrote down what they cover; they arrive as `tests`."""
    return click.option(
        "--tests",
        metavar="FILE",
        multiple=True,
        required=required,
        help="What tests covered: a data file of coverage.py, lcov or Cobertura XML; a folder of `.coverage*`; a glob. "
        "May be repeated.",
    )


current_option = click.option(
    "--current",
    is_flag=True,
    help="Show the code of this folder, not the code that ran: lines of changed functions are dropped.",
)


def _store(value: str | None) -> Path:
    try:
        return store_path(value) if value is not None else configured("store") or Path(DEFAULT)
    except ConfigError as error:
        raise click.UsageError(str(error)) from error


_ROUTE = click.option(
    "--route", multiple=True, metavar="GLOB", help="Only these routes: 'GET /orders/*' or '/orders/*'."
)
_LABEL = click.option(
    "--label",
    multiple=True,
    metavar="KEY=VALUE",
    callback=lambda ctx, param, values: tuple(map(label, values)),  # noqa: ARG005
    help="Only requests with this label; VALUE may be a glob.",
)
_SINCE = click.option(
    "--since",
    metavar="DATE|AGE",
    callback=lambda ctx, param, value: since(value) if value is not None else None,  # noqa: ARG005
    help="Only requests from this day on (UTC): 2026-11-22, 7d, 2w.",
)
_UNTIL = click.option(
    "--until",
    metavar="DATE|AGE",
    callback=lambda ctx, param, value: since(value) if value is not None else None,  # noqa: ARG005
    help="Only requests up to this day, itself included (UTC).",
)
_BUILD = click.option("--build", multiple=True, metavar="GLOB", help="Only requests to this build.")


def choosing(function: Command) -> Command:
    """Options for which requests are asked for; they arrive as `chosen`."""
    return _ROUTE(choosing_within(function))


def choosing_within(function: Command) -> Command:
    """The same without `--route`, for commands that are told the route otherwise."""

    @wraps(function)
    def with_choice(
        label: tuple[tuple[str, str], ...],
        since: date | None,
        until: date | None,
        build: tuple[str, ...],
        route: tuple[str, ...] = (),
        **rest: Any,
    ) -> None:
        function(chosen=Chosen(routes=route, labels=label, since=since, until=until, builds=build), **rest)

    return _LABEL(_SINCE(_UNTIL(_BUILD(with_choice))))


def choosing_code(function: Command) -> Command:
    """Options for builds and days alone, for what is told of code and not of some requests."""

    @wraps(function)
    def with_choice(since: date | None, build: tuple[str, ...], **rest: Any) -> None:
        function(chosen=Chosen(since=since, builds=build), **rest)

    return _SINCE(_BUILD(with_choice))


@contextmanager
def view_of(store: Path, chosen: Chosen, *, current: bool = False, counted: bool = True) -> Iterator[View]:
    """What was chosen from the store; on the files of the current folder where `current` is set.

    Raises StoreError where there is nothing: the store is empty, or no request fits. Unless it has to be `counted`,
    what only requests ran that were not sampled is something.
    """
    with reading(store) as reader:
        view = View.of(reader, chosen, exclude=excluded(), current=current_file if current else None, track=tracked)
        if not view.hits:
            if reader.hits():
                raise _nothing(store, view)
            if not any(view.codebase.seen.values()):
                raise StoreError(f"The store {store} holds no requests yet; send your server some.")
            if counted or not chosen.everything:
                raise StoreError(f"No request in {store} was sampled yet; `reqcov report` tells what the others ran.")
        yield view


def _nothing(store: Path, view: View) -> ReqcovError:
    """Why no request fits."""
    if view.routes or not view.all_hits:
        return StoreError(f"No request in {store} fits; widen --route, --label, --since, --until or --build.")
    contexts = [route.context for route in view.all_routes.values()]
    return StoreError(
        f"No route fits {' or '.join(map(repr, view.chosen.routes))}; "
        + (nearest(view.chosen.routes[0], contexts) or "`reqcov routes` lists them.")
    )


def nearest(name: str, names: list[str]) -> str:
    """`did you mean 'GET /orders'?`; empty where no name is like it."""
    close = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    return f"did you mean {' or '.join(map(repr, close))}?" if close else ""


def tell(answer: T, output: str, for_people: Callable[[T], None]) -> None:
    """Print an answer in the format that was asked for."""
    if output == "json":
        say(*as_json(answer).splitlines())
    else:
        for_people(answer)


def tracked(things: Any, what: str = "Parsing", count: int | None = None) -> Any:
    """The same things; while somebody goes through many of them, a terminal shows how far that has come.

    `count` is how many there are, where they can't be counted.
    """
    count = len(things) if count is None else count
    if count < MANY or not sys.stderr.isatty():
        return things
    from rich.console import Console
    from rich.progress import track

    return track(things, what, total=count, console=Console(stderr=True), transient=True)
