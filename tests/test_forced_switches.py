"""The monitoring core, with another thread let in at each point of its code where the interpreter might let one in."""

from __future__ import annotations

import dis
import sys
import threading
from collections.abc import Callable, Iterator
from contextvars import Context
from itertools import count
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
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
def work(whole):
    number = 2
    if whole:
        number += 4
    return number
"""
LINES = {2, 3, 4, 5}


class Stops:
    """Counts the points that each thread passes, and has something done at one of them."""

    def __init__(self) -> None:
        self.reached: list[str] = []
        self._coming: dict[int, tuple[Iterator[int], int, Callable[[], object]]] = {}

    def stop_here_at(self, number: int, do: Callable[[], object]) -> None:
        """This thread shall do something at its `number`th point from now on."""
        self._coming[threading.get_ident()] = (count(1), number, do)

    def passing(self, where: str) -> None:
        """This thread is at a point."""
        points, number, do = self._coming.get(threading.get_ident(), (iter([0]), 1, None))
        if next(points) == number and do is not None:
            self.reached.append(f"{where} ({number})")
            do()

    def interleave(self, first: Callable[[], object], i: int, second: Callable[[], object], j: int) -> None:
        """Run `first` to its point `i`, then `second` to its point `j`, then the one to its end, then the other."""
        self.reached = []
        second_stands, first_is_done = threading.Event(), threading.Event()

        def pause() -> None:
            second_stands.set()
            assert first_is_done.wait(30)

        def run_second() -> None:
            self.stop_here_at(j, pause)
            second()
            second_stands.set()

        def start_second() -> None:
            thread.start()
            assert second_stands.wait(30)

        thread = threading.Thread(target=run_second)
        self.stop_here_at(i, start_second)
        first()
        self._coming.pop(threading.get_ident())
        first_is_done.set()
        if self.reached:
            thread.join(30)


class Trap(dict[Any, Any]):
    """A dictionary whose every use is a point to stop at."""

    def __init__(self, name: str, passing: Callable[[str], None]) -> None:
        self._name = name
        self._passing = passing

    def __contains__(self, key: Any) -> bool:
        self._passing(f"before {self._name} is asked")
        return super().__contains__(key)

    def __getitem__(self, key: Any) -> Any:
        self._passing(f"before {self._name} is read")
        return super().__getitem__(key)

    def get(self, key: Any, default: Any = None) -> Any:
        self._passing(f"before {self._name} is looked up")
        return super().get(key, default)

    def setdefault(self, key: Any, default: Any = None) -> Any:
        self._passing(f"before {self._name} is entered")
        value = super().setdefault(key, default)
        self._passing(f"after {self._name} is entered")
        return value

    def __setitem__(self, key: Any, value: Any) -> None:
        self._passing(f"before {self._name} is set")
        super().__setitem__(key, value)


class ContextTrap:
    """The context variable; each reading of it is a point to stop at."""

    def __init__(self, passing: Callable[[str], None]) -> None:
        self._passing = passing

    def get(self) -> Recording | None:
        self._passing("before the context is read")
        return current.get()


class Workshop:
    """A monitoring core whose every step is a point to stop at, and a function that is run for several recordings."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.stops = Stops()
        monkeypatch.setattr(monitoring, "current", ContextTrap(self.stops.passing))
        self.recorder = reqcov.Recorder(source=[str(folder)], core="monitoring")
        self.core: Any = self.recorder._core
        self.core._disarmed = Trap("the note of what is disarmed", self.stops.passing)
        events = sys.monitoring.events
        on_line = self.core._line_callback()
        sys.monitoring.register_callback(self.core._tool, events.LINE, on_line)
        sys.monitoring.register_callback(self.core._tool, events.INSTRUCTION, self.core._instruction_callback(on_line))
        self.code: ModuleType = load(folder / "code.py", CODE)

    def begin(self) -> Recording:
        """A recording of a request."""
        recording = Recording("http", "GET", "/", True)
        recording.hits = Trap("hits", self.stops.passing)
        self.core.begin(recording)
        return recording

    def work(self, recording: Recording | None, whole: bool = True) -> None:
        """Run the function, or all but one line of it, for `recording` or for nobody."""

        def run() -> None:
            current.set(recording)
            self.code.work(whole)

        Context().run(run)

    def prepare(self, ran: str) -> Recording:
        """An open recording for which the function was run in whole, but for a line, or not at all."""
        recording = self.begin()
        if ran != "nothing":
            self.work(recording, whole=ran == "everything")
        return recording

    def end_complete(self, recordings: dict[str, Recording]) -> None:
        """None of the recordings misses a line of the function."""
        for name, recording in recordings.items():
            self.core.end(recording)
            lines = self.core.read(recording.hits)[0].get(self.code.__file__, frozenset())
            same(f"{name}, having stopped {' and '.join(self.stops.reached)}", lines, LINES)


@pytest.fixture
def workshop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workshop]:
    """A core of one's own."""
    workshop = Workshop(tmp_path, monkeypatch)
    with workshop.recorder:
        yield workshop


def switches(code: CodeType) -> set[int]:
    """The offsets of the instructions before which the interpreter may let another thread in: after calls, in loops."""
    found, called = set(), False
    for instruction in dis.get_instructions(code):
        if called or instruction.opname.startswith("JUMP_BACKWARD"):
            found.add(instruction.offset)
        called = instruction.opname.startswith(("RESUME", "CALL", "BEFORE_WITH"))
    return found


@pytest.fixture
def beginnings(workshop: Workshop) -> Iterator[None]:
    """What begins a recording has points to stop at, too."""
    events = sys.monitoring.events
    codes = [method.__code__ for method in vars(MonitoringCore).values() if isinstance(method, FunctionType)]
    points = {code: switches(code) for code in codes}

    def on_instruction(code: CodeType, offset: int) -> None:
        if offset in points[code]:
            workshop.stops.passing(f"before {offset} of {code.co_name}")

    sys.monitoring.use_tool_id(5, "beginnings")
    sys.monitoring.register_callback(5, events.INSTRUCTION, on_instruction)
    for code in codes:
        sys.monitoring.set_local_events(5, code, events.INSTRUCTION)
    yield
    for code in codes:
        sys.monitoring.set_local_events(5, code, 0)
    sys.monitoring.register_callback(5, events.INSTRUCTION, None)
    sys.monitoring.free_tool_id(5)


def everywhere(workshop: Workshop, meet: Callable[[int, int], None]) -> None:
    """Call `meet` with each pair of points that there is."""
    for i in count(1):
        for j in count(1):
            meet(i, j)
            if len(workshop.stops.reached) < 2:
                break
        if not workshop.stops.reached:
            assert i > 1, "no point was passed"
            break


OTHER = ["none is open", "nothing", "everything"]


@pytest.mark.parametrize("first", ["line", "recording"])
@pytest.mark.parametrize("other_ran", OTHER)
@pytest.mark.parametrize("own_ran", ["nobody's", "nothing", "but for a line"])
@pytest.mark.usefixtures("beginnings")
def test_recording_begins_while_lines_run(workshop: Workshop, own_ran: str, other_ran: str, first: str) -> None:
    """Whichever is there first, and wherever it lets the other one in: nobody misses a line."""
    workshop.work(None)

    def meet(i: int, j: int) -> None:
        recordings: dict[str, Recording] = {}
        if own_ran != "nobody's":
            recordings["own"] = workshop.prepare(own_ran)
        if other_ran != "none is open":
            recordings["other"] = workshop.prepare(other_ran)
        if own_ran == "nobody's":
            workshop.core.end(workshop.begin())  # arms every line

        def work() -> None:
            workshop.work(recordings.get("own"))

        def begin() -> None:
            recordings["begun"] = workshop.begin()

        first, second = (work, begin) if first_is_work else (begin, work)
        workshop.stops.interleave(first, i, second, j)
        if workshop.stops.reached:
            for name in {"begun", "other"} & set(recordings):
                workshop.work(recordings[name])
            workshop.end_complete(recordings)

    first_is_work = first == "line"
    everywhere(workshop, meet)


@pytest.mark.parametrize("other_ran", OTHER)
@pytest.mark.parametrize(
    ("first_ran", "second_ran"),
    [("nothing", "nothing"), ("nothing", "but for a line"), ("nothing", "everything"), ("but for a line", "nothing")],
)
def test_lines_run_at_once(workshop: Workshop, first_ran: str, second_ran: str, other_ran: str) -> None:
    """Two threads are in the callback, for two recordings: wherever the one lets the other in, nobody misses a line."""
    workshop.work(None)

    def meet(i: int, j: int) -> None:
        recordings = {"first": workshop.prepare(first_ran), "second": workshop.prepare(second_ran)}
        if other_ran != "none is open":
            recordings["other"] = workshop.prepare(other_ran)
        first, second = (lambda name=name: workshop.work(recordings[name]) for name in ("first", "second"))
        workshop.stops.interleave(first, i, second, j)
        if workshop.stops.reached:
            for recording in recordings.values():
                workshop.work(recording)
            workshop.end_complete(recordings)

    everywhere(workshop, meet)
