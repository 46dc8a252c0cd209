"""Django under ASGI: async views, sync views on worker threads, both kinds of streams; installed as middleware."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import django
from asgiref.sync import async_to_sync, sync_to_async
from django.conf import settings
from django.core.handlers.asgi import ASGIHandler
from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.urls import path
from django.utils.decorators import async_only_middleware
from django.views import View

import reqcov
from tests.apps import shapes, shapes_async
from tests.apps.shapes_async import step, ticks, working
from tests.calls import Request
from tests.oracle import App, gate

settings.configure(
    ROOT_URLCONF=__name__,
    MIDDLEWARE=[f"{__name__}.stamping", f"{__name__}.stamping_in_sync"],
    SECRET_KEY="of no use",
    LOGGING_CONFIG=None,
    ALLOWED_HOSTS=["*"],
)


@async_only_middleware
def stamping(get_response: Any) -> Any:
    async def middleware(request: HttpRequest) -> HttpResponse:
        await asyncio.sleep(0)
        response: HttpResponse = await get_response(request)
        if response.status_code >= 400:
            response.headers["X-Sorry"] = "yes"
        return response

    return middleware


def stamping_in_sync(get_response: Any) -> Any:
    def middleware(request: HttpRequest) -> HttpResponse:
        response: HttpResponse = get_response(request)
        if request.method == "POST":
            response.headers["X-Posted"] = "yes"
        return response

    return middleware


async def warm(request: HttpRequest) -> HttpResponse:
    return HttpResponse("warm")


async def shape(request: HttpRequest, name: str, n: int) -> HttpResponse:
    return JsonResponse(await shapes_async.SHAPES[name](n), safe=False)


def shape_in_thread(request: HttpRequest, name: str, n: int) -> HttpResponse:
    return HttpResponse(repr(shapes.SHAPES[name](n)))


class Thing(View):
    async def get(self, request: HttpRequest) -> HttpResponse:
        await gate.wait_async()
        return HttpResponse("thing")

    async def post(self, request: HttpRequest) -> HttpResponse:
        await gate.wait_async()
        return HttpResponse(request.body.upper(), status=201)


async def streamed(request: HttpRequest, n: int) -> StreamingHttpResponse:
    async def chunks() -> AsyncIterator[str]:
        yield "begin"
        await gate.wait_async()
        async for tick in ticks(n):
            if tick % 2:
                continue
            yield str(tick)

    return StreamingHttpResponse(chunks())


async def there_and_back(request: HttpRequest, n: int) -> HttpResponse:
    await gate.wait_async()

    def there() -> int:
        result = working(n)
        return result + async_to_sync(step)(n)

    return HttpResponse(str(await sync_to_async(there)()))


def from_sync(request: HttpRequest, n: int) -> HttpResponse:
    gate.wait()
    return HttpResponse(str(async_to_sync(step)(n)))


def broken_in_thread(request: HttpRequest) -> HttpResponse:
    gate.wait()
    raise LookupError("broken")


async def broken(request: HttpRequest) -> HttpResponse:
    await gate.wait_async()
    raise LookupError("broken")


def missing(request: HttpRequest, exception: Exception) -> HttpResponse:
    gate.wait()
    return HttpResponse("nothing here", status=404)


def failed(request: HttpRequest) -> HttpResponse:
    return HttpResponse("sorry", status=500)


handler404 = missing
handler500 = failed
urlpatterns = [
    path("warm", warm),
    path("shapes/<name>/<int:n>", shape),
    path("threads/<name>/<int:n>", shape_in_thread),
    path("things", Thing.as_view()),
    path("streamed/<int:n>", streamed),
    path("there/<int:n>", there_and_back),
    path("from-sync/<int:n>", from_sync),
    path("broken", broken),
    path("broken-in-thread", broken_in_thread),
]


def make() -> ASGIHandler:
    django.setup(set_prefix=False)
    return ASGIHandler()


def install(handler: ASGIHandler, recorder: reqcov.Recorder) -> ASGIHandler:
    settings.REQCOV = {"recorder": recorder}
    settings.MIDDLEWARE.insert(0, "reqcov.adapters.django.CoverageMiddleware")
    handler.load_middleware(is_async=True)
    return handler


APP = App(
    protocol="asgi",
    source=["tests.apps"],
    make=make,
    install=install,
    warm_up=[Request("/warm")],
    requests=[
        *(Request(f"/shapes/{name}/{n}") for name, n in zip(shapes_async.SHAPES, [4, 2, 3] * 2, strict=True)),
        *(Request(f"/threads/{name}/{n}") for name, n in zip(shapes.SHAPES, [3, 6, 4, 5] * 4, strict=False)),
        Request("/things"),
        Request("/things", method="POST", body="hello", status=201),
        Request("/streamed/1"),
        Request("/streamed/4"),
        Request("/there/3"),
        Request("/from-sync/3"),
        Request("/broken", status=500),
        Request("/broken-in-thread", status=500),
        Request("/nowhere", status=404),
    ],
)
