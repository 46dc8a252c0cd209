"""Two requests that run the same functions by turns, line by line, in every way that servers and frameworks know."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterable, Iterator
from pathlib import Path
from typing import Any
from wsgiref.util import setup_testing_defaults

import pytest
import uvicorn
from asgiref.sync import ThreadSensitiveContext, async_to_sync, sync_to_async
from fastapi import Depends, FastAPI
from flask import Flask
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.concurrency import iterate_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket
from websockets.asyncio.client import connect

import reqcov
from reqcov.types import Environ, Receive, Scope, Send
from tests.stepping import Party, Stage, run_staged

Endpoint = Callable[[Request], Awaitable[Response] | Response]


@pytest.fixture
def stage(tmp_path: Path, core: str) -> Iterator[Stage]:
    """Two parties, on each core."""
    stage = Stage(tmp_path, core)
    with stage.recorder:
        yield stage


def asgi(stage: Stage, work: Callable[[Party], Awaitable[object]]) -> Any:
    """A recorded ASGI app that has `work` done by the party that asks."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await work(stage.party(scope["path"]))
        await PlainTextResponse("done")(scope, receive, send)

    return reqcov.asgi.CoverageMiddleware(app, recorder=stage.recorder)


def starlette(stage: Stage, endpoint: Endpoint) -> Any:
    """A recorded Starlette app with one endpoint for every party."""
    return reqcov.wrap(Starlette(routes=[Route("/{party}", endpoint)]), recorder=stage.recorder)


def wsgi(stage: Stage, body: Callable[[Party], Iterable[bytes]]) -> Any:
    """A recorded WSGI app whose body is made by the party that asks."""

    def app(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        return body(stage.party(environ["PATH_INFO"]))

    return reqcov.wsgi.CoverageMiddleware(app, recorder=stage.recorder)


def test_threads_of_wsgi_server(stage: Stage) -> None:
    """Two threads inside one function of a WSGI app."""

    def body(party: Party) -> list[bytes]:
        stage.shared.plain(party)
        return [b"done"]

    stage.get_by_threads(wsgi(stage, body))
    stage.check()


def test_threads_of_flask(stage: Stage) -> None:
    """Two threads inside one Flask view."""
    app = Flask("shop")

    @app.get("/<name>")
    def view(name: str) -> str:
        stage.shared.plain(stage.party(name))
        return "done"

    stage.get_by_threads(reqcov.wrap(app, recorder=stage.recorder))
    stage.check()


def test_bodies_pulled_by_threads(stage: Stage) -> None:
    """Two threads that each pull a body which is made meanwhile."""
    stage.get_by_threads(wsgi(stage, stage.shared.blocking_chunks))
    stage.check()


@pytest.mark.parametrize("closed", ["each at its end", "both at the end", "never"])
def test_bodies_pulled_in_turn_by_one_thread(stage: Stage, closed: str) -> None:
    """One thread that pulls a chunk of one body, then a chunk of the other, and closes them in its own way."""
    app = wsgi(stage, stage.shared.chunks)
    bodies = [app(environ_of(f"/{name}"), lambda *_: None) for name in stage.parties]
    pulled = [iter(body) for body in bodies]
    while pulled:
        for body in list(pulled):
            if next(body, None) is None:
                pulled.remove(body)
                if closed == "each at its end":
                    body.close()  # type: ignore[attr-defined]
    if closed == "both at the end":
        for body in bodies:
            body.close()
    del body, bodies
    stage.recorder.flush()
    stage.check()


def environ_of(path: str) -> Environ:
    """A request in the words of PEP 3333."""
    environ: Environ = {"PATH_INFO": path}
    setup_testing_defaults(environ)
    return environ


def test_tasks(stage: Stage) -> None:
    """Two tasks inside one coroutine function."""
    stage.get_by_tasks(asgi(stage, stage.shared.coroutine))
    stage.check()


def test_children_of_task_groups(stage: Stage) -> None:
    """Two requests whose work is done by child tasks."""

    async def work(party: Party) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(stage.shared.coroutine(party))

    stage.get_by_tasks(asgi(stage, work))
    stage.check()


def test_two_children_of_one_request(stage: Stage) -> None:
    """Child tasks of one request, by turns among themselves: all of it belongs to the request."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.gather(*map(stage.shared.coroutine, stage.parties.values()))

    async def serve() -> None:
        scope = {"type": "http", "method": "GET", "path": "/both"}
        await reqcov.asgi.CoverageMiddleware(app, recorder=stage.recorder)(scope, never, never)

    asyncio.run(serve())
    [record] = stage.sink.records
    assert record.lines == {str(stage.path): set().union(*(party.lines for party in stage.parties.values()))}


async def never(*_: Any) -> Any:
    """Stands in for `receive` and `send` where the app calls neither."""
    raise AssertionError


def test_asyncio_to_thread(stage: Stage) -> None:
    """Two requests whose work is done by threads of the event loop's executor."""

    async def work(party: Party) -> None:
        await asyncio.to_thread(stage.shared.plain, party)

    stage.get_by_tasks(asgi(stage, work))
    stage.check()


@pytest.mark.parametrize("thread_sensitive", [True, False])
def test_asgiref_workers(stage: Stage, thread_sensitive: bool) -> None:
    """Two requests whose work is done by asgiref's threads."""

    async def work(party: Party) -> None:
        async with ThreadSensitiveContext():
            await sync_to_async(stage.shared.plain, thread_sensitive=thread_sensitive)(party)

    stage.get_by_tasks(asgi(stage, work))
    stage.check()


def test_asgiref_and_back(stage: Stage) -> None:
    """Two requests that go into a thread, and from there back to the event loop."""

    async def work(party: Party) -> None:
        async with ThreadSensitiveContext():
            await sync_to_async(async_to_sync(stage.shared.coroutine))(party)

    stage.get_by_tasks(asgi(stage, work))
    stage.check()


DJANGO = """
import django
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import HttpResponse, StreamingHttpResponse
from django.urls import path
from tests.stepping import staged

stage = staged()

def sync_view(request, name):
    stage.shared.plain(stage.party(name))
    return HttpResponse("done")

async def async_view(request, name):
    await stage.shared.coroutine(stage.party(name))
    return HttpResponse("done")

def streaming_view(request, name):
    return StreamingHttpResponse(stage.shared.async_chunks(stage.party(name)))

urlpatterns = [path("<name>", VIEW)]
settings.configure(
    ROOT_URLCONF=__name__,
    ALLOWED_HOSTS=["*"],
    MIDDLEWARE=["reqcov.adapters.django.CoverageMiddleware"],
    REQCOV={"recorder": stage.recorder},
)
django.setup()
stage.get_by_tasks(get_asgi_application())
stage.check()
stage.recorder.close()
print("checked")
"""


@pytest.mark.parametrize("view", ["sync_view", "async_view", "streaming_view"])
def test_django_under_asgi(tmp_path: Path, core: str, view: str) -> None:
    """Two requests inside one Django view; sync ones run in asgiref's threads."""
    run_staged(DJANGO.replace("VIEW", view), tmp_path, core)


@pytest.mark.parametrize("framework", [FastAPI, Starlette])
def test_anyio_workers(stage: Stage, framework: type[Starlette]) -> None:
    """Two requests in sync endpoints, which run in anyio's threads."""

    def endpoint(request: Request) -> Response:
        stage.shared.plain(stage.party(request.url.path))
        return PlainTextResponse("done")

    app = framework()
    app.add_route("/{party}", endpoint)
    stage.get_by_tasks(reqcov.wrap(app, recorder=stage.recorder))
    stage.check()


@pytest.mark.parametrize("kind", ["async_chunks", "blocking_chunks"])
def test_streamed_bodies(stage: Stage, kind: str) -> None:
    """Two bodies that are made while they are sent; of a plain generator each chunk may be made by another thread."""

    async def endpoint(request: Request) -> Response:
        return StreamingResponse(getattr(stage.shared, kind)(stage.party(request.url.path)))

    stage.get_by_tasks(starlette(stage, endpoint))
    stage.check()


@pytest.mark.parametrize("kind", ["coroutine", "plain"])
def test_background_tasks(stage: Stage, kind: str) -> None:
    """Two background tasks: they belong to their requests, though the responses have gone out."""

    async def endpoint(request: Request) -> Response:
        task = BackgroundTask(getattr(stage.shared, kind), stage.party(request.url.path))
        return PlainTextResponse("done", background=task)

    stage.get_by_tasks(starlette(stage, endpoint))
    stage.check()


def test_dependencies_of_fastapi(stage: Stage) -> None:
    """Two requests by turns in a dependency, which FastAPI runs in a thread, then done by an endpoint."""
    app = FastAPI()

    def dependency(name: str) -> Iterator[None]:
        stage.shared.plain(stage.party(name))
        yield

    @app.get("/{name}", dependencies=[Depends(dependency)])
    async def endpoint(name: str) -> str:
        return name

    stage.get_by_tasks(reqcov.wrap(app, recorder=stage.recorder))
    stage.check()


def test_websockets(stage: Stage) -> None:
    """Two websocket connections to a real server, each of which steps on only when the other has."""

    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()
        await stage.shared.coroutine(stage.party(await websocket.receive_text()))
        await websocket.close()

    app = reqcov.wrap(Starlette(routes=[WebSocketRoute("/{party}", endpoint)]), recorder=stage.recorder)

    async def serve() -> None:
        listening = socket.create_server(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, ws="websockets-sansio", lifespan="off", log_level="error"))
        serving = asyncio.create_task(server.serve([listening]))
        await asyncio.gather(*(talk(listening.getsockname()[1], name) for name in stage.parties))
        server.should_exit = True
        await serving

    async def talk(port: int, name: str) -> None:
        async with connect(f"ws://127.0.0.1:{port}/{name}", proxy=None) as client:
            await client.send(name)
            await client.wait_closed()

    asyncio.run(serve())
    stage.check()


def test_three_parties(tmp_path: Path, core: str) -> None:
    """With a third party, a line that two have run is still kept armed for the last."""
    stage = Stage(tmp_path, core, "abc")
    with stage.recorder:
        stage.get_by_tasks(asgi(stage, stage.shared.coroutine))
        stage.check()


def test_ways_mixed(tmp_path: Path, core: str) -> None:
    """A task, a thread, a body that a task streams and one that is streamed by threads, in one process at once."""
    stage = Stage(tmp_path, core, "abcd")
    shared = stage.shared

    async def in_thread(party: Party) -> None:
        await asyncio.to_thread(shared.plain, party)

    async def streamed(party: Party) -> None:
        async for _ in shared.async_chunks(party):
            pass

    async def streamed_by_threads(party: Party) -> None:
        async for _ in iterate_in_threadpool(shared.blocking_chunks(party)):
            pass

    ways = {"a": shared.coroutine, "b": in_thread, "c": streamed, "d": streamed_by_threads}
    with stage.recorder:
        stage.get_by_tasks(asgi(stage, lambda party: ways[party.name](party)))
        stage.check()


def test_job_next_to_request(stage: Stage) -> None:
    """A job and a request on one event loop, by turns: neither takes from the other."""
    app = asgi(stage, stage.shared.coroutine)

    async def job() -> None:
        with stage.recorder.record("b"):
            await stage.shared.coroutine(stage.party("b"))

    async def serve(path: str) -> None:
        scope = {"type": "http", "method": "GET", "path": path, "headers": []}
        await (job() if path == "/b" else app(scope, never, sent))

    async def sent(message: Any) -> None:
        pass

    stage.by_tasks(serve)
    stage.check()
