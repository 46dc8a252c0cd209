"""The apps with a store that real servers serve: each request leaves a line in a log before it is answered."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import reqcov
from reqcov.store.writer import StoreSink

FOLDER = Path(os.environ.get("SERVED_FOLDER", "."))
"""Where the server and the test leave each other files."""

STORE = "kept/store.sqlite3"

NEVER = 60.0
"""Seconds between two batches: what is in the store all the same was written because the process ended."""


SOON = 0.1
"""Seconds between two batches, where a test waits for them."""


def note(path: str) -> None:
    """One write, in one piece: a process that is killed leaves a whole line or none."""
    log = os.open(FOLDER / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(log, f"{os.getpid()} {time.monotonic()} {path}\n".encode())
    os.close(log)


def left(path: str) -> bytes:
    return f"left {path}".encode()


def right(path: str) -> bytes:
    return f"right {path}".encode()


def answer(path: str) -> bytes:
    body = left(path) if path.startswith("/left") else right(path)
    note(path)
    return body


def bare(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    body = answer(environ["PATH_INFO"])
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]


async def asgi_bare(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        while (message := await receive())["type"] == "lifespan.startup":
            await send({"type": "lifespan.startup.complete"})
        await send({"type": message["type"] + ".complete"})
        return
    body = answer(scope["path"])
    headers = [(b"content-type", b"text/plain"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def wrapped(app: Any) -> Any:
    return reqcov.wrap(app, include=[__file__], store=FOLDER / STORE)


def wsgi() -> Any:
    """Writes now and then, as everywhere."""
    return wrapped(bare)


def patient_wsgi() -> Any:
    """Writes at the end."""
    StoreSink.interval = NEVER
    return wsgi()


def patient_asgi() -> Any:
    """Writes at the end."""
    StoreSink.interval = NEVER
    return wrapped(asgi_bare)


def quick_wsgi() -> Any:
    """Writes more often than usual."""
    StoreSink.interval = SOON
    return wsgi()


def quick_asgi() -> Any:
    """Writes more often than usual."""
    StoreSink.interval = SOON
    return wrapped(asgi_bare)
