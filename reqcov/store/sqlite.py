"""A store in one SQLite file that many processes write to."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import sqlite3
import time
import uuid
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from random import uniform
from typing import Any, TypeAlias, TypeVar

from reqcov.errors import StoreBusy, StoreError, logger
from reqcov.store import schema
from reqcov.store.model import (
    MAX_FOOTPRINTS,
    MAX_LABELS,
    MAX_ROUTES,
    OTHER,
    Batch,
    Behaviour,
    Piece,
    Run,
    Tally,
    from_numbits,
    pack_labels,
    to_numbits,
)
from reqcov.types import Source

PATIENCE = 0.5
"""Seconds that a server waits while somebody else writes: less than a fork waits for us."""

PAUSE = 0.02
"""Seconds between two attempts, at most."""

COMMAND_PATIENCE = 5.0
"""Seconds that a command waits while somebody else writes."""

MAX_WRITERS = 1_000
"""Processes that are remembered; the latest ones."""


T = TypeVar("T")

Place: TypeAlias = tuple[int, int, int, int, int, int, int]
"""Where requests are counted: origin, build, route, status, labels, footprint and day."""


class SQLiteStore:
    """Writes batches, each in one transaction and over a connection of its own.

    A connection that outlived its transaction would cross forks, and keep a file in use that was deleted or replaced.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.gone = 0
        """Requests that were written to a file which is no longer there."""
        self._written = 0
        self._file: tuple[int, int] | None = None
        self._generation = ""
        self._known: tuple[object, ...] = ()
        self._sources: set[Source] = set()
        self._seen: dict[Source, tuple[int, int]] = {}

    def write(self, batch: Batch, patience: float = PATIENCE) -> None:
        """Add the batch, once, however often it is written.

        Raises StoreBusy where somebody else writes for `patience` seconds, and StoreError where the file can't be
        written; nothing of the batch is written then.
        """
        patiently(lambda: self._write(batch), patience)

    def _write(self, batch: Batch) -> None:
        try:
            with opened(self.path, 0) as connection:
                self._meet(connection, batch.writer.id)
                texts = self._missing_texts(connection, batch.sources)
                with transaction(connection):
                    self._add(connection, batch, texts)
        except BaseException:
            self._known = ()  # what the transaction would have left behind
            raise
        self._sources.update(batch.sources)
        self._seen = _seen(batch)
        self._written = batch.writer.requests - self.gone

    def _meet(self, connection: sqlite3.Connection, writer: str) -> None:
        """Forget what this process has told an earlier store in this place."""
        status = self.path.stat()
        self._file = status.st_dev, status.st_ino
        *earlier, generation = schema.generations(connection)
        known = self._file, generation
        row = connection.execute("SELECT requests FROM writer WHERE id = ?", (writer,)).fetchone()
        kept = self._written if self._generation in earlier else 0  # it was emptied or pruned, or is another file
        if row is not None:
            kept = row[0] - self.gone  # an earlier copy has some; the file may have the old number
        elif self._generation == generation and _is_crowded(connection):
            kept = self._written  # so many others wrote since that this process was forgotten, its counts were not
        self._generation = generation
        if kept < self._written:
            logger.warning("reqcov: the store %s was deleted or replaced; what it held is gone", self.path)
            self.gone += self._written - kept
            self._written = kept
            self._known = ()
        if known != self._known:
            self._known = known
            self._sources.clear()
            self._seen.clear()

    def _missing_texts(self, connection: sqlite3.Connection, sources: Mapping[Source, str]) -> dict[str, bytes]:
        """Compressed text by digest; read outside the transaction, for others wait while that lasts."""
        texts = {}
        for source, name in sources.items():
            if source in self._sources or source.digest in texts:
                continue
            if connection.execute("SELECT 1 FROM text WHERE digest = ?", (source.digest,)).fetchone() is None:
                content = b""
                with contextlib.suppress(OSError):
                    content = Path(name).read_bytes()
                if hashlib.sha256(content).hexdigest() == source.digest:  # else it was edited since it was imported
                    texts[source.digest] = zlib.compress(content, 6)
        return texts

    def _add(self, connection: sqlite3.Connection, batch: Batch, texts: Mapping[str, bytes]) -> None:
        writer = batch.writer
        rows = Rows(connection)
        if rows.latest_batch(writer.id) >= writer.batch:
            return
        if schema.generations(connection)[-1] != self._generation:
            raise StoreBusy(f"{self.path} was emptied, pruned or migrated at this moment; try again.")
        build = rows.build(writer.build, writer.last_write)
        connection.executemany("INSERT OR IGNORE INTO text VALUES (?, ?)", texts.items())
        for source in batch.sources.keys() - self._sources:
            rows.source(source, build, writer.started)
        for source, masks in _seen(batch).items():
            if self._seen.get(source) != masks:
                rows.see(source, *masks)
        origin = rows.origin(f"{writer.host}:{self._file}")
        routes = {place: rows.route(place, batch.endpoints.get(place, "")) for place in {key[:3] for key in batch.hits}}
        labels = {pairs: rows.labels(pairs) for pairs in {key.labels for key in batch.hits}}
        footprints = {
            address: rows.footprint(address, batch.behaviours) for address in {key.footprint for key in batch.hits}
        }
        for key, tally in batch.hits.items():
            place = origin, build, routes[key[:3]], key.status, labels[key.labels], footprints[key.footprint], key.day
            rows.hit(place, tally)
        rows.writer(vars(writer) | {"lost": writer.lost + self.gone})


def _seen(batch: Batch) -> dict[Source, tuple[int, int]]:
    """What ran of each source, in requests and outside of them."""
    sources = batch.seen.keys() | batch.outside.keys()
    return {source: (batch.seen.get(source, 0), batch.outside.get(source, 0)) for source in sources}


def _is_crowded(connection: sqlite3.Connection) -> bool:
    """Whether processes are forgotten because there are more of them than are remembered."""
    (writers,) = connection.execute("SELECT count(*) FROM writer").fetchone()
    return bool(writers >= MAX_WRITERS)


class Rows:
    """Adds rows to the tables of a store in one transaction, and tells their ids; what is there already stays."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._sizes: dict[str, int] = {}

    def _find(self, table: str, **values: Any) -> int | None:
        """Id of the row with these values."""
        where = " AND ".join(f"{column} = ?" for column in values)
        found = self._connection.execute(f"SELECT id FROM {table} WHERE {where}", [*values.values()]).fetchone()
        return int(found[0]) if found is not None else None

    def _is_full(self, table: str, limit: int) -> bool:
        if table not in self._sizes:
            (self._sizes[table],) = self._connection.execute(f"SELECT count(*) FROM {table}").fetchone()
        return self._sizes[table] >= limit

    def _insert(self, table: str, **values: Any) -> int:
        places = ", ".join("?" * len(values))
        cursor = self._connection.execute(
            f"INSERT INTO {table} ({', '.join(values)}) VALUES ({places})", [*values.values()]
        )
        if table in self._sizes:
            self._sizes[table] += 1
        assert cursor.lastrowid is not None
        return cursor.lastrowid

    def build(self, name: str, when: float) -> int:
        """The id of a build, which was seen at `when`."""
        self._connection.execute(
            """INSERT INTO build (name, first_seen, last_seen) VALUES (?, ?, ?) ON CONFLICT (name) DO UPDATE
            SET first_seen = min(first_seen, excluded.first_seen), last_seen = max(last_seen, excluded.last_seen)""",
            (name, when, when),
        )
        found = self._find("build", name=name)
        assert found is not None
        return found

    def source(self, source: Source, build: int | None = None, when: float = 0.0) -> int:
        """The id of a source, which a process of `build` began to use at `when`."""
        found = self._find("source", path=source.path, digest=source.digest)
        if found is None:
            found = self._insert("source", path=source.path, digest=source.digest, last_seen=when, numbits=b"")
        elif when:
            self._connection.execute("UPDATE source SET last_seen = max(last_seen, ?) WHERE id = ?", (when, found))
        if build is not None:
            self._connection.execute("INSERT OR IGNORE INTO build_source VALUES (?, ?)", (build, found))
        return found

    def see(self, source: Source, *masks: int) -> None:
        """Some requests ran these lines of a source, and others ran outside of requests: bit n is line n."""
        found = self.source(source)
        row = self._connection.execute("SELECT numbits, outside FROM source WHERE id = ?", (found,)).fetchone()
        both = [to_numbits(mask | from_numbits(numbits)) for mask, numbits in zip(masks, row, strict=True)]
        self._connection.execute("UPDATE source SET numbits = ?, outside = ? WHERE id = ?", (*both, found))

    def origin(self, home: str) -> int:
        """The id of the origin of what is counted at `home`."""
        return self._find("origin", home=home) or self._insert("origin", uuid=uuid.uuid4().hex, home=home)

    def foreign_origin(self, name: str) -> int:
        """The id of the origin of that uuid; nothing more is counted for it here, unless it began here."""
        return self._find("origin", uuid=name) or self._insert("origin", uuid=name, home="")

    def route(self, place: tuple[str, str, str], endpoint: str) -> int:
        """The id of a route, given by protocol, method and template, which `endpoint` serves."""
        values = dict(zip(("protocol", "method", "route"), place, strict=True))
        found = self._find("route", **values)
        if found is None and values["route"] and self._is_full("route", MAX_ROUTES):  # requests without are few kinds
            endpoint, values["route"] = "", OTHER
            found = self._find("route", **values)
        if found is None:
            return self._insert("route", **values, endpoint=endpoint)
        if endpoint:
            self._connection.execute("UPDATE route SET endpoint = ? WHERE id = ?", (endpoint, found))
        return found

    def labels(self, pairs: str) -> int:
        """The id of a set of labels."""
        found = self._find("labels", pairs=pairs)
        if found is None and self._is_full("labels", MAX_LABELS):
            pairs = pack_labels({OTHER: OTHER})
            found = self._find("labels", pairs=pairs)
        return found or self._insert("labels", pairs=pairs)

    def footprint(self, address: str, behaviours: Mapping[str, Behaviour]) -> int:
        """The id of a footprint; its lines are taken from `behaviours` where it is new."""
        pieces = behaviours[address].pieces if address in behaviours else ()
        return self.footprint_of(address, map(self.piece, pieces))

    def footprint_of(self, address: str, lines: Iterable[int]) -> int:
        """The id of a footprint; it consists of the rows `lines`, which are asked for where it is new."""
        found = self._find("footprint", address=address)
        if found is None and self._is_full("footprint", MAX_FOOTPRINTS):
            address, lines = OTHER, ()
            found = self._find("footprint", address=address)
        if found is None:
            found = self._insert("footprint", address=address)
            pairs = [(found, each) for each in lines]
            self._connection.executemany("INSERT INTO footprint_lines VALUES (?, ?)", pairs)
        return found

    def piece(self, piece: Piece) -> int:
        """The id of a set of lines of one source."""
        address = hashlib.blake2b(repr(piece).encode(), digest_size=16).digest()
        return self._find("lines", address=address) or self._insert(
            "lines", address=address, source=self.source(piece.source), numbits=piece.numbits, arcs=piece.arcs
        )

    def hit(self, place: Place, tally: Tally) -> None:
        """So many requests more."""
        self._count(place, tally, "count = count + excluded.count, weight = weight + excluded.weight")

    def hit_in_all(self, place: Place, tally: Tally) -> None:
        """So many requests in all, unless more are known."""
        self._count(place, tally, "count = max(count, excluded.count), weight = max(weight, excluded.weight)")

    def _count(self, place: Place, tally: Tally, known: str) -> None:
        self._connection.execute(
            f"""INSERT INTO hits VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            ON CONFLICT (build, route, status, labels, footprint, day, origin) DO UPDATE SET {known},
                first_seen = min(first_seen, excluded.first_seen), last_seen = max(last_seen, excluded.last_seen)""",
            (*place, tally.count, tally.weight, tally.first, tally.last),
        )

    def test(self, name: str, run: Run) -> None:
        """A run of a test, unless a later one is known."""
        self._connection.execute(
            """INSERT INTO test (name, outcome, started, ended) VALUES (?, ?, ?, ?) ON CONFLICT (name) DO UPDATE
            SET outcome = excluded.outcome, started = excluded.started, ended = excluded.ended
            WHERE (excluded.started, excluded.ended IS NOT NULL) >= (started, ended IS NOT NULL)""",
            (name, run.outcome or "", run.started, run.ended),
        )

    def latest_batch(self, writer: str) -> int:
        """The number of the latest batch of a process; 0 where it is not known."""
        row = self._connection.execute("SELECT batch FROM writer WHERE id = ?", (writer,)).fetchone()
        return int(row[0]) if row is not None else 0

    def writer(self, values: Mapping[str, Any]) -> None:
        """A process, as it is now."""
        columns, places = ", ".join(values), ", ".join("?" * len(values))
        self._connection.execute(f"INSERT OR REPLACE INTO writer ({columns}) VALUES ({places})", [*values.values()])
        self._connection.execute(
            "DELETE FROM writer WHERE id IN (SELECT id FROM writer ORDER BY last_write DESC, id LIMIT -1 OFFSET ?)",
            (MAX_WRITERS,),
        )


def patiently(write: Callable[[], T], patience: float) -> T:
    """What `write` returns, which is called until nobody else writes. Raises StoreBusy after `patience` seconds."""
    deadline = time.monotonic() + patience
    while True:
        try:
            return write()
        except StoreBusy:
            if time.monotonic() >= deadline:
                raise
        time.sleep(uniform(0, PAUSE))  # not in SQLite: there it would hold up all greenlets of the process


@contextlib.contextmanager
def opened(path: Path, patience: float = COMMAND_PATIENCE) -> Iterator[sqlite3.Connection]:
    """A connection to write over; the store and its folder are made where there are none, or brought up to date.

    `patience` is how many seconds each statement waits while somebody else writes.
    Raises StoreBusy and StoreError, also for what SQLite or the system raises in the block.
    """
    try:
        if not path.parent.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            (path.parent / ".gitignore").write_text("*\n")
        with contextlib.closing(sqlite3.connect(path, timeout=patience, isolation_level=None)) as connection:
            version = schema.version_of(connection, str(path))  # before all else: it may be somebody else's
            _use_wal(connection, time.monotonic() + patience)
            connection.execute("PRAGMA synchronous = NORMAL")
            if version != schema.VERSION:
                with transaction(connection):
                    schema.prepare(connection, str(path))
            yield connection
    except (sqlite3.Error, OSError) as error:
        raise explained(path, error) from error


def _use_wal(connection: sqlite3.Connection, deadline: float) -> None:
    """Let readers read while somebody writes. While somebody makes the file, SQLite waits for nobody here."""
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() >= deadline:
                raise
        time.sleep(uniform(0, PAUSE))


@contextlib.contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All of the block, or nothing of it; one at a time, over all processes."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        with contextlib.suppress(sqlite3.Error):  # SQLite may have done it
            connection.execute("ROLLBACK")
        raise


def explained(path: Path, error: Exception) -> StoreError:
    """`error` in a sentence that says what to do."""
    exactly = getattr(error, "sqlite_errorcode", 0)
    code = exactly & 0xFF
    full = code == sqlite3.SQLITE_FULL or exactly == sqlite3.SQLITE_IOERR_SHMSIZE  # of the -shm file
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return StoreBusy(f"{path} is being written to by somebody else, for too long; try again.")
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB) or isinstance(error, zlib.error):
        return StoreError(f"{path} is damaged, or no SQLite file; move it away.")
    if full or getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
        return StoreError(f"{path} can't be written: the disk is full, or files may not grow (ulimit -f); make room.")
    return StoreError(f"{path} can't be opened or written: {error}; check the disk, the folder and its permissions.")
