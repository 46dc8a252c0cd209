"""Brings finished records to a sink, after the response and away from the request."""

from __future__ import annotations

import _thread
import contextlib
import queue
import threading
import time
from contextvars import Context
from random import uniform
from typing import TypeAlias

from reqcov.errors import Faults, StoreBusy
from reqcov.record import RequestRecord, Sink

CAPACITY = 10_000
"""Records that may wait for one sink; more are dropped and counted."""

LINGER = 0.05
"""Seconds to wait after the first of a batch: servers send the response meanwhile, and threads switch less often."""

EARLIEST = 0.8
"""A sink is flushed after a random part of its interval, at least this: processes shall not all do it at once."""


class Latch:
    """Opened by one thread to let another pass, and shut behind that.

    Unlike an `Event` it holds no lock in between, which a signal handler would have to wait for.
    """

    def __init__(self) -> None:
        self._shut = threading.Lock()
        self._shut.acquire()

    def open(self) -> None:
        """Let one pass who waits, or else the next one."""
        with contextlib.suppress(RuntimeError):  # it is open
            self._shut.release()

    def wait(self, timeout: float) -> bool:
        """Pass; False after `timeout` seconds in vain."""
        return self._shut.acquire(timeout=timeout)


_Item: TypeAlias = RequestRecord | Latch | None
"""A record; or what is opened when everything before is flushed; or the end."""


class _Line:
    """Where records wait for the one thread of a process that delivers them."""

    def __init__(self) -> None:
        self.queue: queue.SimpleQueue[_Item] = queue.SimpleQueue()
        self.starting = threading.Lock()
        self.driving = threading.RLock()
        """Whoever calls the sink holds it, and whoever forks."""
        self.hurry = Latch()
        self.over = False
        """Whether the thread has ended."""

    def drain(self) -> list[_Item]:
        """All that waits."""
        items: list[_Item] = []
        with contextlib.suppress(queue.Empty):
            while True:
                items.append(self.queue.get_nowait())
        return items


class Delivery:
    """One sink with a queue and a thread of its own, so that a slow or hanging sink holds up nobody else."""

    def __init__(self, sink: Sink, faults: Faults) -> None:
        self.sink = sink
        self.failed = 0
        """How many calls of the sink raised."""
        self.dropped = 0
        """How many records found the queue full."""
        self._faults = faults
        self._begin()

    def before_fork(self, deadline: float) -> None:
        """Let the sink prepare as soon as it is between two calls, and call it no more until the process has forked."""
        if self._line.driving.acquire(timeout=max(0.0, deadline - time.monotonic())):
            self._forking.add(threading.get_ident())
            self._attempt("before_fork")
        else:
            self._faults.report(f"{self._name} was busy when the process forked")

    def after_fork_in_parent(self) -> None:
        """Go on, if `before_fork` came to anything."""
        if threading.get_ident() in self._forking:
            self._attempt("after_fork_in_parent")
            self._forking.remove(threading.get_ident())
            self._line.driving.release()

    def after_fork(self) -> None:
        """Begin afresh: threads do not survive a fork, and what was waiting is the parent's to deliver."""
        self._begin()
        self._attempt("after_fork")

    def _begin(self) -> None:
        self._lines: dict[None, _Line] = {}
        self._thread: threading.Thread | None = None
        self._forking: set[int] = set()
        self._patience = 0.0
        """Seconds that requests may wait, all together, for their records to be flushed, once the process may end."""
        self._hastened = False

    @property
    def _line(self) -> _Line:
        """Made when it is first used: gevent may patch what it is made of after the fork, and never mixes with that."""
        return self._lines.get(None) or self._lines.setdefault(None, _Line())

    def put(self, record: RequestRecord) -> None:
        """Hand over one record; returns at once unless the sink is immediate, or the process about to end."""
        if self.sink.immediate:
            self._attempt("accept", record)
        elif self._line.queue.qsize() >= CAPACITY:
            self.dropped += 1
            self._faults.report(f"{self._name} is too slow; records are dropped")
        else:
            self._line.queue.put(record)
            if self._thread is None:
                self._start()
        if self._patience:  # asked last: a signal that comes later finds the record in the queue
            self._wait()

    def _wait(self) -> None:
        started = time.monotonic()
        try:
            if not self.flush(self._patience):
                self._patience = max(0.0, self._patience - (time.monotonic() - started))
        except AssertionError as error:  # gevent's hub can't wait
            self._faults.report(f"{self._name} could not be waited for", error)

    @property
    def _name(self) -> str:
        return type(self.sink).__name__

    def _start(self, patience: float = 0.0) -> None:
        """Start the thread; where somebody is at that already, wait for him. It may be code that we interrupt."""
        starting = self._line.starting
        if not starting.acquire(timeout=patience):
            return
        try:
            if self._thread is None:
                thread = threading.Thread(target=self._run, name=f"reqcov {self._name}", daemon=True)
                try:
                    Context().run(thread.start)  # what it runs belongs to no request, also where threads are followed
                except RuntimeError as error:  # there are as many as there may be; the next record tries again
                    self._faults.report(f"{self._name} got no thread; its records wait", error)
                else:
                    self._thread = thread
        finally:
            starting.release()

    def _run(self) -> None:
        line = self._line
        due: float | None = None
        while True:
            batch: list[_Item] = []
            with contextlib.suppress(queue.Empty):
                batch.append(line.queue.get(timeout=None if due is None else max(0.0, due - time.monotonic())))
                due = due or self._next_due()
                line.hurry.wait(min(LINGER, max(0.0, due - time.monotonic())))
            due = self._deliver(line, batch, due)
            if None in batch:
                line.over = True  # who asks from now on knows; who has asked meanwhile is told
                _open(line.drain())
                return

    def _next_due(self) -> float:
        return time.monotonic() + max(LINGER, uniform(EARLIEST, 1) * self._interval)

    @property
    def _interval(self) -> float:
        return getattr(self.sink, "interval", 0.0)

    def _deliver(self, line: _Line, batch: list[_Item], due: float | None) -> float | None:
        """Have the sink accept `batch` and what waits behind it, and flush in time; returns when it is due again."""
        with line.driving:
            batch += line.drain()
            for item in batch:
                if isinstance(item, RequestRecord):
                    self._attempt("accept", item)
            waited_for = not all(isinstance(item, RequestRecord) for item in batch)
            if self._hastened:
                self._attempt("hasten")
            if waited_for or not self._interval or due is None or due <= time.monotonic():
                flushed = self._attempt("flush")
                due = None if flushed or not self._interval else self._next_due()
            _open(batch)
            if None in batch:
                self._attempt("close")
        return due

    def _attempt(self, method: str, *arguments: RequestRecord) -> bool:
        try:
            getattr(self.sink, method, _nothing)(*arguments)
        except StoreBusy:  # no fault: the next time will do
            return False
        except (Exception, SystemExit) as error:
            self.failed += 1
            self._faults.report(f"{self._name} failed to {method}: {type(error).__name__}", error)
            return False
        return True

    def flush(self, timeout: float) -> bool:
        """Wait until everything that was put is delivered and flushed; False after `timeout` seconds in vain."""
        line = self._line
        if self._thread is None and not line.queue.empty():
            self._start(timeout)
        if self._thread is None or not self._thread.is_alive():
            if line.driving.acquire(timeout=timeout):
                try:
                    self._attempt("flush")
                finally:
                    line.driving.release()
            return line.queue.empty()
        if self._thread is threading.current_thread():
            return False
        return self._ask(Latch()).wait(timeout)

    def hasten(self, patience: float) -> Latch:
        """From now on `put` waits until its record is flushed; the latch opens when those before are.

        All waiting together ends after `patience` seconds in vain.

        A signal handler may call it, whatever code it interrupts: it takes no lock, not even the one of `Thread.start`.
        """
        self._patience, self._hastened = patience, True
        done = Latch()
        if self._thread is None:
            _thread.start_new_thread(lambda: self._deliver(self._line, [done], None), ())
        else:
            self._ask(done)
        return done

    def _ask(self, done: Latch) -> Latch:
        self._line.queue.put(done)
        self._line.hurry.open()
        if self._line.over:
            done.open()
        return done

    def close(self, timeout: float) -> None:
        """Deliver what waits, for at most `timeout` seconds, then close the sink."""
        deadline = time.monotonic() + timeout
        if self._thread is threading.current_thread():  # the sink itself closes its recorder: after what waits
            self.end()
        elif not self.flush(timeout):
            self._faults.report(f"{self._name} did not finish in time; what waits is lost")
        else:
            self.end()
            if self._thread is not None:
                self._thread.join(max(0.0, deadline - time.monotonic()))

    def end(self) -> threading.Thread | None:
        """Close the sink after what waits, without waiting for that; returns the thread that is at it."""
        if self._thread is None:
            self._attempt("close")
        else:
            self._line.queue.put(None)
            self._line.hurry.open()
        return self._thread


def _open(items: list[_Item]) -> None:
    for item in items:
        if isinstance(item, Latch):
            item.open()


def _nothing() -> None:
    """What a sink does that has no such method."""
