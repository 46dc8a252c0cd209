"""A WSGI app is served the same with and without reqcov, down to each call, and is recorded once."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterator
from typing import Any
from wsgiref.handlers import BaseCGIHandler
from wsgiref.util import FileWrapper
from wsgiref.validate import validator

import pytest

import reqcov
from reqcov.cores import base
from tests import wsgi_shapes
from tests.wsgi_shapes import (
    ALL,
    ANSWERED,
    FAILING,
    HEADERS,
    Closing,
    Log,
    Server,
    Sized,
    body_of,
    changes_its_mind_by_name,
    environ,
    generator,
)


@pytest.fixture
def memory() -> reqcov.MemorySink:
    return reqcov.MemorySink()


@pytest.fixture
def recorder(make_recorder: Callable[..., reqcov.Recorder], memory: reqcov.MemorySink, core: Any) -> reqcov.Recorder:
    return make_recorder(include=[wsgi_shapes.__file__], sinks=[memory], core=core)


@pytest.mark.parametrize("pull", ["all of it", "the first and close it", "nothing", "and abandon it"])
@pytest.mark.parametrize("name", ALL)
def test_every_call_is_the_same(name: str, pull: str, recorder: reqcov.Recorder, memory: reqcov.MemorySink) -> None:
    """Chunks, their order against the app's own steps, `close()`, exceptions with their frames; and one record."""
    logs: list[Log] = []
    for wrap in (lambda app: app, lambda app: reqcov.wsgi.CoverageMiddleware(app, recorder=recorder)):
        log: Log = []
        Server(log).serve(wrap(ALL[name](log)), pull)
        logs.append(log)
    bare, wrapped = logs
    assert wrapped == bare
    assert [record.path for record in memory.records] == ["/page"]
    assert memory.records[0].complete


def test_a_body_is_dropped_within_reqcov(recorder: reqcov.Recorder, memory: reqcov.MemorySink) -> None:
    """Garbage is collected anywhere, also where a lock is held: nothing is done there, the next request ends it."""
    app = reqcov.wsgi.CoverageMiddleware(ALL["generator"]([]), recorder=recorder)
    core: Any = recorder._core
    bodies = [app(environ(), Server([]).start_response)]
    with core._lock:
        bodies.clear()
    assert not memory.records
    assert list(app(environ("GET", "/next"), Server([]).start_response))
    assert [record.path for record in memory.records] == ["/page", "/next"]


@pytest.mark.parametrize("name", ANSWERED)
def test_the_record_of_an_answer(name: str, recorder: reqcov.Recorder, memory: reqcov.MemorySink) -> None:
    """It has the status that was sent in the end, no error, and the lines of the app."""
    make, status = ANSWERED[name]
    Server([]).serve(reqcov.wsgi.CoverageMiddleware(make([]), recorder=recorder), "all of it")
    (record,) = memory.records
    assert (record.status, record.error) == (status, None)
    assert record.lines[wsgi_shapes.__file__]


@pytest.mark.parametrize("name", FAILING)
def test_the_record_of_a_failure(name: str, recorder: reqcov.Recorder, memory: reqcov.MemorySink) -> None:
    """It has the status that was sent, if any was, and the error, whichever call raised it."""
    make, status, error = FAILING[name]
    Server([]).serve(reqcov.wsgi.CoverageMiddleware(make([]), recorder=recorder), "all of it")
    (record,) = memory.records
    assert (record.status, record.error) == (status, error)


def test_exc_info_by_name(recorder: reqcov.Recorder, memory: reqcov.MemorySink) -> None:
    """Servers name the parameters as the PEP does, and some apps rely on that."""
    log: Log = []
    Server(log).serve(reqcov.wsgi.CoverageMiddleware(changes_its_mind_by_name(log), recorder=recorder), "all of it")
    assert log[0] == ("start_response", "500 Oops", HEADERS, LookupError)
    assert memory.records[0].status == 500


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("name", ANSWERED)
def test_wsgiref_finds_nothing_to_complain_about(
    name: str, method: str, recorder: reqcov.Recorder, memory: reqcov.MemorySink
) -> None:
    """Around the wrapper and inside of it; and its handler sends the same bytes."""
    sent = []
    for wrap in (lambda app: app, lambda app: reqcov.wsgi.CoverageMiddleware(app, recorder=recorder)):
        out = io.BytesIO()
        handler = BaseCGIHandler(io.BytesIO(), out, sys.stderr, environ(method))
        handler.run(validator(wrap(validator(ALL[name]([])))))
        sent.append(out.getvalue())
    assert sent[0] == sent[1]
    assert sent[0].startswith(b"Status: %d" % ANSWERED[name][1])
    assert [record.method for record in memory.records] == [method]


def test_wsgiref_takes_the_length_from_a_sized_body(recorder: reqcov.Recorder) -> None:
    """A body of one chunk gives the response its Content-Length, as without reqcov."""
    app = reqcov.wsgi.CoverageMiddleware(lambda e, s: s("200 OK", []) and Sized([], [b"12345"]), recorder=recorder)
    out = io.BytesIO()
    BaseCGIHandler(io.BytesIO(), out, io.StringIO(), environ()).run(app)
    assert b"Content-Length: 5\r\n" in out.getvalue()


@pytest.mark.parametrize(
    "body", [[b"a list"], (b"a tuple",), FileWrapper(io.BytesIO(b"a file"))], ids=["list", "tuple", "file wrapper"]
)
def test_untouched_bodies(body: Any, recorder: reqcov.Recorder, memory: reqcov.MemorySink) -> None:
    """The very object: servers look at the type, and send files by other ways."""
    app = reqcov.wsgi.CoverageMiddleware(lambda environ, start_response: body, recorder=recorder)
    assert app(environ(), Server([]).start_response) is body
    assert len(memory.records) == 1


def test_the_environ_is_the_servers(recorder: reqcov.Recorder) -> None:
    """The app gets the very object, with nothing added, and its answers to the server's flags stay."""
    given = environ()
    before = dict(given)
    got: list[Any] = []
    app = reqcov.wsgi.CoverageMiddleware(lambda environ, start_response: got.append(environ) or [], recorder=recorder)
    app(given, Server([]).start_response)
    assert got[0] is given
    assert given == before


def test_an_iterator_is_pulled_without_iter(recorder: reqcov.Recorder, memory: reqcov.MemorySink) -> None:
    """A middleware that knows that its app is a generator may call `next` at once."""
    body = reqcov.wsgi.CoverageMiddleware(generator([]), recorder=recorder)(environ(), Server([]).start_response)
    assert next(body) == b"one"
    body.close()
    assert len(memory.records) == 1


def test_close_is_handed_on_each_time(recorder: reqcov.Recorder, memory: reqcov.MemorySink) -> None:
    """A server that closes twice closes the body twice; the record is still one."""
    log: Log = []
    app = reqcov.wsgi.CoverageMiddleware(body_of(Closing)(log), recorder=recorder)
    body = app(environ(), Server([]).start_response)
    body.close()
    body.close()
    assert log == ["close", "close"]
    assert len(memory.records) == 1


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that the recordings see; tests let them pass."""
    now = [1000.0]
    monkeypatch.setattr(base, "perf_counter", lambda: now[0])
    return now


def test_the_duration_ends_with_the_last_byte(
    clock: list[float], recorder: reqcov.Recorder, memory: reqcov.MemorySink
) -> None:
    """The app's time and that between its chunks count, and that of `close()` does not."""

    def app(environ: Any, start_response: Any) -> Iterator[bytes]:
        try:
            start_response("200 OK", HEADERS)
            clock[0] += 1
            yield b"one"
            clock[0] += 2
            yield b"two"
        finally:
            clock[0] += 4

    class Slow(Closing):
        def close(self) -> None:
            clock[0] += 100

    def slow_to_close(environ: Any, start_response: Any) -> Slow:
        start_response("200 OK", HEADERS)
        clock[0] += 3
        return Slow([], [b"one"])

    for served in (app, slow_to_close):
        body = reqcov.wsgi.CoverageMiddleware(served, recorder=recorder)(environ(), Server([]).start_response)
        for _ in body:
            clock[0] += 10
        body.close()
    assert [record.duration for record in memory.records] == [27, 13]


def test_the_duration_of_what_is_cut_short(
    clock: list[float], recorder: reqcov.Recorder, memory: reqcov.MemorySink
) -> None:
    """It ends when the server lets go of the body."""
    body = reqcov.wsgi.CoverageMiddleware(generator([]), recorder=recorder)(environ(), Server([]).start_response)
    next(body)
    clock[0] += 5
    body.close()
    assert memory.records[0].duration == 5
