"""Tells a store of tests: that they begin, and how they end. Any number of processes and threads may do so at once."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from math import inf, nextafter
from pathlib import Path
from sqlite3 import Connection
from typing import TypeVar, get_args

from reqcov.errors import ConfigError, StoreError
from reqcov.record import LABEL_LENGTH
from reqcov.store.model import MAX_LABELS, Outcome, Run, storable
from reqcov.store.sqlite import COMMAND_PATIENCE, Rows, opened, patiently, transaction

OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)

T = TypeVar("T")


def begin(path: Path, name: str) -> Run:
    """A test begins now. Until it ends this run is inconclusive, and of the one before nothing is told any more.

    Raises ConfigError for a name that is none, StoreBusy where somebody else writes for too long, and StoreError where
    the store can't be written or has too many tests.
    """
    check(name, None)

    def write(connection: Connection) -> Run:
        known = _known(connection, name)
        earliest = nextafter(known.started, inf) if known is not None else 0.0  # also after a clock was set back
        run = Run(None, max(time.time(), earliest), None)
        _add(connection, path, [(name, run)])
        return run

    return _written(path, write)


def end(path: Path, name: str, outcome: Outcome) -> Run:
    """A test ends now, and this is its outcome; where it has ended already, this one holds.

    One that nobody said had begun is kept all the same, for its outcome is known: it began and ended at once.
    Raises ConfigError for an outcome that is none, and what `begin` does.
    """
    check(name, outcome)

    def write(connection: Connection) -> Run:
        known, now = _known(connection, name), time.time()
        started = known.started if known is not None else now
        run = Run(outcome, started, max(now, started))
        _add(connection, path, [(name, run)])
        return run

    return _written(path, write)


def keep(path: Path, runs: Iterable[tuple[str, Run]]) -> None:
    """Keep many runs at once: all of them, or none. Of several of the same test the one that began last is kept.

    Raises what `end` does.
    """
    told = list(runs)
    for name, run in told:
        check(name, run.outcome)
    _written(path, lambda connection: _add(connection, path, told))


def check(name: str, outcome: str | None) -> None:
    """Raises ConfigError for what is no name of a test, or no outcome."""
    if not name or len(name) > LABEL_LENGTH:
        raise ConfigError(f"The name of a test has 1 to {LABEL_LENGTH:,} characters, not {len(name):,}.")
    if storable(name) != name:
        raise ConfigError(f"{name!r} can't be the name of a test: it has characters that have no UTF-8.")
    if outcome is not None and outcome not in OUTCOMES:
        raise ConfigError(f"{outcome!r} is no outcome of a test; it is one of {', '.join(OUTCOMES)}.")


def _written(path: Path, write: Callable[[Connection], T]) -> T:
    """What `write` returns, in a transaction of its own; the store is made where there is none."""

    def attempt() -> T:
        with opened(path, 0) as connection, transaction(connection):
            return write(connection)

    return patiently(attempt, COMMAND_PATIENCE)


def _known(connection: Connection, name: str) -> Run | None:
    row = connection.execute("SELECT outcome, started, ended FROM test WHERE name = ?", (name,)).fetchone()
    return Run(row[0] or None, *row[1:]) if row is not None else None


def _add(connection: Connection, path: Path, runs: Iterable[tuple[str, Run]]) -> None:
    """Raises StoreError where these are more tests than labels can tell apart."""
    before, rows = _count(connection), Rows(connection)
    for name, run in runs:
        rows.test(name, run)
    if _count(connection) > max(before, MAX_LABELS):
        raise StoreError(
            f"{path} can't hold more than {MAX_LABELS:,} tests; give them names that stay the same from run to run, "
            "and make room by `reqcov prune` or `reqcov reset`."
        )


def _count(connection: Connection) -> int:
    (tests,) = connection.execute("SELECT count(*) FROM test").fetchone()
    return int(tests)
