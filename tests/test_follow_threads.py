"""Work that a request hands to threads which Python starts with an empty context."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import Context
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import reqcov
from tests.stepping import Stage, load

CODE = """\
def first():
    return 2

def second():
    return 5

def failing():
    raise ValueError(8)
"""

Hand = Callable[[Callable[[], object]], None]


def by_thread(work: Callable[[], object]) -> None:
    """A thread of its own."""
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


def by_subclass(work: Callable[[], object]) -> None:
    """A thread whose class has a `run` of its own."""

    class Worker(threading.Thread):
        def run(self) -> None:
            work()

    thread = Worker()
    thread.start()
    thread.join()


def by_timer(work: Callable[[], object]) -> None:
    """A timer that is due at once."""
    timer = threading.Timer(0, work)
    timer.start()
    timer.join()


def by_pool(work: Callable[[], object]) -> None:
    """A pool of threads."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(work).result()


def by_thread_of_thread(work: Callable[[], object]) -> None:
    """A thread that hands on to a pool."""
    by_thread(lambda: by_pool(work))


def by_executor_of_loop(work: Callable[[], object]) -> None:
    """An event loop's executor."""

    async def run() -> None:
        await asyncio.get_running_loop().run_in_executor(None, work)

    asyncio.run(run())


WAYS = [by_thread, by_subclass, by_timer, by_pool, by_thread_of_thread, by_executor_of_loop]


@pytest.fixture
def code(tmp_path: Path) -> ModuleType:
    """Something to measure."""
    return load(tmp_path / "code.py", CODE)


@pytest.fixture
def sink() -> reqcov.MemorySink:
    """Where records go."""
    return reqcov.MemorySink()


@pytest.fixture
def recorder(tmp_path: Path, core: Any, sink: reqcov.MemorySink) -> Iterator[reqcov.Recorder]:
    """A recorder that follows threads, on each core."""
    with reqcov.Recorder(source=[str(tmp_path)], core=core, sinks=sink, follow_threads=True) as recorder:
        yield recorder
        assert recorder.stats().faults == {}


def lines(sink: reqcov.MemorySink) -> dict[str, set[int]]:
    """The lines of each record by its context."""
    return {record.context: set().union(*record.lines.values()) for record in sink.records}


@pytest.mark.parametrize("way", WAYS)
def test_followed_by_turns(tmp_path: Path, core: str, way: Hand) -> None:
    """Two requests by turns in threads that they started."""
    stage = Stage(tmp_path, core, follow_threads=True)

    def serve(name: str) -> None:
        with stage.recorder.record(name):
            way(lambda: stage.shared.plain(stage.party(name)))

    with stage.recorder:
        stage.by_threads(serve)
        stage.check()


@pytest.mark.parametrize("way", WAYS)
def test_not_followed_unless_asked(tmp_path: Path, core: Any, code: ModuleType, way: Hand) -> None:
    """Without the option such lines are nobody's; they are counted."""
    sink = reqcov.MemorySink()
    with reqcov.Recorder(source=[str(tmp_path)], core=core, sinks=sink) as recorder:
        with recorder.record("job"):
            code.second()
            way(code.first)
        assert lines(sink) == {"job": {5}}
        assert recorder.stats().unattributed == 1


def test_thread_older_than_the_recorder(tmp_path: Path, core: Any, code: ModuleType) -> None:
    """A worker that was there first is followed too."""
    sink = reqcov.MemorySink()
    with ThreadPoolExecutor(1) as pool:
        pool.submit(int).result()
        recorder = reqcov.Recorder(source=[str(tmp_path)], core=core, sinks=sink, follow_threads=True)
        with recorder, recorder.record("job"):
            pool.submit(code.first).result()
        assert lines(sink) == {"job": {2}}


def test_worker_serves_whoever_asks(recorder: reqcov.Recorder, sink: reqcov.MemorySink, code: ModuleType) -> None:
    """A worker that a request has started is not that request's: neither for other requests nor for nobody's work."""
    with ThreadPoolExecutor(1) as pool, recorder.record("starter"):
        pool.submit(int).result()
        Context().run(pool.submit, code.first).result()
        with recorder.record("other"):
            pool.submit(code.second).result()
    assert lines(sink) == {"other": {5}, "starter": set()}
    assert recorder.stats().unattributed == 1


def test_work_that_outlives_its_request(recorder: reqcov.Recorder, sink: reqcov.MemorySink, code: ModuleType) -> None:
    """What a thread runs once its request has ended is nobody's, whether it began before or after."""
    begun, ended = threading.Event(), threading.Event()

    def work() -> None:
        code.first()
        begun.set()
        ended.wait(30)
        code.second()

    with ThreadPoolExecutor(1) as pool:
        with recorder.record("job"):
            early = pool.submit(work)
            late = pool.submit(code.second)
            assert begun.wait(30)
        ended.set()
        early.result()
        late.result()
        with recorder.record("next"):
            pool.submit(code.second).result()
    assert lines(sink) == {"job": {2}, "next": {5}}


def test_results_and_errors_pass(recorder: reqcov.Recorder, code: ModuleType) -> None:
    """Arguments, results, exceptions and names are those of the work, in a request and outside."""

    def work(*args: int, **kwargs: int) -> tuple[Any, ...]:
        return args, kwargs, threading.current_thread().name

    def check() -> None:
        with ThreadPoolExecutor(1, "pool") as pool:
            assert pool.submit(work, 1, two=2).result() == ((1,), {"two": 2}, "pool_0")
            with pytest.raises(ValueError, match="8"):
                pool.submit(code.failing).result()
        thread = threading.Thread(target=int)
        thread.start()
        with pytest.raises(RuntimeError, match="once"):
            thread.start()
        thread.join()

    check()
    with recorder.record("job"):
        check()


@pytest.mark.parametrize("first", [0, 1])
def test_patches_of_two_recorders(tmp_path: Path, core: Any, code: ModuleType, first: int) -> None:
    """Neither carries what is the other's; whichever closes first, the other goes on; in the end nothing is patched."""
    plain = threading.Thread.start, ThreadPoolExecutor.submit
    sinks = reqcov.MemorySink(), reqcov.MemorySink()
    recorders = [reqcov.Recorder(source=[str(tmp_path)], core=core, sinks=s, follow_threads=True) for s in sinks]
    with recorders[0].record("with both open"):
        by_thread(code.first)
    [record] = sinks[0].records
    assert (record.lines, record.complete) == ({code.__file__: {2}}, True)
    sinks[0].records.clear()
    recorders[first].close()
    with recorders[1 - first].record("job"):
        by_thread(code.first)
        by_pool(code.second)
    assert lines(sinks[1 - first]) == {"job": {2, 5}}
    recorders[1 - first].close()
    assert plain == (threading.Thread.start, ThreadPoolExecutor.submit)


def test_patch_of_somebody_else(tmp_path: Path, code: ModuleType) -> None:
    """Closing leaves alone what another tool has patched over ours, and that goes on working."""
    before: Any = threading.Thread.start
    recorder = reqcov.Recorder(source=[str(tmp_path)], follow_threads=True)
    ours: Any = threading.Thread.start
    started = []

    def theirs(thread: threading.Thread) -> None:
        started.append(thread)
        ours(thread)

    threading.Thread.start = theirs  # type: ignore[method-assign]
    try:
        recorder.close()
        assert threading.Thread.start is theirs
        by_thread(code.first)
        assert len(started) == 1
    finally:
        threading.Thread.start = before  # type: ignore[method-assign]
