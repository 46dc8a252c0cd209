"""A line may be disarmed while an open recording that has yet to enter its function lacks it; it still gets it."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextvars import Context, copy_context
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import reqcov
from reqcov.cores.base import Recording, current
from tests.conftest import HAS_MONITORING
from tests.stepping import load

CODE = """\
def plain(turns):
    total = 0
    for turn in range(turns):
        if turn:
            total += turn
    return total


def loops_at_once(turns):
    while turns > 0:
        turns -= 1
    return turns


def short(value): return [value, -value]


negative = lambda value: -value


def decorated(function):
    return function


@decorated
def below_a_decorator(value): return value + 1


def closes_over(value):
    kept = value

    def inner():
        return kept

    return inner()


def numbers(stop):
    number = 0
    while number < stop:
        yield number
        number += 1
    yield -1


async def waits(other):
    seen = await other
    seen += 1
    return seen


def calls(function):
    before = 1
    function()
    after = before
    return after


def gated(gate):
    gate()
    after = 1
    return after
"""

CALLS: dict[str, tuple[Callable[[ModuleType], Any], set[int]]] = {
    "plain": (lambda code: code.plain(3), {2, 3, 4, 5, 6}),
    "loops_at_once": (lambda code: code.loops_at_once(2), {10, 11, 12}),
    "short": (lambda code: code.short(1), {15}),
    "lambda": (lambda code: code.negative(1), {18}),
    "decorated": (lambda code: code.below_a_decorator(1), {26}),
    "closure": (lambda code: code.closes_over(1), {30, 32, 33, 35}),
    "generator": (lambda code: list(code.numbers(2)), {39, 40, 41, 42, 43}),
}


class Stage:
    """Some code, and recordings that run it."""

    def __init__(self, recorder: reqcov.Recorder, code: ModuleType) -> None:
        self.recorder = recorder
        self.code = code

    def begin(self, protocol: str = "http") -> Recording:
        """An open recording."""
        recording = self.recorder.start(protocol)
        assert recording is not None
        return recording

    def run(self, recording: Recording, call: Callable[[], Any]) -> Any:
        """Call something in `recording`, in a context of its own."""

        def inside() -> Any:
            token = self.recorder.enter(recording)
            try:
                return call()
            finally:
                self.recorder.leave(recording, token)

        return Context().run(inside)

    def lines(self, recording: Recording) -> set[int]:
        """What `recording` holds."""
        assert self.recorder._core is not None
        [numbers] = self.recorder._core.read(recording.hits)[0].values()
        return set(numbers)


@pytest.fixture
def stage(core: str, make_recorder: Callable[..., reqcov.Recorder], tmp_path: Path) -> Iterator[Stage]:
    """The code, imported, and one recorder."""
    recorder = make_recorder(source=[str(tmp_path)], core=core)
    return Stage(recorder, load(tmp_path / "code.py", CODE))


@pytest.mark.parametrize("name", CALLS)
def test_entered_late(stage: Stage, name: str) -> None:
    """A recording that was open all the while enters a function that others have run again and again."""
    call, expected = CALLS[name]
    waiting, busy, later = stage.begin(), stage.begin(), stage.begin()
    for _ in range(3):
        stage.run(busy, lambda: call(stage.code))
    stage.run(later, lambda: call(stage.code))
    stage.run(waiting, lambda: call(stage.code))
    assert stage.lines(busy) == stage.lines(later) == stage.lines(waiting) == expected


def test_resumed_by_another(stage: Stage) -> None:
    """A generator goes on in a recording that never began it, after others have run the rest of it."""
    shared = stage.code.numbers(2)
    beginner, busy, consumer = stage.begin(), stage.begin(), stage.begin()
    stage.run(beginner, lambda: next(shared))
    for _ in range(3):
        stage.run(busy, lambda: list(stage.code.numbers(2)))
    stage.run(consumer, lambda: list(shared))
    assert stage.lines(beginner) == {39, 40, 41}
    assert stage.lines(consumer) == {40, 41, 42, 43}


def test_thrown_into_by_another(stage: Stage) -> None:
    """So does one that is resumed by an exception."""
    if sys.version_info < (3, 12):
        pytest.skip("CPython 3.11 tells trace functions nothing of a frame that is resumed by an exception")
    coroutine = stage.code.waits(Once())
    beginner, busy, consumer = stage.begin(), stage.begin(), stage.begin()
    stage.run(beginner, lambda: coroutine.send(None))
    for _ in range(3):
        another = stage.code.waits(Once())
        stage.run(busy, lambda another=another: another.send(None))
        stage.run(busy, lambda another=another: interrupt(another))
    stage.run(consumer, lambda: interrupt(coroutine))
    assert stage.lines(beginner) == {47}
    assert stage.lines(consumer) == {47, 48, 49}  # it ends the first line, which the beginner began


class Once:
    """Something to wait for, once."""

    def __await__(self) -> Iterator[None]:
        try:
            yield
        except ValueError:
            return 1  # type: ignore[return-value]
        return 2  # type: ignore[return-value]


def interrupt(coroutine: Any) -> None:
    """Throw into what waits, and see it through."""
    with pytest.raises(StopIteration):
        coroutine.throw(ValueError)


def test_job_begins_in_the_middle_of_a_function(stage: Stage) -> None:
    """What the rest of the function runs belongs to the job, though others have run it before."""
    busy = stage.begin()

    def both() -> None:
        for _ in range(2):
            stage.run(busy, lambda: stage.code.calls(int))

    jobs: list[Recording] = []

    def begin_job() -> None:
        jobs.append(stage.begin("job"))
        current.set(jobs[0])
        both()

    if stage.recorder.stats().core == "settrace":
        pytest.skip("trace functions tell the recording when a function is entered; see docs/how-it-works.md")
    both()
    Context().run(stage.code.calls, begin_job)
    assert stage.lines(jobs[0]) >= {55, 56}
    stage.recorder.finish(jobs[0])


def test_frames_of_two_recordings_on_one_stack(stage: Stage) -> None:
    """A function that is in the middle of a call loses nothing when another recording runs it further down."""
    outer, inner = stage.begin(), stage.begin()
    stage.run(inner, lambda: stage.code.calls(int))

    def nested() -> None:
        for _ in range(3):
            copy_context().run(stage.run, inner, lambda: stage.code.calls(int))

    stage.run(outer, lambda: stage.code.calls(nested))
    assert stage.lines(outer) == stage.lines(inner) == {53, 54, 55, 56}


class Notes(dict[int, Any]):
    """The core's notes of what is disarmed; the first note stops its thread, until it may go on."""

    def __init__(self) -> None:
        self.taken, self.go_on = threading.Event(), threading.Event()

    def __setitem__(self, key: int, value: Any) -> None:
        super().__setitem__(key, value)
        if not self.taken.is_set():
            self.taken.set()
            assert self.go_on.wait(30)


@pytest.mark.skipif(not HAS_MONITORING, reason="sys.monitoring begins with Python 3.12")
def test_entered_while_a_line_is_being_disarmed(make_recorder: Callable[..., reqcov.Recorder], tmp_path: Path) -> None:
    """Another thread had decided to disarm a line, because the recording was not inside yet; now it is."""
    recorder = make_recorder(source=[str(tmp_path)], core="monitoring")
    stage = Stage(recorder, load(tmp_path / "code.py", CODE))
    core: Any = recorder._core
    core._disarmed = notes = Notes()
    sys.monitoring.register_callback(core._tool, sys.monitoring.events.LINE, core._line_callback())
    waiting, busy = stage.begin(), stage.begin()
    thread = threading.Thread(target=stage.run, args=(busy, lambda: stage.code.gated(int)))

    def let_it_be_disarmed() -> None:
        notes.go_on.set()
        thread.join(30)

    thread.start()
    assert notes.taken.wait(30)
    stage.run(waiting, lambda: stage.code.gated(let_it_be_disarmed))
    assert stage.lines(waiting) == stage.lines(busy) == {60, 61, 62}


@pytest.mark.skipif(not HAS_MONITORING, reason="sys.monitoring begins with Python 3.12")
def test_entered_while_its_function_is_met_for_the_first_time(
    make_recorder: Callable[..., reqcov.Recorder], tmp_path: Path
) -> None:
    """Another thread knows the function already, and has yet to switch its events on."""
    recorder = make_recorder(source=[str(tmp_path)], core="monitoring")
    stage = Stage(recorder, load(tmp_path / "code.py", CODE))
    core: Any = recorder._core
    first, second = stage.begin(), stage.begin()

    class Known(dict[int, Any]):
        def __setitem__(self, key: int, value: Any) -> None:
            super().__setitem__(key, value)
            thread = threading.Thread(target=stage.run, args=(second, lambda: stage.code.gated(int)))
            thread.start()
            thread.join(30)

    core._codes = Known()
    stage.run(first, lambda: stage.code.gated(int))
    assert stage.lines(first) == stage.lines(second) == {60, 61, 62}
