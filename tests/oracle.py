"""The oracle: what coverage.py says that a request runs when it is alone, beside what reqcov records of it in a crowd.

Each app is a module of `tests.apps` and has a process of its own that imports it and forks: one new process per
request that runs alone, and one per core that runs all of them at the same time. Every one of these begins with
the same warm-up request. Forking right after the import makes a process as good as new, and cheap; and Django's
settings, caches and worker threads of one run are never those of another.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import coverage

import reqcov
from reqcov.cores import tracers
from tests.calls import Request, call_asgi, call_wsgi

ROOT = Path(__file__).resolve().parent.parent

CROWD = 32
"""Requests that are all open before any of them goes on."""

LATECOMERS = 20
"""Requests that begin whenever one of the crowd has ended, while others are still open."""

PATIENCE = 100
"""Seconds after which a process gives itself up."""


@dataclass(frozen=True)
class App:
    """What a module of `tests.apps` says of the app in it."""

    protocol: str
    source: list[str]
    make: Callable[[], Any]
    warm_up: list[Request]
    """What is sent first, one after the other, on both sides."""
    requests: list[Request]
    install: Callable[[Any, reqcov.Recorder], Any] = lambda app, recorder: reqcov.wrap(app, recorder=recorder)
    concurrency: tuple[str, ...] = ()
    """What coverage.py has to know of, besides threads."""
    follow_threads: bool = False


class Gate:
    """Nobody passes before all have come; from then on everybody does."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open = threading.Event()
        self._open.set()
        self._missing = 0
        self._at_opening: Callable[[], None] = int

    def expect(self, parties: int, at_opening: Callable[[], None]) -> None:
        """Close until `parties` have come."""
        self._missing, self._at_opening = parties, at_opening
        self._open.clear()

    def _arrive(self) -> None:
        with self._lock:
            self._missing -= 1
            if self._missing == 0:
                self._at_opening()
                self._open.set()

    def wait(self) -> None:
        """Arrive on a thread."""
        self._arrive()
        if not self._open.wait(PATIENCE):
            raise TimeoutError("not all have come to the gate")

    async def wait_async(self) -> None:
        """Arrive in a task."""
        self._arrive()
        while not self._open.is_set():
            await asyncio.sleep(0.001)

    def before_wsgi(self, app: Any) -> Any:
        """An app that passes the gate before `app`, for apps whose code has no gate in it."""

        def gated(environ: Any, start_response: Any) -> Any:
            self.wait()
            return app(environ, start_response)

        return gated

    def before_asgi(self, app: Any) -> Any:
        """The same for ASGI."""

        async def gated(scope: Any, receive: Any, send: Any) -> None:
            await self.wait_async()
            await app(scope, receive, send)

        return gated


gate = Gate()


# -- in the process of one app ------------------------------------------------------------------------------------


def alone(app: App, branch: bool) -> list[dict[str, Any]]:
    """Run each request in a new process, under coverage.py, and nothing else with it.

    coverage.py sees only threads that begin while it runs, and worker threads may be left from the warm-up; so it
    runs then already, and what belongs to the request is told by coverage.py's own context. A WSGI app has no threads
    and is forked after the warm-up; ASGI apps may have some, and are forked before.
    """
    cov = coverage.Coverage(
        data_file=None, config_file=False, source=app.source, branch=branch, concurrency=["thread", *app.concurrency]
    )
    cov.set_option("run:disable_warnings", ["already-imported", "module-not-measured"])
    if app.protocol == "asgi":
        return in_processes([partial(_alone_asgi, app, cov, request) for request in app.requests])
    cov.start()
    target = app.make()
    for request in app.warm_up:
        call_wsgi(target, request)
    return in_processes([partial(_alone_wsgi, target, cov, request) for request in app.requests])


def _alone_wsgi(target: Any, cov: coverage.Coverage, request: Request) -> dict[str, Any]:
    cov.switch_context("request")
    return _reported(cov, call_wsgi(target, request))


def _alone_asgi(app: App, cov: coverage.Coverage, request: Request) -> dict[str, Any]:
    async def serve() -> int | None:
        for first in app.warm_up:
            await call_asgi(target, first)
        cov.switch_context("request")
        status = await call_asgi(target, request)
        cov.switch_context("afterwards")  # the loop still ends what was left over, such as unfinished generators
        return status

    cov.start()
    target = app.make()
    return _reported(cov, asyncio.run(serve()))


def _reported(cov: coverage.Coverage, status: int | None) -> dict[str, Any]:
    cov.stop()
    assert cov._collector is not None
    assert cov._collector.tracer_name() == "CTracer", "COVERAGE_CORE was not heeded"
    data = cov.get_data()
    data.set_query_context("request")
    names = sorted(data.measured_files())
    return {
        "status": status,
        "lines": {name: sorted(data.lines(name) or ()) for name in names if data.lines(name)},
        "arcs": {name: sorted(data.arcs(name) or ()) for name in names if data.arcs(name)} if data.has_arcs() else None,
    }


serving: ContextVar[int] = ContextVar("serving")
"""The place in the crowd of the request that is being served."""


class Ledger(reqcov.Sink):
    """Keeps each record with the request that it is of, told where the request ends."""

    immediate = True

    def __init__(self) -> None:
        self.records: dict[int, list[reqcov.RequestRecord]] = {}

    def accept(self, record: reqcov.RequestRecord) -> None:
        self.records.setdefault(serving.get(-1), []).append(record)


def in_a_crowd(app: App, core: str, branch: bool) -> dict[str, Any]:
    """Run every request of the app, more than once and all at the same time, and record each."""
    if core == "python":
        tracers.choose = tracers.PythonTracers
    order = [number % len(app.requests) for number in range(CROWD + LATECOMERS)]
    ledger = Ledger()
    open_at_the_gate: list[int] = []
    statuses: dict[int, int | None] = {}
    recorder = reqcov.Recorder(
        source=app.source,
        branch=branch,
        core="monitoring" if core == "monitoring" else "settrace",
        sinks=[ledger],
        follow_threads=app.follow_threads,
    )
    target = app.install(app.make(), recorder)
    places: queue.SimpleQueue[int] = queue.SimpleQueue()
    for place in range(CROWD, len(order)):
        places.put(place)

    def shut_the_gate() -> None:
        ledger.records.clear()
        gate.expect(CROWD, lambda: open_at_the_gate.append(len(recorder._open)))

    def line_of(first: int) -> Iterator[Request]:
        """One of the crowd, then the latecomers that are left."""
        place = first
        while True:
            serving.set(place)
            yield app.requests[order[place]]
            try:
                place = places.get_nowait()
            except queue.Empty:
                return

    if app.protocol == "wsgi":

        def worker(first: int) -> None:
            for request in line_of(first):
                statuses[serving.get()] = call_wsgi(target, request)

        for request in app.warm_up:
            call_wsgi(target, request)
        shut_the_gate()
        sys.setswitchinterval(1e-5)
        threads = [threading.Thread(target=worker, args=(first,)) for first in range(CROWD)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    else:

        async def task(first: int) -> None:
            for request in line_of(first):
                statuses[serving.get()] = await call_asgi(target, request)

        async def serve() -> None:
            for request in app.warm_up:
                await call_asgi(target, request)
            shut_the_gate()
            await asyncio.gather(*map(task, range(CROWD)))

        asyncio.run(serve())
    stats = recorder.stats()
    recorder.close()
    return {
        "core": stats.core,
        "faults": dict(stats.faults),
        "unattributed": stats.unattributed,
        "open_at_the_gate": open_at_the_gate,
        "strays": [record.path for record in ledger.records.pop(-1, [])],
        "served": [
            {
                "request": number,
                "status": statuses[place],
                "records": [
                    {
                        "path": record.path,
                        "status": record.status,
                        "complete": record.complete,
                        "lines": {name: sorted(numbers) for name, numbers in record.lines.items()},
                        "arcs": record.arcs and {name: sorted(pairs) for name, pairs in record.arcs.items()},
                    }
                    for record in ledger.records.get(place, [])
                ],
            }
            for place, number in enumerate(order)
        ],
    }


def main() -> None:
    """Import the app that the command line names, run it as standard input asks for, tell what came out."""
    app: App = importlib.import_module(f"tests.apps.{sys.argv[1]}").APP
    ways = [tuple(way) for way in json.load(sys.stdin)]
    (lines,) = in_processes([partial(alone, app, False)])
    (arcs,) = in_processes([partial(alone, app, True)])
    crowds = in_processes([partial(in_a_crowd, app, *way) for way in ways])
    told = {
        "requests": [asdict(request) for request in app.requests],
        "alone": [lines, arcs],
        "in_a_crowd": list(zip(ways, crowds, strict=True)),
    }
    json.dump(told, sys.stdout)


def in_processes(jobs: list[Callable[[], Any]]) -> list[Any]:
    """What each job returns that is run in a fork of this process; as many at a time as there are processors."""
    answers: list[Any] = []
    together = os.cpu_count() or 1
    for start in range(0, len(jobs), together):
        running = [_fork(job) for job in jobs[start : start + together]]
        answers += [_answer(*child) for child in running]
    return answers


def _fork(job: Callable[[], Any]) -> tuple[int, int]:
    reader, writer = os.pipe()
    child = os.fork()
    if child:
        os.close(writer)
        return child, reader
    signal.alarm(PATIENCE)
    try:
        with os.fdopen(writer, "w") as pipe:
            json.dump(job(), pipe)
        os._exit(0)
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)


def _answer(child: int, reader: int) -> Any:
    with os.fdopen(reader) as pipe:
        text = pipe.read()
    _, status = os.waitpid(child, 0)
    if status:
        raise RuntimeError(f"a process has ended with {status}")
    return json.loads(text)


# -- in the process of the tests ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Runs:
    """Everything that the process of one app has told."""

    requests: list[Request]
    alone: list[list[dict[str, Any]]] = field(repr=False)
    """Without and with branches, one for each request."""
    in_a_crowd: dict[tuple[str, bool], dict[str, Any]] = field(repr=False)


def run(app: str, ways: list[tuple[str, bool]], folder: Path) -> Runs:
    """Run the app of that name: each request alone, and all at once in each of `ways` (core, branch)."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("COVERAGE_", "REQCOV_"))}
    done = subprocess.run(
        [sys.executable, "-c", "from tests.oracle import main; main()", app],
        input=json.dumps(ways),
        capture_output=True,
        text=True,
        cwd=folder,
        timeout=2.5 * PATIENCE,
        env=environ | {"PYTHONPATH": str(ROOT), "COVERAGE_CORE": "ctrace"},
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    return Runs(
        requests=[Request(**request) for request in told["requests"]],
        alone=told["alone"],
        in_a_crowd={(core, branch): crowd for (core, branch), crowd in told["in_a_crowd"]},
    )
