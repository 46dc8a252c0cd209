"""Empties a store, prunes it, copies it: also while servers write to it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from reqcov.errors import StoreError
from reqcov.store import schema
from reqcov.store.reading import copy, reading
from reqcov.store.sqlite import explained, opened, transaction

DAY = 86_400

SNAPSHOT = re.compile(r"\w[\w.+-]{0,99}")
"""What a snapshot may be called: it is part of a file's name, and typed in a shell."""

PRUNE = (
    ("hits", "day < :day"),
    ("footprint", "id NOT IN (SELECT footprint FROM hits)"),
    ("footprint_lines", "footprint NOT IN (SELECT id FROM footprint)"),
    ("lines", "id NOT IN (SELECT lines FROM footprint_lines)"),
    ("build", "last_seen < :day * 86400 AND id NOT IN (SELECT build FROM hits)"),
    ("build_source", "build NOT IN (SELECT id FROM build)"),
    ("source", "id NOT IN (SELECT source FROM build_source UNION SELECT source FROM lines)"),
    ("text", "digest NOT IN (SELECT digest FROM source)"),
    ("parsed", "digest NOT IN (SELECT digest FROM text)"),
    ("route", "id NOT IN (SELECT route FROM hits)"),
    ("labels", "id NOT IN (SELECT labels FROM hits)"),
    ("origin", "id NOT IN (SELECT origin FROM hits)"),
    ("writer", "last_write < :day * 86400"),
    ("test", "started < :day * 86400"),
)
"""Tables, and which of their rows go: first what is older than a day, then what nothing that is left refers to."""


@dataclass(frozen=True, kw_only=True)
class Pruned:
    """What a store has forgotten."""

    requests: float
    rows: dict[str, int]
    """By table, how many of them."""


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """A copy of a store."""

    name: str
    path: Path
    last_seen: float | None
    """When the last of its requests came, in seconds since the epoch; None where there is none."""
    size: int
    """Bytes."""
    requests: float


def reset(path: Path) -> None:
    """Empty the store. Servers that write to it go on, and tell it again what they know of the code.

    Raises StoreError where it can't be written.
    """
    with opened(path) as connection, transaction(connection):
        for table, _ in PRUNE:
            connection.execute(f"DELETE FROM {table}")
        schema.begin_generation(connection)


def prune(path: Path, day: int, *, dry_run: bool = False) -> Pruned:
    """Forget the requests before `day`, in days since 1970-01-01 (UTC), and all that only they needed.

    With `dry_run` it is only worked out. Raises StoreError where the store can't be written.
    """
    with opened(path) as connection, transaction(connection):
        connection.execute("SAVEPOINT before")
        (requests,) = connection.execute("SELECT total(weight) FROM hits WHERE day < ?", (day,)).fetchone()
        rows = {
            table: connection.execute(f"DELETE FROM {table} WHERE {which}", {"day": day}).rowcount
            for table, which in PRUNE
        }
        schema.begin_generation(connection)
        if dry_run:
            connection.execute("ROLLBACK TO before")
    return Pruned(requests=requests, rows=rows)


def shrink(path: Path) -> None:
    """Give room that is free in the file back to the system. Raises StoreError where that can't be done now."""
    with opened(path) as connection:
        connection.execute("VACUUM")


def snapshot(path: Path, name: str, *, replace: bool = False) -> Path:
    """Copy the store; returns where to.

    Raises StoreError where the name is no good or taken, or where the store can't be read or the copy written.
    """
    if not SNAPSHOT.fullmatch(name):
        raise StoreError(
            f"{name!r} is no name for a snapshot; take up to 100 letters, digits and . _ + -, a letter or digit first."
        )
    target = _snapshots(path) / f"{name}.sqlite3"
    if target.exists() and not replace:
        raise StoreError(f"There is a snapshot {name} already; take another name, or --force to replace it.")
    with reading(path), beside(target) as file:
        copy(path, file)
        with opened(file) as connection:
            connection.execute("UPDATE origin SET home = ''")
    return target


def snapshots(path: Path) -> list[Snapshot]:
    """The copies that `snapshot` has made of the store, the oldest first. Raises StoreError for one that is damaged."""
    found = []
    for file in sorted(_snapshots(path).glob("*.sqlite3")):
        with reading(file) as reader:
            last, size = reader.last_seen(), reader.size()
            found.append(Snapshot(name=file.stem, path=file, last_seen=last, size=size, requests=reader.requests()))
    return sorted(found, key=lambda each: each.last_seen or 0.0)


def _snapshots(path: Path) -> Path:
    return path.with_suffix(".snapshots")


@contextmanager
def beside(path: Path) -> Iterator[Path]:
    """A file to write, which takes the place of `path` at the end: all of it, or nothing.

    Raises StoreError where the folder can't be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as folder:
            file = Path(folder) / path.name
            yield file
            for suffix in ("-wal", "-shm"):  # they belong to what was there before; SQLite would add them to this file
                path.with_name(path.name + suffix).unlink(missing_ok=True)
            file.replace(path)
    except OSError as error:
        raise explained(path, error) from error
