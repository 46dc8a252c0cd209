"""The adapter for Django, under WSGI and under ASGI."""

from __future__ import annotations

import asyncio
import gc
import warnings
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.test import AsyncClient, Client, override_settings

import reqcov
from reqcov.adapters import django as adapter
from tests.adapters import django_site
from tests.adapters.contract import AdapterContract, Visit, lines_of
from tests.adapters.django_site import (
    Basket,
    async_chunks,
    async_stream,
    broken_chunks,
    chunks,
    coroutine,
    fails,
    fails_async,
    forbidden,
    home,
    item,
    missing,
    order,
    stream,
)
from tests.inprocess import get, seen

MIDDLEWARE = "reqcov.adapters.django.CoverageMiddleware"


@pytest.fixture(autouse=True)
def no_recorder_of_the_process() -> Iterator[None]:
    """The adapter keeps one recorder a process; here it is one a test."""
    adapter.the_recorder.cache_clear()
    yield
    adapter.the_recorder.cache_clear()


def install(handler: Any, *others: str, **options: Any) -> Any:
    """The handler as it is with the middleware in its settings."""
    with override_settings(MIDDLEWARE=[MIDDLEWARE, *others], REQCOV=options):
        handler.load_middleware(is_async=isinstance(handler, ASGIHandler))
    return handler


LINES = r"/shop/<tenant>/orders/(?P<name>\w+)/lines/(?P<line>\d+)/$"


class DjangoContract(AdapterContract):
    handler: ClassVar[type]
    visits = [  # noqa: RUF012
        Visit("GET", "/", 200, "/", "home", (home,)),
        Visit("HEAD", "/", 200, "/", "home", (home,)),
        Visit("GET", "/items/7/", 200, "/items/<int:number>/", "item", (item,)),
        Visit("GET", "/items/seven/", 404, None),
        Visit("GET", "/coroutine", 200, "/coroutine", "coroutine", (coroutine,)),
        Visit("GET", "/missing", 404, None),
        Visit("GET", "/raises-404", 404, "/raises-404", "missing", (missing,)),
        Visit("GET", "/forbidden", 403, "/forbidden", "forbidden", (forbidden,)),
        Visit("GET", "/shop/a/orders/b/", 200, "/shop/<tenant>/orders/<str:name>/", "order", (order,)),
        Visit("GET", "/shop/a/orders/b/lines/3/", 200, LINES, "order", (order,)),
        Visit("GET", "/fails", 500, "/fails", "fails", (fails,), "LookupError"),
        Visit("GET", "/fails-async", 500, "/fails-async", "fails_async", (fails_async,), "LookupError"),
        Visit("GET", "/basket/1", 200, "/basket/<int:number>", "Basket", (Basket.get,)),
        Visit("POST", "/basket/1", 200, "/basket/<int:number>", "Basket", (Basket.post,)),
        Visit("PUT", "/basket/1", 405, "/basket/<int:number>", "Basket"),
    ]

    def bare(self) -> Any:
        return self.handler()

    def install(self, app: Any, **options: Any) -> Any:
        return install(app, **options)

    def close(self, app: Any) -> None:
        recorder = adapter.the_recorder() if isinstance(app, self.handler) else app.recorder
        recorder.close()

    def file(self) -> str:
        return django_site.__file__

    def site(self, name: str) -> str:
        return name if name.startswith("django.") else f"{django_site.__name__}.{name}"


class TestDjangoUnderWSGI(DjangoContract):
    kind = "wsgi"
    handler = WSGIHandler
    visits = [  # noqa: RUF012
        *DjangoContract.visits,
        Visit("GET", "/stream", 200, "/stream", "stream", (stream, chunks)),
        Visit("GET", "/files/test_flask.py", 200, "/files/(?P<path>.*)$", "django.views.static.serve"),
    ]


class TestDjangoUnderASGI(DjangoContract):
    kind = "asgi"
    handler = ASGIHandler
    visits = [  # noqa: RUF012
        *DjangoContract.visits,
        Visit("GET", "/async-stream", 200, "/async-stream", "async_stream", (async_stream, async_chunks)),
    ]


@pytest.fixture
def sink() -> reqcov.MemorySink:
    return reqcov.MemorySink()


@pytest.fixture
def recorder(sink: reqcov.MemorySink, make_recorder: Callable[..., reqcov.Recorder]) -> reqcov.Recorder:
    return make_recorder(include=[django_site.__file__], sinks=[sink])


def test_the_test_client(recorder: reqcov.Recorder, sink: reqcov.MemorySink) -> None:
    """Django's own client goes through the middleware; an exception reaches it, and is recorded."""
    with override_settings(MIDDLEWARE=[MIDDLEWARE], REQCOV={"recorder": recorder}):
        assert Client().get("/items/7/").content == b"item 7"
        with pytest.raises(LookupError):
            Client().get("/fails")
        assert b"".join(Client().get("/stream")) == b"one two"
    assert [(record.route, record.error) for record in sink.records] == [
        ("/items/<int:number>/", None),
        ("/fails", "LookupError"),
        ("/stream", None),
    ]
    assert sink.records[0].lines == {django_site.__file__: lines_of(item)}


def test_the_asynchronous_test_client(recorder: reqcov.Recorder, sink: reqcov.MemorySink) -> None:
    """The same with the client for async code."""

    async def visit() -> None:
        client = AsyncClient()
        assert (await client.get("/coroutine")).content == b"from a coroutine"
        response = await client.get("/async-stream")
        assert b"".join([chunk async for chunk in response.streaming_content]) == b"one two"
        response.close()

    with override_settings(MIDDLEWARE=[MIDDLEWARE], REQCOV={"recorder": recorder}):
        asyncio.run(visit())
    assert [record.route for record in sink.records] == ["/coroutine", "/async-stream"]
    assert sink.records[1].lines == {django_site.__file__: lines_of(async_stream) | lines_of(async_chunks)}


@pytest.mark.parametrize("way", ["adapter", "wrap"])
@pytest.mark.parametrize("handler", [WSGIHandler, ASGIHandler])
def test_middleware_that_raises(way: str, handler: Any, recorder: reqcov.Recorder, sink: reqcov.MemorySink) -> None:
    """An exception of other middleware is recorded as well as one of a view."""
    kind = "wsgi" if handler is WSGIHandler else "asgi"
    failing = f"{django_site.__name__}.failing_middleware"
    app = install(handler(), failing, recorder=recorder)
    if way == "wrap":
        with override_settings(MIDDLEWARE=[failing]):
            app = reqcov.wrap(handler(), recorder=recorder)
    assert get(kind, app, "/").status_code == 500
    assert [(record.status, record.error) for record in sink.records] == [(500, "LookupError")]


@pytest.mark.parametrize("handler", [WSGIHandler, ASGIHandler])
def test_a_stream_that_breaks(handler: Any, recorder: reqcov.Recorder, sink: reqcov.MemorySink) -> None:
    """The client sees what it saw without us, and the record names the exception."""
    kind, path = ("wsgi", "/broken-stream") if handler is WSGIHandler else ("asgi", "/broken-async-stream")
    app = install(handler(), recorder=recorder)

    def visit(app: Any) -> Any:
        try:
            return seen(get(kind, app, path))
        except LookupError as error:
            return repr(error)

    with warnings.catch_warnings():  # Django 5.2 forgets to close the file of the request's body then
        warnings.simplefilter("ignore", ResourceWarning)
        assert visit(app) == visit(handler())
        gc.collect()
    [record] = sink.records
    assert (record.error, record.status) == ("LookupError", 200)
    if kind == "wsgi":
        assert record.lines[django_site.__file__] >= lines_of(broken_chunks)


def test_one_recorder_for_all_handlers(sink: reqcov.MemorySink) -> None:
    """Handlers and test clients that are made anew share the recorder that the settings describe."""
    with override_settings(MIDDLEWARE=[MIDDLEWARE], REQCOV={"include": [django_site.__file__], "sinks": [sink]}):
        for _ in range(2):
            Client().get("/")
            get("wsgi", WSGIHandler(), "/")
        adapter.the_recorder().close()
    assert [record.lines for record in sink.records] == [{django_site.__file__: lines_of(home)}] * 4


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"sample": 2}, "REQCOV: sample must be a number from 0 to 1, not 2"),
        ({"sauce": ["shop"]}, "REQCOV: .*sauce"),
        (["shop"], r"REQCOV must be a dictionary of options, not \['shop'\]"),
    ],
)
def test_unusable_settings(options: Any, said: str) -> None:
    """Django is told in its own way, when it starts."""
    with (
        override_settings(MIDDLEWARE=[MIDDLEWARE], REQCOV=options),
        pytest.raises(ImproperlyConfigured, match=said),
    ):
        WSGIHandler()
