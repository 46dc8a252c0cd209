"""ASGI without a framework: answers in one piece and in many, a body that is read, errors before and in the body."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from tests.apps.shapes_async import SHAPES, ticks
from tests.calls import Request
from tests.oracle import App, gate


async def answer(send: Any, status: int, *chunks: bytes) -> None:
    await send({"type": "http.response.start", "status": status, "headers": []})
    for chunk in chunks:
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body"})


async def body_of(receive: Any) -> bytes:
    body, more = b"", True
    while more:
        message = await receive()
        body += message["body"]
        more = message["more_body"]
    return body


async def streamed(send: Any, n: int) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await gate.wait_async()
    async with contextlib.aclosing(ticks(n)) as chunks:
        async for tick in chunks:
            await send({"type": "http.response.body", "body": str(tick).encode(), "more_body": True})
            if tick > 3:
                raise ValueError("in the middle of the body")
    await send({"type": "http.response.body"})


async def app(scope: Any, receive: Any, send: Any) -> None:
    _, kind, *rest = scope["path"].split("/")
    n = int(rest[-1]) if rest else 0
    match kind:
        case "warm":
            await answer(send, 200)
        case "shapes":
            await answer(send, 200, repr(await SHAPES[rest[0]](n)).encode())
        case "streamed":
            await streamed(send, n)
        case "echo":
            body = await body_of(receive)
            await gate.wait_async()
            await answer(send, 201, body.upper(), b"end")
        case "later":
            await gate.wait_async()
            await answer(send, 202)
            await asyncio.sleep(0)
            [await asyncio.sleep(0) for _ in range(n)]
        case "broken":
            await gate.wait_async()
            raise LookupError(kind)
        case _:
            await gate.wait_async()
            await answer(send, 404, b"nothing here")


APP = App(
    protocol="asgi",
    source=["tests.apps"],
    make=lambda: app,
    warm_up=[Request("/warm")],
    requests=[
        *(Request(f"/shapes/{name}/{n}") for name in SHAPES for n in (2, 3, 4)),
        Request("/streamed/2"),
        Request("/streamed/3"),
        Request("/streamed/6", status=None),
        Request("/echo/1", method="POST", body="hello", status=201),
        Request("/later/3", status=202),
        Request("/broken/1", status=None),
        Request("/nowhere/1", status=404),
    ],
)
