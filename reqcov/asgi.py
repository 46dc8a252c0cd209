"""Recording for any ASGI app (https://asgi.readthedocs.io/en/latest/specs/main.html)."""

from __future__ import annotations

import inspect
from typing import Any

from asgiref.compatibility import guarantee_single_callable

from reqcov.config import disabled
from reqcov.cores.base import Recording, part_of_request
from reqcov.labels import in_scope
from reqcov.recorder import Recorder, given_or_new
from reqcov.types import ASGIApp, Message, Receive, Scope, Send


class CoverageMiddleware:
    """Wraps an ASGI app, single or double callable; records its `http` and `websocket` scopes.

    Takes a `recorder` to share, or the options of one. With `REQCOV_DISABLED` set it hands the app back untouched.
    """

    def __new__(cls, app: Any, **_options: Any) -> Any:
        """`app` itself where reqcov is disabled."""
        return app if disabled() else super().__new__(cls)

    def __init__(self, app: Any, *, recorder: Recorder | None = None, **options: Any) -> None:
        self.app: ASGIApp = single_callable(app)
        self.recorder = given_or_new(recorder, options)

    def locate(self, scope: Scope, recording: Recording) -> str | None:  # noqa: ARG002
        """The route's template, asked once the app is done; adapters know better."""
        return self.recorder.made_up_route(recording.path or "/", recording.status)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> Any:
        """Serve one connection."""
        protocol = scope["type"]
        if protocol == "lifespan":
            return await self.app(scope, receive, self._flushing(send))
        if protocol not in ("http", "websocket") or part_of_request():
            return await self.app(scope, receive, send)
        recorder = self.recorder
        recording = recorder.start(protocol, scope.get("method", "WEBSOCKET"), scope.get("path", "/"), in_scope, scope)
        if recording is None:
            return await self.app(scope, receive, send)

        async def watched_send(message: Message) -> None:
            await send(message)
            watch(message, recording)

        token = recorder.enter(recording)
        try:
            return await self.app(scope, receive, watched_send)
        except BaseException as error:
            recording.fail(error)
            raise
        finally:
            recorder.leave(recording, token)
            recorder.finish(recording, self.route, scope)

    def _flushing(self, send: Send) -> Send:
        """`send` for the lifespan: once that is over, a server may end the process by a signal (uvicorn does)."""

        async def flushing_send(message: Message) -> None:
            if message.get("type") in ("lifespan.shutdown.complete", "lifespan.shutdown.failed"):
                self.recorder.flush()
            await send(message)

        return flushing_send

    def route(self, scope: Scope, recording: Recording) -> str | None:
        """The user's answer, or else ours."""
        asked = self.recorder.route
        return asked(scope) if asked else self.locate(scope, recording)


def single_callable(app: Any) -> Any:
    """`app`, or a single callable around it if it is double: `app(scope)(receive, send)`.

    asgiref takes every class and every function that is no coroutine function for double, and so is asked only about
    those that do not need all three arguments at once.
    """
    return app if required_arguments(app) == 3 else guarantee_single_callable(app)  # type: ignore[no-untyped-call]


def required_arguments(call: Any) -> int | None:
    """How many positional arguments `call` has to be given; None where that can't be told."""
    try:
        parameters = inspect.signature(call).parameters.values()
    except (TypeError, ValueError):
        return None
    if any(p.kind is p.VAR_POSITIONAL for p in parameters):
        return None
    return sum(p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p in parameters)


def watch(message: Message, recording: Recording) -> None:
    """Take the status and the moment of the last byte from what an app has sent."""
    kind = message.get("type")
    if kind in ("http.response.start", "websocket.http.response.start"):
        recording.status = message.get("status")
    elif kind in ("http.response.body", "http.response.zerocopysend", "websocket.http.response.body"):
        if not message.get("more_body"):
            recording.stop_clock()
    elif kind == "http.response.pathsend":
        recording.stop_clock()
    elif kind == "websocket.accept":
        recording.status = 101
    elif kind == "websocket.close" and recording.status is None:
        recording.status = 403
