"""The adapter for Starlette."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from asgiref.testing import ApplicationCommunicator
from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint
from starlette.requests import Request
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Host, Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.websockets import WebSocket

import reqcov
from reqcov.adapters.starlette import CoverageMiddleware
from tests.adapters.contract import AdapterContract, Visit, lines_of
from tests.inprocess import get


async def home(request: Request) -> PlainTextResponse:
    return PlainTextResponse("home")


def item(request: Request) -> PlainTextResponse:
    return PlainTextResponse(f"item {request.path_params['number']}")


async def order(request: Request) -> PlainTextResponse:
    return PlainTextResponse(f"order {request.path_params}")


async def fails(request: Request) -> PlainTextResponse:
    raise LookupError("no such thing")


async def chunks() -> AsyncIterator[str]:
    yield "one "
    yield "two"


def sync_chunks() -> Iterator[str]:
    yield "three "
    yield "four"


async def stream(request: Request) -> StreamingResponse:
    return StreamingResponse(chunks())


async def sync_stream(request: Request) -> StreamingResponse:
    return StreamingResponse(sync_chunks())


class Basket(HTTPEndpoint):
    async def get(self, request: Request) -> PlainTextResponse:
        return PlainTextResponse("basket")

    def post(self, request: Request) -> PlainTextResponse:
        return PlainTextResponse("filled")


async def talk(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.send_text("hello")
    await websocket.close()


async def refuse(websocket: WebSocket) -> None:
    await websocket.close()


async def bare_app(scope: Any, receive: Any, send: Any) -> None:
    await PlainTextResponse("no routes")(scope, receive, send)


LINES = "/shop/{tenant}/orders/{name}/lines/{line:int}/"


def make_site() -> Starlette:
    orders = [Route("/{name}", order), Mount("/{name}/lines", routes=[Route("/{line:int}/", order)])]
    tenant = [Route("/", order), Mount("/orders", routes=orders), WebSocketRoute("/talk", talk)]
    return Starlette(
        routes=[
            Route("/", home),
            Route("/items/{number:int}", item, methods=["GET"]),
            Route("/fails", fails),
            Route("/stream", stream),
            Route("/sync-stream", sync_stream),
            Route("/basket/{number}", Basket),
            Mount("/shop/{tenant}", routes=tenant),
            Mount("/sub", app=Starlette(routes=[Route("/home", home), Mount("/deeper", routes=orders)])),
            Mount("/files", app=StaticFiles(directory=Path(__file__).parent), name="files"),
            Mount("/bare", app=bare_app),
            WebSocketRoute("/talk/{who}", talk),
            WebSocketRoute("/refuse", refuse),
            Host("other.example", app=Starlette(routes=[Route("/there", home)])),
        ]
    )


class TestStarlette(AdapterContract):
    kind = "asgi"
    status_of_errors = {"adapter": None}  # noqa: RUF012 - Starlette makes a 500 of an exception outside its middleware
    visits = [  # noqa: RUF012
        Visit("GET", "/", 200, "/", "home", (home,)),
        Visit("HEAD", "/", 200, "/", "home", (home,)),
        Visit("GET", "/items/7", 200, "/items/{number:int}", "item", (item,)),
        Visit("GET", "/items/seven", 404, None),
        Visit("POST", "/items/7", 405, "/items/{number:int}", "item"),
        Visit("GET", "/missing", 404, None),
        Visit("GET", "/shop/a/", 200, "/shop/{tenant}/", "order", (order,)),
        Visit("GET", "/shop/a/orders/b", 200, "/shop/{tenant}/orders/{name}", "order", (order,)),
        Visit("GET", "/shop/a/orders/b/lines/3/", 200, LINES, "order", (order,)),
        Visit("GET", "/shop/a/orders/b/lines/x/", 404, None),
        Visit("GET", "/shop/shop/orders/shop", 200, "/shop/{tenant}/orders/{name}", "order", (order,)),
        Visit("GET", "/sub/home", 200, "/sub/home", "home", (home,)),
        Visit("GET", "/sub/deeper/b", 200, "/sub/deeper/{name}", "order", (order,)),
        Visit("GET", "/sub/missing", 404, None),
        Visit("GET", "/fails", 500, "/fails", "fails", (fails,), "LookupError"),
        Visit("GET", "/stream", 200, "/stream", "stream", (stream, chunks)),
        Visit("GET", "/sync-stream", 200, "/sync-stream", "sync_stream", (sync_stream, sync_chunks)),
        Visit("GET", "/basket/1", 200, "/basket/{number}", "Basket", (Basket.get,)),
        Visit("POST", "/basket/1", 200, "/basket/{number}", "Basket", (Basket.post,)),
        Visit("PUT", "/basket/1", 405, "/basket/{number}", "Basket"),
        Visit("GET", "/files/test_flask.py", 200, "/files/{path}"),
        Visit("GET", "/bare/anything/at/all", 200, "/bare/{path}", None, (bare_app,)),
    ]

    def bare(self) -> Starlette:
        return make_site()

    def install(self, app: Starlette, **options: Any) -> Starlette:
        app.add_middleware(CoverageMiddleware, **options)
        return app

    def close(self, app: Any) -> None:
        middleware = app.middleware_stack if isinstance(app, Starlette) else app
        while not isinstance(middleware, CoverageMiddleware | reqcov.asgi.CoverageMiddleware):
            middleware = middleware.app
        middleware.recorder.close()

    def file(self) -> str:
        return __file__


@pytest.fixture
def sink() -> reqcov.MemorySink:
    return reqcov.MemorySink()


@pytest.fixture
def recorder(sink: reqcov.MemorySink, make_recorder: Callable[..., reqcov.Recorder]) -> reqcov.Recorder:
    return make_recorder(include=[__file__], sinks=[sink])


async def websocket(app: Any, path: str) -> list[str]:
    """The types of the messages that a websocket client gets."""
    scope = {"type": "websocket", "path": path, "raw_path": path.encode(), "headers": [], "query_string": b""}
    client = ApplicationCommunicator(app, scope)  # type: ignore[no-untyped-call]
    await client.send_input({"type": "websocket.connect"})
    got = [(await client.receive_output())["type"]]
    while got[-1] != "websocket.close":
        got.append((await client.receive_output())["type"])
    await client.wait()
    return got


@pytest.mark.parametrize(
    ("path", "route", "status", "view", "messages"),
    [
        ("/talk/me", "/talk/{who}", 101, talk, ["websocket.accept", "websocket.send", "websocket.close"]),
        ("/shop/a/talk", "/shop/{tenant}/talk", 101, talk, ["websocket.accept", "websocket.send", "websocket.close"]),
        ("/refuse", "/refuse", 403, refuse, ["websocket.close"]),
        ("/missing", None, 403, None, ["websocket.close"]),
    ],
)
def test_websockets(
    path: str,
    route: str | None,
    status: int,
    view: Any,
    messages: list[str],
    recorder: reqcov.Recorder,
    sink: reqcov.MemorySink,
) -> None:
    """They are recorded with their template, and with 101 or 403 as their status."""
    assert asyncio.run(websocket(reqcov.wrap(make_site(), recorder=recorder), path)) == messages
    [record] = sink.records
    assert (record.protocol, record.method, record.path) == ("websocket", "WEBSOCKET", path)
    assert (record.route, record.status) == (route, status)
    assert record.lines == ({__file__: lines_of(view)} if view else {})


def test_on_a_mounted_app_alone(recorder: reqcov.Recorder, sink: reqcov.MemorySink) -> None:
    """Middleware on the inner app alone records its requests, with the prefix under which it is mounted."""
    inner = Starlette(routes=[Route("/items/{number}", item)])
    inner.add_middleware(CoverageMiddleware, recorder=recorder)
    site = Starlette(routes=[Route("/", home), Mount("/api/{version}", app=inner)])
    for path in ("/", "/api/2/items/7", "/api/2/missing"):
        get("asgi", site, path)
    assert [(record.path, record.route) for record in sink.records] == [
        ("/api/2/items/7", "/api/{version}/items/{number}"),
        ("/api/2/missing", None),
    ]


def test_on_both_apps(recorder: reqcov.Recorder, sink: reqcov.MemorySink) -> None:
    """Outer and inner app recorded: one record, with the whole template."""
    inner = Starlette(routes=[Route("/items/{number}", item)])
    site = Starlette(routes=[Mount("/api", app=inner)])
    for app in (inner, site):
        app.add_middleware(CoverageMiddleware, recorder=recorder)
    get("asgi", site, "/api/items/7")
    assert [record.route for record in sink.records] == ["/api/items/{number}"]


def behind(app: Any) -> Any:
    """The app as a server calls it that was told of a prefix which a proxy strips."""

    async def outer(scope: Any, receive: Any, send: Any) -> None:
        await app(dict(scope, root_path="/prefix", path="/prefix" + scope["path"]), receive, send)

    return outer


def test_behind_a_proxy_that_strips_a_prefix(recorder: reqcov.Recorder, sink: reqcov.MemorySink) -> None:
    """The server's own root path is no mount, and no part of the template."""
    app = behind(reqcov.wrap(make_site(), recorder=recorder))
    for path in ("/items/7", "/shop/a/orders/b", "/missing"):
        get("asgi", app, path)
    assert [record.route for record in sink.records] == ["/items/{number:int}", "/shop/{tenant}/orders/{name}", None]


def test_with_a_starlette_that_does_not_tell_the_route(recorder: reqcov.Recorder, sink: reqcov.MemorySink) -> None:
    """As it was before Starlette put the route into the scope; one view may serve several routes."""
    site = make_site()
    site.router.routes.insert(0, Route("/again", home))

    async def old(scope: Any, receive: Any, send: Any) -> None:
        try:
            await site(scope, receive, send)
        finally:
            scope.pop("route", None)

    app = CoverageMiddleware(old, recorder=recorder)
    visits = [*TestStarlette.visits, Visit("GET", "/again", 200, "/again", "home")]
    for visit in visits:
        get("asgi", app, visit.path, visit.method)
    assert [record.route for record in sink.records] == [visit.route for visit in visits]


def test_by_host(recorder: reqcov.Recorder, sink: reqcov.MemorySink) -> None:
    """An app of another host has its own templates."""
    app = reqcov.wrap(make_site(), recorder=recorder)
    assert get("asgi", app, "/there", headers={"host": "other.example"}).text == "home"
    assert [(record.route, record.endpoint) for record in sink.records] == [("/there", f"{__name__}.home")]


@pytest.mark.parametrize(
    ("mounted", "route"),
    [(StaticFiles(directory=Path(__file__).parent), "/{path}"), (Starlette(routes=[Route("/x", home)]), None)],
)
def test_mounted_at_the_root(
    mounted: Any, route: str | None, recorder: reqcov.Recorder, sink: reqcov.MemorySink
) -> None:
    """Files there have a template, what an app there does not know has none."""
    app = reqcov.wrap(Starlette(routes=[Mount("/", app=mounted)]), recorder=recorder)
    get("asgi", app, "/test_flask.py")
    assert [record.route for record in sink.records] == [route]


def test_lifespan_passes_through(recorder: reqcov.Recorder, sink: reqcov.MemorySink) -> None:
    """Startup and shutdown are no requests."""

    async def run() -> list[str]:
        client = ApplicationCommunicator(reqcov.wrap(make_site(), recorder=recorder), {"type": "lifespan"})  # type: ignore[no-untyped-call]
        got = []
        for event in ("startup", "shutdown"):
            await client.send_input({"type": f"lifespan.{event}"})
            got.append((await client.receive_output())["type"])
        return got

    assert asyncio.run(run()) == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert sink.records == []
