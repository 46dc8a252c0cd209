"""The recorder: starts and finishes recordings, and hands the finished records to the sinks."""

from __future__ import annotations

import contextlib
import os
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextvars import Token
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from random import random
from typing import Any, TypeVar

from reqcov import labels, lifetime
from reqcov.commit import current_commit
from reqcov.config import CoreChoice, disabled, resolve
from reqcov.cores.base import Core, Recording, current
from reqcov.cores.choice import choose
from reqcov.cores.files import Files
from reqcov.delivery import Delivery, Latch
from reqcov.errors import ConfigError, Faults
from reqcov.labels import Carried, HeaderOf
from reqcov.record import Executed, OnRequest, RequestRecord, Sink, footprint
from reqcov.routes import MadeUpRoutes
from reqcov.sinks import CallbackSink
from reqcov.threads import FollowedThreads
from reqcov.types import Arcs, Lines, Route

T = TypeVar("T")

CLOSING_TIME = 5.0
"""Seconds that closing, and the end of the process, wait for the sinks."""


@dataclass(frozen=True, kw_only=True)
class Stats:
    """What a recorder has done so far."""

    seen: int
    """Requests and jobs that began, without requests to reqcov's own pages."""
    recorded: int
    """Of these, how many came to a complete record."""
    unattributed: int
    """Distinct lines that ran in no recording while some were open: threads or tasks that carry no context."""
    failed: Mapping[str, int]
    """Calls that raised, by class of sink."""
    dropped: Mapping[str, int]
    """Records that a sink was too slow for, by class of sink."""
    faults: Mapping[str, int]
    """Errors of reqcov itself, by kind; each kind was logged once."""
    core: str
    """`monitoring`, `settrace`, or `none` where `REQCOV_DISABLED` is set."""
    reason: str
    """Why it is this core."""


class Recorder:
    """Measures requests and jobs, any number at a time. One in a process is normal; share it by `recorder=`."""

    def __init__(
        self,
        *,
        source: Iterable[str] | None = None,
        include: Iterable[str] | None = None,
        omit: Iterable[str] | None = None,
        branch: bool | None = None,
        core: CoreChoice | None = None,
        sample: float | None = None,
        route: Route | str | None = None,
        on_request: OnRequest | str | None = None,
        sinks: Iterable[Sink | str] | Sink | None = None,
        store: str | os.PathLike[str] | None = None,
        build: str | None = None,
        follow_threads: bool | None = None,
        labels: Iterable[str] | None = None,
    ) -> None:
        """Begin measuring. What is not given is looked up, see `docs/configuration.md`.

        - `source`: folders or packages to measure; `include`, `omit`: file patterns, all as coverage.py has them.
        - `branch`: record arcs too.
        - `core`: `auto`, `monitoring` or `settrace`.
        - `sample`: the share of requests, 0 to 1, that are recorded completely.
        - `route`: from a scope or an environ to the route's template.
        - `on_request`: a function or coroutine function that gets every record; or its dotted name.
        - `sinks`: what else gets every record.
        - `store`: path or URL of the store that counts are kept in.
        - `build`: what the store calls the code that runs now; a version or a commit.
        - `follow_threads`: carry recordings into threads that are started, and executors that are given work.
        - `labels`: keys that requests may carry labels under: `test` in `baggage`, `test=X-Test-Id` in that header.

        Raises ConfigError where an option is unusable.
        """
        self._config = config = resolve(
            source=source,
            include=include,
            omit=omit,
            branch=branch,
            core=core,
            sample=sample,
            route=route,
            on_request=on_request,
            sinks=sinks,
            store=store,
            build=build,
            follow_threads=follow_threads,
            labels=labels,
        )
        self._enabled = self._has_core = not disabled()
        self._faults = Faults()
        self._sample = config.sample
        self._carried = Carried(config.labels) if config.labels else None
        self._seen = self._recorded = 0
        self._open: set[Recording] = set()
        self._abandoned: deque[Callable[[], None]] = deque()
        self._made_up_routes = MadeUpRoutes()
        callback = [CallbackSink(config.on_request)] if config.on_request else []
        self._deliveries = [Delivery(sink, self._faults) for sink in (*callback, *config.sinks)]
        self._followed: FollowedThreads | None = None
        if self._enabled:
            self._files = Files(config.coverage_config)
            self._core, self._reason = choose(config, self._files, self._faults)
            self._threads = self._core.threads
            if config.store is not None:
                self._deliveries.append(Delivery(self._store_sink(config.store), self._faults))
            self._dropped = weakref.finalize(self, _let_go, self._core, self._deliveries)
            self._dropped.atexit = False
            if config.follow_threads:
                self._followed = FollowedThreads(self._carry)
            lifetime.begin(self, self._deliveries)

    def _store_sink(self, path: Path) -> Sink:
        from reqcov.store.writer import StoreSink  # SQLite is not for those who have no store

        stats = weakref.WeakMethod(self.stats)  # a sink must not keep alive the recorder that it is of
        return StoreSink(
            path,
            build=self._config.build or current_commit(Path.cwd()) or "unnamed",
            sample=self._sample,
            core=self._core.name,
            files=self._files,
            stats=lambda: asdict(ask()) if (ask := stats()) else {},
            outside=self._core.outside,
        )

    @property
    def route(self) -> Route | None:
        """The user's own answer to which route a scope or an environ is for."""
        return self._config.route

    def start(
        self,
        protocol: str,
        method: str | None = None,
        path: str | None = None,
        header_of: HeaderOf | None = None,
        request: Any = None,
    ) -> Recording | None:
        """Begin a recording; None where it is not measured. Raises nothing. `enter` it to run code in it.

        `header_of` is asked for the headers of `request` that may hold labels.
        """
        if not self._enabled:
            return None
        if self._abandoned:
            self._finish_abandoned()
        try:
            recording = Recording(protocol, method, path, self._sample >= 1 or random() < self._sample)
            if labels.ambient:
                labels.add(recording, labels.ambient)
            if self._carried is not None and header_of is not None:
                labels.add(recording, self._carried(header_of, request))
            self._seen += 1  # no thread can come in between under the interpreter lock
            self._core.begin(recording)
            self._open.add(recording)
        except Exception as error:
            self._faults.report("a request could not be started", error)
            return None
        return recording

    def enter(self, recording: Recording) -> Token[Recording | None] | None:
        """What runs now, in this context, belongs to `recording`; give the token to `leave`. None: it can't be."""
        if self.minds_threads and not self.enter_thread(recording):
            return None
        return current.set(recording)

    def leave(self, recording: Recording, token: Token[Recording | None] | None) -> None:
        """The end of what `enter` began."""
        if token is None:
            return
        try:
            current.reset(token)
        except ValueError:  # the app drove us from another context than it started us in
            current.set(None)
        if self.minds_threads:
            self.leave_thread(recording)

    @property
    def minds_threads(self) -> bool:
        """Whether the core is to be told on which threads a recording runs; `enter` tells it of the one it is on."""
        return self._threads is not None

    def enter_thread(self, recording: Recording) -> bool:
        """Have this thread measured for `recording`; False where it can't be."""
        assert self._threads is not None
        try:
            measured = self._threads.enter(recording)
        except Exception as error:
            self._faults.report("a request could not be measured", error)
            measured = False
        if not measured:
            recording.undisturbed = False
        return measured

    def leave_thread(self, recording: Recording) -> None:
        """The end of what `enter_thread` began."""
        assert self._threads is not None
        try:
            self._threads.leave(recording)
        except Exception as error:
            self._faults.report("a request could not be left", error)

    def finish(
        self,
        recording: Recording,
        locate: Callable[[Any, Recording], str | None] | None = None,
        request: Any = None,
    ) -> None:
        """End `recording` and hand its record over, once however often it is called. Raises nothing.

        A request that was not sampled is handed over only where it ran lines new to the process: else it tells nothing.
        `locate` is asked for the route of `request`; without it, the route is what the recording was told before.
        """
        try:
            self._open.remove(recording)
        except KeyError:
            return
        try:
            recording.stop_clock()
            self._core.end(recording)
            if recording.left_out:
                self._seen -= 1
                return
            self._recorded += recording.complete
            if not self._deliveries or not (recording.sampled or recording.hits):
                return
            if locate is not None:
                recording.route = locate(request, recording)
            record = self._record(recording)
        except Exception as error:
            self._faults.report("a request could not be finished", error)
            return
        for delivery in self._deliveries:
            delivery.put(record)

    def abandon(self, recording: Recording, finish: Callable[[], None]) -> None:
        """Call `finish`, if `recording` is still open.

        For finalizers: garbage collection may run them anywhere, also where we hold a lock. Then it is put off.
        """
        if recording in self._open:
            self._abandoned.append(finish)
            if not self._core.busy():
                self._finish_abandoned()

    def _finish_abandoned(self) -> None:
        while self._abandoned:
            with contextlib.suppress(IndexError):  # another thread was faster
                self._abandoned.popleft()()

    def made_up_route(self, path: str, status: int | None) -> str | None:
        """A template for an app that has none: the path with its identifiers collapsed; None for a 404."""
        return None if status == 404 else self._made_up_routes(path)

    def _record(self, recording: Recording) -> RequestRecord:
        assert recording.stopped is not None
        return RequestRecord(
            id=os.urandom(16).hex(),
            protocol=recording.protocol,
            method=recording.method,
            path=recording.path,
            route=recording.route,
            endpoint=recording.endpoint,
            status=recording.status,
            started_at=datetime.fromtimestamp(time.time() - (time.perf_counter() - recording.started), UTC),
            duration=recording.stopped - recording.started,
            error=recording.error,
            labels=dict(recording.labels),
            complete=recording.complete,
            executed=Executed(self, recording.hits),
        )

    def read(self, hits: Any) -> tuple[Lines, Arcs | None, str]:
        """What the hits of a record mean, and their footprint."""
        lines, arcs = self._core.read(hits)
        return lines, arcs, footprint(lines, self._files.sources, arcs)

    def _carry(self, recording: Recording | None, function: Callable[..., T]) -> Callable[..., T]:
        """`function`, to be called on another thread, for `recording` as long as that is open."""

        @wraps(function)
        def carried(*args: Any, **kwargs: Any) -> T:
            if recording is None or recording.core is not self._core:
                return function(*args, **kwargs)
            token = self.enter(recording)
            try:
                return function(*args, **kwargs)
            finally:
                self.leave(recording, token)

        return carried

    @contextlib.contextmanager
    def record(self, name: str) -> Iterator[None]:
        """Record what is no request: a job, a command, a consumer. `name` becomes its route and context.

        What the functions called in the block run is recorded, apart from a request that the block itself is part of.
        """
        recording = self.start("job")
        if recording is None:
            yield
            return
        recording.route = name
        token = self.enter(recording)
        try:
            yield
        except BaseException as error:
            recording.fail(error)
            raise
        finally:
            self.leave(recording, token)
            self.finish(recording)

    def stats(self) -> Stats:
        """What happened so far."""
        return Stats(
            seen=self._seen,
            recorded=self._recorded,
            unattributed=self._core.unattributed() if self._has_core else 0,
            failed={type(d.sink).__name__: d.failed for d in self._deliveries if d.failed},
            dropped={type(d.sink).__name__: d.dropped for d in self._deliveries if d.dropped},
            faults=dict(self._faults.counts),
            core=self._core.name if self._has_core else "none",
            reason=self._reason if self._has_core else "REQCOV_DISABLED is set",
        )

    def flush(self, timeout: float = CLOSING_TIME) -> bool:
        """Wait until every finished request has reached every sink; False after `timeout` seconds in vain."""
        self._finish_abandoned()
        deadline = time.monotonic() + timeout
        arrived = [delivery.flush(max(0.0, deadline - time.monotonic())) for delivery in self._deliveries]
        return all(arrived)

    def close(self) -> None:
        """Finish what is open as incomplete, deliver it, and leave nothing installed. Wrapped apps go on unmeasured."""
        if not self._enabled:
            return
        self._finish_abandoned()
        for recording in list(self._open):
            recording.undisturbed = False
            self.finish(recording)
        self._enabled = False
        self._dropped.detach()
        self._core.close()
        if self._followed is not None:
            self._followed.close()
        for delivery in self._deliveries:
            delivery.close(CLOSING_TIME)
        lifetime.end(self, self._deliveries)

    def __enter__(self) -> Recorder:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def hasten(self, patience: float) -> list[Latch]:
        """The process may end at any moment from now on: deliver what finished before all else."""
        return [delivery.hasten(patience) for delivery in self._deliveries]

    def before_fork(self, deadline: float) -> None:
        """Let the sinks prepare."""
        for delivery in self._deliveries:
            delivery.before_fork(deadline)

    def after_fork_in_parent(self) -> None:
        """Let the sinks go on."""
        for delivery in self._deliveries:
            delivery.after_fork_in_parent()

    def after_fork(self) -> None:
        """In a forked child: what is open and what waits is the parent's."""
        for recording in self._open:
            recording.core = None
        self._open.clear()
        self._core.after_fork()
        for delivery in self._deliveries:
            delivery.after_fork()


def given_or_new(recorder: Recorder | None, options: Mapping[str, Any]) -> Recorder:
    """The recorder that a wrapper is to use. Raises ConfigError where it is given one and options for another."""
    if recorder is not None and options:
        raise ConfigError(f"Give recorder=, or options, not both: {', '.join(options)} would change nothing.")
    return recorder or Recorder(**options)


def _let_go(core: Core, deliveries: list[Delivery]) -> None:
    """Close what is left of a recorder that nobody closed and nobody holds any more, of an app for one test, say."""
    core.close()
    for delivery in deliveries:
        lifetime.finish(delivery)
    lifetime.step_back()
