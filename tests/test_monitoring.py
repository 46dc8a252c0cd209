"""The monitoring core: what is armed when, and which tool it is."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextvars import Context
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

import pytest

import reqcov
from reqcov.cores.monitoring import TOOL_IDS
from tests.conftest import HAS_MONITORING
from tests.singly import BRANCHES, lines_of, run_in
from tests.stepping import load

if not HAS_MONITORING:
    pytest.skip("sys.monitoring begins with Python 3.12", allow_module_level=True)


@pytest.fixture
def sink() -> reqcov.MemorySink:
    """Where records go."""
    return reqcov.MemorySink()


class Monitored:
    """A monitoring core, with the calls of its callbacks for one file counted."""

    def __init__(self, recorder: reqcov.Recorder, code: ModuleType) -> None:
        self.core: Any = recorder._core
        self.calls = 0
        self._file = code.__file__
        events = sys.monitoring.events
        on_line = self.core._line_callback()
        self._count(events.LINE, on_line)
        self._count(events.INSTRUCTION, self.core._instruction_callback(on_line))
        self._count(events.PY_START, self.core._start_callback())

    def _count(self, event: int, callback: Callable[[CodeType, int], object]) -> None:
        def counted(code: CodeType, number: int) -> object:
            self.calls += code.co_filename == self._file
            return callback(code, number)

        sys.monitoring.register_callback(self.core._tool, event, counted)

    def calls_for(self, call: Callable[[], object]) -> int:
        """How many calls of a callback something brings about."""
        self.calls = 0
        Context().run(call)
        return self.calls


LOOP = """\
def loop():
    for n in range(1_000):
        short(n)

def short(n): return [
    n]
"""


def test_idle_process_runs_at_full_speed(tmp_path: Path, sink: reqcov.MemorySink) -> None:
    """Each line fires once where nothing is open, twice where two requests are, and then never until one begins."""
    code = load(tmp_path / "loop.py", LOOP)
    with reqcov.Recorder(source=[str(tmp_path)], core="monitoring", sinks=sink) as recorder:
        monitored = Monitored(recorder, code)
        idle = monitored.calls_for(code.loop)
        assert idle < 30, "2 starts, 4 lines, and each instruction of a body that begins on the line of its def"
        assert monitored.calls_for(code.loop) == 0
        first = recorder.start("http")
        assert monitored.calls_for(lambda: run_in(recorder, first, code.loop)) <= idle
        assert monitored.calls_for(lambda: run_in(recorder, first, code.loop)) == 0
        second = recorder.start("http")
        recorder.finish(first)
        assert monitored.calls_for(lambda: run_in(recorder, second, code.loop)) <= idle
        recorder.finish(second)
        assert monitored.calls_for(code.loop) == 0
    assert [record.lines for record in sink.records] == 2 * [{code.__file__: {2, 3, 5, 6}}]


def test_unsampled_requests_arm_nothing(tmp_path: Path, sink: reqcov.MemorySink) -> None:
    """They see what nobody has run before, and cost nothing for the rest."""
    code = load(tmp_path / "code.py", BRANCHES)
    with reqcov.Recorder(source=[str(tmp_path)], core="monitoring", sinks=sink, sample=0) as recorder:
        monitored = Monitored(recorder, code)
        assert lines_of(recorder, sink, lambda: code.f(True)) == {"code.py": {2, 3}}
        assert lines_of(recorder, sink, lambda: (code.f(True), code.f(False))) == {"code.py": {4}}
        known = recorder.start("http")
        assert monitored.calls_for(lambda: run_in(recorder, known, lambda: (code.f(True), code.f(False)))) == 0
        recorder.finish(known)
        assert sink.records == [], "it tells nothing new"


def test_events_restarted_by_another_tool(tmp_path: Path, sink: reqcov.MemorySink) -> None:
    """`restart_events()` arms our lines too: they are met again, recorded as before, and disarmed again."""
    code = load(tmp_path / "code.py", BRANCHES)
    with reqcov.Recorder(source=[str(tmp_path)], core="monitoring", sinks=sink) as recorder:
        monitored = Monitored(recorder, code)
        expected = {"code.py": {2, 4}}
        assert lines_of(recorder, sink, lambda: code.f(False)) == expected
        sys.monitoring.restart_events()
        assert lines_of(recorder, sink, lambda: (code.f(False), sys.monitoring.restart_events())) == expected
        assert monitored.calls_for(code.g) > 0
        sys.monitoring.restart_events()
        assert monitored.calls_for(code.g) > 0
        assert monitored.calls_for(code.g) == 0


def test_tool_ids(tmp_path: Path) -> None:
    """A free id is taken and given back; the debugger's and coverage.py's are left to them though they are free."""
    sys.monitoring.use_tool_id(TOOL_IDS[0], "somebody")
    recorders = [reqcov.Recorder(source=[str(tmp_path)], core="monitoring") for _ in TOOL_IDS[1:]]
    tools = [sys.monitoring.get_tool(tool) for tool in range(6)]
    assert tools == [None, None, "reqcov", "somebody", "reqcov", "reqcov"]
    for recorder in recorders:
        recorder.close()
    assert [sys.monitoring.get_tool(tool) for tool in range(6)] == [None, None, None, "somebody", None, None]
    sys.monitoring.free_tool_id(TOOL_IDS[0])


def test_disarms_nothing_without_the_interpreter_lock(
    tmp_path: Path, sink: reqcov.MemorySink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No interpreter of the tests is free-threaded; what can be shown is that the core asks, and heeds the answer."""
    monkeypatch.setattr(sys, "_is_gil_enabled", lambda: False, raising=False)
    code = load(tmp_path / "loop.py", LOOP)
    with reqcov.Recorder(source=[str(tmp_path)], core="monitoring", sinks=sink) as recorder:
        monitored = Monitored(recorder, code)
        assert monitored.calls_for(code.loop) > 2_000
        assert monitored.calls_for(code.loop) > 2_000
        assert lines_of(recorder, sink, code.loop) == {"loop.py": {2, 3, 5, 6}}
