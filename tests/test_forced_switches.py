"""The monitoring core, with another thread let in at each point of its code where the interpreter might let one in."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextvars import Context
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

import pytest

import reqcov
from reqcov.cores import monitoring
from reqcov.cores.base import Recording, current
from reqcov.cores.monitoring import MonitoringCore
from tests.conftest import HAS_MONITORING
from tests.stepping import load, same

if not HAS_MONITORING:
    pytest.skip("sys.monitoring begins with Python 3.12", allow_module_level=True)

CODE = """\
def work():
    number = 2
    number += 3
    return number
"""
LINES = {2, 3, 4}

IN_THE_CALLBACK = [
    ("nobody", "context read"),
    ("nobody", "before it is noted as disarmed"),
    ("nobody", "after it is noted as disarmed"),
    ("one", "context read"),
    ("one", "own hits read"),
    ("one", "before it is noted as disarmed"),
    ("one", "after it is noted as disarmed"),
    ("two", "context read"),
    ("two", "own hits read"),
    ("two", "other hits read"),
    ("two", "before it is noted as disarmed"),
    ("two", "after it is noted as disarmed"),
]
"""For whom a line is recorded, and the point of the callback at which another recording begins."""

Happen = Callable[[str], None]


class Trap(dict[Any, Any]):
    """A dictionary that tells when it is used."""

    def __init__(self, name: str, happen: Happen) -> None:
        self._name = name
        self._happen = happen

    def __getitem__(self, key: Any) -> Any:
        self._happen(f"{self._name} read")
        return super().__getitem__(key)

    def get(self, key: Any, default: Any = None) -> Any:
        self._happen(f"{self._name} read")
        return super().get(key, default)

    def __setitem__(self, key: Any, value: Any) -> None:
        self._happen(f"before it is {self._name}")
        super().__setitem__(key, value)
        self._happen(f"after it is {self._name}")


class ContextTrap:
    """The context variable, telling when it is read."""

    def __init__(self, happen: Happen) -> None:
        self._happen = happen

    def get(self) -> Recording | None:
        self._happen("context read")
        return current.get()


class Workshop:
    """A monitoring core, and a function that is run for several recordings."""

    def __init__(self, folder: Path) -> None:
        self.sink = reqcov.MemorySink()
        self.recorder = reqcov.Recorder(source=[str(folder)], core="monitoring", sinks=self.sink)
        assert isinstance(self.recorder._core, MonitoringCore)
        self.core = self.recorder._core
        self.code: ModuleType = load(folder / "code.py", CODE)

    def begin(self, hits: Any = None) -> Recording:
        """A recording that keeps its hits in `hits`."""
        recording = Recording("http", None, None, True)
        recording.hits = {} if hits is None else hits
        self.core.begin(recording)
        return recording

    def work(self, recording: Recording | None) -> None:
        """Run the function for `recording`, or for nobody."""

        def run() -> None:
            current.set(recording)
            self.code.work()

        Context().run(run)

    def has_all(self, what: str, recording: Recording) -> None:
        """What `recording` holds is every line of the function."""
        [lines] = self.core.read(recording.hits)[0].values()
        same(what, lines, LINES)


@pytest.fixture
def workshop(tmp_path: Path) -> Iterator[Workshop]:
    """A core of one's own."""
    workshop = Workshop(tmp_path)
    with workshop.recorder:
        yield workshop


def in_thread(do: Callable[[], Any]) -> Any:
    """Have another thread do something, now."""
    answers: list[Any] = []
    thread = threading.Thread(target=lambda: answers.append(do()))
    thread.start()
    thread.join(30)
    return answers[0]


@pytest.mark.parametrize("line", sorted(LINES))
@pytest.mark.parametrize(("recorded_for", "point"), IN_THE_CALLBACK)
def test_recording_begins_within_a_callback(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch, recorded_for: str, point: str, line: int
) -> None:
    """It gets every line, also the one whose callback was about to disarm it; so do those that were open before."""
    core, begun, passed = workshop.core, [], []
    watching = False

    def happen(where: str) -> None:
        if watching and where == point:
            passed.append(where)
            if len(passed) == line - 1:
                begun.append(in_thread(workshop.begin))

    monkeypatch.setattr(monitoring, "current", ContextTrap(happen))
    core._disarmed = Trap("noted as disarmed", happen)
    sys.monitoring.register_callback(core._tool, sys.monitoring.events.LINE, core._line_callback())
    other = workshop.begin(Trap("other hits", happen)) if recorded_for == "two" else None
    own = workshop.begin(Trap("own hits", happen)) if recorded_for != "nobody" else None
    if other is not None:
        workshop.work(other)
    watching = True
    workshop.work(own)
    watching = False
    assert begun, "this point was never passed"
    for what, recording in {"begun": begun[0], "own": own, "other": other}.items():
        if recording is not None:
            workshop.work(recording)
            workshop.has_all(what, recording)


class Instructions:
    """Has something done before one instruction of the functions of the core that begin and end recordings."""

    def __init__(self, number: int, do: Callable[[], Any]) -> None:
        self.passed = 0
        self._number = number
        self._do = do
        self._codes = [function.__code__ for function in (MonitoringCore.begin, MonitoringCore._arm_again)]

    def __enter__(self) -> Instructions:
        events = sys.monitoring.events
        sys.monitoring.use_tool_id(5, "switches")
        sys.monitoring.register_callback(5, events.INSTRUCTION, self._instruction)
        for code in self._codes:
            sys.monitoring.set_local_events(5, code, events.INSTRUCTION)
        return self

    def _instruction(self, code: CodeType, offset: int) -> None:
        self.passed += 1
        if self.passed == self._number:
            self._do()

    def __exit__(self, *exc_info: object) -> None:
        for code in self._codes:
            sys.monitoring.set_local_events(5, code, 0)
        sys.monitoring.register_callback(5, sys.monitoring.events.INSTRUCTION, None)
        sys.monitoring.free_tool_id(5)


@pytest.mark.parametrize("open_before", [True, False])
def test_lines_run_while_a_recording_begins(workshop: Workshop, open_before: bool) -> None:
    """Before whichever instruction of its beginning the function is run elsewhere: nobody misses a line."""
    number = 0
    while True:
        number += 1
        workshop.work(None)  # disarms what is armed
        own = workshop.begin() if open_before else None
        with Instructions(number, lambda own=own: in_thread(lambda: workshop.work(own))) as instructions:
            begun = workshop.begin()
        if instructions.passed < number:
            break
        if own is not None:
            workshop.has_all(f"instruction {number}, open before", own)
            workshop.core.end(own)
        workshop.work(begun)
        workshop.has_all(f"instruction {number}, begun", begun)
        workshop.core.end(begun)
    assert number > 20, "the instructions of the core were not seen"
