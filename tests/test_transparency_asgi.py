"""An ASGI app is served the same with and without reqcov, down to each message, and is recorded once."""

from __future__ import annotations

import asyncio
import copy
import inspect
from collections.abc import Callable
from typing import Any

import pytest

import reqcov
from reqcov.cores import base
from tests import asgi_shapes
from tests.asgi_shapes import (
    HTTP,
    LAST,
    PART,
    START,
    WEBSOCKET,
    Log,
    Server,
    clings_to_life,
    minds_no_failing_send,
    of,
    raises,
    reads,
    says,
)


@pytest.fixture
def memory() -> reqcov.MemorySink:
    return reqcov.MemorySink()


@pytest.fixture
def recorder(make_recorder: Callable[..., reqcov.Recorder], memory: reqcov.MemorySink, core: Any) -> reqcov.Recorder:
    return make_recorder(include=[asgi_shapes.__file__], sinks=[memory], core=core)


def logs_of(app: Any, recorder: reqcov.Recorder, kind: str, failing_send: int = -1) -> tuple[Log, Log]:
    """What the server sees without reqcov, and with it."""
    bare, wrapped = (Server(kind, failing_send) for _ in range(2))
    asyncio.run(bare.serve(reqcov.asgi.single_callable(app)))
    asyncio.run(wrapped.serve(reqcov.asgi.CoverageMiddleware(app, recorder=recorder)))
    return bare.log, wrapped.log


@pytest.mark.parametrize("name", HTTP)
def test_http(name: str, recorder: reqcov.Recorder, memory: reqcov.MemorySink) -> None:
    """The very messages in their order, what is returned or raised with its frames; and one record that tells so."""
    app, status, error = HTTP[name]
    bare, wrapped = logs_of(app, recorder, "http")
    assert wrapped == bare
    (record,) = memory.records
    assert (record.protocol, record.status, record.error, record.complete) == ("http", status, error, True)
    assert record.lines[asgi_shapes.__file__]


@pytest.mark.parametrize("name", WEBSOCKET)
def test_websocket(name: str, recorder: reqcov.Recorder, memory: reqcov.MemorySink) -> None:
    """The same for a websocket; its status is 101 once accepted."""
    app, status, error = WEBSOCKET[name]
    bare, wrapped = logs_of(app, recorder, "websocket")
    assert wrapped == bare
    (record,) = memory.records
    assert (record.protocol, record.status, record.error) == ("websocket", status, error)


@pytest.mark.parametrize("failing_send", [0, 1, 2])
@pytest.mark.parametrize("name", ["parts", "tasks", "threads", "class"])
def test_sending_fails(name: str, failing_send: int, recorder: reqcov.Recorder, memory: reqcov.MemorySink) -> None:
    """The server's own error reaches the app, and from there the server; a start that failed gave no status."""
    bare, wrapped = logs_of(HTTP[name][0], recorder, "http", failing_send)
    assert wrapped == bare
    (record,) = memory.records
    assert record.status == (200 if failing_send else None)


def test_an_app_may_catch_what_sending_raises(recorder: reqcov.Recorder, memory: reqcov.MemorySink) -> None:
    """Then the record knows of no error."""
    bare, wrapped = logs_of(minds_no_failing_send, recorder, "http", failing_send=1)
    assert ("caught", ("the client is gone",)) in wrapped
    assert wrapped == bare
    assert memory.records[0].error is None


def test_receiving_fails(recorder: reqcov.Recorder, memory: reqcov.MemorySink) -> None:
    """What the server's `receive` raises goes through the app and back, the very object."""
    failure = ConnectionResetError("the client is gone")

    async def receive() -> Any:
        raise failure

    server = Server("http")
    wrapped = reqcov.asgi.CoverageMiddleware(reads, recorder=recorder)
    with pytest.raises(ConnectionResetError) as caught:
        asyncio.run(wrapped(server.scope, receive, server.send))
    assert caught.value is failure
    assert memory.records[0].error == "ConnectionResetError"


@pytest.mark.parametrize("kind", ["http", "websocket", "lifespan", "unheard of"])
def test_scope_and_receive_are_the_servers(kind: str, recorder: reqcov.Recorder, memory: reqcov.MemorySink) -> None:
    """The very objects, and the scope with nothing added; only HTTP and websockets are recorded."""
    got: list[Any] = []

    async def app(*arguments: Any) -> None:
        got.extend(arguments)

    server = Server(kind)
    before, receive = copy.deepcopy(server.scope), server.receive
    asyncio.run(reqcov.asgi.CoverageMiddleware(app, recorder=recorder)(server.scope, receive, server.send))
    assert got[0] is server.scope
    assert got[1] is receive
    assert server.scope == before
    assert len(memory.records) == (kind in ("http", "websocket"))


def test_the_lifespan_is_the_apps(recorder: reqcov.Recorder) -> None:
    """The very messages, and the app's failures to start."""
    messages = [of("lifespan.startup.complete"), of("lifespan.shutdown.complete")]
    bare, wrapped = logs_of(says(*messages), recorder, "lifespan")
    assert wrapped == bare
    assert [message for _, message, _ in wrapped[:-1]] == messages
    bare, wrapped = logs_of(raises(NotImplementedError), recorder, "lifespan")
    assert wrapped == bare


def test_records_are_delivered_before_the_shutdown_is_complete(make_recorder: Callable[..., reqcov.Recorder]) -> None:
    """Once it is complete, uvicorn ends its process by the signal that it was sent."""
    delivered: list[str | None] = []
    recorder = make_recorder(include=[asgi_shapes.__file__], on_request=lambda record: delivered.append(record.path))
    app = reqcov.asgi.CoverageMiddleware(says(of("lifespan.shutdown.complete")), recorder=recorder)
    server = Server("http")
    asyncio.run(server.serve(app))
    at_the_end: list[list[str | None]] = []

    async def send(message: Any) -> None:
        at_the_end.append(list(delivered))

    asyncio.run(app({"type": "lifespan"}, server.receive, send))
    assert at_the_end == [["/page"]]


@pytest.mark.parametrize(("app", "gives_in"), [(reads, True), (clings_to_life, False)])
def test_a_cancelled_task(app: Any, gives_in: bool, recorder: reqcov.Recorder, memory: reqcov.MemorySink) -> None:
    """The app is cancelled where it waits, may refuse to be, and is recorded once."""
    server = Server("http")

    async def cancel() -> bool:
        waits = asyncio.Event()

        async def receive() -> Any:
            waits.set()
            return await asyncio.Future()

        wrapped = reqcov.asgi.CoverageMiddleware(app, recorder=recorder)
        task = asyncio.create_task(wrapped(server.scope, receive, server.send))
        await waits.wait()
        task.cancel()
        await asyncio.wait([task])
        return task.cancelled()

    assert asyncio.run(cancel()) is gives_in
    (record,) = memory.records
    expected = (None, "asyncio.exceptions.CancelledError") if gives_in else (200, None)
    assert (record.status, record.error) == expected


def test_a_task_outlives_its_request(recorder: reqcov.Recorder, memory: reqcov.MemorySink) -> None:
    """What it sends still arrives, and changes nothing about the record."""

    async def late(send: Any, ended: asyncio.Event) -> None:
        await ended.wait()
        await send(START | {"status": 500})

    async def serve() -> Log:
        server, ended, tasks = Server("http"), asyncio.Event(), []

        async def app(scope: Any, receive: Any, send: Any) -> None:
            tasks.append(asyncio.create_task(late(send, ended)))
            await send(of("http.response.early_hint", links=[]))

        await reqcov.asgi.CoverageMiddleware(app, recorder=recorder)(server.scope, server.receive, server.send)
        ended.set()
        await tasks[0]
        return server.log

    log = asyncio.run(serve())
    assert [kind for kind, *_ in log] == ["http.response.early_hint", "http.response.start"]
    assert [record.status for record in memory.records] == [None]


@pytest.mark.parametrize(
    "last",
    [LAST, of("http.response.pathsend", path="/a/file"), of("http.response.zerocopysend", file=3)],
    ids=lambda message: str(message["type"]),
)
def test_the_duration_ends_with_the_last_byte(
    last: Any, monkeypatch: pytest.MonkeyPatch, recorder: reqcov.Recorder, memory: reqcov.MemorySink
) -> None:
    """The time that the server takes to send it counts; what runs in the background after it does not."""
    now = [1000.0]
    monkeypatch.setattr(base, "perf_counter", lambda: now[0])

    async def send(message: Any) -> None:
        now[0] += 10

    async def app(scope: Any, receive: Any, send: Any) -> None:
        now[0] += 1
        await send(START)
        await send(PART)
        now[0] += 2
        await send(last)
        now[0] += 100

    server = Server("http")
    asyncio.run(reqcov.asgi.CoverageMiddleware(app, recorder=recorder)(server.scope, server.receive, send))
    assert memory.records[0].duration == 33


def test_sending_is_a_coroutine_function(recorder: reqcov.Recorder) -> None:
    """Nothing happens before it is awaited, and whoever asks for a coroutine function gets one."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert inspect.iscoroutinefunction(send)
        unsent = send(START)
        await send(START | {"status": 404})
        unsent.close()

    server = Server("http")
    asyncio.run(reqcov.asgi.CoverageMiddleware(app, recorder=recorder)(server.scope, server.receive, server.send))
    assert [message["status"] for _, message, _ in server.log] == [404]
