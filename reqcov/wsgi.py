"""Recording for any WSGI app (PEP 3333)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from reqcov.config import disabled
from reqcov.cores.base import Recording, part_of_request
from reqcov.labels import in_environ
from reqcov.recorder import Recorder, given_or_new
from reqcov.types import Environ


class CoverageMiddleware:
    """Wraps a WSGI app; records each of its requests, up to `close()` of what it returned.

    Takes a `recorder` to share, or the options of one. With `REQCOV_DISABLED` set it hands the app back untouched.
    """

    def __new__(cls, app: Any, **_options: Any) -> Any:
        """`app` itself where reqcov is disabled."""
        return app if disabled() else super().__new__(cls)

    def __init__(self, app: Any, *, recorder: Recorder | None = None, **options: Any) -> None:
        self.app = app
        self.recorder = given_or_new(recorder, options)

    def locate(self, environ: Environ, recording: Recording) -> str | None:  # noqa: ARG002
        """The route's template, asked once the app is done; adapters know better."""
        return self.recorder.made_up_route(recording.path or "/", recording.status)

    def route(self, environ: Environ, recording: Recording) -> str | None:
        """The user's answer, or else ours."""
        asked = self.recorder.route
        return asked(environ) if asked else self.locate(environ, recording)

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Serve one request."""
        recording = None if part_of_request() else self._start(environ)
        if recording is None:
            return self.app(environ, start_response)  # type: ignore[no-any-return]
        return _Exchange(self, recording, environ)(start_response)

    def _start(self, environ: Environ) -> Recording | None:
        path = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
        method = environ.get("REQUEST_METHOD", "GET")
        return self.recorder.start("http", method, readable(path) or "/", in_environ, environ)


def readable(path: str) -> str:
    """PEP 3333 gives bytes as latin-1; URLs are UTF-8."""
    return path.encode("latin-1", "replace").decode("utf-8", "replace")


class _Exchange:
    """One request: watches how it is answered, and changes nothing."""

    def __init__(self, middleware: CoverageMiddleware, recording: Recording, environ: Environ) -> None:
        self._middleware = middleware
        self._recorder = middleware.recorder
        self._recording = recording
        self._environ = environ

    def __call__(self, start_response: Callable[..., Any]) -> Iterable[bytes]:
        recorder, recording = self._recorder, self._recording

        def watched(status: str, *rest: Any, **named: Any) -> Any:
            write = start_response(status, *rest, **named)
            recording.status = int(status[:3]) if status[:3].isdigit() else None
            return write

        token = recorder.enter(recording)
        try:
            body: Iterable[bytes] = self._middleware.app(self._environ, watched)
        except BaseException as error:
            recording.fail(error)
            recorder.leave(recording, token)
            self.finish()
            raise
        recorder.leave(recording, token)
        wrapper = self._environ.get("wsgi.file_wrapper")
        if isinstance(body, (list, tuple)) or (isinstance(wrapper, type) and isinstance(body, wrapper)):
            self.finish()
            return body
        chunks: type[Chunks] = SizedChunks if hasattr(body, "__len__") else Chunks
        return chunks(recorder, recording, body, self.finish)

    def finish(self) -> None:
        """The answer is complete, or will never be."""
        self._recorder.finish(self._recording, self._middleware.route, self._environ)


class Chunks:
    """A body that is made while it is pulled: each pull runs in the recording."""

    def __init__(self, recorder: Recorder, recording: Recording, body: Any, finish: Callable[[], None]) -> None:
        self._recorder = recorder
        self._recording = recording
        self._body = body
        self._iterator = body
        self._finish = finish

    def __iter__(self) -> Iterator[bytes]:
        if self._iterator is self._body:  # as with every iterator, asking it again changes nothing
            self._iterator = self._inside(iter, self._body)
        return self

    def __next__(self) -> bytes:
        try:
            return self._inside(next, self._iterator)  # type: ignore[no-any-return]
        except StopIteration:
            self._recording.stop_clock()
            raise

    def close(self) -> None:
        """What the body's own `close()` runs belongs to the request, and ends it."""
        try:
            if hasattr(self._body, "close"):
                self._inside(self._body.close)
        finally:
            self._finish()

    def __del__(self) -> None:
        """A server that never called `close()` still gets its request recorded."""
        self._recorder.abandon(self._recording, self._finish)

    def _inside(self, call: Callable[..., Any], *arguments: Any) -> Any:
        token = self._recorder.enter(self._recording)
        try:
            return call(*arguments)
        except StopIteration:
            raise
        except BaseException as error:
            self._recording.fail(error)
            raise
        finally:
            self._recorder.leave(self._recording, token)


class SizedChunks(Chunks):
    """The same for a body that knows how many chunks it has; servers may take the length of the response from it."""

    def __len__(self) -> int:
        return len(self._body)
