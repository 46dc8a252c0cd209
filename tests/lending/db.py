"""One connection, made when it is first needed."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_connection: sqlite3.Connection | None = None


def tables() -> str:
    return """
    CREATE TABLE IF NOT EXISTS book (id INTEGER PRIMARY KEY, kind TEXT, title TEXT, pages INTEGER);
    CREATE TABLE IF NOT EXISTS loan (book INTEGER PRIMARY KEY, member TEXT, day INTEGER);
    """


def open_connection() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", check_same_thread=False, isolation_level=None)
    connection.executescript(tables())
    return connection


def connection() -> sqlite3.Connection:
    global _connection
    if _connection is None:
        _connection = open_connection()
    return _connection


@contextmanager
def transaction() -> Iterator[sqlite3.Connection]:
    here = connection()
    here.execute("BEGIN")
    try:
        yield here
    except BaseException:
        undo(here)
        raise
    here.execute("COMMIT")


def undo(here: sqlite3.Connection) -> None:
    here.execute("ROLLBACK")


def rows(query: str, *values: Any) -> Iterator[tuple[Any, ...]]:
    yield from connection().execute(query, values)


def one(query: str, *values: Any) -> tuple[Any, ...] | None:
    return next(rows(query, *values), None)
