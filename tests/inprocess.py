"""Apps of both kinds around one function, and a real HTTP client that calls them without a socket."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import httpx

KINDS = ("wsgi", "asgi")

Handler = Callable[[], bytes]


def make_app(kind: str, handler: Handler) -> Any:
    """An app that answers every request with what `handler` returns, or raises what it raises."""
    return _wsgi_app(handler) if kind == "wsgi" else _asgi_app(handler)


def _wsgi_app(handler: Handler) -> Any:
    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        body = handler()
        start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
        return [body]

    return app


def _asgi_app(handler: Handler) -> Any:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        body = handler()
        headers = [(b"content-type", b"text/plain"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return app


def get(kind: str, app: Any, path: str = "/", method: str = "GET", **options: Any) -> httpx.Response:
    """The answer of `app` to one request."""
    if kind == "wsgi":
        with httpx.Client(transport=httpx.WSGITransport(app=app), base_url="http://site") as client:
            return client.request(method, path, **options)
    return asyncio.run(_get_async(app, path, method, options))


async def _get_async(app: Any, path: str, method: str, options: dict[str, Any]) -> httpx.Response:
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://site") as client:
        return await client.request(method, path, **options)


def first_line(function: Callable[..., Any]) -> int:
    """The line of the first statement of a function whose `def` takes one line, and that has no docstring."""
    return function.__code__.co_firstlineno + 1


def seen(answer: httpx.Response) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    """All that a client sees of an answer."""
    return answer.status_code, answer.headers.raw, answer.content
