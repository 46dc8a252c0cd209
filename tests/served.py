"""The apps that real servers serve in test_servers.py: every view runs lines of its own, all of them, every time."""

from __future__ import annotations

import asyncio
import io
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import reqcov
from reqcov import delivery
from tests.servers import meet

FOLDER = Path(os.environ.get("SERVED_FOLDER", "."))
"""Where the server and the test leave each other files."""

TEXT = [("Content-Type", "text/plain")]


# -- WSGI ---------------------------------------------------------------------------------------------------------


def wsgi_plain(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    body = environ["REQUEST_METHOD"].encode()
    start_response("200 OK", [*TEXT, ("Content-Length", str(len(body)))])
    return [body]


def wsgi_echo(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
    start_response("201 Created", [*TEXT, ("Content-Length", str(len(body)))])
    return [body]


def wsgi_stream(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterator[bytes]:
    start_response("200 OK", TEXT)
    yield b"one,"
    yield b""
    yield b"two,"
    yield b"x" * 100_000


def wsgi_file(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
    content = io.BytesIO(b"line\n" * 10_000)
    start_response("200 OK", [*TEXT, ("Content-Length", "50000")])
    wrapper = environ.get("wsgi.file_wrapper") or (lambda file: iter(lambda: file.read(8192), b""))
    return wrapper(content)


def wsgi_nothing(environ: dict[str, Any], start_response: Callable[..., Any]) -> tuple[bytes, ...]:
    start_response("204 No Content", [])
    return ()


def wsgi_left(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterator[bytes]:
    who = parse_qs(environ["QUERY_STRING"])["who"][0]
    meet(FOLDER, f"left {who}", f"right {who}")
    start_response("200 OK", TEXT)
    yield f"{os.getpid()}".encode()
    meet(FOLDER, f"left again {who}", f"right again {who}")


def wsgi_right(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterator[bytes]:
    who = parse_qs(environ["QUERY_STRING"])["who"][0]
    meet(FOLDER, f"right {who}", f"left {who}")
    start_response("200 OK", TEXT)
    yield f"{os.getpid()}".encode()
    meet(FOLDER, f"right again {who}", f"left again {who}")


def wsgi_endless(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterator[bytes]:
    start_response("200 OK", TEXT)
    for _ in range(1000):
        yield b"x" * 65536


def wsgi_fail(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    message = "on purpose"
    raise LookupError(message)


def wsgi_late(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterator[bytes]:
    start_response("200 OK", TEXT)
    yield b"the beginning"
    message = "on purpose"
    raise LookupError(message)


def wsgi_missing(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    start_response("404 Not Found", TEXT)
    return [b"no such page"]


def wsgi_bare(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
    name = "wsgi_" + environ["PATH_INFO"].split("/")[1]
    view = globals().get(name, wsgi_missing)
    return view(environ, start_response)


# -- ASGI ---------------------------------------------------------------------------------------------------------


async def start(send: Callable[..., Any], status: int, length: int | None = None) -> None:
    headers = [(b"content-type", b"text/plain")]
    headers += [(b"content-length", str(length).encode())] * (length is not None)
    await send({"type": "http.response.start", "status": status, "headers": headers})


async def asgi_plain(scope: Any, receive: Any, send: Any) -> None:
    body = scope["method"].encode()
    await start(send, 200, len(body))
    await send({"type": "http.response.body", "body": body})


async def asgi_echo(scope: Any, receive: Any, send: Any) -> None:
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    await start(send, 201, len(body))
    await send({"type": "http.response.body", "body": body})


async def asgi_stream(scope: Any, receive: Any, send: Any) -> None:
    await start(send, 200)
    for body in (b"one,", b"", b"two,", b"x" * 100_000):
        await send({"type": "http.response.body", "body": body, "more_body": True})
        await asyncio.sleep(0)
    await send({"type": "http.response.body"})


async def asgi_nothing(scope: Any, receive: Any, send: Any) -> None:
    await start(send, 204)
    await send({"type": "http.response.body"})


async def asgi_left(scope: Any, receive: Any, send: Any) -> None:
    who = parse_qs(scope["query_string"].decode())["who"][0]
    await asyncio.to_thread(meet, FOLDER, f"left {who}", f"right {who}")
    await start(send, 200)
    await send({"type": "http.response.body", "body": f"{os.getpid()}".encode(), "more_body": True})
    await asyncio.to_thread(meet, FOLDER, f"left again {who}", f"right again {who}")
    await send({"type": "http.response.body"})


async def asgi_right(scope: Any, receive: Any, send: Any) -> None:
    who = parse_qs(scope["query_string"].decode())["who"][0]
    await asyncio.to_thread(meet, FOLDER, f"right {who}", f"left {who}")
    await start(send, 200)
    await send({"type": "http.response.body", "body": f"{os.getpid()}".encode(), "more_body": True})
    await asyncio.to_thread(meet, FOLDER, f"right again {who}", f"left again {who}")
    await send({"type": "http.response.body"})


async def asgi_endless(scope: Any, receive: Any, send: Any) -> None:
    await start(send, 200)
    await send({"type": "http.response.body", "body": b"x" * 65536, "more_body": True})
    while (await receive())["type"] != "http.disconnect":
        pass


async def asgi_fail(scope: Any, receive: Any, send: Any) -> None:
    message = "on purpose"
    raise LookupError(message)


async def asgi_late(scope: Any, receive: Any, send: Any) -> None:
    await start(send, 200)
    await send({"type": "http.response.body", "body": b"the beginning", "more_body": True})
    message = "on purpose"
    raise LookupError(message)


async def asgi_missing(scope: Any, receive: Any, send: Any) -> None:
    await start(send, 404)
    await send({"type": "http.response.body", "body": b"no such page"})


async def asgi_socket(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        text = message["text"].upper()
        await send({"type": "websocket.send", "text": text})


async def asgi_refused(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "websocket.close", "code": 4000})


async def asgi_lifespan(scope: Any, receive: Any, send: Any) -> None:
    while (message := await receive())["type"] == "lifespan.startup":
        await send({"type": "lifespan.startup.complete"})
    await send({"type": message["type"] + ".complete"})


async def asgi_bare(scope: Any, receive: Any, send: Any) -> None:
    name = "asgi_" + scope.get("path", "/lifespan").split("/")[1]
    view = globals().get(name, asgi_missing)
    await view(scope, receive, send)


# -- what the servers are given -----------------------------------------------------------------------------------


def seen(record: reqcov.RequestRecord) -> None:
    """Notes the path; for one path it hangs first, until the test opens the gate."""
    if record.path == "/plain/gate":
        (FOLDER / "gate").read_bytes()
    with (FOLDER / "seen").open("a", encoding="utf-8") as file:
        file.write(f"{record.path}\n")


class Ledger(reqcov.Sink):
    """Notes the paths, a minute later."""

    interval = 60.0

    def __init__(self) -> None:
        self.after_fork()

    def accept(self, record: reqcov.RequestRecord) -> None:
        self._waiting.append(f"{record.path}\n")

    def flush(self) -> None:
        with (FOLDER / "ledger").open("a", encoding="utf-8") as file:
            file.write("".join(self._waiting))
        self._waiting.clear()

    def after_fork(self) -> None:
        self._waiting: list[str] = []


def recorder_of(file: str) -> reqcov.Recorder:
    """Records what runs in `file`."""
    delivery.LINGER = float(os.environ["SERVED_LINGER"])
    sinks = [reqcov.JsonLinesSink(FOLDER / "records"), Ledger()]
    return reqcov.Recorder(include=[file], sinks=sinks, on_request=seen)


def make_wsgi() -> Any:
    """The app, wrapped, apart from requests that ask for it bare."""
    wrapped = reqcov.wrap(wsgi_bare, recorder=recorder_of(__file__))
    return lambda environ, start_response: (wsgi_bare if "HTTP_BARE" in environ else wrapped)(environ, start_response)


def make_asgi() -> Any:
    """The app, wrapped, apart from requests that ask for it bare."""
    wrapped = reqcov.wrap(asgi_bare, recorder=recorder_of(__file__))

    async def choose(scope: Any, receive: Any, send: Any) -> None:
        bare = any(name == b"bare" for name, _ in scope.get("headers", ()))
        await (asgi_bare if bare else wrapped)(scope, receive, send)

    return choose


if "SERVED_APP" in os.environ:
    app = make_wsgi() if os.environ["SERVED_APP"] == "wsgi" else make_asgi()
