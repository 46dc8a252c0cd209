"""How records reach sinks: after the response, in order, one thread a sink, and never at the cost of a request."""

from __future__ import annotations

import contextvars
import logging
import queue
import threading
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

import reqcov
from reqcov import delivery as delivery_module
from reqcov.cores.base import current
from reqcov.delivery import Delivery, Latch
from reqcov.errors import Faults
from tests.test_record import make_record

PATIENCE = 30.0
"""Seconds after which a test gives up; none waits that long unless it fails."""


class Notebook(reqcov.Sink):
    """Notes what is done to it, and on which thread; may be held up, and may raise."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.threads: set[threading.Thread] = set()
        self.go = threading.Event()
        self.go.set()
        self.entered = threading.Event()
        self.raises: dict[str, BaseException] = {}

    def _note(self, call: str) -> None:
        self.threads.add(threading.current_thread())
        self.calls.append(call)
        self.entered.set()
        assert self.go.wait(PATIENCE)
        error = self.raises.get(call.split()[0])
        if error is not None:
            raise error

    def accept(self, record: reqcov.RequestRecord) -> None:
        self._note(f"accept {record.id}")

    def flush(self) -> None:
        self._note("flush")

    def close(self) -> None:
        self._note("close")

    @property
    def accepted(self) -> list[str]:
        return [call.split()[1] for call in self.calls if call.startswith("accept")]


@pytest.fixture
def sink() -> Iterator[Notebook]:
    """A sink that lets everything go when the test is over."""
    sink = Notebook()
    yield sink
    sink.go.set()


@pytest.fixture
def delivery(sink: Notebook) -> Iterator[Delivery]:
    """A delivery to `sink`, closed after the test."""
    delivery = Delivery(sink, Faults())
    yield delivery
    sink.go.set()
    delivery.close(PATIENCE)


def put(delivery: Delivery, *ids: str) -> None:
    for name in ids:
        delivery.put(make_record(id=name))


def test_in_order_on_one_other_thread(delivery: Delivery, sink: Notebook) -> None:
    """Records arrive in order, on a thread that is not the request's, and a flush comes after the last."""
    put(delivery, *"abcdef")
    assert delivery.flush(PATIENCE)
    assert sink.accepted == list("abcdef")
    assert sink.calls[-1] == "flush"
    assert len(sink.threads) == 1
    assert threading.current_thread() not in sink.threads


def test_no_thread_before_the_first_record(delivery: Delivery, sink: Notebook) -> None:
    """A process that serves nothing gets no threads; flushing works all the same."""
    before = threading.enumerate()
    assert delivery.flush(PATIENCE)
    assert threading.enumerate() == before
    assert sink.calls == ["flush"]


def test_close(sink: Notebook) -> None:
    """Closing delivers what waits, then flushes, then closes, once, and ends the thread."""
    delivery = Delivery(sink, Faults())
    put(delivery, "a", "b")
    delivery.close(PATIENCE)
    assert sink.accepted == ["a", "b"]
    assert sink.calls.count("close") == 1
    assert sink.calls[-1] == "close"
    assert not any(thread.is_alive() for thread in sink.threads)


def test_close_without_records(sink: Notebook) -> None:
    """A sink that never got anything is flushed and closed too."""
    Delivery(sink, Faults()).close(PATIENCE)
    assert sink.calls == ["flush", "close"]


def test_immediate_sinks_are_called_on_the_spot() -> None:
    """On the thread of the request, before `put` returns, with no thread of their own."""
    sink = Notebook()
    sink.immediate = True
    delivery = Delivery(sink, Faults())
    put(delivery, "a")
    assert sink.accepted == ["a"]
    assert sink.threads == {threading.current_thread()}
    sink.raises = {"accept": OSError("full"), "close": OSError("gone")}
    put(delivery, "b")
    delivery.close(PATIENCE)
    assert delivery.failed == 2


def test_full_queue(delivery: Delivery, sink: Notebook, monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind a sink that hangs so many wait, the rest are dropped and counted; what waited arrives in the end."""
    monkeypatch.setattr(delivery_module, "CAPACITY", 3)
    sink.go.clear()
    put(delivery, "held")
    assert sink.entered.wait(PATIENCE)
    put(delivery, *"abcde")
    assert delivery.dropped == 2
    assert delivery._faults.counts == {"Notebook is too slow; records are dropped": 2}
    assert not delivery.flush(0.01)
    sink.go.set()
    assert delivery.flush(PATIENCE)
    assert sink.accepted == ["held", "a", "b", "c"]
    put(delivery, "later")
    assert delivery.flush(PATIENCE)
    assert sink.accepted[-1] == "later"


@pytest.mark.parametrize("method", ["accept", "flush", "close"])
@pytest.mark.parametrize("error", [OSError("full"), SystemExit(3)], ids=repr)
def test_errors_of_a_sink(method: str, error: BaseException, sink: Notebook, caplog: pytest.LogCaptureFixture) -> None:
    """What a sink raises is counted and logged once per kind, and the next record is tried again."""
    faults = Faults()
    delivery = Delivery(sink, faults)
    sink.raises[method] = error
    for name in ("a", "b"):
        put(delivery, name)
        assert delivery.flush(PATIENCE)
    assert sink.accepted == ["a", "b"]
    delivery.close(PATIENCE)
    assert delivery.failed == sum(call.startswith(method) for call in sink.calls)
    kind = f"Notebook failed to {method}: {type(error).__name__}"
    assert faults.counts == {kind: delivery.failed}
    [logged] = caplog.records
    assert kind in logged.getMessage()
    assert logged.exc_info is not None


def test_errors_with_ever_new_texts_are_one_kind(
    delivery: Delivery, sink: Notebook, caplog: pytest.LogCaptureFixture
) -> None:
    """A callback that raises the record's own data can fill neither the log nor the memory."""
    for number in range(5):
        sink.raises["accept"] = KeyError(number)
        put(delivery, str(number))
        assert delivery.flush(PATIENCE)
    assert delivery.failed == 5
    assert len(delivery._faults.counts) == len(caplog.records) == 1


def test_close_gives_up_on_a_sink_that_hangs(sink: Notebook) -> None:
    """Closing takes its time and no more, and says what became of the rest."""
    delivery = Delivery(sink, Faults())
    sink.go.clear()
    put(delivery, "a")
    assert sink.entered.wait(PATIENCE)
    put(delivery, "b")
    delivery.close(0.01)
    assert delivery._faults.counts == {"Notebook did not finish in time; what waits is lost": 1}


def test_a_sink_whose_close_hangs(sink: Notebook) -> None:
    """Even then closing comes to an end."""
    delivery = Delivery(sink, Faults())
    put(delivery, "a")
    assert delivery.flush(PATIENCE)
    entered, leave = threading.Event(), threading.Event()

    def close() -> None:
        entered.set()
        leave.wait(PATIENCE)

    sink.close = close  # type: ignore[method-assign]
    delivery.close(0.5)
    assert entered.wait(PATIENCE)
    leave.set()


@pytest.mark.parametrize("call", ["flush", "close"])
def test_a_sink_that_flushes_or_closes_its_own_delivery(call: str, sink: Notebook) -> None:
    """It can't wait for itself, so it does not; what waits behind it arrives before the end."""
    delivery = Delivery(sink, Faults())
    answers = []
    accept = sink.accept

    def accept_and_call(record: reqcov.RequestRecord) -> None:
        accept(record)
        if record.id == "a":
            put(delivery, "c")
            answers.append(getattr(delivery, call)(PATIENCE))

    sink.accept = accept_and_call  # type: ignore[method-assign]
    put(delivery, "a", "b")
    if call == "flush":
        assert delivery.flush(PATIENCE)
        assert answers == [False]
        delivery.close(PATIENCE)
    else:
        assert sink.entered.wait(PATIENCE)
        for thread in sink.threads:
            thread.join(PATIENCE)
            assert not thread.is_alive()
    assert sink.accepted == ["a", "b", "c"]
    assert sink.calls[-1] == "close"
    assert not delivery._faults.counts


def test_no_thread_to_be_had(sink: Notebook, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """Where the process may start no more threads, `put` raises nothing, and the records arrive once it may."""
    delivery = Delivery(sink, Faults())

    def no_more(*_: Any, **__: Any) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", no_more)
        put(delivery, "a", "b")
        assert not delivery.flush(0.01)
    assert sink.accepted == []
    put(delivery, "c")
    delivery.close(PATIENCE)
    assert sink.accepted == ["a", "b", "c"]
    assert delivery._faults.counts == {"Notebook got no thread; its records wait": 3}
    assert len(caplog.records) == 1


def test_a_record_that_comes_while_the_thread_is_started(sink: Notebook, monkeypatch: pytest.MonkeyPatch) -> None:
    """Starting it may run a finalizer, and that finish a request: it is left to the thread that is to come."""
    delivery = Delivery(sink, Faults())
    start = threading.Thread.start

    def start_and_collect(thread: threading.Thread) -> None:
        put(delivery, "b")
        start(thread)

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", start_and_collect)
        put(delivery, "a")
    delivery.close(PATIENCE)
    assert sink.accepted == ["a", "b"]
    assert len(sink.threads) == 1


def test_hastened_while_and_after_it_closes(sink: Notebook) -> None:
    """Nobody waits for a thread that has done its work."""
    delivery = Delivery(sink, Faults())
    put(delivery, "a")
    assert delivery.flush(PATIENCE)
    closing, go_on = threading.Event(), threading.Event()

    def close() -> None:
        closing.set()
        go_on.wait(PATIENCE)

    sink.close = close  # type: ignore[method-assign]
    delivery.end()
    assert closing.wait(PATIENCE)
    during = delivery.hasten(PATIENCE)
    assert not during.wait(0.0)
    go_on.set()
    assert during.wait(PATIENCE)
    for thread in sink.threads:
        thread.join(PATIENCE)
    assert delivery.hasten(PATIENCE).wait(0.0)


def test_what_a_sink_runs_belongs_to_no_request(make_recorder: Callable[..., reqcov.Recorder]) -> None:
    """Although threads are followed, the one that a job inside a request starts for the sink is not the request's."""
    here: list[Any] = []
    recorder = make_recorder(follow_threads=True, on_request=lambda record: here.append(current.get()))

    def outer() -> None:
        with recorder.record("outer"):
            with recorder.record("inner"):
                pass
            assert recorder.flush()

    contextvars.copy_context().run(outer)
    assert here == [None]


def test_after_a_fork(sink: Notebook) -> None:
    """The child begins with an empty queue and a thread of its own; the parent delivers what was waiting, once."""
    delivery = Delivery(sink, Faults())
    sink.go.clear()
    put(delivery, "held", "waiting")
    assert sink.entered.wait(PATIENCE)
    parents, sink.threads = sink.threads, set()
    sink.calls.clear()
    sink.go.set()
    delivery.after_fork()
    put(delivery, "mine")
    delivery.close(PATIENCE)
    assert "mine" in sink.accepted
    [childs] = sink.threads - parents
    assert childs is not threading.current_thread()


# -- the interval -------------------------------------------------------------------------------------------------


class Script:
    """A clock, and a queue whose items arrive by it; it ends when all are taken."""

    def __init__(self, *arrivals: tuple[float, Any]) -> None:
        self.now = 0.0
        self._arrivals = list(arrivals)

    def monotonic(self) -> float:
        return self.now

    def pass_by(self, seconds: float) -> None:
        self.now += seconds

    def get(self, timeout: float | None) -> Any:
        arrival = self._arrivals[0][0]
        if timeout is not None and self.now + timeout < arrival:
            self.now += timeout
            raise queue.Empty
        self.now = max(self.now, arrival)
        return self._arrivals.pop(0)[1]

    def get_nowait(self) -> Any:
        if not self._arrivals or self._arrivals[0][0] > self.now:
            raise queue.Empty
        return self._arrivals.pop(0)[1]

    def empty(self) -> bool:
        return not self._arrivals or self._arrivals[0][0] > self.now


class Diary(reqcov.Sink):
    """Notes when it is called; its first flushes fail."""

    interval = 60.0

    def __init__(self, script: Script, failures: int = 0) -> None:
        self.calls: list[tuple[float, str]] = []
        self._script = script
        self._failures = failures

    def accept(self, record: reqcov.RequestRecord) -> None:
        self.calls.append((self._script.now, record.id))

    def flush(self) -> None:
        self.calls.append((self._script.now, "flush"))
        if self._failures:
            self._failures -= 1
            raise OSError

    def close(self) -> None:
        self.calls.append((self._script.now, "close"))


Play = Callable[..., list[tuple[float, str]]]


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch) -> Play:
    """Plays a script to its end; the answer is what the sink noted."""

    def play(*arrivals: tuple[float, Any], part: float = 1.0, failures: int = 0, interval: float = 60.0) -> Any:
        script = Script(*arrivals)
        sink = Diary(script, failures)
        sink.interval = interval
        delivery = Delivery(sink, Faults())
        line: Any = delivery._line
        line.queue = script
        line.hurry = SimpleNamespace(wait=script.pass_by)
        monkeypatch.setattr(delivery_module, "time", script)
        monkeypatch.setattr(delivery_module, "LINGER", 1.0)
        monkeypatch.setattr(delivery_module, "uniform", lambda low, high: low + part * (high - low))
        delivery._run()
        return sink.calls

    return play


A, B, C, D = (make_record(id=name) for name in "abcd")


def test_a_sink_with_an_interval(play: Play) -> None:
    """It accepts soon, and flushes once for all that came within its interval, also when nothing comes any more."""
    calls = play((0, A), (10, B), (200, None))
    assert calls == [(1, "a"), (11, "b"), (60, "flush"), (201, "flush"), (201, "close")]


def test_an_interval_is_never_exceeded(play: Play) -> None:
    """The next begins with the first record after the flush, and one that comes late makes it no longer."""
    calls = play((0, A), (59.5, B), (100, C), (159.5, D), (300, None))
    assert calls[:6] == [(1, "a"), (60, "b"), (60, "flush"), (101, "c"), (160, "d"), (160, "flush")]


def test_processes_do_not_all_flush_at_once(play: Play) -> None:
    """An interval may be shorter at random, by a fifth."""
    assert play((0, A), (200, None), part=0.0)[:2] == [(1, "a"), (48, "flush")]


def test_a_flush_that_somebody_waits_for_comes_at_once(play: Play) -> None:
    """And the interval begins anew."""
    done = Latch()
    calls = play((0, A), (10, done), (20, B), (200, None))
    assert calls[:4] == [(1, "a"), (11, "flush"), (21, "b"), (80, "flush")]
    assert done.wait(0)


def test_a_flush_that_fails_is_tried_again(play: Play) -> None:
    """After the interval, until it works, although no record comes."""
    calls = play((0, A), (500, None), failures=2)
    assert calls[:4] == [(1, "a"), (60, "flush"), (120, "flush"), (180, "flush")]
    assert calls[4:] == [(501, "flush"), (501, "close")]


def test_without_an_interval_nothing_is_tried_again(play: Play) -> None:
    """It is flushed with every batch, and what it could not write is its own affair."""
    calls = play((0, A), (0.5, B), (500, C), (600, None), failures=1, interval=0.0)
    assert calls == [
        *[(1, "a"), (1, "b"), (1, "flush")],
        *[(501, "c"), (501, "flush")],
        *[(601, "flush"), (601, "close")],
    ]


# -- forks --------------------------------------------------------------------------------------------------------


class Ready(Notebook):
    """Notes what it is told of forks, too."""

    def before_fork(self) -> None:
        self._note("before_fork")

    def after_fork_in_parent(self) -> None:
        self._note("after_fork_in_parent")


def without_flushes(sink: Notebook) -> list[str]:
    return [call for call in sink.calls if call != "flush"]


def in_a_second() -> float:
    return time.monotonic() + 1


def test_nothing_is_called_during_a_fork(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sink that was told of the fork, on the thread that forks, is left alone until it is over."""
    monkeypatch.setattr(delivery_module, "LINGER", 0.0)
    sink = Ready()
    delivery = Delivery(sink, Faults())
    put(delivery, "a")
    assert delivery.flush(PATIENCE)
    own = set(sink.threads)
    sink.threads.clear()
    delivery.before_fork(in_a_second())
    sink.entered.clear()
    put(delivery, "b")
    assert not sink.entered.wait(0.1)  # nothing is to come
    delivery.after_fork_in_parent()
    assert sink.threads == {threading.current_thread()}
    delivery.close(PATIENCE)
    assert without_flushes(sink) == ["accept a", "before_fork", "after_fork_in_parent", "accept b", "close"]
    assert sink.threads == {threading.current_thread(), *own}


def test_a_sink_that_is_busy_holds_up_no_fork() -> None:
    """Then it is not told of the fork, neither before nor after, and that is counted."""
    sink = Ready()
    delivery = Delivery(sink, Faults())
    sink.go.clear()
    put(delivery, "a")
    assert sink.entered.wait(PATIENCE)
    started = time.monotonic()
    delivery.before_fork(started + 0.1)
    assert 0.1 <= time.monotonic() - started < PATIENCE / 2
    delivery.after_fork_in_parent()
    sink.go.set()
    assert delivery._faults.counts == {"Ready was busy when the process forked": 1}
    delivery.close(PATIENCE)
    assert without_flushes(sink) == ["accept a", "close"]


@pytest.mark.parametrize("method", ["before_fork", "after_fork_in_parent"])
def test_errors_around_a_fork(method: str) -> None:
    """They are counted as any other, and the sink goes on."""
    sink = Ready()
    sink.raises[method] = OSError("full")
    delivery = Delivery(sink, Faults())
    delivery.before_fork(in_a_second())
    delivery.after_fork_in_parent()
    assert delivery._faults.counts == {f"Ready failed to {method}: OSError": 1}
    put(delivery, "a")
    delivery.close(PATIENCE)
    assert sink.accepted == ["a"]


def test_a_sink_that_knows_nothing_of_forks_and_intervals() -> None:
    """It has what a sink must have, and inherits from nothing."""
    calls: list[str] = []
    sink: Any = SimpleNamespace(
        immediate=False,
        accept=lambda record: calls.append(record.id),
        flush=lambda: calls.append("flush"),
        close=lambda: calls.append("close"),
    )
    delivery = Delivery(sink, Faults())
    delivery.before_fork(in_a_second())
    delivery.after_fork_in_parent()
    delivery.after_fork()
    put(delivery, "a")
    delivery.close(PATIENCE)
    assert [call for call in calls if call != "flush"] == ["a", "close"]
    assert not delivery._faults.counts


def test_two_threads_that_fork_at_once() -> None:
    """The second waits for the first, and either lets go of what it held itself."""
    sink = Ready()
    delivery = Delivery(sink, Faults())
    delivery.before_fork(in_a_second())

    def second() -> None:
        delivery.before_fork(time.monotonic())
        delivery.after_fork_in_parent()

    thread = threading.Thread(target=second)
    thread.start()
    thread.join(PATIENCE)
    assert sink.calls == ["before_fork"]
    delivery.after_fork_in_parent()
    put(delivery, "a")
    delivery.close(PATIENCE)
    assert without_flushes(sink) == ["before_fork", "after_fork_in_parent", "accept a", "close"]


def test_faults_are_logged_once_per_kind(caplog: pytest.LogCaptureFixture) -> None:
    """Each kind is counted, and logged with its traceback when it first happens."""
    faults = Faults()
    for kind in ("a", "b", "a", "a"):
        faults.report(kind, ValueError(kind))
    assert faults.counts == {"a": 3, "b": 1}
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * 2
    assert [record.exc_info[1].args for record in caplog.records if record.exc_info] == [("a",), ("b",)]
