"""Walks through the same code by turns in random order: no line is lost, none is noted for another walk."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import Context, Token
from pathlib import Path
from random import Random
from types import ModuleType
from typing import Any

import pytest

import reqcov
from reqcov import recorder as recorder_module
from reqcov.cores import tracers
from reqcov.cores.base import Recording
from tests.stepping import load, same

WALKS = """\
def leaf(): return (LINE,)

def fork(flag):
    ran = (LINE, LINE + 1)
    if flag:
        return (*ran, LINE)
    return (*ran, LINE)

def short(before=()):
    if (yield (*before, LINE)):
        yield (LINE, *leaf())
    else:
        yield (LINE, *fork(False))
    while (yield (LINE,)):
        yield (LINE, *fork(True))

def deep():
    yield (LINE,)
    if (yield (LINE,)):
        yield from short((LINE,))
        yield (LINE,)
    else:
        yield (LINE,)
        if (yield (LINE,)):
            yield (LINE, *leaf())
    yield (LINE,)
"""
"""Each step of a walk takes a random turning, and tells the lines that it ran."""


class Walk:
    """One walk, recorded from one step of it to another, or not at all."""

    def __init__(self, recorder: reqcov.Recorder, code: ModuleType, rng: Random, name: int) -> None:
        self.recorder = recorder
        self.name = name
        self.ran: set[int] = set()
        """The lines that ran while it was recorded."""
        self.recording: Recording | None = None
        self._steps = rng.choice((code.short, code.deep))()
        self._rng = rng
        self._begin = rng.choice((0, 0, 0, 1, 3, 99))
        self._end = self._begin + rng.choice((1, 4, 99, 99))
        self._stays = rng.random() < 0.5
        """Whether it is entered once in a context of its own, as a task is, or at each step, as a body is."""
        self._context = Context()
        self._token: Token[Recording | None] | None = None
        self._step = 0

    def step(self) -> bool:
        """Run some lines; False where the end was reached."""
        if self._step == self._begin:
            self.begin()
        if self._step == self._end:
            self.finish()
        recording = None if self.recording is None or self.recording.core is None else self.recording
        try:
            if recording is None:
                Context().run(self._move)
            elif self._stays:
                self.ran.update(self._context.run(self._move))
            else:
                token = self.recorder.enter(recording)
                try:
                    self.ran.update(self._move())
                finally:
                    self.recorder.leave(recording, token)
        except StopIteration:
            self.finish()
            return False
        self._step += 1
        return True

    def _move(self) -> tuple[int, ...]:
        return self._steps.send(self._rng.random() < 0.6 if self._step else None)  # type: ignore[no-any-return]

    def begin(self) -> None:
        self.recording = self.recorder.start(self._rng.choice(("http", "job")))
        assert self.recording is not None
        self.recording.route = str(self.name)
        if self._stays:
            self._token = self._context.run(self.recorder.enter, self.recording)

    def finish(self) -> None:
        if self.recording is not None and self.recording.core is not None:
            if self._stays:
                self._context.run(self.recorder.leave, self.recording, self._token)
            self.recorder.finish(self.recording)


def check(walks: list[Walk], sink: reqcov.MemorySink) -> None:
    """Every complete recording holds what its walk ran, every incomplete one nothing else."""
    records = {int(record.route or -1): record for record in sink.records}
    assert len(records) == len(sink.records)
    sink.records.clear()
    for walk in walks:
        if walk.recording is None:
            continue
        record = records.pop(walk.name, None)
        recorded: frozenset[int] = frozenset().union(*record.lines.values()) if record else frozenset()
        if walk.recording.sampled:
            assert record is not None
            assert record.complete
            same(f"walk {walk.name}", recorded, walk.ran)
        else:
            assert recorded <= walk.ran
    assert not records


@pytest.fixture
def code(tmp_path: Path) -> ModuleType:
    """The code that is walked through."""
    numbered = (line.replace("LINE", str(number)) for number, line in enumerate(WALKS.splitlines(), 1))
    return load(tmp_path / "walks.py", "\n".join(numbered))


@pytest.fixture
def sink() -> reqcov.MemorySink:
    """Where records go."""
    return reqcov.MemorySink()


@pytest.fixture
def recorder(tmp_path: Path, core: Any, sink: reqcov.MemorySink) -> Iterator[reqcov.Recorder]:
    """A recorder that leaves out some requests, on each core."""
    with reqcov.Recorder(source=[str(tmp_path)], core=core, sinks=sink, sample=0.8) as recorder:
        yield recorder
        assert recorder.stats().faults == {}


def test_many_random_interleavings(
    recorder: reqcov.Recorder, sink: reqcov.MemorySink, code: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two to four walks at a time, each step by a random one of them; some begin, end or are left out in the middle."""
    times = 4_000 if tracers.choose is tracers.PythonTracers else 10_000  # that one is slow
    rng = Random(20_000)
    monkeypatch.setattr(recorder_module, "random", rng.random)

    def interleave(times: int) -> None:
        for _ in range(times):
            walks = [Walk(recorder, code, rng, name) for name in range(rng.randint(2, 4))]
            going = list(walks)
            while going:
                walk = rng.choice(going)
                if not walk.step():
                    going.remove(walk)
            check(walks, sink)

    interleave(1_000)
    with ThreadPoolExecutor(1) as pool:  # where trace functions stay installed, which makes it many times faster
        pool.submit(interleave, times - 1_000).result()


def test_random_threads(recorder: reqcov.Recorder, sink: reqcov.MemorySink, code: ModuleType) -> None:
    """The same by threads that the interpreter switches as often as it can."""

    def stroll(walk: Walk) -> None:
        while walk.step():
            pass

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(4) as pool:
            for seed in range(1_000):
                walks = [Walk(recorder, code, Random(4 * seed + name), name) for name in range(4)]
                list(pool.map(stroll, walks))
                check(walks, sink)
    finally:
        sys.setswitchinterval(before)
