"""Recording for Django, sync and async. First in the list, it sees the other middleware too.

MIDDLEWARE = ["reqcov.adapters.django.CoverageMiddleware", ...]
REQCOV = {"source": ["shop"], "on_request": "shop.cov.seen"}
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from functools import cache
from inspect import iscoroutinefunction
from typing import Any

from asgiref.sync import async_to_sync, markcoroutinefunction
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured, MiddlewareNotUsed
from django.core.handlers.asgi import ASGIHandler, ASGIRequest
from django.core.signals import got_request_exception
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from reqcov import asgi, wsgi
from reqcov.config import disabled
from reqcov.cores.base import Recording, current, part_of_request
from reqcov.errors import ConfigError
from reqcov.labels import in_environ
from reqcov.record import qualified_name
from reqcov.recorder import Recorder


class CoverageMiddleware:
    """Middleware for the `MIDDLEWARE` setting; the options of the recorder are in the setting `REQCOV`."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        if disabled():
            raise MiddlewareNotUsed("REQCOV_DISABLED is set")
        self._get_response = get_response
        self.recorder = the_recorder()
        got_request_exception.connect(note_error)
        self._is_async = iscoroutinefunction(get_response)
        if self._is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> Any:
        """Serve one request."""
        if part_of_request():
            return self._get_response(request)
        recording = self.recorder.start("http", request.method, request.path, in_environ, request.META)
        if recording is None:
            return self._get_response(request)
        exchange = _Exchange(self.recorder, recording, request, self._get_response)
        return exchange.run_async() if self._is_async else exchange.run()


@cache
def the_recorder() -> Recorder:
    """The one of this process: Django makes middleware anew for each handler and test client."""
    options = getattr(settings, "REQCOV", {})
    if not isinstance(options, dict):
        raise ImproperlyConfigured(f"REQCOV must be a dictionary of options, not {options!r}.")
    try:
        return options["recorder"] if "recorder" in options else Recorder(**options)
    except (ConfigError, TypeError) as error:
        raise ImproperlyConfigured(f"REQCOV: {error}") from error


class _Exchange:
    """One request."""

    def __init__(
        self, recorder: Recorder, recording: Recording, request: HttpRequest, get_response: Callable[[HttpRequest], Any]
    ) -> None:
        self._recorder = recorder
        self._recording = recording
        self._request = request
        self._get_response = get_response

    def run(self) -> Any:
        response = None
        try:
            with self._loop_entered():
                token = self._recorder.enter(self._recording)
                try:
                    response = self._get_response(self._request)
                finally:
                    self._recorder.leave(self._recording, token)
        finally:
            self._answered(response)
        return response

    @contextmanager
    def _loop_entered(self) -> Iterator[None]:
        """Under ASGI a synchronous chain runs on a worker thread, but its async views on the event loop's thread."""
        elsewhere = isinstance(self._request, ASGIRequest) and self._recorder.minds_threads
        entered = elsewhere and async_to_sync(self._enter_thread)()
        try:
            yield
        finally:
            if entered:
                async_to_sync(self._leave_thread)()

    async def _enter_thread(self) -> bool:
        return self._recorder.enter_thread(self._recording)

    async def _leave_thread(self) -> None:
        self._recorder.leave_thread(self._recording)

    async def run_async(self) -> Any:
        token = self._recorder.enter(self._recording)
        response = None
        try:
            response = await self._get_response(self._request)
        finally:
            self._recorder.leave(self._recording, token)
            self._answered(response)
        return response

    def _answered(self, response: HttpResponseBase | None) -> None:
        self._recording.status = response.status_code if response is not None else None
        if response is None or not response.streaming or getattr(response, "file_to_stream", None) is not None:
            self._finish()
            return
        streaming: Any = response
        chunks = AsyncChunks if streaming.is_async else wsgi.Chunks
        # The setter closes what it is given together with the response.
        streaming.streaming_content = chunks(self._recorder, self._recording, streaming.streaming_content, self._finish)
        streaming.close = self._inside(streaming.close)

    def _inside(self, close: Callable[[], None]) -> Callable[[], None]:
        def closing() -> None:
            token = self._recorder.enter(self._recording)
            try:
                close()
            finally:
                self._recorder.leave(self._recording, token)

        return closing

    def _finish(self) -> None:
        self._recorder.finish(self._recording, self._locate, self._request)

    def _locate(self, request: HttpRequest, recording: Recording) -> str | None:
        note_route(recording, request.resolver_match)
        asked = self._recorder.route
        return asked(request.META) if asked else recording.route


class AsyncChunks:
    """A streamed body in async Django: each pull runs in the recording."""

    def __init__(self, recorder: Recorder, recording: Recording, body: Any, finish: Callable[[], None]) -> None:
        self._recorder = recorder
        self._recording = recording
        self.close = finish
        """Called by the response."""
        self._iterator = aiter(body)

    def __del__(self) -> None:
        """A response that was never closed still gets its request recorded."""
        self._recorder.abandon(self._recording, self.close)

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        token = self._recorder.enter(self._recording)
        try:
            return await anext(self._iterator)
        except StopAsyncIteration:
            self._recording.stop_clock()
            raise
        except BaseException as error:
            self._recording.fail(error)
            if isinstance(error, Exception):  # Django closes no response whose body has failed
                self.close()
            raise
        finally:
            self._recorder.leave(self._recording, token)


def note_route(recording: Recording, match: Any) -> None:
    """Take route and endpoint from a `ResolverMatch`."""
    if match is not None:
        recording.route = "/" + match.route.removeprefix("^")
        recording.endpoint = qualified_name(getattr(match.func, "view_class", match.func))


def note_error(**_: Any) -> None:
    """A view or other middleware raised; Django makes a response of it, and tells so by a signal."""
    recording, error = current.get(), sys.exception()
    if recording is not None and error is not None:
        recording.fail(error)


def wrap(handler: Any, *, recorder: Recorder) -> Any:
    """An ASGI or WSGI callable around Django's own; takes the route where the handler resolves it."""
    resolve = handler.resolve_request

    def resolved(request: HttpRequest) -> Any:
        match = resolve(request)
        recording = current.get()
        if recording is not None:
            note_route(recording, match)
        return match

    handler.resolve_request = resolved
    got_request_exception.connect(note_error)
    kind = _ASGIMiddleware if isinstance(handler, ASGIHandler) else _WSGIMiddleware
    return kind(handler, recorder=recorder)


class _ASGIMiddleware(asgi.CoverageMiddleware):
    def locate(self, scope: Any, recording: Recording) -> str | None:  # noqa: ARG002
        """What was resolved; None where no route matched."""
        return recording.route


class _WSGIMiddleware(wsgi.CoverageMiddleware):
    def locate(self, environ: Any, recording: Recording) -> str | None:  # noqa: ARG002
        """What was resolved; None where no route matched."""
        return recording.route
