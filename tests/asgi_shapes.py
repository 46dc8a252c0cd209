"""ASGI apps of every shape, and a server that notes down each message: what test_transparency_asgi.py compares."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Awaitable
from typing import Any

from asgiref.sync import async_to_sync

Log = list[Any]

START = {"type": "http.response.start", "status": 200, "headers": [(b"x", b"y")]}
PART = {"type": "http.response.body", "body": b"part", "more_body": True}
LAST = {"type": "http.response.body", "body": b"last"}
ACCEPT = {"type": "websocket.accept", "subprotocol": None}


class Halt(BaseException):
    """What no `except Exception` catches."""


# -- apps ---------------------------------------------------------------------------------------------------------


def says(*messages: dict[str, Any]) -> Any:
    """An app that sends these very objects."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        for message in messages:
            await send(message)

    return app


def raises(error: type[BaseException], *messages: dict[str, Any]) -> Any:
    """An app that fails after these messages."""

    def inner() -> None:
        raise error("an", "argument") from ValueError("its cause")

    async def app(scope: Any, receive: Any, send: Any) -> None:
        for message in messages:
            await send(message)
        inner()

    return app


async def reads(scope: Any, receive: Any, send: Any) -> None:
    body = b""
    while (message := await receive())["type"] == "http.request":
        body += message["body"]
        if not message["more_body"]:
            break
    await send(START)
    await send({"type": "http.response.body", "body": body})


async def until_the_client_is_gone(scope: Any, receive: Any, send: Any) -> None:
    await send(START)
    while (await receive())["type"] != "http.disconnect":
        await send(PART)


async def minds_no_failing_send(scope: Any, receive: Any, send: Any) -> None:
    try:
        await send(START)
        await send(PART)
    except OSError as error:
        scope["log"].append(("caught", error.args))


async def sends_from_tasks(scope: Any, receive: Any, send: Any) -> None:
    await asyncio.create_task(send(START))
    async with asyncio.TaskGroup() as group:
        group.create_task(send(PART))
    await asyncio.gather(send(LAST))


async def sends_from_a_thread(scope: Any, receive: Any, send: Any) -> None:
    await asyncio.to_thread(async_to_sync(send), START)
    await asyncio.to_thread(async_to_sync(send), LAST)


async def clings_to_life(scope: Any, receive: Any, send: Any) -> None:
    try:
        await receive()
    except asyncio.CancelledError:
        await send(START)
        await send(LAST)


async def answers_the_server(scope: Any, receive: Any, send: Any) -> str:
    await send(START)
    await send(LAST)
    return "servers complain about this"


def double(scope: Any) -> Any:
    async def instance(receive: Any, send: Any) -> None:
        await send(START)
        await send(LAST)

    return instance


class DoubleClass:
    def __init__(self, scope: Any) -> None:
        self.status = START["status"]

    async def __call__(self, receive: Any, send: Any) -> None:
        await send(START)
        await send(LAST)


class Endpoint:
    """As Starlette's class-based views are: calling the class gives something to await."""

    def __init__(self, scope: Any, receive: Any, send: Any) -> None:
        self.send = send

    def __await__(self) -> Any:
        return self.answer().__await__()

    async def answer(self) -> None:
        await self.send(START)
        await self.send(LAST)


def plain_function(scope: Any, receive: Any, send: Any) -> Awaitable[None]:
    return Endpoint(scope, receive, send).answer()


class Instance:
    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        await send(LAST)


async def socket(scope: Any, receive: Any, send: Any) -> None:
    assert (await receive())["type"] == "websocket.connect"
    await send(ACCEPT)
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": message["text"].upper()})


def of(kind: str, **more: Any) -> dict[str, Any]:
    return {"type": kind, **more}


TRAILERS = of("http.response.trailers", headers=[(b"sum", b"1")], more_trailers=False)
HTTP: dict[str, tuple[Any, int | None, str | None]] = {
    "one part": (says(START, LAST), 200, None),
    "parts": (says(START, PART, PART, LAST), 200, None),
    "nothing": (says(), None, None),
    "never ends": (says(START, PART), 200, None),
    "reads": (reads, 200, None),
    "early hints": (says(of("http.response.early_hint", links=[b"</a.css>"]), START, LAST), 200, None),
    "push": (says(of("http.response.push", path="/a.css", headers=[]), START, LAST), 200, None),
    "debug": (says(of("http.response.debug", info={"template": "a.html"}), START, LAST), 200, None),
    "trailers": (says(START | {"trailers": True}, PART, LAST, TRAILERS), 200, None),
    "pathsend": (says(START, of("http.response.pathsend", path="/a/file")), 200, None),
    "zerocopysend": (says(START, of("http.response.zerocopysend", file=3, more_body=False)), 200, None),
    "unheard of": (says(of("http.response.new", value=1), START, LAST), 200, None),
    "tasks": (sends_from_tasks, 200, None),
    "threads": (sends_from_a_thread, 200, None),
    "returns something": (answers_the_server, 200, None),
    "double": (double, 200, None),
    "double class": (DoubleClass, 200, None),
    "class": (Endpoint, 200, None),
    "plain function": (plain_function, 200, None),
    "instance": (Instance(), 200, None),
    "client goes away": (until_the_client_is_gone, 200, None),
    "raises first": (raises(LookupError), None, "LookupError"),
    "raises after the start": (raises(LookupError, START), 200, "LookupError"),
    "raises midway": (raises(LookupError, START, PART), 200, "LookupError"),
    "raises after the end": (raises(LookupError, START, LAST), 200, "LookupError"),
    "halts midway": (raises(Halt, START, PART), 200, f"{__name__}.Halt"),
    "is cancelled": (raises(asyncio.CancelledError, START, PART), 200, "asyncio.exceptions.CancelledError"),
    "bad message": (says(START, of("http.response.start")), 200, "RuntimeError"),
    "no message": (says(START, None), 200, "TypeError"),  # type: ignore[arg-type]
}
"""Apps, with status and error of the record."""

CONNECTED = of("websocket.connect")
WEBSOCKET: dict[str, tuple[Any, int | None, str | None]] = {
    "talks": (socket, 101, None),
    "refuses": (says(of("websocket.close", code=4000)), 403, None),
    "closes": (says(ACCEPT, of("websocket.close", code=1000)), 101, None),
    "denies": (
        says(of("websocket.http.response.start", status=418), of("websocket.http.response.body", body=b"no")),
        418,
        None,
    ),
    "raises first": (raises(LookupError), None, "LookupError"),
    "raises midway": (raises(LookupError, ACCEPT), 101, "LookupError"),
}

INCOMING = {
    "http": [of("http.request", body=b"a", more_body=True), of("http.request", body=b"b", more_body=False)],
    "websocket": [CONNECTED, of("websocket.receive", text="hello"), of("websocket.disconnect", code=1001)],
}


# -- a server that notes down every message -----------------------------------------------------------------------


def make_scope(kind: str, log: Log) -> dict[str, Any]:
    scope = {"type": kind, "asgi": {"version": "3.0"}, "path": "/page", "headers": [(b"a", b"b")], "log": log}
    return scope | ({"method": "GET"} if kind == "http" else {})


class Server:
    """Serves one connection; everything that can be seen of it is in its log."""

    def __init__(self, kind: str, failing_send: int = -1) -> None:
        self.log: Log = []
        self.scope = make_scope(kind, self.log)
        self.incoming = [*INCOMING.get(kind, []), of("http.disconnect")]
        self.sends_left = failing_send
        self.started = False

    async def receive(self) -> dict[str, Any]:
        return self.incoming.pop(0)

    async def send(self, message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            if self.started:
                raise RuntimeError("started twice")
            self.started = True
        if self.sends_left == 0:
            raise ConnectionResetError("the client is gone")
        self.sends_left -= 1
        self.log.append((message["type"], message, id(message) if message in (START, PART, LAST) else None))

    async def serve(self, app: Any) -> None:
        try:
            self.log.append(await app(self.scope, self.receive, self.send))
        except BaseException as error:
            self.log.append(
                (type(error), repr(error.args), type(error.__cause__), type(error.__context__), frames_of(error))
            )


def frames_of(error: BaseException) -> list[tuple[str, int | None]]:
    """Where the error went through in this file, to the user's innermost frame."""
    return [(f.name, f.lineno) for f in traceback.extract_tb(error.__traceback__) if f.filename == __file__]
