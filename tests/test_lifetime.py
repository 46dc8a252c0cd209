"""SIGTERM: what waits is delivered, then comes what would have come without us, whatever we were in the middle of."""

from __future__ import annotations

import faulthandler
import itertools
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

import reqcov
from reqcov import delivery as delivery_module
from reqcov import lifetime
from reqcov.delivery import Delivery, Latch
from reqcov.errors import Faults
from tests.servers import wait_for
from tests.test_delivery import PATIENCE, put
from tests.test_processes import Make, in_child, lines_of

pytestmark = pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")

NEVER = 60.0


class Ledger(reqcov.Sink):
    """Has written what was flushed, and would not do so by itself."""

    interval = NEVER

    def __init__(self) -> None:
        self.waiting: list[str | None] = []
        self.written: list[str | None] = []
        self.hangs = False

    def accept(self, record: reqcov.RequestRecord) -> None:
        self.waiting.append(record.route)

    def flush(self) -> None:
        if self.hangs:
            threading.Event().wait(PATIENCE)
        self.written += self.waiting
        self.waiting.clear()


class Server:
    """Answers SIGTERM: notes what was written when it came."""

    def __init__(self, ledger: Ledger) -> None:
        self.told: list[tuple[int, list[str | None]]] = []
        self._ledger = ledger

    def __call__(self, number: int, frame: FrameType | None) -> None:
        assert frame is not None
        self.told.append((number, list(self._ledger.written)))


def terminate() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


@pytest.fixture(autouse=True)
def default() -> Iterator[None]:
    """SIGTERM is answered by the kernel, and records wait long enough to be lost."""
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.fixture(autouse=True)
def never(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever arrives is no matter of waiting for long enough."""
    monkeypatch.setattr(delivery_module, "LINGER", NEVER)


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


@pytest.fixture
def server(ledger: Ledger) -> Server:
    """Answers SIGTERM before a recorder is opened."""
    server = Server(ledger)
    signal.signal(signal.SIGTERM, server)
    return server


def run_jobs(recorder: reqcov.Recorder, *names: str) -> None:
    for name in names:
        with recorder.record(name):
            pass


def test_the_server_is_told_when_all_is_written(make_recorder: Make, ledger: Ledger, server: Server) -> None:
    """What waits is flushed before the handler that was there is called, once for each signal."""
    recorder = make_recorder(sinks=[ledger])
    run_jobs(recorder, "a", "b")
    terminate()
    assert server.told == [(signal.SIGTERM, ["a", "b"])]
    terminate()
    assert server.told == [(signal.SIGTERM, ["a", "b"])] * 2


def test_by_default_the_process_dies_of_it(tmp_path: Path) -> None:
    """Nothing is lost, and whoever waits for the process sees what killed it."""
    file = tmp_path / "records"

    def work() -> None:
        recorder = reqcov.Recorder(sinks=[reqcov.JsonLinesSink(file)])
        run_jobs(recorder, "a", "b")
        terminate()

    assert in_child(work) == -signal.SIGTERM
    assert [record["context"] for record in lines_of(file)] == ["a", "b"]


def test_a_child_dies_of_it_as_its_parent_would(tmp_path: Path) -> None:
    """What is installed goes on to a forked child, which delivers what is its own."""
    file = tmp_path / "records"

    def work() -> None:
        with reqcov.Recorder(sinks=[reqcov.JsonLinesSink(file)]) as recorder:
            run_jobs(recorder, "parent")

            def childs() -> None:
                run_jobs(recorder, "child")
                terminate()

            assert in_child(childs) == -signal.SIGTERM
            assert [record["context"] for record in lines_of(file)] == ["child"]

    assert in_child(work) == 0
    assert [record["context"] for record in lines_of(file)] == ["child", "parent"]


@pytest.mark.parametrize("answer", [signal.SIG_IGN, None], ids=["ignored", "not by Python, from the beginning"])
def test_what_is_left_alone(answer: Any, make_recorder: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where SIGTERM is ignored, and where something other than Python answers it."""
    with monkeypatch.context() as patch:
        if answer is None:
            patch.setattr(signal, "getsignal", lambda _: None)
        else:
            signal.signal(signal.SIGTERM, answer)
        recorder = make_recorder()
    assert signal.getsignal(signal.SIGTERM) == (answer or signal.SIG_DFL)
    recorder.close()
    assert signal.getsignal(signal.SIGTERM) == (answer or signal.SIG_DFL)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells")
def test_what_answers_without_python_is_left_alone(make_recorder: Make, tmp_path: Path) -> None:
    """Python takes it that SIGTERM is answered by the kernel."""
    with (tmp_path / "traces").open("w+") as traces:
        faulthandler.register(signal.SIGTERM, traces)
        try:
            make_recorder()
            assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
            terminate()
        finally:
            faulthandler.unregister(signal.SIGTERM)
        traces.seek(0)
        assert "terminate" in traces.read()


def test_not_on_the_main_thread(make_recorder: Make, ledger: Ledger, server: Server) -> None:
    """There no handler can be installed: the recorder works without, until one is opened on the main thread."""
    recorders: list[reqcov.Recorder] = []

    def on_thread(work: Callable[[], object]) -> None:
        thread = threading.Thread(target=work)
        thread.start()
        thread.join(PATIENCE)

    on_thread(lambda: recorders.append(make_recorder(sinks=[ledger])))
    assert signal.getsignal(signal.SIGTERM) is server
    run_jobs(recorders[0], "a")
    make_recorder()
    terminate()
    assert server.told == [(signal.SIGTERM, ["a"])]


def test_the_last_to_be_closed_puts_back(make_recorder: Make, server: Server) -> None:
    """As long as one recorder is open, its records are looked after."""
    first, second = make_recorder(), make_recorder()
    ours: Any = signal.getsignal(signal.SIGTERM)
    assert ours.before is server
    first.close()
    assert signal.getsignal(signal.SIGTERM) is ours
    second.close()
    assert signal.getsignal(signal.SIGTERM) is server


def test_closed_on_another_thread(make_recorder: Make, server: Server) -> None:
    """It can't be put back from there: ours stays and goes on to the server, until the next recorder comes and goes."""
    thread = threading.Thread(target=make_recorder().close)
    thread.start()
    thread.join(PATIENCE)
    terminate()
    assert len(server.told) == 1
    make_recorder().close()
    assert signal.getsignal(signal.SIGTERM) is server


def test_a_server_that_comes_later_wins(make_recorder: Make, ledger: Ledger) -> None:
    """Its handler is called alone, and closing leaves it where it is."""
    recorder = make_recorder(sinks=[ledger])
    run_jobs(recorder, "a")
    server = Server(ledger)
    signal.signal(signal.SIGTERM, server)
    terminate()
    assert server.told == [(signal.SIGTERM, [])]
    recorder.close()
    assert signal.getsignal(signal.SIGTERM) is server


def test_a_handler_that_calls_ours(make_recorder: Make, ledger: Ledger, server: Server) -> None:
    """It has what waits delivered, and the server told; once we are closed, the server is told all the same."""
    recorder = make_recorder(sinks=[ledger])
    ours: Any = signal.getsignal(signal.SIGTERM)
    signal.signal(signal.SIGTERM, lambda number, frame: ours(number, frame))
    run_jobs(recorder, "a")
    terminate()
    assert server.told == [(signal.SIGTERM, ["a"])]
    recorder.close()
    terminate()
    assert len(server.told) == 2


def test_a_server_that_raises_the_signal_again(tmp_path: Path) -> None:
    """As uvicorn does: it restores what was there before it, us, and dies of SIGTERM in the end.

    Another recorder, opened while the server's handler was in place, must not send the second signal there.
    """
    file = tmp_path / "records"

    def work() -> None:
        caught: list[int] = []
        before = reqcov.Recorder(sinks=[reqcov.JsonLinesSink(file)])
        ours = signal.signal(signal.SIGTERM, lambda number, frame: caught.append(number))
        during = reqcov.Recorder(sinks=[reqcov.JsonLinesSink(file)])
        run_jobs(before, "a")
        run_jobs(during, "b")
        terminate()
        assert caught == [signal.SIGTERM]
        assert sorted(record["context"] for record in lines_of(file)) == ["a", "b"]
        signal.signal(signal.SIGTERM, ours)
        terminate()

    assert in_child(work) == -signal.SIGTERM


@pytest.mark.parametrize("immediate", [False, True])
def test_what_finishes_afterwards_waits_for_nothing(
    immediate: bool, make_recorder: Make, ledger: Ledger, server: Server
) -> None:
    """A request that a graceful shutdown lets finish is written before it goes on, on whatever thread."""
    ledger.immediate = immediate
    recorder = make_recorder(sinks=[ledger])
    with recorder.record("under way"):
        terminate()
    assert server.told == [(signal.SIGTERM, [])]
    assert ledger.written == ["under way"]
    seen: list[str | None] = []

    def elsewhere() -> None:
        run_jobs(recorder, "elsewhere")
        seen.extend(ledger.written)

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join(PATIENCE)
    assert seen == ["under way", "elsewhere"]


def test_a_child_of_an_ending_process_is_not_ending(make_recorder: Make, ledger: Ledger, server: Server) -> None:
    """It puts off what its parent does not."""
    recorder = make_recorder(sinks=[ledger])
    terminate()
    assert len(server.told) == 1

    def work() -> None:
        run_jobs(recorder, "child")
        assert ledger.written == []

    assert in_child(work) == 0


def test_a_sink_that_hangs(
    make_recorder: Make, server: Server, monkeypatch: pytest.MonkeyPatch, ledger: Ledger
) -> None:
    """It delays neither the signal nor the requests, all together, for longer than the bound, nor other sinks."""
    monkeypatch.setattr(lifetime, "ENDING_TIME", 0.3)
    monkeypatch.setattr("reqcov.recorder.CLOSING_TIME", 0.0)
    hanging = Ledger()
    hanging.hangs = True
    recorder = make_recorder(sinks=[hanging, ledger])
    run_jobs(recorder, "a")
    started = time.monotonic()
    terminate()
    assert time.monotonic() - started >= 0.3
    assert server.told == [(signal.SIGTERM, ["a"])]
    run_jobs(recorder, *"bcdefghij")
    assert time.monotonic() - started < 1.5
    assert ledger.written == list("abcdefghij")


def test_an_error_of_ours(make_recorder: Make, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server is told all the same."""
    recorder = make_recorder()

    def fail(_: float) -> Any:
        raise LookupError

    monkeypatch.setattr(recorder, "hasten", fail)
    terminate()
    assert len(server.told) == 1


def test_ctrl_c_meanwhile(make_recorder: Make, server: Server, ledger: Ledger) -> None:
    """Neither of the two signals is lost."""
    recorder = make_recorder(sinks=[ledger])
    flush = ledger.flush

    def interrupting() -> None:
        if not server.told:
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
            wait_for(lambda: server.told)
        flush()

    ledger.flush = interrupting  # type: ignore[method-assign]
    run_jobs(recorder, "a")
    with pytest.raises(KeyboardInterrupt):
        terminate()
    assert server.told == [(signal.SIGTERM, [])]


# -- in the middle of us ------------------------------------------------------------------------------------------


class Open:
    """What is told of the end, with one delivery and no core."""

    def __init__(self, delivery: Delivery) -> None:
        self.delivery = delivery

    def close(self) -> None:
        self.delivery.close(PATIENCE)

    def hasten(self, patience: float) -> list[Latch]:
        return [self.delivery.hasten(patience)]


def interrupted_at(step: int, work: Callable[[], object]) -> bool:
    """Do `work`, with SIGTERM before the line, call or return with that number; False where there are not so many."""
    steps = 0

    def trace(*_: object) -> Any:
        nonlocal steps
        steps += 1
        if steps == step:
            terminate()
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return steps >= step


CALLS: dict[str, Callable[[Delivery], object]] = {
    "put": lambda delivery: put(delivery, "last"),
    "flush": lambda delivery: delivery.flush(PATIENCE),
    "close": lambda delivery: delivery.close(PATIENCE),
}


@pytest.mark.parametrize(("call", "before"), [("put", 0), ("put", 1), ("flush", 1), ("close", 1)])
def test_at_any_line(call: str, before: int, server: Server, ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever the signal finds the main thread, it waits for no lock in vain, and no record is lost."""
    monkeypatch.setattr(lifetime, "ENDING_TIME", PATIENCE)
    for step in itertools.count(1):
        delivery = Delivery(ledger, Faults())
        last = Open(delivery)
        lifetime.begin(last, ())
        put(delivery, *["before"] * before)
        started = time.monotonic()
        interrupted = interrupted_at(step, partial(CALLS[call], delivery))
        assert time.monotonic() - started < PATIENCE / 2, step
        assert len(server.told) == interrupted
        if interrupted:
            assert len(ledger.written) == before + (call == "put"), step
        delivery.close(PATIENCE)
        lifetime.end(last, ())
        if not interrupted:
            assert step > 20
            return
        ledger.written.clear()
        server.told.clear()


def test_in_the_middle_of_a_fork(tmp_path: Path) -> None:
    """Where no sink can be called, the process forks first, and dies then; the child was not meant."""
    file = tmp_path / "records"
    parent = 0

    class Terminated(reqcov.JsonLinesSink):
        def before_fork(self) -> None:
            if os.getpid() == parent:
                terminate()

    def work() -> None:
        nonlocal parent
        recorder = reqcov.Recorder(sinks=[Terminated(file)])
        run_jobs(recorder, "parent")
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            if os.fork() != 0:  # whatever waited for the end of a fork would come now
                (tmp_path / "child").touch()
            os._exit(0)

    assert in_child(work) == -signal.SIGTERM
    assert [record["context"] for record in lines_of(file)] == ["parent"]
    wait_for((tmp_path / "child").exists)


def test_a_server_is_told_in_the_middle_of_a_fork(make_recorder: Make, server: Server, ledger: Ledger) -> None:
    """At once: it will go on, and the records are delivered when the fork is over."""
    told: list[int] = []

    def before_fork() -> None:
        started = time.monotonic()
        terminate()
        told.append(len(server.told))
        assert time.monotonic() - started < lifetime.ENDING_TIME

    ledger.before_fork = before_fork  # type: ignore[method-assign]
    recorder = make_recorder(sinks=[ledger])
    run_jobs(recorder, "a")
    assert in_child(lambda: None) == 0
    assert told == [1]
    assert server.told == [(signal.SIGTERM, [])]
    run_jobs(recorder, "b")
    assert ledger.written == ["a", "b"]
    assert recorder.stats().faults == {}


def test_while_the_core_is_locked(core: str, make_recorder: Make, tmp_path: Path, server: Server) -> None:
    """The sink reads what ran, which must not need what the main thread holds."""
    file = tmp_path / "records"
    recorder: Any = make_recorder(core=core, include=[__file__], sinks=[reqcov.JsonLinesSink(file)])
    run_jobs(recorder, "a")
    with recorder._core._lock:
        started = time.monotonic()
        terminate()
        assert time.monotonic() - started < lifetime.ENDING_TIME
    assert len(server.told) == 1
    assert [record["context"] for record in lines_of(file)] == ["a"]
