"""The one Django site of this process: settings, views and routes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import django
from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.urls import include, path, re_path
from django.views import View
from django.views.static import serve

if not settings.configured:
    settings.configure(
        ROOT_URLCONF=__name__, SECRET_KEY="of no use", ALLOWED_HOSTS=["*"], LOGGING_CONFIG=None, MIDDLEWARE=[]
    )
    django.setup()


def home(request: HttpRequest) -> HttpResponse:
    return HttpResponse("home")


def item(request: HttpRequest, number: int) -> HttpResponse:
    return HttpResponse(f"item {number}")


async def coroutine(request: HttpRequest) -> HttpResponse:
    return HttpResponse("from a coroutine")


def order(request: HttpRequest, **names: str) -> HttpResponse:
    return HttpResponse(f"order {names}")


def fails(request: HttpRequest) -> HttpResponse:
    raise LookupError("no such thing")


async def fails_async(request: HttpRequest) -> HttpResponse:
    raise LookupError("no such thing")


def missing(request: HttpRequest) -> HttpResponse:
    raise Http404


def forbidden(request: HttpRequest) -> HttpResponse:
    raise PermissionDenied


def chunks() -> Iterator[bytes]:
    yield b"one "
    yield b"two"


async def async_chunks() -> AsyncIterator[bytes]:
    yield b"one "
    yield b"two"


def stream(request: HttpRequest) -> StreamingHttpResponse:
    return StreamingHttpResponse(chunks())


async def async_stream(request: HttpRequest) -> StreamingHttpResponse:
    return StreamingHttpResponse(async_chunks())


def broken_chunks() -> Iterator[bytes]:
    yield b"one "
    raise LookupError("no more")


async def broken_async_chunks() -> AsyncIterator[bytes]:
    yield b"one "
    raise LookupError("no more")


def broken_stream(request: HttpRequest) -> StreamingHttpResponse:
    return StreamingHttpResponse(broken_chunks())


async def broken_async_stream(request: HttpRequest) -> StreamingHttpResponse:
    return StreamingHttpResponse(broken_async_chunks())


class Basket(View):
    def get(self, request: HttpRequest, number: int) -> HttpResponse:
        return HttpResponse(f"basket {number}")

    def post(self, request: HttpRequest, number: int) -> HttpResponse:
        return HttpResponse("filled")


def failing_middleware(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
    def middleware(request: HttpRequest) -> HttpResponse:
        raise LookupError("no such thing")

    return middleware


orders = [
    path("<str:name>/", order),
    re_path(r"^(?P<name>\w+)/lines/(?P<line>\d+)/$", order),
]
urlpatterns = [
    path("", home),
    path("items/<int:number>/", item),
    path("coroutine", coroutine),
    path("fails", fails),
    path("fails-async", fails_async),
    path("raises-404", missing),
    path("forbidden", forbidden),
    path("stream", stream),
    path("async-stream", async_stream),
    path("broken-stream", broken_stream),
    path("broken-async-stream", broken_async_stream),
    path("basket/<int:number>", Basket.as_view()),
    path("shop/<tenant>/", include([path("orders/", include(orders))])),
    re_path(r"^files/(?P<path>.*)$", serve, {"document_root": Path(__file__).parent}),
]
