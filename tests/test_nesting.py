"""Recordings inside recordings: apps mounted in apps, jobs in requests, requests in jobs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route
from werkzeug.middleware.dispatcher import DispatcherMiddleware

import reqcov
from reqcov.types import Environ
from tests.stepping import Stage, load, same

CODE = """\
def before():
    return 2

def within():
    return 5

def after():
    return 8
"""


@pytest.fixture
def stage(tmp_path: Path, core: str) -> Iterator[Stage]:
    """Two parties, on each core."""
    stage = Stage(tmp_path, core)
    with stage.recorder:
        yield stage


@pytest.fixture(params=["the same recorder", "another recorder"])
def inner_recorder(request: pytest.FixtureRequest, stage: Stage, core: str) -> Iterator[reqcov.Recorder]:
    """What the mounted app is wrapped with."""
    if request.param == "the same recorder":
        yield stage.recorder
        return
    sink = reqcov.MemorySink()
    with reqcov.Recorder(source=[str(stage.path.parent)], core=core, sinks=sink) as recorder:  # type: ignore[arg-type]
        yield recorder
    assert sink.records == [], "the mounted app was recorded a second time"


def test_wsgi_app_in_wsgi_app(stage: Stage, inner_recorder: reqcov.Recorder) -> None:
    """By turns in an instrumented app that an instrumented one dispatches to: each request is recorded once."""

    def shop(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        start_response("200 OK", [])
        return stage.shared.blocking_chunks(stage.party(environ["SCRIPT_NAME"]))  # type: ignore[no-any-return]

    inner = reqcov.wrap(shop, recorder=inner_recorder)
    dispatcher = DispatcherMiddleware(shop, {"/a": inner, "/b": inner})
    stage.get_by_threads(reqcov.wsgi.CoverageMiddleware(dispatcher, recorder=stage.recorder))
    stage.check()


def test_asgi_app_in_asgi_app(stage: Stage, inner_recorder: reqcov.Recorder) -> None:
    """By turns in a mounted app that is instrumented itself: each request is recorded once, with its whole route."""

    async def endpoint(request: Request) -> Response:
        await stage.shared.coroutine(stage.party(request.url.path))
        return PlainTextResponse("done")

    inner = reqcov.wrap(Starlette(routes=[Route("/", endpoint)]), recorder=inner_recorder)
    outer = Starlette(routes=[Mount("/{party}", inner)])

    def slashed(app: Any) -> Any:
        async def call(scope: Any, receive: Any, send: Any) -> None:
            await app({**scope, "path": scope["path"] + "/"}, receive, send)

        return call

    stage.get_by_tasks(slashed(reqcov.wrap(outer, recorder=stage.recorder)))
    stage.check()


def test_app_wrapped_twice(stage: Stage) -> None:
    """A second wrapper around the same app changes nothing."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await stage.shared.coroutine(stage.party(scope["path"]))
        await PlainTextResponse("done")(scope, receive, send)

    stage.get_by_tasks(reqcov.wrap(reqcov.wrap(app, recorder=stage.recorder), recorder=stage.recorder))
    stage.check()


def test_jobs_by_turns(stage: Stage) -> None:
    """Two jobs in two threads of one process."""

    def job(path: str) -> None:
        with stage.recorder.record(path):
            stage.shared.plain(stage.party(path))

    stage.by_threads(job)
    stage.check()


def test_job_in_request_by_turns_with_the_request(stage: Stage) -> None:
    """A request starts a job in a child task, and works on by turns with it: each holds its own."""

    async def job() -> None:
        with stage.recorder.record("b"):
            await stage.shared.coroutine(stage.party("b"))

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.gather(job(), stage.shared.coroutine(stage.party("a")))
        await PlainTextResponse("done")(scope, receive, send)

    async def get() -> None:
        transport = httpx.ASGITransport(reqcov.wrap(app, recorder=stage.recorder))
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            await client.get("/a")

    asyncio.run(get())
    stage.check()


def request_of(recorder: reqcov.Recorder, work: Callable[[], object]) -> None:
    """One WSGI request that has `work` done."""

    def app(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        work()
        start_response("200 OK", [])
        return [b"done"]

    with httpx.Client(transport=httpx.WSGITransport(reqcov.wrap(app, recorder=recorder))) as client:
        client.get("http://test/request")


def recorded(stage: Stage) -> dict[str, set[int]]:
    """The lines of each record by its context."""
    assert stage.recorder.stats().faults == {}
    return {record.context: set().union(*record.lines.values()) for record in stage.sink.records}


def test_job_in_request(stage: Stage, tmp_path: Path) -> None:
    """What a job in the midst of a request runs is the job's; what comes before and after it is the request's."""
    code = load(tmp_path / "code.py", CODE)

    def work() -> None:
        code.before()
        with stage.recorder.record("job"):
            code.within()
        code.after()

    request_of(stage.recorder, work)
    assert recorded(stage) == {"job": {5}, "GET /request": {2, 8}}


def test_request_in_job(stage: Stage, tmp_path: Path) -> None:
    """A job that calls an app (a test client, say) has its own record, and the request has one."""
    code = load(tmp_path / "code.py", CODE)
    with stage.recorder.record("job"):
        code.before()
        request_of(stage.recorder, code.within)
        code.after()
    assert recorded(stage) == {"GET /request": {5}, "job": {2, 8}}


def test_job_in_job(stage: Stage, tmp_path: Path) -> None:
    """The inner one's lines are not the outer one's, though the code is the same."""
    code = load(tmp_path / "code.py", CODE)
    with stage.recorder.record("outer"):
        code.before()
        with stage.recorder.record("inner"):
            code.before()
            code.within()
        code.after()
    assert recorded(stage) == {"inner": {2, 5}, "outer": {2, 8}}


def test_request_after_mounted_one_was_left(stage: Stage, tmp_path: Path) -> None:
    """A request that was served inside another leaves nothing behind: the next one is recorded by itself."""
    code = load(tmp_path / "code.py", CODE)
    request_of(stage.recorder, lambda: (code.before(), request_of(stage.recorder, code.within)))
    same("lines of the outer request", recorded(stage)["GET /request"], {2, 5})
    stage.sink.records.clear()
    request_of(stage.recorder, code.after)
    assert recorded(stage) == {"GET /request": {8}}


def test_the_next_request_of_a_connection(tmp_path: Path, core: str) -> None:
    """A server begins it as soon as the one before is answered, in the context of that, which has yet to end."""
    sink = reqcov.MemorySink()

    async def run(recorder: reqcov.Recorder) -> None:
        second_is_over = asyncio.Event()
        following: list[asyncio.Task[None]] = []

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b""})
            if scope["path"] == "/first":
                await second_is_over.wait()

        wrapped = reqcov.asgi.CoverageMiddleware(app, recorder=recorder)

        async def ask(path: str, send: Callable[[Any], Any]) -> None:
            await wrapped({"type": "http", "method": "GET", "path": path, "headers": []}, None, send)

        async def send_second(message: Any) -> None:
            pass

        async def send_first(message: Any) -> None:
            if message["type"] == "http.response.body":
                following.append(asyncio.create_task(ask("/second", send_second)))
                following[0].add_done_callback(lambda task: second_is_over.set())

        await ask("/first", send_first)
        await following[0]

    with reqcov.Recorder(source=[str(tmp_path)], core=core, sinks=sink) as recorder:  # type: ignore[arg-type]
        asyncio.run(run(recorder))
    assert [record.path for record in sink.records] == ["/second", "/first"]
