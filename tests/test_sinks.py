"""Sinks in memory: functions, coroutine functions, `MemorySink`, and what users write themselves."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable

import pytest

import reqcov
from reqcov.sinks import CallbackSink

Make = Callable[..., reqcov.Recorder]


def test_memory_sink_has_the_record_at_once(make_recorder: Make) -> None:
    """No flush is needed: when the request is over, its record is there."""
    sink = reqcov.MemorySink()
    with make_recorder(sinks=[sink]).record("job"):
        assert sink.records == []
    assert [record.context for record in sink.records] == ["job"]


def test_function(make_recorder: Make) -> None:
    """A plain function gets every record, in order, away from the request's thread."""
    got: list[tuple[str, threading.Thread]] = []
    recorder = make_recorder(on_request=lambda record: got.append((record.context, threading.current_thread())))
    for name in "abc":
        with recorder.record(name):
            pass
    assert recorder.flush()
    assert [name for name, _ in got] == ["a", "b", "c"]
    assert threading.current_thread() not in {thread for _, thread in got}


class AsyncCallable:
    """An object with a coroutine method as its call."""

    def __init__(self) -> None:
        self.got: list[str] = []

    async def __call__(self, record: reqcov.RequestRecord) -> None:
        await asyncio.sleep(0)
        self.got.append(record.context)

    async def method(self, record: reqcov.RequestRecord) -> None:
        await self(record)


@pytest.mark.parametrize("which", ["object", "method"])
def test_coroutine_functions(which: str, make_recorder: Make) -> None:
    """Coroutine functions, methods and objects are awaited."""
    target = AsyncCallable()
    recorder = make_recorder(on_request=target if which == "object" else target.method)
    with recorder.record("job"):
        pass
    assert recorder.flush()
    assert target.got == ["job"]


def test_coroutines_run_side_by_side(make_recorder: Make) -> None:
    """One that waits for the next record's does not wait in vain."""
    order: list[str] = []

    async def seen(record: reqcov.RequestRecord) -> None:
        if record.context == "first":
            while "second" not in order:
                await asyncio.sleep(0.001)
        order.append(record.context)

    recorder = make_recorder(on_request=seen)
    for name in ("first", "second"):
        with recorder.record(name):
            pass
    assert recorder.flush()
    assert order == ["second", "first"]


def test_a_raising_coroutine_is_counted(make_recorder: Make) -> None:
    """What a coroutine raises is counted like what a function raises, and the next one runs."""
    got: list[str] = []

    async def seen(record: reqcov.RequestRecord) -> None:
        got.append(record.context)
        raise LookupError(record.id)

    recorder = make_recorder(on_request=seen)
    for name in "ab":
        with recorder.record(name):
            pass
        assert recorder.flush()
    assert got == ["a", "b"]
    assert recorder.stats().failed == {"CallbackSink": 2}


def test_a_coroutine_that_hangs_holds_up_no_other(make_recorder: Make) -> None:
    """The others run, flushing and closing come to an end."""
    got: list[str] = []

    async def seen(record: reqcov.RequestRecord) -> None:
        if record.context == "hangs":
            await asyncio.Event().wait()
        got.append(record.context)

    recorder = make_recorder(on_request=seen)
    for name in ("hangs", "a", "b"):
        with recorder.record(name):
            pass
    assert recorder.flush()
    assert got == ["a", "b"]


def test_closing_cancels_and_leaves_no_event_loop(make_recorder: Make) -> None:
    """A coroutine that still runs is cancelled, its `finally` runs, and thread and sockets of the loop are gone."""
    told: list[str] = []
    loops: list[asyncio.AbstractEventLoop] = []

    async def seen(record: reqcov.RequestRecord) -> None:
        loops.append(asyncio.get_running_loop())
        try:
            await asyncio.Event().wait()
        finally:
            told.append("cancelled")

    recorder = make_recorder(on_request=seen)
    with recorder.record("job"):
        pass
    recorder.close()
    assert told == ["cancelled"]
    assert [loop.is_closed() for loop in loops] == [True]
    assert "reqcov on_request" not in {thread.name for thread in threading.enumerate()}


def test_a_coroutine_that_exits(make_recorder: Make) -> None:
    """`sys.exit()` in one ends neither the process nor the others."""
    got: list[str] = []

    async def seen(record: reqcov.RequestRecord) -> None:
        got.append(record.context)
        sys.exit(3)

    recorder = make_recorder(on_request=seen)
    for name in "ab":
        with recorder.record(name):
            pass
        assert recorder.flush()
    assert got == ["a", "b"]
    assert recorder.stats().failed == {"CallbackSink": 2}


def test_callback_sink_without_records_starts_nothing() -> None:
    """Closing a sink that was never used is nothing special."""
    before = threading.enumerate()
    sink = CallbackSink(AsyncCallable())
    sink.flush()
    sink.close()
    assert threading.enumerate() == before


class Shouting(reqcov.Sink):
    """A sink as a user writes one: the one method that matters."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def accept(self, record: reqcov.RequestRecord) -> None:
        self.heard.append(record.context.upper())


def test_a_sink_of_the_users_own(make_recorder: Make) -> None:
    """`accept` is enough; the rest has defaults, also in a forked child."""
    sink = Shouting()
    recorder = make_recorder(sinks=[sink])
    with recorder.record("job"):
        pass
    assert recorder.flush()
    recorder.after_fork()
    recorder.close()
    assert sink.heard == ["JOB"]
    assert recorder.stats().failed == {}
