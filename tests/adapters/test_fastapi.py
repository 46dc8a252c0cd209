"""The adapter for FastAPI."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Depends, FastAPI, HTTPException, WebSocket
from fastapi.responses import StreamingResponse
from fastapi.staticfiles import StaticFiles

import reqcov
from reqcov.adapters.fastapi import CoverageMiddleware
from tests.adapters.contract import AdapterContract, Visit, lines_of
from tests.adapters.test_starlette import TestStarlette as StarletteContract
from tests.adapters.test_starlette import behind, websocket
from tests.inprocess import get


async def home() -> str:
    return "home"


def item(number: int) -> dict[str, int]:
    return {"item": number}


async def order(name: str) -> str:
    return f"order {name}"


async def user() -> str:
    return "me"


async def mine(who: Annotated[str, Depends(user)], name: str = "") -> str:
    return f"{who} {name}"


async def fails() -> str:
    raise LookupError("no such thing")


async def gone() -> str:
    raise HTTPException(410)


async def chunks() -> AsyncIterator[str]:
    yield "one "
    yield "two"


async def stream() -> StreamingResponse:
    return StreamingResponse(chunks())


async def talk(socket: WebSocket) -> None:
    await socket.accept()
    await socket.send_text("hello")
    await socket.close()


def make_site() -> FastAPI:
    orders = APIRouter(prefix="/orders")
    orders.add_api_route("/{name}", order)
    orders.add_api_route("/", mine, methods=["GET", "POST"])
    orders.add_api_websocket_route("/{name}/talk", talk)
    shop = APIRouter(prefix="/shop/{tenant}")
    shop.include_router(orders, prefix="/v2")
    sub = FastAPI()
    sub.add_api_route("/items/{number}", item)
    sub.include_router(orders, prefix="/in")
    app = FastAPI()
    app.add_api_route("/", home)
    app.add_api_route("/items/{number}", item)
    app.add_api_route("/fails", fails)
    app.add_api_route("/gone", gone)
    app.add_api_route("/stream", stream)
    app.add_api_websocket_route("/talk", talk)
    app.include_router(shop)
    app.include_router(orders, prefix="/all")
    app.mount("/sub/{tenant}", sub)
    app.mount("/files", StaticFiles(directory=Path(__file__).parent))
    return app


class TestFastAPI(AdapterContract):
    kind = "asgi"
    status_of_errors = StarletteContract.status_of_errors
    visits = [  # noqa: RUF012
        Visit("GET", "/", 200, "/", "home", (home,)),
        Visit("GET", "/items/7", 200, "/items/{number}", "item", (item,)),
        Visit("GET", "/items/seven", 422, "/items/{number}", "item"),
        Visit("POST", "/items/7", 405, "/items/{number}", "item"),
        Visit("GET", "/missing", 404, None),
        Visit("GET", "/all/orders/b", 200, "/all/orders/{name}", "order", (order,)),
        Visit("GET", "/shop/a/v2/orders/b", 200, "/shop/{tenant}/v2/orders/{name}", "order", (order,)),
        Visit("GET", "/shop/a/v2/orders/", 200, "/shop/{tenant}/v2/orders/", "mine", (mine, user)),
        Visit("POST", "/shop/a/v2/orders/", 200, "/shop/{tenant}/v2/orders/", "mine", (mine, user)),
        Visit("GET", "/shop/a/v3/orders/", 404, None),
        Visit("GET", "/sub/a/items/7", 200, "/sub/{tenant}/items/{number}", "item", (item,)),
        Visit("GET", "/sub/a/in/orders/b", 200, "/sub/{tenant}/in/orders/{name}", "order", (order,)),
        Visit("GET", "/sub/a/missing", 404, None),
        Visit("GET", "/fails", 500, "/fails", "fails", (fails,), "LookupError"),
        Visit("GET", "/gone", 410, "/gone", "gone", (gone,)),
        Visit("GET", "/stream", 200, "/stream", "stream", (stream, chunks)),
        Visit("GET", "/files/test_flask.py", 200, "/files/{path}"),
    ]

    def bare(self) -> FastAPI:
        return make_site()

    def install(self, app: FastAPI, **options: Any) -> FastAPI:
        app.add_middleware(CoverageMiddleware, **options)
        return app

    close = StarletteContract.close

    def file(self) -> str:
        return __file__


@pytest.fixture
def sink() -> reqcov.MemorySink:
    return reqcov.MemorySink()


@pytest.fixture
def recorder(sink: reqcov.MemorySink, make_recorder: Callable[..., reqcov.Recorder]) -> reqcov.Recorder:
    return make_recorder(include=[__file__], sinks=[sink])


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/talk", "/talk"),
        ("/all/orders/b/talk", "/all/orders/{name}/talk"),
        ("/shop/a/v2/orders/b/talk", "/shop/{tenant}/v2/orders/{name}/talk"),
        ("/sub/a/in/orders/b/talk", "/sub/{tenant}/in/orders/{name}/talk"),
    ],
)
def test_websockets(path: str, route: str, recorder: reqcov.Recorder, sink: reqcov.MemorySink) -> None:
    """Their templates have the prefixes of the routers too."""
    app = reqcov.wrap(make_site(), recorder=recorder)
    assert asyncio.run(websocket(app, path)) == ["websocket.accept", "websocket.send", "websocket.close"]
    [record] = sink.records
    assert (record.context, record.status, record.lines) == (f"WEBSOCKET {route}", 101, {__file__: lines_of(talk)})


def test_on_a_mounted_app_alone(recorder: reqcov.Recorder, sink: reqcov.MemorySink) -> None:
    """Middleware on the inner app alone records its requests, with the prefix under which it is mounted."""
    router = APIRouter(prefix="/orders")
    router.add_api_route("/{name}", order)
    inner, outer = FastAPI(), FastAPI()
    inner.include_router(router)
    inner.add_middleware(CoverageMiddleware, recorder=recorder)
    outer.add_api_route("/", home)
    outer.mount("/api", inner)
    for path in ("/", "/api/orders/b"):
        get("asgi", outer, path)
    assert [record.route for record in sink.records] == ["/api/orders/{name}"]


def test_behind_a_proxy_that_strips_a_prefix(recorder: reqcov.Recorder, sink: reqcov.MemorySink) -> None:
    """The server's own root path is no part of the template."""
    for path in ("/items/7", "/shop/a/v2/orders/b", "/sub/a/items/7"):
        assert get("asgi", behind(reqcov.wrap(make_site(), recorder=recorder)), path).status_code == 200
    assert [record.route for record in sink.records] == [
        "/items/{number}",
        "/shop/{tenant}/v2/orders/{name}",
        "/sub/{tenant}/items/{number}",
    ]


def test_files_at_the_root(recorder: reqcov.Recorder, sink: reqcov.MemorySink) -> None:
    """A single-page app is often mounted there."""
    app = FastAPI()
    app.add_api_route("/items/{number}", item)
    app.mount("/", StaticFiles(directory=Path(__file__).parent))
    for path in ("/test_flask.py", "/items/7"):
        get("asgi", reqcov.wrap(app, recorder=recorder), path)
    assert [record.route for record in sink.records] == ["/{path}", "/items/{number}"]
