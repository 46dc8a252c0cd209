"""Whatever goes wrong on our side, the app answers every request as if we were not there."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import reqcov
from reqcov import recorder as recorder_module
from tests.inprocess import KINDS, get, make_app, seen

Make = Callable[..., reqcov.Recorder]
PATIENCE = 30.0


def handler() -> bytes:
    total = 0
    for number in range(3):
        total += number
    return str(total).encode()


def ran(function: Callable[..., Any]) -> dict[str, set[int]]:
    """The lines of a record in which all of one function ran."""
    first, *lines = sorted({line for _, _, line in function.__code__.co_lines() if line})
    assert first == function.__code__.co_firstlineno
    return {function.__code__.co_filename: set(lines)}


def checked(kind: str, recorder: reqcov.Recorder, function: Callable[[], bytes] = handler, times: int = 3) -> Any:
    """The wrapped app, after it has answered so many requests just as the bare one does."""
    bare = make_app(kind, function)
    app = reqcov.wrap(bare, recorder=recorder)
    expected = seen(get(kind, bare, "/items/7"))
    for _ in range(times):
        assert seen(get(kind, app, "/items/7")) == expected
    return app


@pytest.fixture
def go() -> Iterator[threading.Event]:
    """What hangs in a test hangs until this is set: in the end, so that nothing outlives the test."""
    event = threading.Event()
    yield event
    event.set()


def raising(record: reqcov.RequestRecord) -> None:
    raise OSError(record.id)


async def raising_async(record: reqcov.RequestRecord) -> None:
    await asyncio.sleep(0)
    raise OSError(record.id)


def exiting(record: reqcov.RequestRecord) -> None:
    sys.exit(3)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("callback", [raising, raising_async, exiting])
def test_raising_callbacks(
    callback: Any, kind: str, core: str, make_recorder: Make, caplog: pytest.LogCaptureFixture
) -> None:
    """Each request is answered, each failure counted, one logged, and another sink gets everything."""
    memory = reqcov.MemorySink()
    recorder = make_recorder(include=[__file__], core=core, on_request=callback, sinks=[memory])
    for _ in range(3):
        checked(kind, recorder, times=1)
        assert recorder.flush()
    assert [record.lines for record in memory.records] == [ran(handler)] * 3
    assert recorder.stats().failed == {"CallbackSink": 3}
    assert sum(recorder.stats().faults.values()) == 3
    assert len(caplog.records) == 1


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("is_async", [False, True])
def test_hanging_callbacks(is_async: bool, kind: str, core: str, make_recorder: Make, go: threading.Event) -> None:
    """While the callback hangs, requests are answered and other sinks served; afterwards it gets what it missed."""
    got: list[str] = []

    def hanging(record: reqcov.RequestRecord) -> None:
        assert go.wait(PATIENCE)
        got.append(record.id)

    async def hanging_async(record: reqcov.RequestRecord) -> None:
        await asyncio.to_thread(hanging, record)

    memory = reqcov.MemorySink()
    recorder = make_recorder(
        include=[__file__], core=core, on_request=hanging_async if is_async else hanging, sinks=[memory]
    )
    checked(kind, recorder)
    assert [record.lines for record in memory.records] == [ran(handler)] * 3
    assert got == []
    go.set()
    assert recorder.flush()
    assert sorted(got) == sorted(record.id for record in memory.records)


@pytest.mark.parametrize("kind", KINDS)
def test_files_that_cannot_be_written(kind: str, core: str, make_recorder: Make, tmp_path: Path) -> None:
    """A full file system and a missing folder cost records, never an answer."""
    (tmp_path / "full").symlink_to("/dev/full")
    sinks = [reqcov.JsonLinesSink(tmp_path / "full"), reqcov.CoverageDataSink(tmp_path / "missing" / ".coverage")]
    recorder = make_recorder(include=[__file__], core=core, sinks=sinks)
    for _ in range(2):
        checked(kind, recorder, times=1)
        assert recorder.flush()
    assert recorder.stats().failed == {"JsonLinesSink": 2, "CoverageDataSink": 2}


def broken(*_: Any, **__: Any) -> Any:
    raise RuntimeError("a fault of ours")


OURS: dict[str, tuple[Callable[[reqcov.Recorder], tuple[Any, str]], str]] = {
    "begin": (lambda recorder: (recorder._core, "begin"), "a request could not be started"),
    "end": (lambda recorder: (recorder._core, "end"), "a request could not be finished"),
    "enter": (lambda recorder: (recorder._threads, "enter"), "a request could not be measured"),
    "leave": (lambda recorder: (recorder._threads, "leave"), "a request could not be left"),
    "sampling": (lambda recorder: (recorder_module, "Recording"), "a request could not be started"),
    "record": (lambda recorder: (recorder, "_record"), "a request could not be finished"),
    "route": (lambda recorder: (recorder, "_made_up_routes"), "a request could not be finished"),
    "files": (lambda recorder: (recorder._files, "measured"), ""),
    "threads": (lambda recorder: (threading.Thread, "start"), "JsonLinesSink got no thread; its records wait"),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("where", OURS)
def test_errors_of_our_own(
    where: str,
    kind: str,
    core: str,
    make_recorder: Make,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """They are logged once and counted for each request; once they are gone, requests are recorded as always."""
    memory = reqcov.MemorySink()
    file = reqcov.JsonLinesSink(tmp_path / "records")
    recorder = make_recorder(include=[__file__], core=core, sinks=[memory, file])
    target, fault = OURS[where]
    owner, name = target(recorder)
    if owner is None:
        pytest.skip("the monitoring core has nothing to do there")
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, broken)
        checked(kind, recorder)
        stats = recorder.stats()
    if fault:
        assert stats.faults[fault] == 3
    assert 1 <= len(caplog.records) <= len(stats.faults)
    assert all(logged.exc_info for logged in caplog.records)
    memory.records.clear()
    checked(kind, recorder, times=2)
    assert [record.complete for record in memory.records] == [True] * 2
    if where != "files":  # answers are remembered
        assert [record.lines for record in memory.records] == [ran(handler)] * 2


@pytest.mark.parametrize("kind", KINDS)
def test_route_that_raises(kind: str, core: str, make_recorder: Make, caplog: pytest.LogCaptureFixture) -> None:
    """The user's own `route` counts as ours: it can break no request."""
    recorder = make_recorder(core=core, route=broken, sinks=[reqcov.MemorySink()])
    checked(kind, recorder)
    assert recorder.stats().faults == {"a request could not be finished": 3}
    assert len(caplog.records) == 1


def call(kind: str, app: Any) -> None:
    """One request by hand, so that what is raised can be anything."""
    if kind == "wsgi":
        app({"REQUEST_METHOD": "GET", "PATH_INFO": "/"}, lambda *_: None)
    else:
        app({"type": "http", "method": "GET", "path": "/"}, None, None).send(None)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit, asyncio.CancelledError, LookupError])
def test_exceptions_of_the_app(error: type[BaseException], kind: str, core: str, make_recorder: Make) -> None:
    """The very exception goes through, ends the recording, and is named in the record."""
    raised = error("x")
    memory = reqcov.MemorySink()

    def failing() -> bytes:
        raise raised

    app = reqcov.wrap(make_app(kind, failing), recorder=make_recorder(include=[__file__], core=core, sinks=[memory]))
    with pytest.raises(error) as caught:
        call(kind, app)
    assert caught.value is raised
    assert raised.__context__ is None
    [record] = memory.records
    assert (record.error or "").endswith(error.__name__)
    assert (record.status, record.complete, record.lines) == (None, True, ran(failing))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scope", ["empty", "odd"])
def test_requests_that_are_not_as_they_should_be(kind: str, scope: str, core: str, make_recorder: Make) -> None:
    """What an app takes, we take: a bare scope or environ of a test, a path that is no text."""
    memory = reqcov.MemorySink()
    app = reqcov.wrap(make_app(kind, handler), recorder=make_recorder(include=[__file__], core=core, sinks=[memory]))
    if kind == "wsgi":
        environ = {} if scope == "empty" else {"REQUEST_METHOD": None, "PATH_INFO": "/\udcff\u20ac", "SCRIPT_NAME": ""}
        assert list(app(environ, lambda *_: None)) == [handler()]
    else:
        request = {"type": "http"} if scope == "empty" else {"type": "http", "method": None, "path": None}
        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        asyncio.run(app(request, None, send))
        assert sent[-1]["body"] == handler()
    [record] = memory.records
    assert record.lines[__file__] >= ran(handler)[__file__]


def deep(depth: int = 0) -> int:
    return deep(depth + 1)


def recursing() -> bytes:
    try:
        deep()
    except RecursionError:
        return b"too deep"
    return b""


@pytest.mark.parametrize("kind", KINDS)
def test_recursion_to_the_limit(kind: str, core: str, make_recorder: Make) -> None:
    """An app that handles a RecursionError answers as before, and the next request is recorded as always."""
    memory = reqcov.MemorySink()
    recorder = make_recorder(include=[__file__], core=core, sinks=[memory])
    checked(kind, recorder, recursing)
    memory.records.clear()
    checked(kind, recorder)
    assert [(record.complete, record.lines) for record in memory.records] == [(True, ran(handler))] * 3


@pytest.mark.parametrize("kind", KINDS)
def test_recursion_beyond_the_limit(kind: str, core: str, make_recorder: Make) -> None:
    """One that does not handle it fails as it does without us."""
    memory = reqcov.MemorySink()
    app = reqcov.wrap(
        make_app(kind, deep),  # type: ignore[arg-type]
        recorder=make_recorder(include=[__file__], core=core, sinks=[memory]),
    )
    with pytest.raises(RecursionError):
        call(kind, app)
    assert [record.error for record in memory.records] == ["RecursionError"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("from_where", ["handler", "thread"])
def test_closed_in_mid_request(from_where: str, kind: str, core: str, make_recorder: Make) -> None:
    """The request is answered, its record is not complete, and nothing stays (the autouse fixture looks)."""
    memory = reqcov.MemorySink()
    recorder = make_recorder(include=[__file__], core=core, sinks=[memory])

    def before() -> int:
        return 1

    def after() -> int:
        return 2

    def closing() -> bytes:
        before()
        if from_where == "handler":
            recorder.close()
        else:
            thread = threading.Thread(target=recorder.close)
            thread.start()
            thread.join()
        after()
        return b"closed"

    app = reqcov.wrap(make_app(kind, closing), recorder=recorder)
    assert get(kind, app).text == "closed"
    [record] = memory.records
    assert not record.complete
    assert ran(before)[__file__] <= record.lines[__file__]
    assert not ran(after)[__file__] & record.lines[__file__]
    assert recorder.stats().faults == {}
    assert get(kind, app).text == "closed"
    assert len(memory.records) == 1


def test_closed_while_a_body_streams(core: str, make_recorder: Make) -> None:
    """What is left of a streamed body goes out all the same."""
    memory = reqcov.MemorySink()
    recorder = make_recorder(include=[__file__], core=core, sinks=[memory])

    def streaming(environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])
        yield b"first "
        recorder.close()
        yield b"second "
        yield b"third"

    assert get("wsgi", reqcov.wrap(streaming, recorder=recorder)).text == "first second third"
    assert [record.complete for record in memory.records] == [False]
    assert recorder.stats().faults == {}


def test_a_request_that_could_not_begin_is_not_open(core: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Closing finishes what is open, and that is no request that never began."""
    memory = reqcov.MemorySink()
    with reqcov.Recorder(core=core, sinks=[memory]) as recorder, monkeypatch.context() as patch:
        patch.setattr(recorder._core, "begin", broken)
        assert recorder.start("http") is None
    assert memory.records == []
