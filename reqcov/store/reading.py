"""Reads a store, while servers write to it."""

from __future__ import annotations

import contextlib
import hashlib
import os
import sqlite3
import tempfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from reqcov.errors import StoreBusy, StoreError
from reqcov.record import UNMATCHED
from reqcov.store import schema
from reqcov.store.model import Run, Writer, from_numbits
from reqcov.store.sqlite import explained, opened, transaction
from reqcov.types import Source

MAX_TEXT = 64 * 1024 * 1024
"""Bytes of a source, or of what was worked out of it."""


@dataclass(frozen=True, slots=True)
class Route:
    """What requests were for."""

    protocol: str
    method: str
    """Empty for a job."""
    template: str
    """Empty where no route matched."""
    endpoint: str

    @property
    def context(self) -> str:
        """coverage.py's label for it: `GET /orders/{id}`."""
        template = self.template or UNMATCHED
        return f"{self.method} {template}" if self.method else template


class Hit(NamedTuple):
    """Requests that were alike."""

    build: str
    route: int
    status: int
    """The hundreds; 0 where there was no answer."""
    labels: str
    """As `reqcov.store.model.unpack_labels` reads them."""
    footprint: int
    day: int
    """Since 1970-01-01, in UTC."""
    recorded: int
    requests: float
    """That the recorded ones stand for: more, where not every one is sampled."""
    first_seen: float
    last_seen: float
    """Seconds since the epoch."""


@dataclass(frozen=True, slots=True)
class Lines:
    """Lines of one source that ran together."""

    source: int
    mask: int
    """Bit n is line n."""
    arcs: str
    """As `reqcov.record.unpack_arcs` reads them; empty unless branches were measured."""


@dataclass(frozen=True, slots=True)
class StoredSource:
    """A version of a file."""

    id: int
    source: Source
    last_seen: float
    """When a process last began to use it."""
    ran: int
    """What ran of it in any request, sampled or not; bit n is line n."""
    outside: int
    """What ran of it outside of all requests and jobs: at start-up, or in the background. Empty with `settrace`."""
    builds: frozenset[str]


@dataclass(frozen=True, slots=True)
class Build:
    """Code that was running."""

    name: str
    first_seen: float
    last_seen: float


class StoreReader:
    """One look at a store: everything that is read is of the same moment."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._connection = connection

    def routes(self) -> dict[int, Route]:
        """Every route by its id."""
        rows = self._connection.execute("SELECT id, protocol, method, route, endpoint FROM route")
        return {key: Route(*values) for key, *values in rows}

    def hits(self, since: int = 0) -> list[Hit]:
        """All requests from the day `since` on, counted."""
        rows = self._connection.execute(
            """SELECT build.name, route, status, labels.pairs, footprint, day,
                sum(count), sum(weight), min(hits.first_seen), max(hits.last_seen)
            FROM hits JOIN build ON build.id = build JOIN labels ON labels.id = labels
            WHERE day >= ? GROUP BY build, route, status, labels, footprint, day""",
            (since,),
        )
        return list(map(Hit._make, rows))

    def counts(self) -> list[tuple[str, Hit]]:
        """All requests, counted for each origin; with its uuid."""
        rows = self._connection.execute(
            """SELECT origin.uuid, build.name, route, status, labels.pairs, footprint, day,
                count, weight, hits.first_seen, hits.last_seen
            FROM hits JOIN origin ON origin.id = origin JOIN build ON build.id = build
                JOIN labels ON labels.id = labels"""
        )
        return [(origin, Hit(*row)) for origin, *row in rows]

    def requests(self) -> float:
        """How many there are, those included that the recorded ones stand for."""
        (requests,) = self._connection.execute("SELECT total(weight) FROM hits").fetchone()
        return float(requests)

    def last_seen(self) -> float | None:
        """When the last of them came; None where there is none."""
        (last,) = self._connection.execute("SELECT max(last_seen) FROM hits").fetchone()
        return float(last) if last is not None else None

    def stamp(self) -> str:
        """Another one whenever something else was written than what readers work out."""
        row = self._connection.execute(
            "SELECT (SELECT total(count) FROM hits), (SELECT total(started) + total(ended) FROM test), "
            "total(batch), max(last_write) FROM writer"
        ).fetchone()
        return hashlib.sha256(repr(row).encode()).hexdigest()[:16]

    def footprints(self) -> dict[int, tuple[str, list[int]]]:
        """Every footprint by its id: its address, and the ids of its lines."""
        found: dict[int, tuple[str, list[int]]] = {
            key: (address, []) for key, address in self._connection.execute("SELECT id, address FROM footprint")
        }
        for footprint, lines in self._connection.execute("SELECT footprint, lines FROM footprint_lines"):
            found[footprint][1].append(lines)
        return found

    def lines(self) -> dict[int, Lines]:
        """Every set of lines by its id."""
        rows = self._connection.execute("SELECT id, source, numbits, arcs FROM lines")
        return {key: Lines(source, from_numbits(numbits), arcs) for key, source, numbits, arcs in rows}

    def sources(self) -> dict[int, StoredSource]:
        """Every version of every measured file that was imported, by its id."""
        builds: dict[int, set[str]] = {}
        for source, build in self._connection.execute(
            "SELECT source, name FROM build_source JOIN build ON build.id = build"
        ):
            builds.setdefault(source, set()).add(build)
        rows = self._connection.execute("SELECT id, path, digest, last_seen, numbits, outside FROM source")
        return {
            key: StoredSource(
                key,
                Source(path, digest),
                seen,
                from_numbits(numbits),
                from_numbits(outside),
                frozenset(builds.get(key, ())),
            )
            for key, path, digest, seen, numbits, outside in rows
        }

    def tests(self) -> dict[str, Run]:
        """The latest run of each test that was told of, by its name."""
        rows = self._connection.execute("SELECT name, outcome, started, ended FROM test ORDER BY name")
        return {name: Run(outcome or None, started, ended) for name, outcome, started, ended in rows}

    def content(self, digest: str) -> bytes | None:
        """The file with this digest; None where it had changed before it could be read."""
        row = self._connection.execute("SELECT content FROM text WHERE digest = ?", (digest,)).fetchone()
        return _inflated(row[0]) if row is not None else None

    def texts(self) -> dict[str, bytes]:
        """Every file that was kept by its digest, compressed by zlib."""
        return dict(self._connection.execute("SELECT digest, content FROM text"))

    def builds(self) -> list[Build]:
        """Every build, in the order in which they were first seen."""
        return [
            Build(*row) for row in self._connection.execute("SELECT name, first_seen, last_seen FROM build ORDER BY 2")
        ]

    def writers(self) -> list[Writer]:
        """The processes that wrote, the latest first."""
        cursor = self._connection.execute("SELECT * FROM writer ORDER BY last_write DESC")
        names = [column[0] for column in cursor.description]
        return [Writer(**dict(zip(names, row, strict=True))) for row in cursor]

    def unkept(self) -> set[str]:
        """The digests of sources whose text is not there."""
        rows = self._connection.execute("SELECT digest FROM source EXCEPT SELECT digest FROM text")
        return {digest for (digest,) in rows}

    def origins(self) -> dict[str, str]:
        """The places where requests were counted: the uuid of each, and the file that writes to it."""
        return dict(self._connection.execute("SELECT uuid, home FROM origin ORDER BY id").fetchall())

    def schema_version(self) -> int:
        """The version of the tables."""
        return schema.version_of(self._connection, str(self.path))

    def damage(self) -> str | None:
        """What SQLite finds wrong with the file; None where it is in order."""
        (found,) = self._connection.execute("PRAGMA quick_check(1)").fetchone()
        return None if found == "ok" else str(found)

    def parsed(self, rules: str) -> dict[str, bytes]:
        """By digest, what readers before worked out by the same rules."""
        rows = self._connection.execute("SELECT digest, code FROM parsed WHERE rules = ?", (rules,))
        return {digest: _inflated(code) for digest, code in rows}

    def remember_parsed(self, rules: str, codes: dict[str, bytes]) -> None:
        """Spare later readers the work, where this one may write."""
        rows = [(digest, rules, zlib.compress(code)) for digest, code in codes.items()]
        with contextlib.suppress(StoreError), opened(self.path) as connection, transaction(connection):
            connection.execute("DELETE FROM parsed WHERE digest NOT IN (SELECT digest FROM text)")
            connection.executemany("INSERT OR REPLACE INTO parsed VALUES (?, ?, ?)", rows)

    def size(self) -> int:
        """Bytes on disk."""
        files = (self.path.with_name(self.path.name + suffix) for suffix in ("", "-wal"))
        return sum(file.stat().st_size for file in files if file.exists())


def _inflated(packed: bytes) -> bytes:
    """Raises zlib.error where it is no text of a file, or one that was made to fill the memory of whoever reads it."""
    inflating = zlib.decompressobj()
    content = inflating.decompress(packed, MAX_TEXT)
    if not inflating.eof:
        raise zlib.error("too long, or cut off")
    return content


@contextlib.contextmanager
def reading(path: Path) -> Iterator[StoreReader]:
    """Look at the store at `path`, as it is now.

    One of an earlier reqcov is brought up to date first, or a copy of it where it can't be written.
    Raises StoreError where there is none, or where it can't be read.
    """
    if not path.exists():
        raise StoreError(
            f"There is no store at {path}. Run your app with store={str(path)!r}, or name another one with --store."
        )
    try:
        with contextlib.closing(_connected(path)) as connection:
            version = schema.version_of(connection, str(path))
        with contextlib.ExitStack() as stack:
            file = path if version == schema.VERSION else stack.enter_context(_up_to_date(path))
            connection = stack.enter_context(contextlib.closing(_connected(file)))
            connection.execute("BEGIN")
            yield StoreReader(path, connection)
    except (sqlite3.Error, OSError, zlib.error) as error:
        raise explained(path, error) from error


def copy(path: Path, target: Path) -> None:
    """Write the store at `path` to a new file, as it is now and while servers write to it, and bring that up to date.

    Raises StoreError where that can't be written.
    """
    with contextlib.closing(_connected(path)) as connection:
        try:
            with contextlib.closing(sqlite3.connect(target)) as copied:
                connection.backup(copied)
        except sqlite3.Error as error:
            raise explained(target, error) from error
    with opened(target):
        pass


@contextlib.contextmanager
def _up_to_date(path: Path) -> Iterator[Path]:
    """The file, or a copy where it can't be written."""
    with contextlib.ExitStack() as stack:
        try:
            with opened(path):
                pass
        except StoreBusy:
            raise
        except StoreError:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="reqcov-"))
            copy(path, Path(folder) / path.name)
            path = Path(folder) / path.name
        yield path


def _connected(path: Path) -> sqlite3.Connection:
    """A connection to read over; also where nothing may be written."""
    shared = path.with_name(path.name + "-wal").exists()
    folder = os.access(path.parent, os.W_OK)
    # Who may write opens the file for that, though he won't: SQLite leaves -wal and -shm behind otherwise.
    mode = "rw" if folder and os.access(path, os.W_OK) else "ro" if folder or shared else "ro&immutable=1"
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode={mode}", uri=True, timeout=10, isolation_level=None)
    connection.execute("PRAGMA query_only = 1")
    return connection
