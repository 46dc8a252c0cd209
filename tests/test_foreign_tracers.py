"""Others who trace too: theirs is never thrown out, the app never notices, and what could not be seen is said."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import pytest

import reqcov
from reqcov.cores.settrace import FOREIGN
from tests.conftest import HAS_MONITORING
from tests.inprocess import KINDS, get, make_app
from tests.test_faults import ran

Make = Callable[..., reqcov.Recorder]


def before() -> int:
    return 1


def after() -> int:
    return 2


class Foreign:
    """A trace function as a debugger installs one; notes the functions of this file whose lines it sees."""

    def __init__(self) -> None:
        self.saw: list[str] = []

    def __call__(self, frame: FrameType, event: str, arg: Any) -> Any:
        if frame.f_code.co_filename == __file__ and event == "line":
            self.saw.append(frame.f_code.co_name)
        return self


@pytest.fixture
def foreign() -> Iterator[Foreign]:
    """A foreign trace function, gone after the test, with the trace function from before back."""
    was = sys.gettrace()
    yield Foreign()
    sys.settrace(was)


def serve(kind: str, recorder: reqcov.Recorder, function: Callable[[], bytes]) -> None:
    answer = get(kind, reqcov.wrap(make_app(kind, function), recorder=recorder))
    assert (answer.status_code, answer.content) == (200, b"served")


def handler() -> bytes:
    before()
    return b"served"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("installs", [True, False])
def test_in_mid_request(
    installs: bool, kind: str, core: str, make_recorder: Make, foreign: Foreign, caplog: pytest.LogCaptureFixture
) -> None:
    """What the app did stays; the monitoring core sees all the same, the settrace core says that it did not."""
    memory = reqcov.MemorySink()
    recorder = make_recorder(include=[__file__], core=core, sinks=[memory])
    tracer = foreign if installs else None

    def tracing() -> bytes:
        before()
        sys.settrace(tracer)
        after()
        return b"served"

    serve(kind, recorder, tracing)
    assert sys.gettrace() is tracer
    sys.settrace(None)
    assert foreign.saw == (["after"] if installs else [])
    serve(kind, recorder, handler)
    disturbed, undisturbed = memory.records
    assert undisturbed.complete
    assert undisturbed.lines == {__file__: ran_here(handler, before)}
    assert ran_here(before) <= disturbed.lines[__file__]
    if core == "monitoring":
        assert disturbed.complete
        assert disturbed.lines == {__file__: ran_here(tracing, before, after)}
        assert recorder.stats().faults == {}
    else:
        assert not disturbed.complete
        assert not ran_here(after) & disturbed.lines[__file__]
        assert recorder.stats().faults == {FOREIGN: 1}
        assert len(caplog.records) == 1


def ran_here(*functions: Callable[..., Any]) -> set[int]:
    return set().union(*(next(iter(ran(function).values())) for function in functions))


@pytest.mark.parametrize("kind", KINDS)
def test_before_the_request(
    kind: str, core: str, make_recorder: Make, foreign: Foreign, caplog: pytest.LogCaptureFixture
) -> None:
    """A tracer that was there first sees all; where two can't be, we step aside, with one warning."""
    memory = reqcov.MemorySink()
    recorder = make_recorder(include=[__file__], core=core, sinks=[memory])
    sys.settrace(foreign)
    for _ in range(2):
        serve(kind, recorder, handler)
    assert sys.gettrace() is foreign
    sys.settrace(None)
    assert [name for name in foreign.saw if name in ("handler", "before")] == ["handler", "before", "handler"] * 2
    if core == "monitoring":
        assert [record.lines for record in memory.records] == [{__file__: ran_here(handler, before)}] * 2
    else:
        assert [(record.complete, record.lines) for record in memory.records] == [(False, {})] * 2
        assert recorder.stats().faults == {FOREIGN: 2}
        assert len(caplog.records) == 1


def test_for_new_threads(core: str, make_recorder: Make, foreign: Foreign) -> None:
    """`threading.settrace` of somebody else stays, and is called in new threads."""
    was = threading.gettrace()
    threading.settrace(foreign)
    try:
        recorder = make_recorder(include=[__file__], core=core)
        with recorder.record("job"):
            thread = threading.Thread(target=before)
            thread.start()
            thread.join()
        recorder.close()
        assert threading.gettrace() is foreign
    finally:
        threading.settrace(was)  # type: ignore[arg-type]
    assert "before" in foreign.saw


@pytest.fixture
def no_tool_ids() -> Iterator[None]:
    """All tool ids of the interpreter are somebody's."""
    taken = [tool for tool in range(6) if sys.monitoring.get_tool(tool) is None]
    for tool in taken:
        sys.monitoring.use_tool_id(tool, "somebody")
    yield
    for tool in taken:
        assert sys.monitoring.get_tool(tool) == "somebody"
        sys.monitoring.free_tool_id(tool)


@pytest.mark.skipif(not HAS_MONITORING, reason="tool ids begin with Python 3.12")
@pytest.mark.usefixtures("no_tool_ids")
class TestNoToolIds:
    @pytest.mark.parametrize("kind", KINDS)
    def test_the_other_core_is_used(self, kind: str, make_recorder: Make, caplog: pytest.LogCaptureFixture) -> None:
        """Requests are recorded all the same, and the log and the stats tell how."""
        memory = reqcov.MemorySink()
        recorder = make_recorder(include=[__file__], sinks=[memory])
        serve(kind, recorder, handler)
        assert [record.lines for record in memory.records] == [{__file__: ran_here(handler, before)}]
        stats = recorder.stats()
        assert (stats.core, stats.reason) == ("settrace", "every tool id of sys.monitoring is taken")
        assert [logged.levelname for logged in caplog.records] == ["WARNING"]

    def test_who_insists_is_refused(self) -> None:
        """With `core="monitoring"` it is an error at set-up, which says what to do."""
        with pytest.raises(reqcov.ConfigError, match=r'tool id of sys.monitoring is taken. Use core="auto"'):
            reqcov.Recorder(core="monitoring")


@pytest.mark.skipif(not HAS_MONITORING, reason="sys.monitoring begins with Python 3.12")
@pytest.mark.parametrize("kind", KINDS)
def test_another_tool_in_mid_request(kind: str, make_recorder: Make) -> None:
    """A second tool that comes, restarts all events and goes disturbs no recording."""
    memory = reqcov.MemorySink()
    recorder = make_recorder(include=[__file__], core="monitoring", sinks=[memory])
    events, saw = sys.monitoring.events, set()

    def on_line(code: Any, line: int) -> Any:
        saw.add(code.co_name)
        return sys.monitoring.DISABLE

    def disturbing() -> bytes:
        before()
        sys.monitoring.use_tool_id(sys.monitoring.PROFILER_ID, "somebody")
        sys.monitoring.register_callback(sys.monitoring.PROFILER_ID, events.LINE, on_line)
        sys.monitoring.set_events(sys.monitoring.PROFILER_ID, events.LINE)
        sys.monitoring.restart_events()
        after()
        sys.monitoring.set_events(sys.monitoring.PROFILER_ID, 0)
        sys.monitoring.free_tool_id(sys.monitoring.PROFILER_ID)
        return b"served"

    for _ in range(2):
        serve(kind, recorder, disturbing)
    assert [record.lines for record in memory.records] == [{__file__: ran_here(disturbing, before, after)}] * 2
    assert "after" in saw
