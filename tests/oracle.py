"""The oracle: what coverage.py says that a request runs when it is alone, beside what reqcov records of it in a crowd.

Each app is a module of `tests.apps` and has a process of its own that imports it and forks: one new process per
request that runs alone, and one per core that runs all of them at the same time. Every one of these begins with
the same warm-up request. Forking right after the import makes a process as good as new, and cheap; and Django's
settings, caches and worker threads of one run are never those of another.
"""

from __future__ import annotations

import asyncio
import importlib
import io
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
from pathlib import Path
from typing import Any
from urllib.parse import quote

import coverage

import reqcov
from reqcov.cores import tracers

ROOT = Path(__file__).resolve().parent.parent

CROWD = 32
"""Requests that are all open before any of them goes on."""

LATECOMERS = 20
"""Requests that begin whenever one of the crowd has ended, while others are still open."""

PATIENCE = 60
"""Seconds after which a process gives itself up."""


@dataclass(frozen=True)
class Request:
    """One request, and the status that must come back: a request that fails unnoticed would prove nothing."""

    path: str
    query: str = ""
    method: str = "GET"
    body: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    status: int | None = 200


@dataclass(frozen=True)
class App:
    """What a module of `tests.apps` says of the app in it."""

    protocol: str
    source: list[str]
    make: Callable[[], Any]
    warm_up: Request
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


def call_wsgi(app: Any, request: Request) -> int | None:
    """Send one request as a server would; the status that came back, None where the app raised."""
    body = request.body.encode()
    environ = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": request.path,
        "QUERY_STRING": request.query,
        "CONTENT_LENGTH": str(len(body)),
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        "HTTP_HOST": "localhost",
    }
    for name, value in request.headers.items():
        key = name.upper().replace("-", "_")
        environ[key if key == "CONTENT_TYPE" else f"HTTP_{key}"] = value
    answered: list[int] = []

    def start_response(status: str, headers: Any, exc_info: Any = None) -> Callable[[bytes], object]:
        answered.append(int(status[:3]))
        return answered.append  # type: ignore[return-value]

    try:
        chunks = app(environ, start_response)
        try:
            for _ in chunks:
                pass
        finally:
            if hasattr(chunks, "close"):
                chunks.close()
    except Exception:
        return None
    return answered[-1]


async def call_asgi(app: Any, request: Request) -> int | None:
    """The same for ASGI."""
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": "http",
        "path": request.path,
        "raw_path": quote(request.path).encode(),
        "query_string": request.query.encode(),
        "root_path": "",
        "headers": [
            (b"host", b"localhost"),
            *((name.lower().encode(), value.encode()) for name, value in request.headers.items()),
        ],
        "client": ("127.0.0.1", 1),
        "server": ("localhost", 80),
    }
    messages = iter([{"type": "http.request", "body": request.body.encode(), "more_body": False}])
    answered: list[int] = []

    async def receive() -> Any:
        for message in messages:
            return message
        await asyncio.Event().wait()  # the client stays

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            answered.append(message["status"])

    try:
        await app(scope, receive, send)
    except Exception:
        return None
    return answered[-1]


def alone(app: App, number: int, branch: bool) -> dict[str, Any]:
    """Run one request under coverage.py, and nothing else.

    coverage.py sees only threads that begin while it runs, and worker threads may be left from the warm-up; so it
    runs then already, and what belongs to the request is told by coverage.py's own context.
    """
    cov = coverage.Coverage(
        data_file=None, config_file=False, source=app.source, branch=branch, concurrency=["thread", *app.concurrency]
    )
    cov.set_option("run:disable_warnings", ["already-imported", "module-not-measured"])
    request = app.requests[number]
    cov.start()
    target = app.make()
    if app.protocol == "wsgi":
        call_wsgi(target, app.warm_up)
        cov.switch_context("request")
        status = call_wsgi(target, request)
    else:

        async def serve() -> int | None:
            await call_asgi(target, app.warm_up)
            cov.switch_context("request")
            status = await call_asgi(target, request)
            cov.switch_context("afterwards")  # the loop still ends what was left over, such as unfinished generators
            return status

        status = asyncio.run(serve())
    cov.stop()
    assert cov._collector.tracer_name() == "CTracer", "COVERAGE_CORE was not heeded"
    data = cov.get_data()
    data.set_query_context("request")
    names = sorted(data.measured_files())
    return {
        "status": status,
        "lines": {name: sorted(data.lines(name)) for name in names if data.lines(name)},
        "arcs": {name: sorted(data.arcs(name)) for name in names if data.arcs(name)} if branch else None,
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

        call_wsgi(target, app.warm_up)
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
            await call_asgi(target, app.warm_up)
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
    """Import the app that the command line names, do the jobs that standard input asks for, tell what came out."""
    app: App = importlib.import_module(f"tests.apps.{sys.argv[1]}").APP
    functions: dict[str, Callable[..., Any]] = {"alone": alone, "in_a_crowd": in_a_crowd}
    jobs = [("alone", number, branch) for number in range(len(app.requests)) for branch in (False, True)]
    jobs += [("in_a_crowd", *how) for how in json.load(sys.stdin)]
    answers: list[Any] = []
    together = os.cpu_count() or 1
    for start in range(0, len(jobs), together):
        running = [_fork(functions[name], app, *rest) for name, *rest in jobs[start : start + together]]
        answers += [_answer(*child) for child in running]
    results = [[*job, answer] for job, answer in zip(jobs, answers, strict=True)]
    json.dump({"requests": [asdict(request) for request in app.requests], "results": results}, sys.stdout)


def _fork(job: Callable[..., Any], *arguments: Any) -> tuple[int, int]:
    reader, writer = os.pipe()
    child = os.fork()
    if child:
        os.close(writer)
        return child, reader
    signal.alarm(PATIENCE)
    try:
        with open(writer, "w") as pipe:
            json.dump(job(*arguments), pipe)
        os._exit(0)
    except BaseException:
        traceback.print_exc()
        os._exit(1)


def _answer(child: int, reader: int) -> Any:
    with open(reader) as pipe:
        text = pipe.read()
    _, status = os.waitpid(child, 0)
    if status:
        sys.exit(f"a run has failed: {status}")
    return json.loads(text)


# -- in the process of the tests ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Runs:
    """Everything that the process of one app has told."""

    requests: list[Request]
    alone: dict[tuple[int, bool], dict[str, Any]] = field(repr=False)
    in_a_crowd: dict[tuple[str, bool], dict[str, Any]] = field(repr=False)


def run(app: str, ways: list[tuple[str, bool]], folder: Path) -> Runs:
    """Run the app of that name: each request alone, and all at once in each of `ways` (core, branch)."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("COVERAGE_", "REQCOV_"))}
    done = subprocess.run(
        [sys.executable, "-c", "from tests.oracle import main; main()", app],
        input=json.dumps(ways),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
        env=environ | {"PYTHONPATH": str(ROOT), "COVERAGE_CORE": "ctrace"},
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    return Runs(
        requests=[Request(**request) for request in told["requests"]],
        alone={(n, branch): answer for name, n, branch, answer in told["results"] if name == "alone"},
        in_a_crowd={(core, branch): answer for name, core, branch, answer in told["results"] if name != "alone"},
    )
