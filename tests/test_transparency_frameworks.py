"""Streams and files of Flask and Starlette are served the same with their adapters (Django: see test_servers.py)."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from wsgiref.handlers import BaseCGIHandler

import flask
import pytest
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route

import reqcov
from reqcov.adapters.flask import ReqCov
from reqcov.adapters.starlette import CoverageMiddleware
from tests import asgi_shapes, wsgi_shapes

CONTENT = b"line\n" * 30_000
MOMENT = datetime(2026, 11, 23, tzinfo=UTC)


@pytest.fixture
def memory() -> reqcov.MemorySink:
    return reqcov.MemorySink()


@pytest.fixture
def recorder(make_recorder: Callable[..., reqcov.Recorder], memory: reqcov.MemorySink, core: Any) -> reqcov.Recorder:
    return make_recorder(include=[__file__], sinks=[memory], core=core)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "lines.txt"
    path.write_bytes(CONTENT)
    return path


# -- Flask --------------------------------------------------------------------------------------------------------


def flask_app(log: list[Any], file: Path) -> flask.Flask:
    app = flask.Flask(__name__)

    @app.route("/streamed")
    def streamed() -> flask.Response:
        @flask.stream_with_context
        def chunks() -> Iterator[str]:
            try:
                yield f"{flask.request.path},"
                log.append("the first is sent")
                yield "two"
            finally:
                log.append("the generator ends")

        response = flask.Response(chunks(), mimetype="text/plain")
        response.call_on_close(lambda: log.append("call_on_close"))
        return response

    @app.route("/sent")
    def sent() -> flask.Response:
        return flask.send_file(file, conditional=False)

    @app.route("/sent-from-memory")
    def sent_from_memory() -> flask.Response:
        response = flask.send_file(io.BytesIO(CONTENT), mimetype="text/plain")
        assert response.date is not None
        response.date = MOMENT  # the second may end between the two that are compared
        return response

    @app.route("/whole")
    def whole() -> tuple[dict[str, int], int]:
        return {"a": 1}, 201

    @app.route("/fails")
    def fails() -> str:
        raise LookupError("on purpose")

    @app.route("/fails-midway")
    def fails_midway() -> flask.Response:
        def chunks() -> Iterator[str]:
            yield "one"
            raise LookupError("on purpose")

        return flask.Response(chunks())

    @app.teardown_request
    def teardown(error: BaseException | None) -> None:
        log.append(("teardown", repr(error)))

    return app


FLASK = {
    "/streamed": (200, None),
    "/sent": (200, None),
    "/sent-from-memory": (200, None),
    "/whole": (201, None),
    "/fails": (500, "LookupError"),
    "/fails-midway": (200, "LookupError"),
    "/missing": (404, None),
}
"""Status and error of the record."""


@pytest.mark.parametrize("pull", ["all of it", "the first and close it", "nothing"])
@pytest.mark.parametrize("path", FLASK)
def test_flask(path: str, pull: str, file: Path, recorder: reqcov.Recorder, memory: reqcov.MemorySink) -> None:
    """The same chunks at the same time, the same teardown, and one record with the route's template."""
    logs = []
    for with_reqcov in (False, True):
        log: list[Any] = []
        app = flask_app(log, file)
        app.logger.disabled = True
        if with_reqcov:
            ReqCov(app, recorder=recorder)
        wsgi_shapes.Server(log).serve(lambda environ, start, app=app: app(environ | {"PATH_INFO": path}, start), pull)
        logs.append([str(entry) for entry in log])
    assert logs[0] == logs[1]
    (record,) = memory.records
    assert record.route == (None if path == "/missing" else path)
    if pull == "all of it":
        assert (record.status, record.error) == FLASK[path]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("path", ["/streamed", "/sent", "/whole"])
def test_flask_sends_the_same_bytes(path: str, method: str, file: Path, recorder: reqcov.Recorder) -> None:
    """By the handler of wsgiref, which has a file wrapper."""
    sent = []
    for with_reqcov in (False, True):
        app = flask_app([], file)
        if with_reqcov:
            ReqCov(app, recorder=recorder)
        out = io.BytesIO()
        environ = wsgi_shapes.environ(method, path)
        BaseCGIHandler(io.BytesIO(), out, io.StringIO(), environ).run(app)
        sent.append(out.getvalue())
    assert sent[0] == sent[1]
    assert sent[0].startswith(b"Status: 20")


# -- Starlette ----------------------------------------------------------------------------------------------------


def starlette_app(log: list[Any], file: Path) -> Starlette:
    async def chunks() -> AsyncIterator[str]:
        yield "one,"
        log.append("the first is sent")
        yield "two"

    def sync_chunks() -> Iterator[str]:
        yield "one,"
        yield "two"

    async def afterwards() -> None:
        log.append("in the background")

    async def streamed(request: Request) -> Response:
        return StreamingResponse(chunks(), background=BackgroundTask(afterwards))

    async def streamed_from_threads(request: Request) -> Response:
        return StreamingResponse(sync_chunks())

    async def sent(request: Request) -> Response:
        return FileResponse(file, background=BackgroundTask(afterwards))

    def whole(request: Request) -> Response:
        return JSONResponse({"a": 1}, 201, background=BackgroundTask(log.append, "from a thread"))

    async def reads(request: Request) -> Response:
        return Response(await request.body())

    async def fails(request: Request) -> Response:
        raise LookupError("on purpose")

    async def fails_midway(request: Request) -> Response:
        async def failing() -> AsyncIterator[str]:
            yield "one"
            raise LookupError("on purpose")

        return StreamingResponse(failing())

    async def fails_afterwards(request: Request) -> Response:
        async def failing() -> None:
            raise LookupError("on purpose")

        return Response("sent", background=BackgroundTask(failing))

    views = (streamed, streamed_from_threads, sent, whole, reads, fails, fails_midway, fails_afterwards)
    return Starlette(routes=[Route(f"/{view.__name__}", view, methods=["GET", "HEAD"]) for view in views])


STARLETTE = {
    "/streamed": (200, None),
    "/streamed_from_threads": (200, None),
    "/sent": (200, None),
    "/whole": (201, None),
    "/reads": (200, None),
    "/fails": (None, "LookupError"),
    "/fails_midway": (200, "LookupError"),
    "/fails_afterwards": (200, "LookupError"),
    "/missing": (404, None),
}
"""Status and error of the record: what turns an error into an answer lies outside of the middleware."""

PATHSEND = {"http.response.pathsend": {}}


def serve_starlette(
    path: str, file: Path, recorder: reqcov.Recorder, failing_send: int = -1, **scope: Any
) -> tuple[list[str], list[str]]:
    """What the server sees without reqcov, and with it."""
    logs = []
    for with_reqcov in (False, True):
        server = asgi_shapes.Server("http", failing_send)
        app = starlette_app(server.log, file)
        if with_reqcov:
            app.add_middleware(CoverageMiddleware, recorder=recorder)
        server.scope |= {"path": path, "query_string": b"", "root_path": "", **scope}
        asyncio.run(server.serve(app))
        logs.append([str(entry) for entry in server.log])
    return logs[0], logs[1]


@pytest.mark.parametrize("more", [{}, {"method": "HEAD"}, {"extensions": PATHSEND}], ids=["GET", "HEAD", "pathsend"])
@pytest.mark.parametrize("path", STARLETTE)
def test_starlette(
    path: str, more: dict[str, Any], file: Path, recorder: reqcov.Recorder, memory: reqcov.MemorySink
) -> None:
    """The same messages at the same time, the same work in the background, and one record with the route's template."""
    bare, wrapped = serve_starlette(path, file, recorder, **more)
    assert wrapped == bare
    (record,) = memory.records
    assert record.route == (None if path == "/missing" else path)
    assert (record.status, record.error) == STARLETTE[path]


@pytest.mark.parametrize("spec_version", ["2.0", "2.4"])
@pytest.mark.parametrize("path", ["/streamed", "/streamed_from_threads", "/sent"])
def test_starlette_when_the_client_is_gone(
    path: str, spec_version: str, file: Path, recorder: reqcov.Recorder, memory: reqcov.MemorySink
) -> None:
    """Whether sending fails or `http.disconnect` arrives, the app ends as it does without reqcov."""
    asgi = {"version": "3.0", "spec_version": spec_version}
    bare, wrapped = serve_starlette(path, file, recorder, 1, asgi=asgi)
    assert wrapped == bare
    assert len(memory.records) == 1
