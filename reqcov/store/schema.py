"""The tables of a SQLite store, and how they came to be."""

from __future__ import annotations

import sqlite3
import uuid

from reqcov.errors import StoreError

APPLICATION_ID = 0x72716376
"""`rqcv`: what `file` and SQLite tell our files by."""

# Neither STRICT tables nor RETURNING, nor an upsert without its target: Python 3.11 on RHEL 9 has SQLite 3.34. What
# REFERENCES says is not enforced, for that would cost each batch; the tests hold us to it.
MIGRATIONS = (
    """
    -- One more whenever rows that a writer may remember are deleted, and with the tables; the last one counts.
    CREATE TABLE generation (uuid TEXT NOT NULL);

    -- Where a count was first written. Counts of one origin only grow, so merging takes the larger one.
    -- `home` names the file that is written to: a copy of a store that lives on begins an origin of its own. It is
    -- empty where nothing is added any more, as in a snapshot and after merging.
    CREATE TABLE origin (id INTEGER PRIMARY KEY, uuid TEXT NOT NULL UNIQUE, home TEXT NOT NULL);

    CREATE TABLE build (
        id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, first_seen REAL NOT NULL, last_seen REAL NOT NULL
    );

    -- zlib; by digest, so a file that is copied or moved is stored once.
    CREATE TABLE text (digest TEXT PRIMARY KEY, content BLOB NOT NULL) WITHOUT ROWID;

    CREATE TABLE source (
        id INTEGER PRIMARY KEY, path TEXT NOT NULL, digest TEXT NOT NULL,
        last_seen REAL NOT NULL,  -- when a process last began to use it
        numbits BLOB NOT NULL,  -- what ran of it in any request, complete or not
        UNIQUE (path, digest)
    );
    CREATE TABLE build_source (
        build INTEGER REFERENCES build, source INTEGER REFERENCES source, PRIMARY KEY (build, source)
    ) WITHOUT ROWID;

    -- A set of lines of one source, stored once; `address` is a digest of all else.
    CREATE TABLE lines (
        id INTEGER PRIMARY KEY, address BLOB NOT NULL UNIQUE,
        source INTEGER NOT NULL REFERENCES source, numbits BLOB NOT NULL, arcs TEXT NOT NULL
    );
    CREATE TABLE footprint (id INTEGER PRIMARY KEY, address TEXT NOT NULL UNIQUE);
    CREATE TABLE footprint_lines (
        footprint INTEGER REFERENCES footprint, lines INTEGER REFERENCES lines, PRIMARY KEY (footprint, lines)
    ) WITHOUT ROWID;

    CREATE TABLE route (
        id INTEGER PRIMARY KEY, protocol TEXT NOT NULL, method TEXT NOT NULL, route TEXT NOT NULL,
        endpoint TEXT NOT NULL,
        UNIQUE (protocol, method, route)
    );
    CREATE TABLE labels (id INTEGER PRIMARY KEY, pairs TEXT NOT NULL UNIQUE);

    -- The origin comes last in the key: readers add up over it, and need no sorting for that.
    CREATE TABLE hits (
        origin INTEGER REFERENCES origin, build INTEGER REFERENCES build, route INTEGER REFERENCES route,
        status INTEGER, labels INTEGER REFERENCES labels, footprint INTEGER REFERENCES footprint, day INTEGER,
        count INTEGER NOT NULL, weight REAL NOT NULL, first_seen REAL NOT NULL, last_seen REAL NOT NULL,
        PRIMARY KEY (build, route, status, labels, footprint, day, origin)
    ) WITHOUT ROWID;

    CREATE TABLE writer (
        id TEXT PRIMARY KEY, host TEXT NOT NULL, pid INTEGER NOT NULL, born TEXT NOT NULL, build TEXT NOT NULL,
        core TEXT NOT NULL, python TEXT NOT NULL, interval REAL NOT NULL, sample REAL NOT NULL,
        started REAL NOT NULL, last_write REAL NOT NULL, batch INTEGER NOT NULL, requests INTEGER NOT NULL,
        peak INTEGER NOT NULL, lost INTEGER NOT NULL, ended REAL, stats TEXT NOT NULL
    ) WITHOUT ROWID;

    -- What readers worked out of a text, by the rules that they did it by; may be emptied at any time.
    CREATE TABLE parsed (
        digest TEXT REFERENCES text, rules TEXT, code BLOB NOT NULL, PRIMARY KEY (digest, rules)
    ) WITHOUT ROWID;
    """,
    """
    -- What ran of it outside of all requests and jobs: at start-up, or in the background.
    ALTER TABLE source ADD COLUMN outside BLOB NOT NULL DEFAULT x'';

    -- The latest run of each test that was told of; `outcome` is empty until it ends.
    CREATE TABLE test (
        name TEXT PRIMARY KEY, outcome TEXT NOT NULL, started REAL NOT NULL, ended REAL
    ) WITHOUT ROWID;
    """,
)
"""The script at n makes version n + 1 of version n."""

VERSION = len(MIGRATIONS)


def prepare(connection: sqlite3.Connection, path: str) -> None:
    """Bring the file up to date, inside a transaction that has begun; an empty one gets the tables.

    Raises StoreError where it is somebody else's, or of a later reqcov.
    """
    version = version_of(connection, path)
    if version == VERSION:
        return
    for script in MIGRATIONS[version:]:
        for statement in statements(script):
            connection.execute(statement)
    begin_generation(connection)
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {VERSION}")


def begin_generation(connection: sqlite3.Connection) -> None:
    """Have every writer tell again all that it knows."""
    connection.execute("INSERT INTO generation VALUES (?)", (uuid.uuid4().hex,))


def generations(connection: sqlite3.Connection) -> list[str]:
    """What has been, and what is: the last one."""
    return [name for (name,) in connection.execute("SELECT uuid FROM generation ORDER BY rowid")]


def statements(script: str) -> list[str]:
    """The statements one by one: run at once, they would end the transaction."""
    bare = "\n".join(line.partition("--")[0] for line in script.splitlines())
    return [statement for statement in bare.split(";") if statement.strip()]


def version_of(connection: sqlite3.Connection, path: str) -> int:
    """The version of its tables; 0 for a file that is empty. Raises StoreError for one that is not ours, or newer."""
    application, version, tables = connection.execute(  # at once: somebody else may be making the tables
        "SELECT application_id, user_version, (SELECT count(*) FROM sqlite_master) "
        "FROM pragma_application_id, pragma_user_version"
    ).fetchone()
    if application == 0 and version == 0 and tables == 0:
        return 0
    if application != APPLICATION_ID:
        raise StoreError(f"{path} is a SQLite file of another program; name a path of reqcov's own.")
    if version > VERSION:
        raise StoreError(
            f"{path} was written by a newer reqcov (schema {version}, this one knows {VERSION}); "
            "upgrade request-coverage."
        )
    return int(version)
