"""The sink that counts requests into a store: each once, whatever happens on the way, and within limits."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

import reqcov
from reqcov.errors import StoreBusy, StoreError
from reqcov.record import Executed
from reqcov.store import schema, sqlite, writer
from reqcov.store.model import OTHER, UNREAD
from reqcov.store.reading import Route, StoreReader, reading
from reqcov.store.sqlite import SQLiteStore, opened, transaction
from reqcov.store.writer import StoreSink
from tests.conftest import HAS_MONITORING
from tests.inprocess import get, make_app
from tests.load.traffic import Traffic
from tests.test_processes import in_child
from tests.test_record import make_record

Make = Callable[..., reqcov.Recorder]

pytestmark = pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")

HITS = {"one": {2, 3}, "two": {7}}


class Counted:
    """What a store counted, and of whom it knows."""

    def __init__(self, path: Path) -> None:
        with reading(path) as store:
            self.hits = store.hits()
            self.footprints = {key: address for key, (address, _) in store.footprints().items()}
            self.lines = {key: [store.lines()[one] for one in lines] for key, (_, lines) in store.footprints().items()}
            self.sources = list(store.sources().values())
            self.texts = {source.source.path: store.content(source.source.digest) for source in self.sources}
            self.routes = store.routes()
            self.writers = store.writers()
            self.integrity = integrity(store)

    @property
    def requests(self) -> int:
        return sum(hit.recorded for hit in self.hits)

    @property
    def by_route(self) -> dict[str, int]:
        counts: Counter[str] = Counter()
        for hit in self.hits:
            counts[self.routes[hit.route].context] += hit.recorded
        return dict(counts)


def integrity(store: StoreReader) -> str:
    return str(store._connection.execute("PRAGMA integrity_check").fetchone()[0])


@pytest.fixture(scope="module")
def traffic(tmp_path_factory: pytest.TempPathFactory) -> Traffic:
    """A project that is made up, and requests for it."""
    return Traffic(tmp_path_factory.mktemp("project"))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the store is to be."""
    return tmp_path / "kept" / "store.sqlite3"


@pytest.fixture
def sink(traffic: Traffic, path: Path) -> StoreSink:
    """A sink that nobody drives."""
    return traffic.sink(path)


def put(sink: StoreSink, traffic: Traffic, count: int) -> None:
    for record in traffic.requests(count):
        sink.accept(record)


def one() -> bytes:
    return b"one"


def two() -> bytes:
    return b"two"


# -- batches ------------------------------------------------------------------------------------------------------


def test_a_batch_whose_answer_was_lost_counts_once(
    sink: StoreSink, traffic: Traffic, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is written, the sink is told that it failed, and it writes the same again, with what came since."""
    put(sink, traffic, 10)
    write = SQLiteStore._write

    def lose_the_answer(self: SQLiteStore, batch: Any) -> None:
        write(self, batch)
        raise StoreError("who knows")

    with monkeypatch.context() as patch:
        patch.setattr(SQLiteStore, "_write", lose_the_answer)
        with pytest.raises(StoreError):
            sink.flush()
        assert Counted(path).requests == 10
        put(sink, traffic, 5)
        with pytest.raises(StoreError):
            sink.flush()
        assert Counted(path).requests == 10
    sink.flush()
    counted = Counted(path)
    [row] = counted.writers
    assert counted.requests == 15
    assert (row.requests, row.batch, row.lost, row.peak) == (15, 2, 0, 10)


def test_what_a_batch_brings_may_be_lost_with_it(
    sink: StoreSink, traffic: Traffic, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sources and lines of a batch that was rolled back come with the next attempt."""
    put(sink, traffic, 3)
    add = SQLiteStore._add

    def fail(self: SQLiteStore, *arguments: Any) -> None:
        add(self, *arguments)
        raise sqlite3.OperationalError("disk I/O error")

    with monkeypatch.context() as patch:
        patch.setattr(SQLiteStore, "_add", fail)
        with pytest.raises(StoreError, match="disk I/O error"):
            sink.flush()
    assert Counted(path).sources == []
    sink.flush()
    counted = Counted(path)
    assert counted.requests == 3
    assert {source.source for source in counted.sources} == set(traffic.sources.values())
    assert all(counted.texts[source.source.path] for source in counted.sources)
    assert any(source.ran for source in counted.sources)


def test_closing_writes_what_waits(sink: StoreSink, traffic: Traffic, path: Path) -> None:
    """Both what could not be written before and what came after that; and says that the process ended."""
    put(sink, traffic, 4)
    with blocked(path), pytest.raises(StoreError):
        sink.flush()
    put(sink, traffic, 3)
    before = time.time()
    sink.close()
    [row] = Counted(path).writers
    assert Counted(path).requests == row.requests == 7
    assert row.ended is not None
    assert before <= row.ended <= time.time()


def test_closing_in_vain_tells_how_many_are_lost(sink: StoreSink, traffic: Traffic, path: Path) -> None:
    """Those of the batch that failed, and those after it."""
    put(sink, traffic, 4)
    with blocked(path):
        with pytest.raises(StoreError):
            sink.flush()
        put(sink, traffic, 3)
        with pytest.raises(StoreError, match=r"^7 requests are lost: .*"):
            sink.close()


def test_the_end_is_near(sink: StoreSink, traffic: Traffic, path: Path) -> None:
    """Where a process may be ended without another word, each batch from then on says that it has."""
    put(sink, traffic, 2)
    sink.flush()
    assert [row.ended for row in Counted(path).writers] == [None]
    sink.hasten()
    sink.flush()
    [first] = Counted(path).writers
    assert first.ended is not None
    put(sink, traffic, 3)
    sink.hasten()
    sink.flush()
    [row] = Counted(path).writers
    assert row.ended is not None
    assert row.ended > first.ended
    assert (row.requests, row.batch) == (5, 3)
    assert Counted(path).requests == 5


def test_a_process_that_counted_nothing_writes_nothing(sink: StoreSink, path: Path) -> None:
    """Not even a file."""
    sink.flush()
    sink.before_fork()
    sink.hasten()
    sink.flush()
    sink.close()
    assert not path.parent.exists()


class blocked:  # noqa: N801
    """Something that is no folder stands where the store's folder should be."""

    def __init__(self, path: Path) -> None:
        self._place = path.parent

    def __enter__(self) -> None:
        if self._place.exists():
            self._place.rename(self._place.with_name("aside"))
        self._place.write_text("in the way")

    def __exit__(self, *exc_info: object) -> None:
        self._place.unlink()


# -- the file under it ----------------------------------------------------------------------------------------------


def ran_of(counted: Counted) -> dict[Any, int]:
    return {source.source: source.ran for source in counted.sources if source.ran}


def ran_by(traffic: Traffic, count: int) -> dict[Any, int]:
    """By source, the lines of so many requests."""
    ran: dict[Any, int] = Counter()
    for record in traffic.requests(count):
        for name, numbers in record.lines.items():
            ran[traffic.sources[name]] |= sum(1 << number for number in numbers)
    return dict(ran)


def remove(path: Path) -> None:
    for file in path.parent.glob(f"{path.name}*"):
        file.unlink()


def test_what_went_with_a_deleted_file_is_lost(
    sink: StoreSink, traffic: Traffic, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It is counted at once, and once however often a file is deleted; the new one is told all that it needs."""
    for times in (1, 2, 3):
        put(sink, traffic, 10)
        sink.flush()
        counted = Counted(path)
        [row] = counted.writers
        assert counted.requests == 10
        assert (row.requests, row.lost) == (10 * times, 10 * times - 10)
        assert {source.source for source in counted.sources} == set(traffic.sources.values())
        assert all(counted.texts.values())
        assert ran_of(counted) == ran_by(traffic, 10)
        assert all(counted.lines[hit.footprint] for hit in counted.hits)
        remove(path)
    assert [record.getMessage() for record in caplog.records] == [
        f"reqcov: the store {path} was deleted or replaced; what it held is gone"
    ] * 2


def test_an_earlier_copy_in_its_place(sink: StoreSink, traffic: Traffic, path: Path) -> None:
    """What the copy does not hold is lost, no more."""
    put(sink, traffic, 10)
    sink.flush()
    copy = path.read_bytes()
    put(sink, traffic, 5)
    sink.flush()
    remove(path)
    path.with_name("copy").write_bytes(copy)
    path.with_name("copy").rename(path)
    put(sink, traffic, 1)
    sink.flush()
    counted = Counted(path)
    [row] = counted.writers
    assert counted.requests == 11
    assert (row.requests, row.lost) == (16, 5)


def test_a_process_that_was_forgotten(
    sink: StoreSink, traffic: Traffic, path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """So many others wrote since that the store has no row for it any more: its counts are there, and none is lost."""
    monkeypatch.setattr(sqlite, "MAX_WRITERS", 3)
    put(sink, traffic, 10)
    sink.flush()
    for _ in range(3):
        other = traffic.sink(path)
        put(other, traffic, 1)
        other.flush()
    assert sink._id not in {row.id for row in Counted(path).writers}
    put(sink, traffic, 1)
    sink.flush()
    counted = Counted(path)
    [row] = [row for row in counted.writers if row.id == sink._id]
    assert (counted.requests, row.requests, row.lost, caplog.records) == (14, 11, 0, [])


def test_a_batch_that_waited_while_the_file_was_replaced(sink: StoreSink, traffic: Traffic, path: Path) -> None:
    """It is written to the new one, and what went with the old one is lost."""
    put(sink, traffic, 10)
    sink.flush()
    put(sink, traffic, 2)
    with blocked(path), pytest.raises(StoreError):
        sink.flush()
    sink.flush()
    [row] = Counted(path).writers
    assert Counted(path).requests == 2
    assert (row.requests, row.lost) == (12, 10)


def test_the_new_file_can_not_be_written_at_first(
    sink: StoreSink, traffic: Traffic, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What went with the old one is lost once."""
    put(sink, traffic, 10)
    sink.flush()
    remove(path)
    put(sink, traffic, 1)

    def fail(*_: Any) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    for _ in range(2):
        with monkeypatch.context() as patch:
            patch.setattr(SQLiteStore, "_add", fail)
            with pytest.raises(StoreError):
                sink.flush()
    sink.flush()
    [row] = Counted(path).writers
    assert (row.requests, row.lost) == (11, 10)


def test_a_store_that_was_emptied(sink: StoreSink, traffic: Traffic, path: Path) -> None:
    """Where its rows were deleted, and the generation says so, it is told again what they held; nothing is lost."""
    put(sink, traffic, 11)
    sink.flush()
    with opened(path) as connection, transaction(connection):
        for table in ("hits", "source", "text", "lines", "footprint", "footprint_lines", "build_source"):
            connection.execute(f"DELETE FROM {table}")
        connection.execute("UPDATE generation SET uuid = 'another'")
    put(sink, traffic, 1)
    sink.flush()
    counted = Counted(path)
    [row] = counted.writers
    assert counted.requests == 1
    assert row.lost == 0
    assert {source.source for source in counted.sources} == set(traffic.sources.values())
    assert all(counted.texts.values())
    assert ran_of(counted) == ran_by(traffic, 11)
    assert counted.lines[counted.hits[0].footprint]


def test_another_programs_file_is_left_alone(sink: StoreSink, traffic: Traffic, path: Path) -> None:
    """Not a byte of it changes; once it is moved away, nothing is missing."""
    path.parent.mkdir()
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE theirs (precious)")
    connection.close()
    before = path.read_bytes()
    put(sink, traffic, 2)
    with pytest.raises(StoreError, match="another program"):
        sink.flush()
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    path.rename(path.with_name("theirs"))
    sink.flush()
    assert Counted(path).requests == 2


def test_a_later_schema_is_left_alone(sink: StoreSink, traffic: Traffic, path: Path) -> None:
    """The sentence names both versions."""
    put(sink, traffic, 2)
    sink.flush()
    with opened(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    before = path.read_bytes()
    put(sink, traffic, 2)
    with pytest.raises(StoreError, match=r"newer reqcov \(schema 99"):
        sink.flush()
    assert path.read_bytes() == before


# -- who waits for whom ---------------------------------------------------------------------------------------------


@pytest.fixture
def locked(sink: StoreSink, traffic: Traffic, path: Path) -> Any:
    """A store that somebody else writes to, without an end; give the connection back to end it."""
    put(sink, traffic, 1)
    sink.flush()
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    yield connection
    connection.close()


def test_a_fork_waits_no_longer_than_a_second(sink: StoreSink, traffic: Traffic, path: Path, locked: Any) -> None:
    """Then what waits is the parent's, which writes it once it may; the child begins with nothing."""
    put(sink, traffic, 5)
    begun = time.monotonic()
    with pytest.raises(StoreBusy):
        sink.before_fork()
    assert time.monotonic() - begun < 1
    locked.execute("ROLLBACK")

    def child() -> None:
        sink.after_fork()
        put(sink, traffic, 2)
        sink.close()

    assert in_child(child) == 0
    sink.flush()
    rows = Counted(path).writers
    assert Counted(path).requests == 8
    assert sorted(row.requests for row in rows) == [2, 6]


def test_closing_waits_longer(sink: StoreSink, traffic: Traffic, path: Path, locked: Any) -> None:
    """There is no next time: it goes on until the other one has finished."""
    put(sink, traffic, 5)
    with pytest.raises(StoreBusy):
        sink.flush()
    closing = threading.Thread(target=sink.close)
    begun = time.monotonic()
    closing.start()
    closing.join(2 * sqlite.PATIENCE)
    assert closing.is_alive()
    locked.execute("ROLLBACK")
    closing.join()
    assert Counted(path).requests == 6
    assert time.monotonic() - begun < writer.LAST_PATIENCE


def test_waiting_leaves_greenlets_alone(tmp_path: Path) -> None:
    """Under gevent the thread of the sink is a greenlet: while it waits for the store, the others go on."""
    program = f"""
from gevent import monkey; monkey.patch_all()
import sqlite3, sys, threading, time
from pathlib import Path
from reqcov.store.sqlite import opened
import reqcov
path = Path({str(tmp_path / "store")!r})
recorder = reqcov.Recorder(include=["/none/*"], store=path)
with opened(path) as connection:
    connection.execute("BEGIN IMMEDIATE")
    with recorder.record("job"):
        pass
    ticks, flush = [], threading.Thread(target=recorder.flush)
    flush.start()
    while flush.is_alive():
        begun = time.monotonic()
        time.sleep(0.001)
        ticks.append(time.monotonic() - begun)
    connection.execute("ROLLBACK")
recorder.close()
print(len(ticks) > 20, max(ticks) < 0.25, recorder.stats().faults)
"""
    assert run_python(program) == "True True {}\n"


def run_python(program: str) -> str:
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stderr
    assert run.stderr == ""
    return run.stdout


def test_many_processes_make_one_store(traffic: Traffic, path: Path) -> None:
    """All begin at once with no file there, and write batch after batch; nothing is lost, doubled or damaged."""
    begin, ready = os.pipe()
    children = []
    for _ in range(8):
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                os.close(ready)
                os.read(begin, 1)  # until the parent lets go
                sink = traffic.sink(path)
                for _ in range(5):
                    put(sink, traffic, 3)
                    while True:
                        try:
                            sink.flush()
                            break
                        except StoreBusy:
                            pass
                sink.close()
                status = 0
            except BaseException as error:
                sys.stderr.write(f"in the child: {error!r}\n")
            finally:
                os._exit(status)
        children.append(pid)
    os.close(begin)
    os.close(ready)
    assert [os.waitpid(pid, 0)[1] for pid in children] == [0] * 8
    counted = Counted(path)
    assert counted.requests == 8 * 15
    assert [row.requests for row in counted.writers] == [15] * 8
    assert counted.integrity == "ok"


def test_two_make_one_store_at_once(path: Path) -> None:
    """Whoever looks while the other one makes the tables takes the file neither for another program's nor for newer."""
    path.parent.mkdir()
    made = []

    def make(statement: str) -> None:
        with contextlib.suppress(StoreBusy), opened(path, 0):
            made.append(statement)

    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.set_trace_callback(make)
        assert schema.version_of(connection, str(path)) in (0, schema.VERSION)
    assert made


def test_a_command_waits_for_who_makes_the_store(path: Path) -> None:
    """Also where SQLite would not: while the file changes from one way of locking to the other."""
    path.parent.mkdir()
    with contextlib.closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as connection:
        connection.execute("PRAGMA user_version = 0")
        connection.execute("BEGIN IMMEDIATE")
        timer = threading.Timer(0.2, connection.execute, ["ROLLBACK"])
        timer.start()
        with opened(path) as made:
            assert schema.version_of(made, str(path)) == schema.VERSION
        timer.join()


# -- limits ---------------------------------------------------------------------------------------------------------


def test_counts_that_wait_have_a_limit(
    sink: StoreSink, traffic: Traffic, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is too many is lost, and counted; what is being counted goes on."""
    monkeypatch.setattr(writer, "MAX_WAITING", 4)
    for _ in range(2):
        put(sink, traffic, 6)
    sink.flush()
    [row] = Counted(path).writers
    assert Counted(path).requests == row.requests == 8
    assert row.lost == 4


@pytest.mark.parametrize(("limit", "most"), [("MAX_FOOTPRINTS", 4), ("MAX_PIECES", 110)])
def test_behaviours_have_a_limit(
    limit: str, most: int, traffic: Traffic, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond it requests are counted together, and their lines are known to have run."""
    monkeypatch.setattr(writer, limit, most)
    sink = traffic.sink(path)
    records = list(traffic.requests(60))
    for record in (*records, *records):
        sink.accept(record)
    sink.flush()
    counted = Counted(path)
    names = Counter({counted.footprints[hit.footprint]: hit.recorded for hit in counted.hits})
    assert counted.requests == 120
    assert sum(counted.by_route.values()) == 120
    together = sum(hit.recorded for hit in counted.hits if counted.footprints[hit.footprint] == OTHER)
    assert together >= 2 * 20
    assert len(names) < 41
    assert ran_of(counted) == ran_by(traffic, 60)


def test_endpoints_have_a_limit(sink: StoreSink, traffic: Traffic, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many routes somebody makes up."""
    monkeypatch.setattr(writer, "MAX_ROUTES", 3)
    put(sink, traffic, 200)
    assert len(sink._endpoints) == 3


def test_what_is_no_unicode_is_stored(make_recorder: Make, path: Path) -> None:
    """A name that was decoded from bytes regardless can't stop the batch that it is in."""
    recorder = make_recorder(include=[__file__], store=path, build="1\udce9")
    with recorder.record("caf\udce9"):
        one()
    recorder.close()
    assert recorder.stats().faults == {}
    assert Counted(path).by_route == {"caf?": 1}


# -- what is counted ------------------------------------------------------------------------------------------------


def test_a_behaviour_is_known_by_all_that_ran(path: Path) -> None:
    """The same lines are one behaviour, whichever request of whichever route comes between; others are not."""
    files: Any = SimpleNamespace(sources={"a": ("a", "1"), "b": ("b", "2")}, meet_imported=lambda: None)
    sink = StoreSink(path, build="1", sample=1.0, core="monitoring", files=files, stats=dict, outside=dict)

    def accept(route: str, hits: dict[Any, set[int]]) -> None:
        lines = {name: frozenset(numbers) for name, numbers in hits.items()}
        reader: Any = SimpleNamespace(read=lambda hits: (lines, None, f"{sorted(map(str, hits.items()))}"))
        sink.accept(make_record(route=route, executed=Executed(reader, hits), complete=True))

    shapes: list[dict[Any, set[int]]] = [{}, {"a": {1}}, {"a": {2}}, {"b": {1}}, {"a": {1}, "b": {1}}, {"a": {1, 2}}]
    for _ in range(3):
        for route in ("/x", "/y"):
            for shape in shapes:
                for _ in range(2):
                    accept(route, {name: set(numbers) for name, numbers in shape.items()})
    assert sorted(tally.count for tally in sink._hits.values()) == [6] * 12
    assert len({(key.route, key.footprint) for key in sink._hits}) == 12
    assert len(sink._behaviours) == 6


def test_a_record_that_was_read_before(core: str, make_recorder: Make, path: Path) -> None:
    """Where another sink has read what ran, it is the same behaviour as where none has."""
    memory = reqcov.MemorySink()
    accept = memory.accept
    reads = iter([True, False, True])

    def read(record: reqcov.RequestRecord) -> None:
        accept(record)
        if next(reads):
            assert record.lines

    memory.accept = read  # type: ignore[method-assign]
    recorder = make_recorder(include=[__file__], core=core, sinks=[memory], store=path)
    app = reqcov.wrap(make_app("wsgi", one), recorder=recorder)
    for _ in range(3):
        get("wsgi", app)
    recorder.close()
    [hit] = Counted(path).hits
    assert hit.recorded == 3
    assert Counted(path).footprints[hit.footprint] == memory.records[0].footprint


def test_arcs(make_recorder: Make, path: Path) -> None:
    """With `branch=True` they are stored with the lines."""
    memory = reqcov.MemorySink()
    recorder = make_recorder(include=[__file__], branch=True, core="settrace", sinks=[memory], store=path)
    get("wsgi", reqcov.wrap(make_app("wsgi", one), recorder=recorder))
    recorder.close()
    counted = Counted(path)
    [lines] = counted.lines[counted.hits[0].footprint]
    arcs = memory.records[0].arcs
    assert arcs
    assert reqcov.record.unpack_arcs(lines.arcs) == arcs[__file__]


def test_samples_stand_for_the_rest(make_recorder: Make, path: Path) -> None:
    """Of a quarter of the requests each counts for four; the others tell what ran, and are not counted."""
    recorder = make_recorder(include=[__file__], sample=0.25, store=path)
    for _ in range(100):
        with recorder.record("job"):
            one()
    recorder.close()
    recorded = recorder.stats().recorded
    counted = Counted(path)
    assert 0 < recorded < 100
    assert counted.requests == recorded
    assert sum(hit.requests for hit in counted.hits) == 4 * recorded
    [row] = counted.writers
    assert (row.sample, row.requests) == (0.25, recorded)


@pytest.mark.skipif(not HAS_MONITORING, reason="the settrace core sees nothing of a request that is not sampled")
def test_nothing_is_sampled(make_recorder: Make, path: Path) -> None:
    """With `sample=0` no request is counted, and what ran is known."""
    recorder = make_recorder(include=[__file__], sample=0, store=path)
    with recorder.record("job"):
        one()
    recorder.close()
    counted = Counted(path)
    assert counted.hits == []
    [source] = [source for source in counted.sources if source.ran]
    assert source.ran == 1 << one.__code__.co_firstlineno + 1


def test_what_was_cut_short_is_counted_apart(make_recorder: Make, path: Path) -> None:
    """A request that is open when the recorder closes is counted, and is no behaviour."""
    recorder = make_recorder(include=[__file__], store=path)
    with recorder.record("job"):
        one()
        recorder.close()
    counted = Counted(path)
    [hit] = counted.hits
    assert counted.footprints[hit.footprint] == UNREAD
    assert counted.lines[hit.footprint] == []
    assert any(source.ran for source in counted.sources)


def test_a_websocket(make_recorder: Make, path: Path) -> None:
    """It is a method of its own."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        one()
        await send({"type": "websocket.accept"})

    async def talk() -> None:
        async def send(message: Any) -> None:
            pass

        await reqcov.wrap(app, recorder=recorder)({"type": "websocket", "path": "/chat"}, send, send)

    recorder = make_recorder(include=[__file__], store=path)
    asyncio.run(talk())
    recorder.close()
    counted = Counted(path)
    [hit] = counted.hits
    assert counted.routes[hit.route] == Route("websocket", "WEBSOCKET", "/chat", "")
    assert hit.status == 1


def test_invented_methods_are_one(make_recorder: Make, path: Path) -> None:
    """A scanner can't grow the store with them."""
    recorder = make_recorder(include=[__file__], store=path)
    app = reqcov.wrap(make_app("wsgi", one), recorder=recorder)
    for method in ("GET", "BREW", "WHEN"):
        get("wsgi", app, method=method)
    recorder.close()
    assert Counted(path).by_route == {"GET /": 1, f"{OTHER} /": 2}


def test_requests_at_once(make_recorder: Make, path: Path) -> None:
    """From many threads each is counted with what it ran itself."""
    recorder = make_recorder(include=[__file__], store=path)
    apps = [reqcov.wrap(make_app("wsgi", view), recorder=recorder) for view in (one, two)]

    def ask(number: int) -> None:
        with httpx.Client(transport=httpx.WSGITransport(apps[number % 2]), base_url="http://site") as client:
            for _ in range(25):
                assert client.get(f"/{('one', 'two')[number % 2]}").status_code == 200

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    recorder.close()
    counted = Counted(path)
    assert counted.by_route == {"GET /one": 100, "GET /two": 100}
    masks = {
        counted.routes[hit.route].template: [one.mask for one in counted.lines[hit.footprint]] for hit in counted.hits
    }
    for name, view, other in (("/one", one, two), ("/two", two, one)):
        [mask] = masks[name]
        assert mask >> view.__code__.co_firstlineno + 1 & 1
        assert not mask >> other.__code__.co_firstlineno + 1 & 1


# -- several of them ------------------------------------------------------------------------------------------------


def test_two_recorders_and_one_store(make_recorder: Make, path: Path) -> None:
    """They are two writers, and what they count adds up."""
    for times in (1, 2):
        recorder = make_recorder(include=[__file__], store=path)
        for _ in range(times):
            with recorder.record("job"):
                one()
        assert recorder.flush()
    assert Counted(path).by_route == {"job": 3}
    assert sorted(row.requests for row in Counted(path).writers) == [1, 2]
    assert len({row.pid for row in Counted(path).writers}) == 1


def test_two_recorders_and_two_stores(make_recorder: Make, tmp_path: Path) -> None:
    """Each store gets what its own recorder recorded."""
    names = ("a", "b")
    recorders = {name: make_recorder(include=[__file__], store=tmp_path / name) for name in names}
    for name, recorder in recorders.items():
        with recorder.record(f"job {name}"):
            one()
    for recorder in recorders.values():
        recorder.close()
    assert {name: Counted(tmp_path / name).by_route for name in names} == {name: {f"job {name}": 1} for name in names}


def test_disabled(monkeypatch: pytest.MonkeyPatch, make_recorder: Make, path: Path) -> None:
    """With `REQCOV_DISABLED` there is no store."""
    monkeypatch.setenv("REQCOV_DISABLED", "1")
    recorder = make_recorder(include=[__file__], store=path)
    with recorder.record("job"):
        one()
    get("wsgi", reqcov.wrap(make_app("wsgi", one), store=path))
    recorder.close()
    assert not path.parent.exists()


@pytest.mark.parametrize("url", ["kept/store.sqlite3", "sqlite:///kept/store.sqlite3", "sqlite:////{absolute}"])
def test_where_it_is(
    url: str, make_recorder: Make, tmp_path: Path, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A path or a URL, from the folder that the server was started in, wherever it goes later."""
    monkeypatch.chdir(tmp_path)
    recorder = make_recorder(include=[__file__], store=url.format(absolute=str(path)[1:]))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")
    with recorder.record("job"):
        one()
    recorder.close()
    assert Counted(path).by_route == {"job": 1}
    assert path.with_name(".gitignore").read_text() == "*\n"


def test_a_job_for_each_status(make_recorder: Make, path: Path) -> None:
    """A job has none; requests are told apart by the hundreds."""
    recorder = make_recorder(include=[__file__], store=path)

    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response(f"{environ['PATH_INFO'][1:]} Status", [])
        return []

    wrapped = reqcov.wrap(app, recorder=recorder)
    for status in (200, 204, 301, 500):
        get("wsgi", wrapped, path=f"/{status}")
    with recorder.record("job"):
        one()
    recorder.close()
    counts = Counter()
    for hit in Counted(path).hits:
        counts[hit.status] += hit.recorded
    assert counts == {2: 2, 3: 1, 5: 1, 0: 1}
