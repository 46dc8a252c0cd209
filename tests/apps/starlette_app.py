"""Starlette: coroutine and thread endpoints, streams, background tasks, mounts, class endpoints, errors."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

from starlette.applications import Starlette
from starlette.background import BackgroundTasks
from starlette.endpoints import HTTPEndpoint
from starlette.exceptions import HTTPException
from starlette.requests import Request as HTTPRequest
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Mount, Route

from tests.apps import shapes, shapes_async
from tests.apps.shapes_async import step, ticks, working
from tests.calls import Request
from tests.oracle import App, gate


async def warm(request: HTTPRequest) -> Response:
    return PlainTextResponse("warm")


async def shape(request: HTTPRequest) -> Response:
    function = shapes_async.SHAPES[request.path_params["name"]]
    return JSONResponse(await function(request.path_params["n"]))


def shape_in_thread(request: HTTPRequest) -> Response:
    function = shapes.SHAPES[request.path_params["name"]]
    return PlainTextResponse(repr(function(request.path_params["n"])))


class Thing(HTTPEndpoint):
    def get(self, request: HTTPRequest) -> Response:
        gate.wait()
        return PlainTextResponse("thing")

    async def post(self, request: HTTPRequest) -> Response:
        data = await request.json()
        await gate.wait_async()
        if not data:
            return JSONResponse({"error": "empty"}, 400)
        return JSONResponse(data, 201)


async def streamed(request: HTTPRequest) -> Response:
    n = request.path_params["n"]

    async def chunks() -> Any:
        yield "begin"
        await gate.wait_async()
        async for tick in ticks(n):
            if tick % 2:
                continue
            yield str(tick)

    return StreamingResponse(chunks())


def streamed_from_threads(request: HTTPRequest) -> Response:
    n = request.path_params["n"]

    def chunks() -> Iterator[str]:
        yield "begin"
        gate.wait()
        for i in range(n):
            if i % 2:
                yield str(i)
        if n > 3:
            yield "end"

    return StreamingResponse(chunks())


async def later(request: HTTPRequest) -> Response:
    n = request.path_params["n"]
    tasks = BackgroundTasks()
    tasks.add_task(step, n)
    tasks.add_task(working, n)
    tasks.add_task(lambda: gate.wait())
    return PlainTextResponse("later", background=tasks)


async def broken(request: HTTPRequest) -> Response:
    await asyncio.sleep(0)
    await gate.wait_async()
    raise LookupError("broken")


async def refused(request: HTTPRequest) -> Response:
    raise HTTPException(403, "refused")


async def refusal(request: HTTPRequest, error: Exception) -> Response:
    await gate.wait_async()
    return PlainTextResponse("refused", 403)


def missing(request: HTTPRequest, error: Exception) -> Response:
    gate.wait()
    return PlainTextResponse("nothing here", 404)


def make() -> Starlette:
    return Starlette(
        routes=[
            Route("/warm", warm),
            Route("/shapes/{name}/{n:int}", shape),
            Route("/things", Thing),
            Route("/streamed/{n:int}", streamed),
            Route("/later/{n:int}", later),
            Route("/broken", broken),
            Route("/refused", refused),
            Mount(
                "/threads",
                routes=[
                    Route("/{name}/{n:int}", shape_in_thread),
                    Route("/streamed/in/{n:int}", streamed_from_threads),
                ],
            ),
        ],
        exception_handlers={403: refusal, 404: missing},
    )


APP = App(
    protocol="asgi",
    source=["tests.apps"],
    make=make,
    warm_up=[Request("/warm")],
    requests=[
        *(Request(f"/shapes/{name}/{n}") for name, n in zip(shapes_async.SHAPES, [2, 3, 4] * 2, strict=True)),
        *(Request(f"/threads/{name}/{n}") for name, n in zip(shapes.SHAPES, [4, 5, 3, 6] * 4, strict=False)),
        Request("/things"),
        Request("/things", method="POST", body="[1]", status=201),
        Request("/things", method="POST", body="[]", status=400),
        Request("/streamed/1"),
        Request("/streamed/4"),
        Request("/threads/streamed/in/2"),
        Request("/threads/streamed/in/5"),
        Request("/later/3"),
        Request("/broken", status=None),
        Request("/refused", status=403),
        Request("/nowhere", status=404),
    ],
)
