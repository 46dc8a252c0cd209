"""Brings finished records to a sink, after the response and away from the request."""

from __future__ import annotations

import queue
import threading
import time
from contextvars import Context

from reqcov.errors import Faults
from reqcov.record import RequestRecord, Sink

CAPACITY = 10_000
"""Records that may wait for one sink; more are dropped and counted."""

LINGER = 0.05
"""Seconds to wait after the first of a batch: servers send the response meanwhile, and threads switch less often."""


class _Line:
    """Where records wait for the one thread of a process that delivers them."""

    def __init__(self) -> None:
        self.queue: queue.SimpleQueue[RequestRecord | threading.Event | None] = queue.SimpleQueue()
        self.starting = threading.Lock()
        self.hurry = threading.Event()


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

    def after_fork(self) -> None:
        """Begin afresh: threads do not survive a fork, and what was waiting is the parent's to deliver."""
        self._begin()
        self._attempt("after_fork")

    def _begin(self) -> None:
        self._lines: dict[None, _Line] = {}
        self._thread: threading.Thread | None = None

    @property
    def _line(self) -> _Line:
        """Made when it is first used: gevent may patch what it is made of after the fork, and never mixes with that."""
        return self._lines.get(None) or self._lines.setdefault(None, _Line())

    def put(self, record: RequestRecord) -> None:
        """Hand over one record; returns at once unless the sink is immediate."""
        if self.sink.immediate:
            self._attempt("accept", record)
        elif self._line.queue.qsize() >= CAPACITY:
            self.dropped += 1
            self._faults.report(f"{self._name} is too slow; records are dropped")
        else:
            self._line.queue.put(record)
            if self._thread is None:
                self._start()

    @property
    def _name(self) -> str:
        return type(self.sink).__name__

    def _start(self) -> None:
        with self._line.starting:
            if self._thread is None:
                thread = threading.Thread(target=self._run, name=f"reqcov {self._name}", daemon=True)
                try:
                    Context().run(thread.start)  # what it runs belongs to no request, also where threads are followed
                except RuntimeError as error:  # there are as many as there may be; the next record tries again
                    self._faults.report(f"{self._name} got no thread; its records wait", error)
                else:
                    self._thread = thread

    def _run(self) -> None:
        line = self._line
        while True:
            batch = [line.queue.get()]
            line.hurry.wait(LINGER)
            while not line.queue.empty():
                batch.append(line.queue.get())
            done = [item for item in batch if isinstance(item, threading.Event)]
            for item in batch:
                if isinstance(item, RequestRecord):
                    self._attempt("accept", item)
            self._attempt("flush")
            for event in done:
                event.set()
            if None in batch:
                self._attempt("close")
                return

    def _attempt(self, method: str, *arguments: RequestRecord) -> None:
        try:
            getattr(self.sink, method)(*arguments)
        except (Exception, SystemExit) as error:
            self.failed += 1
            self._faults.report(f"{self._name} failed to {method}: {type(error).__name__}", error)

    def flush(self, timeout: float) -> bool:
        """Wait until everything that was put is delivered and flushed; False after `timeout` seconds in vain."""
        line = self._line
        if self._thread is None and not line.queue.empty():
            self._start()
        if self._thread is None or not self._thread.is_alive():
            self._attempt("flush")
            return line.queue.empty()
        if self._thread is threading.current_thread():
            return False
        done = threading.Event()
        line.hurry.set()
        line.queue.put(done)
        arrived = done.wait(timeout)
        line.hurry.clear()
        return arrived

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

    def end(self) -> None:
        """Close the sink after what waits, without waiting for that."""
        if self._thread is None:
            self._attempt("close")
        else:
            self._line.hurry.set()
            self._line.queue.put(None)
