"""Settings, views and apps that Django serves in test_servers.py: every view runs lines of its own."""

from __future__ import annotations

import functools
import io
import os
from collections.abc import AsyncIterator, Iterator
from typing import Any

import django
from django.conf import settings
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.http import FileResponse, HttpRequest, HttpResponse, StreamingHttpResponse
from django.urls import path

from tests.served import FOLDER, recorder_of
from tests.servers import meet

SECRET_KEY = "not a secret"
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "tests.served_django"
WSGI_APPLICATION = "tests.served_django.wsgi"
MIDDLEWARE = ["reqcov.adapters.django.CoverageMiddleware"]
if "SERVED_FOLDER" in os.environ:
    REQCOV = {"recorder": recorder_of(__file__)}


def plain(request: HttpRequest, who: str) -> HttpResponse:
    body = request.method or ""
    return HttpResponse(body)


async def coroutine(request: HttpRequest, who: str) -> HttpResponse:
    body = "from a coroutine"
    return HttpResponse(body)


def stream(request: HttpRequest, who: str) -> StreamingHttpResponse:
    body = chunks()
    return StreamingHttpResponse(body)


def chunks() -> Iterator[bytes]:
    yield b"one,"
    yield b"two,"
    yield b"x" * 100_000


class Body:
    """A streamed body with a `close()`, which leaves a mark."""

    def __iter__(self) -> Iterator[bytes]:
        yield b"one,"
        yield b"two"

    def close(self) -> None:
        with (FOLDER / "closed").open("a") as file:
            file.write("closed\n")


def closing(request: HttpRequest, who: str) -> StreamingHttpResponse:
    body = Body()
    return StreamingHttpResponse(body)


async def astream(request: HttpRequest, who: str) -> StreamingHttpResponse:
    body = achunks()
    return StreamingHttpResponse(body)


async def achunks() -> AsyncIterator[bytes]:
    yield b"one,"
    yield b"two,"
    yield b"x" * 100_000


def file(request: HttpRequest, who: str) -> FileResponse:
    content = io.BytesIO(b"line\n" * 10_000)
    return FileResponse(content, filename="lines.txt")


def fail(request: HttpRequest, who: str) -> HttpResponse:
    message = "on purpose"
    raise LookupError(message)


def left(request: HttpRequest, who: str) -> HttpResponse:
    meet(FOLDER, f"left {who}", f"right {who}")
    body = f"{os.getpid()}"
    meet(FOLDER, f"left again {who}", f"right again {who}")
    return HttpResponse(body)


def right(request: HttpRequest, who: str) -> HttpResponse:
    meet(FOLDER, f"right {who}", f"left {who}")
    body = f"{os.getpid()}"
    meet(FOLDER, f"right again {who}", f"left again {who}")
    return HttpResponse(body)


VIEWS = (plain, coroutine, stream, closing, astream, file, fail, left, right)
urlpatterns = [path(f"{view.__name__}/<who>", view) for view in VIEWS]


@functools.cache
def handlers(kind: Any) -> tuple[Any, Any]:
    """One with reqcov's middleware, and one without for requests that ask for that."""
    django.setup()
    settings.MIDDLEWARE = []
    bare = kind()
    settings.MIDDLEWARE = MIDDLEWARE
    return kind(), bare


def wsgi(environ: dict[str, Any], start_response: Any) -> Any:
    wrapped, bare = handlers(WSGIHandler)
    return (bare if "HTTP_BARE" in environ else wrapped)(environ, start_response)


async def asgi(scope: Any, receive: Any, send: Any) -> None:
    wrapped, bare = handlers(ASGIHandler)
    asked = any(name == b"bare" for name, _ in scope.get("headers", ()))
    await (bare if asked else wrapped)(scope, receive, send)
