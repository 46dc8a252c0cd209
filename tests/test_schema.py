"""Tables that change from version to version: nobody is ever half-way, and nobody goes back."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from reqcov.errors import StoreError
from reqcov.store import schema
from reqcov.store.merge import merge
from reqcov.store.reading import reading
from reqcov.store.sqlite import opened
from tests.stores import Project, Request, Server, content, counted, key_of, reqcov, rows, sound

NEXT = """
-- What the next version might bring; of a semicolon
CREATE TABLE whale (name TEXT);
INSERT INTO whale SELECT name FROM build;
ALTER TABLE route ADD COLUMN depth INTEGER NOT NULL DEFAULT 0;
"""

NEXT_VERSION = schema.VERSION + 1

PRELUDE = f"""
import os, signal, sys
from pathlib import Path
from reqcov.store import schema
schema.MIGRATIONS = *schema.MIGRATIONS, {NEXT!r}
schema.VERSION += 1
"""


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A store of today's version."""
    path = tmp_path / "reqcov.sqlite3"
    Server(Project(tmp_path / "code")).serve(path, Request())
    return path


@pytest.fixture
def newer(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reqcov with one version of the tables more."""
    monkeypatch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, NEXT))
    monkeypatch.setattr(schema, "VERSION", NEXT_VERSION)


def version(path: Path) -> tuple[int, list[str]]:
    """What the file says its version is, and its tables."""
    connection = sqlite3.connect(path)
    (found,) = connection.execute("PRAGMA user_version").fetchone()
    tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    connection.close()
    return found, tables


def test_a_writer_brings_a_store_up_to_date(store: Path, tmp_path: Path, newer: None) -> None:
    """With all that it holds, and counts on."""
    Server(Project(tmp_path / "code"), "b").serve(store, Request())
    assert version(store)[0] == NEXT_VERSION
    assert rows(store, "whale") == 1
    assert counted(store) == Counter({key_of(Request(), "1.0"): 2})
    assert rows(store, "generation") == 2
    assert sound(store)


def test_a_reader_brings_a_store_up_to_date(store: Path, newer: None) -> None:
    """With all that it holds."""
    assert counted(store) == Counter({key_of(Request(), "1.0"): 1})
    assert version(store)[0] == NEXT_VERSION
    assert rows(store, "whale") == 1


def test_a_new_store_has_the_newest_tables(tmp_path: Path, newer: None) -> None:
    """Every migration is run on a file that is empty."""
    with opened(tmp_path / "new"):
        pass
    assert version(tmp_path / "new") == (NEXT_VERSION, version(tmp_path / "new")[1])
    assert {"whale", "hits"} <= set(version(tmp_path / "new")[1])


def test_a_writer_that_is_running_tells_everything_again(store: Path, tmp_path: Path, newer: None) -> None:
    """Migrating is one more generation, so that what a process has told before may be thrown away by it."""
    server = Server(Project(tmp_path / "code"), "b")
    server.serve(store, Request())
    with opened(store) as connection:
        connection.execute("DELETE FROM build_source")
        schema.begin_generation(connection)
    server.serve(store, Request())
    assert rows(store, "build_source") == 2


def test_from_the_first_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store of version 1 is brought up to date with all that it holds; it knew nothing of tests, nor of start-up."""
    store = tmp_path / "reqcov.sqlite3"
    with monkeypatch.context() as first:
        first.setattr(schema, "MIGRATIONS", schema.MIGRATIONS[:1])
        first.setattr(schema, "VERSION", 1)
        with opened(store) as connection:
            connection.execute("INSERT INTO source VALUES (1, 'shop/web.py', 'abc', 5.0, x'06')")
    assert version(store)[0] == 1
    with reading(store) as reader:
        (source,) = reader.sources().values()
        assert (source.source, source.ran, source.outside) == (("shop/web.py", "abc"), 6, 0)
        assert reader.tests() == {}
    assert version(store)[0] == schema.VERSION


def test_two_at_once(store: Path) -> None:
    """Two processes that find the same old file: one migrates, the other waits and finds that done."""
    script = PRELUDE + (
        "from reqcov.store.sqlite import opened\n"
        "original = schema.prepare\n"
        "def prepare(connection, path):\n"
        "    print('inside', flush=True)\n"
        "    sys.stdin.readline()\n"
        "    original(connection, path)\n"
        "schema.prepare = prepare\n"
        "with opened(Path(sys.argv[1]), 30):\n"
        "    pass\n"
    )
    command = [sys.executable, "-c", script, str(store)]
    first = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert first.stdout is not None
    assert first.stdin is not None
    assert first.stdout.readline() == "inside\n"
    second = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with pytest.raises(subprocess.TimeoutExpired):  # it can't get in
        second.communicate("\n", timeout=1)
    first.communicate("\n", timeout=30)
    assert second.communicate(timeout=30)[0] == "inside\n"
    assert (first.returncode, second.returncode) == (0, 0)
    assert version(store)[0] == NEXT_VERSION
    assert rows(store, "whale") == 1
    assert rows(store, "generation") == 2
    assert sound(store)


def test_killed_in_the_middle(store: Path) -> None:
    """A migration that does not come to its end has not begun."""
    before = content(store)
    script = PRELUDE + (
        "from reqcov.store.sqlite import opened\n"
        "original = schema.statements\n"
        "def statements(script):\n"
        "    yield from original(script)[:2]\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "schema.statements = statements\n"
        "with opened(Path(sys.argv[1])):\n"
        "    pass\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(store)], timeout=30)
    assert done.returncode == -signal.SIGKILL
    assert version(store)[0] == schema.VERSION
    assert "whale" not in version(store)[1]
    assert content(store) == before
    assert sound(store)


def test_an_older_store_that_can_not_be_written(store: Path, newer: None) -> None:
    """It is read, and merged, from a copy; the file stays as it was, and no copy is left."""
    before = store.read_bytes()
    with tempfile.TemporaryDirectory() as name:
        folder, free = Path(name) / "folder", Path(name) / "free"
        for each, mode in (folder, 0o755), (free, 0o777):
            each.mkdir()
            each.chmod(mode)
        shutil.copy(store, folder)
        Path(name).chmod(0o755)
        folder.chmod(0o555)
        with by_nobody() as child:
            if child:
                tempfile.tempdir = str(free)
                with pytest.raises(StoreError), opened(folder / store.name):
                    pass
                assert counted(folder / store.name) == Counter({key_of(Request(), "1.0"): 1})
                merge([folder / store.name], free / "out", lambda items, what: items)
                assert [path.name for path in free.iterdir()] == ["out"]
                assert version(free / "out")[0] == NEXT_VERSION
                assert counted(free / "out").total() == 1
        folder.chmod(0o755)
        assert [path.name for path in folder.iterdir()] == [store.name]
        assert (folder / store.name).read_bytes() == before


@contextlib.contextmanager
def by_nobody() -> Iterator[bool]:
    """Runs the block twice over: in a child that has no rights (then it is told True), and here, to no effect."""
    child = os.fork()
    if child:
        yield False
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        return
    try:
        if os.getuid() == 0:
            os.setgid(65_534)
            os.setuid(65_534)
        yield True
        os._exit(0)
    finally:
        traceback.print_exc()
        os._exit(1)


def test_a_newer_store_is_refused(store: Path, tmp_path: Path) -> None:
    """By who writes, by who reads, and by each command; the file stays as it is."""
    with opened(store) as connection:
        connection.execute("PRAGMA user_version = 7")
    before = store.read_bytes()
    sentence = (
        f"{store} was written by a newer reqcov (schema 7, this one knows {schema.VERSION}); upgrade request-coverage."
    )
    with pytest.raises(StoreError, match=re.escape(sentence)):
        Server(Project(tmp_path / "code"), "b").serve(store, Request())
    with pytest.raises(StoreError, match=re.escape(sentence)), reading(store):
        pass
    for words in (["routes"], ["reset", "--yes"], ["snapshot", "x"], ["prune", "--older-than", "1d"]):
        done = reqcov(*words, "--store", store)
        assert (done.stderr, done.stdout, done.returncode) == (f"Error: {sentence}\n", "", 1)
    assert reqcov("merge", store, "-o", tmp_path / "out").stderr == f"Error: {sentence}\n"
    assert store.read_bytes() == before


def test_who_only_reads_leaves_nothing_beside(store: Path) -> None:
    """No -wal and no -shm that somebody else, the server, might not be allowed to write."""
    with reading(store) as reader:
        assert reader.requests() == 1
    assert sorted(path.name for path in store.parent.iterdir()) == ["code", store.name]


def test_readers_need_no_sorting(store: Path) -> None:
    """Adding up the counts follows the order in which they lie."""
    asked: list[str] = []
    with reading(store) as reader:
        reader._connection.set_trace_callback(asked.append)
        reader.hits()
        reader._connection.set_trace_callback(None)
        plan = [row[3] for row in reader._connection.execute(f"EXPLAIN QUERY PLAN {asked[0]}")]
    assert plan[0].startswith("SCAN")
    assert not any("TEMP B-TREE" in step for step in plan)


PAGE = (Path(__file__).parent.parent / "docs" / "store.md").read_text("utf-8")


def test_the_queries_in_the_documentation_run(store: Path) -> None:
    """Each of them finds something."""
    queries = re.findall(r"```sql\n(.*?)```", PAGE, re.DOTALL)
    assert len(queries) > 2
    connection = sqlite3.connect(store)
    for query in queries:
        assert connection.execute(query).fetchall(), query
    connection.close()


def test_every_table_is_documented(store: Path) -> None:
    """Each has a row, with each of its columns."""
    connection = sqlite3.connect(store)
    for table in version(store)[1]:
        (row,) = re.findall(rf"^\| `{table}` \|.*$", PAGE, re.MULTILINE)
        for _, column, *_ in connection.execute(f"PRAGMA table_info({table})"):
            assert f"`{column}`" in row, (table, column)
    connection.close()
