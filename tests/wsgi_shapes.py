"""WSGI apps of every shape, and a server that notes down each call: what test_transparency_wsgi.py compares."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Iterator
from typing import Any
from wsgiref.util import FileWrapper, setup_testing_defaults

Log = list[Any]
App = Callable[[dict[str, Any], Any], Any]

HEADERS = [("Content-Type", "text/plain")]


class Halt(BaseException):
    """What no `except Exception` catches, such as a worker's time limit."""


# -- apps: each is made with a log that it writes to --------------------------------------------------------------


def generator(log: Log) -> App:
    def app(environ: Any, start_response: Any) -> Iterator[bytes]:
        try:
            start_response("200 OK", HEADERS)
            log.append("one is made")
            yield b"one"
            log.append("two is made")
            yield b""
            yield b"three"
        finally:
            log.append("generator ends")

    return app


def generator_started_early(log: Log) -> App:
    def app(environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response("206 Partial Content", HEADERS)
        return (log.append(chunk) or chunk for chunk in (b"one", b"two"))

    return app


def a_list(log: Log) -> App:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response("201 Created", HEADERS)
        return [b"one", b"two"]

    return app


def nothing(log: Log) -> App:
    def app(environ: Any, start_response: Any) -> tuple[bytes, ...]:
        start_response("204 No Content", [])
        return ()

    return app


class Closing:
    """An iterable with an iterator of its own and a `close()`."""

    def __init__(self, log: Log, chunks: list[bytes]) -> None:
        self.log, self.chunks = log, chunks

    def __iter__(self) -> Iterator[bytes]:
        self.log.append("iter")
        return iter(self.chunks)

    def close(self) -> None:
        self.log.append("close")


class Sized(Closing):
    def __len__(self) -> int:
        return len(self.chunks)


class RaisesOnClose(Closing):
    def close(self) -> None:
        self.log.append("close raises")
        raise LookupError("in close")


class RaisesOnIter(Closing):
    def __iter__(self) -> Iterator[bytes]:
        raise LookupError("in iter")


class Indexed:
    """The old way to be iterable."""

    def __init__(self, log: Log, chunks: list[bytes]) -> None:
        self.log, self.chunks = log, chunks

    def __getitem__(self, index: int) -> bytes:
        self.log.append(index)
        return self.chunks[index]


class NotIterable:
    def __init__(self, log: Log, chunks: list[bytes]) -> None:
        pass


def body_of(kind: Any) -> Callable[[Log], App]:
    def make(log: Log) -> App:
        def app(environ: Any, start_response: Any) -> Any:
            start_response("200 OK", HEADERS)
            return kind(log, [b"one", b"two"])

        return app

    return make


def app_class(log: Log) -> App:
    class Application:
        def __init__(self, environ: Any, start_response: Any) -> None:
            self.start_response = start_response

        def __iter__(self) -> Iterator[bytes]:
            self.start_response("200 OK", HEADERS)
            yield b"from an instance"

    return Application


def writes(log: Log) -> App:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        write = start_response("200 OK", HEADERS)
        log.append(write(b"written"))
        return [b"returned"]

    return app


def changes_its_mind(log: Log) -> App:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        try:
            start_response("200 OK", HEADERS)
            raise LookupError("before the first byte")
        except LookupError:
            start_response("503 Service Unavailable", HEADERS, sys.exc_info())
        return [b"sorry"]

    return app


def changes_its_mind_by_name(log: Log) -> App:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        try:
            raise LookupError("before the first byte")
        except LookupError:
            start_response(status="500 Oops", response_headers=HEADERS, exc_info=sys.exc_info())
        return [b"sorry"]

    return app


def changes_its_mind_too_late(log: Log) -> App:
    def app(environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", HEADERS)
        yield b"one"
        try:
            raise LookupError("after the first byte")
        except LookupError:
            start_response("500 Internal Server Error", HEADERS, sys.exc_info())
        yield b"never sent"

    return app


def starts_twice(log: Log) -> App:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", HEADERS)
        start_response("404 Not Found", HEADERS)
        return [b"never sent"]

    return app


def raises_first(log: Log) -> App:
    def inner() -> None:
        raise LookupError("an", "argument") from ValueError("its cause")

    def app(environ: Any, start_response: Any) -> list[bytes]:
        inner()
        return []

    return app


def raises_midway(error: type[BaseException]) -> Callable[[Log], App]:
    def make(log: Log) -> App:
        def app(environ: Any, start_response: Any) -> Iterator[bytes]:
            try:
                start_response("200 OK", HEADERS)
                yield b"one"
                raise error("midway")
            finally:
                log.append("generator ends")

        return app

    return make


ANSWERED: dict[str, tuple[Callable[[Log], App], int]] = {
    "generator": (generator, 200),
    "generator started early": (generator_started_early, 206),
    "list": (a_list, 201),
    "nothing": (nothing, 204),
    "closing": (body_of(Closing), 200),
    "sized": (body_of(Sized), 200),
    "indexed": (body_of(Indexed), 200),
    "class": (app_class, 200),
    "write()": (writes, 200),
    "exc_info before the first byte": (changes_its_mind, 503),
}
"""Apps that answer, with the status of the record."""

FAILING: dict[str, tuple[Callable[[Log], App], int | None, str]] = {
    "exc_info after the first byte": (changes_its_mind_too_late, 200, "LookupError"),
    "started twice": (starts_twice, 200, "RuntimeError"),
    "raises first": (raises_first, None, "LookupError"),
    "raises midway": (raises_midway(LookupError), 200, "LookupError"),
    "halts midway": (raises_midway(Halt), 200, f"{__name__}.Halt"),
    "exits midway": (raises_midway(SystemExit), 200, "SystemExit"),
    "raises on close": (body_of(RaisesOnClose), 200, "LookupError"),
    "raises on iter": (body_of(RaisesOnIter), 200, "LookupError"),
    "not iterable": (body_of(NotIterable), 200, "TypeError"),
}
"""Apps that do not, with status and error of the record."""

ALL = {name: make for name, (make, *_) in (*ANSWERED.items(), *FAILING.items())}

# -- a server that notes down every call --------------------------------------------------------------------------


class Server:
    """Serves one request by the letter of PEP 3333; everything that can be seen of it is in its log."""

    def __init__(self, log: Log) -> None:
        self.log = log
        self.begun = self.started = False

    def start_response(self, status: str, response_headers: Any, exc_info: Any = None) -> Callable[[bytes], None]:
        self.log.append(("start_response", status, response_headers, exc_info and exc_info[0]))
        if exc_info and self.begun:
            raise exc_info[1]
        if self.started and not exc_info:
            raise RuntimeError("already started")
        self.started = True
        return self.write

    def write(self, chunk: bytes) -> None:
        self.begun = True
        self.log.append(("written", chunk))

    def serve(self, app: App, pull: str) -> None:
        try:
            body = app(environ(), self.start_response)
            self.log.append(("length", len(body) if hasattr(body, "__len__") else None))
            try:
                self.pull(body, pull)
            finally:
                if pull != "and abandon it" and hasattr(body, "close"):
                    body.close()
        except BaseException as error:
            self.log.append((type(error), error.args, type(error.__cause__), type(error.__context__), frames_of(error)))

    def pull(self, body: Any, pull: str) -> None:
        if pull == "all of it":
            for chunk in body:
                self.write(chunk)
        elif pull != "nothing":
            self.write(next(iter(body), b"there is no first"))


def environ(method: str = "GET", path: str = "/page") -> dict[str, Any]:
    made: dict[str, Any] = {"REQUEST_METHOD": method, "SCRIPT_NAME": "", "PATH_INFO": path, "QUERY_STRING": ""}
    setup_testing_defaults(made)
    made["wsgi.file_wrapper"] = FileWrapper
    return made


def frames_of(error: BaseException) -> list[tuple[str, int | None]]:
    """Where the error went through in this file, to the user's innermost frame."""
    return [(f.name, f.lineno) for f in traceback.extract_tb(error.__traceback__) if f.filename == __file__]
