"""Mounts the live pages in an app, whatever that is made with."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any
from urllib.parse import quote

from asgiref.sync import ThreadSensitiveContext
from asgiref.wsgi import WsgiToAsgi

from reqcov.asgi import single_callable
from reqcov.errors import ConfigError
from reqcov.types import ASGIApp, Environ, Message, Receive, Scope, Send
from reqcov.ui.exchange import LONGEST_BODY, SAFE
from reqcov.wrapper import protocol


def mount(app: Any, prefix: str, pages: Callable[..., Iterable[bytes]]) -> Any:
    """An app of the same kind as `app`, WSGI or ASGI, that answers what is below `prefix` with `pages`.

    Everything else goes to `app` as it came. Raises ConfigError where the prefix names nothing, or `app` is no app.
    """
    prefix = "/" + prefix.strip("/")
    if prefix == "/":
        raise ConfigError("The pages need a prefix of their own, such as '/reqcov'.")
    return _in_asgi(app, prefix, pages) if protocol(app) == "asgi" else _in_wsgi(app, prefix, pages)


def _in_wsgi(app: Any, prefix: str, pages: Any) -> Any:
    prefix = prefix.encode().decode("latin-1")

    def mounted(environ: Environ, start_response: Callable[..., Any]) -> Any:
        path: str = environ.get("PATH_INFO", "")
        if not within(path, prefix):
            return app(environ, start_response)
        script = environ.get("SCRIPT_NAME", "").rstrip("/")
        return pages({**environ, "SCRIPT_NAME": script + prefix, "PATH_INFO": path[len(prefix) :]}, start_response)

    return mounted


def _in_asgi(app: Any, prefix: str, pages: Any) -> Any:
    app, answer = single_callable(app), as_asgi(pages)

    async def mounted(scope: Scope, receive: Receive, send: Send) -> Any:
        if scope["type"] != "http":
            return await app(scope, receive, send)
        root: str = scope.get("root_path", "").rstrip("/")
        path: str = scope["path"].removeprefix(root) if within(scope["path"], root) else scope["path"]
        if not within(path, prefix):
            return await app(scope, receive, send)
        root += prefix
        return await answer({**scope, "root_path": root, "path": root + path[len(prefix) :]}, receive, send)

    return mounted


def as_asgi(pages: Callable[..., Iterable[bytes]]) -> ASGIApp:
    """The pages as an ASGI app, for what a framework mounts by itself."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        messages: list[Message] = []
        prefix, path = split(scope)

        def mounted(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
            script = prefix.encode().decode("latin-1")
            return pages({**environ, "SCRIPT_NAME": script, "wsgi.input_terminated": True}, start_response)

        async def keep(message: Message) -> None:
            messages.append(message)

        # Versions of asgiref differ in what they take from a path that holds the prefix.
        headers, query = with_one_cookie_header(scope["headers"]), quote(scope["query_string"], safe=SAFE).encode()
        scope = {**scope, "root_path": "", "path": path, "headers": headers, "query_string": query}
        app = WsgiToAsgi(mounted)  # type: ignore[no-untyped-call]
        async with ThreadSensitiveContext():  # while a page is made, synchronous code of the app goes on elsewhere
            with suppress(Gone):
                await app(scope, short(receive), keep)
        # Not from the thread: servers would go on reading from the connection in the context that asgiref makes there,
        # and the next request would be sent to that thread, which has ended.
        for message in messages:
            await send(message)

    return answer


def split(scope: Scope) -> tuple[str, str]:
    """The prefix below which an ASGI app is mounted, and the path below that."""
    root, path = scope.get("root_path", "").rstrip("/"), scope["path"]
    # Where a proxy takes away what the app was told, only the framework's mount is in the path; Starlette tells both.
    mount = root.removeprefix(scope.get("app_root_path", "").rstrip("/"))
    for prefix in (root, mount):
        if within(path, prefix):
            return root, path[len(prefix) :]
    return root, path


def with_one_cookie_header(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Over HTTP/2 each cookie may come in a header of its own; asgiref would put commas between them."""
    headers = list(headers)
    cookies = [value for name, value in headers if name == b"cookie"]
    rest = [(name, value) for name, value in headers if name != b"cookie"]
    return [*rest, (b"cookie", b"; ".join(cookies))] if cookies else rest


class Gone(Exception):
    """Who asks has left before all was said: asgiref would have the server log that as a fault of the app."""


def short(receive: Receive) -> Receive:
    """Of a body, no more than it takes to see that it is too long: asgiref keeps all that anybody sends."""
    left = LONGEST_BODY + 1

    async def receive_some() -> Message:
        nonlocal left
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Gone
        body = message.get("body", b"")[:left]
        left -= len(body)
        return {**message, "body": body, "more_body": left > 0 and message.get("more_body", False)}

    return receive_some


def within(path: str, prefix: str) -> bool:
    """Whether a path is the prefix, or below it."""
    return path == prefix or path.startswith(prefix + "/")
