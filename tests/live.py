"""Stores with pages, and real servers for them on threads of this process."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx
import uvicorn
import waitress
from waitress import wasyncore

import reqcov.ui
from tests.stores import Project, Request, Server

TOKEN = "correct horse battery"

PATIENCE = 30.0
"""Seconds that an answer may take; reached only by a broken test."""


def filled(folder: Path, *requests: Request) -> Path:
    """A store with a few requests."""
    store = folder / "store.sqlite3"
    Server(Project(folder / "project")).serve(store, *(requests or (Request("/orders"), Request("/health"))))
    return store


def served(app: Any, kind: str = "wsgi") -> AbstractContextManager[int]:
    """The port of a server that runs the app meanwhile: waitress, or uvicorn for `asgi`."""
    return uvicorn_of(app) if kind == "asgi" else waitress_of(app)


@contextlib.contextmanager
def waitress_of(app: Any) -> Iterator[int]:
    server: Any = waitress.create_server(app, host="127.0.0.1", port=0, threads=4)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        yield server.effective_port
    finally:
        with contextlib.suppress(OSError):  # woken by somebody else, it has closed what it would be woken by
            server.trigger.pull_trigger(lambda: wasyncore.close_all(server._map))  # in its own thread, which ends then
        thread.join(30)
        server.task_dispatcher.shutdown()


@contextlib.contextmanager
def uvicorn_of(app: Any) -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="auto", timeout_graceful_shutdown=5))
        started = threading.Event()
        startup = server.startup

        async def started_up(*arguments: Any, **named: Any) -> None:
            await startup(*arguments, **named)
            started.set()

        server.startup = started_up  # type: ignore[method-assign]
        thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listening])))
        thread.start()
        try:
            assert started.wait(30)
            yield listening.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join(30)


@contextlib.contextmanager
def pages_of(store: Path, **options: Any) -> Iterator[httpx.Client]:
    """A client of a server that has only the pages."""
    app = reqcov.ui.app(store, **({"insecure": True} | options))
    with served(app) as port, httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE) as client:
        yield client
