"""The cores by themselves: what they record of which code, and what they leave alone."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import Context
from pathlib import Path
from types import FunctionType
from typing import Any

import pytest

import reqcov
from reqcov.cores.monitoring import TOOL_IDS
from tests.conftest import HAS_MONITORING
from tests.singly import BRANCHES, lines_of, run_in
from tests.stepping import load


@pytest.fixture
def sink() -> reqcov.MemorySink:
    """Where records go."""
    return reqcov.MemorySink()


@pytest.fixture
def recorder(tmp_path: Path, core: Any, sink: reqcov.MemorySink) -> Iterator[reqcov.Recorder]:
    """A recorder on each core."""
    with reqcov.Recorder(source=[str(tmp_path)], core=core, sinks=sink) as recorder:
        yield recorder
        assert recorder.stats().faults == {}


SHAPES = {
    "def on one line": ("def f(): return 1", {1}),
    "lambda": ("f = lambda: 1", {1}),
    "lambda whose body begins on its line": ("f = (\n    lambda: [1,\n    int()]\n)", {2, 3}),
    "def whose body begins on its line": ("def f(): return [1,\n    int()]", {1, 2}),
    "one line with a loop": ("def f(): return [n for n in range(3)]", {1}),
    "one line with a loop in a loop": ("def f(): return {n: [m for m in range(n)] for n in range(3)}", {1}),
    "one line with a generator expression": ("def f(): return list(n for n in range(3))", {1}),
    "generator expression of another function": (
        "def g(): return (n for n in range(3))\ndef f():\n    return list(g())",
        {1, 3},
    ),
    "generator on one line": ("def g(): yield 1\ndef f():\n    return list(g())", {1, 3}),
    "coroutine on one line": ("async def g(): return 1\ndef f():\n    return drive(g())", {1, 3}),
    "decorated, on one line": ("@staticmethod\ndef f(): return 1", {2}),
    "decorated": ("@staticmethod\n@staticmethod\ndef f():\n    return 1", {4}),
    "closure on one line": ("def f(n=2):\n    def g(): return n\n    return g()", {2, 3}),
    "docstring only": ('def f():\n    """Nothing."""', {1}),
    "docstring first": ('def f():\n    """Something."""\n    return 1', {3}),
    "pass": ("def f():\n    pass", {2}),
    "pass on the line of def": ("def f(): pass", {1}),
    "arguments on many lines": ("def f(\n    a=1,\n    b=2,\n):\n    return a", {5}),
    "loop first": ("def f():\n    for n in range(2):\n        n += 1", {2, 3}),
    "endless loop first": ("def f():\n    while True:\n        return", {2, 3}),
    "try first": ("def f():\n    try:\n        return int('')\n    except ValueError:\n        return 5", {2, 3, 4, 5}),
    "with first": ("import io\ndef f():\n    with io.StringIO() as g:\n        g.read()", {3, 4}),
    "raised through": (
        "def g():\n    1 / 0\n    return\ndef f():\n    try:\n        g()\n    except ArithmeticError:\n        pass",
        {2, 5, 6, 7, 8},
    ),
    "match first": (
        "def f(n=2):\n    match n:\n        case 1:\n            return 4\n        case 2:\n            return 6",
        {2, 3, 5, 6},
    ),
    "global first": ("def f():\n    global n\n    n = 3", {3}),
    "class in a function": (
        "def f():\n    class C:\n        n = 3\n        def g(self):\n            return 5\n    return C().g()",
        {2, 6, 5},
    ),
}
"""Source with a function `f`, and the lines that calling it runs in functions."""

DRIVE = """\
def drive(coroutine):
    try:
        coroutine.send(None)
    except StopIteration:
        pass
"""


@pytest.mark.parametrize("shape", SHAPES)
def test_shapes_of_functions(recorder: reqcov.Recorder, sink: reqcov.MemorySink, tmp_path: Path, shape: str) -> None:
    """For every request each line: when two are open at the code's first call, and when it was called in between."""
    source, expected = SHAPES[shape]
    path = tmp_path / "shape.py"
    call = load(path, f"{source}\n\n{DRIVE}").f
    first, second = recorder.start("http"), recorder.start("http")
    for recording in (first, second):
        run_in(recorder, recording, call)
    call()
    late = recorder.start("http")
    run_in(recorder, late, call)
    for recording in (first, second, late):
        recorder.finish(recording)
    beyond = source.count("\n") + 1
    for record in sink.records:
        assert {line for line in record.lines[str(path)] if line <= beyond} == expected


BODIES = """\
import dataclasses

class Shop:
    name = "shop"

    def open(self):
        class Till:
            full = not bool(self)

        return Till.full

@dataclasses.dataclass
class Order:
    number: int = 14
    text: str = dataclasses.field(default_factory=lambda: "none")

def order():
    return Order(Shop().open())
"""


def test_functions_only(recorder: reqcov.Recorder, sink: reqcov.MemorySink, tmp_path: Path) -> None:
    """Bodies of modules and classes are left out: they run once, for whichever request came first."""

    def call() -> None:
        load(tmp_path / "bodies.py", BODIES).order()

    assert lines_of(recorder, sink, call) == {"bodies.py": {7, 10, 15, 18}}


@pytest.mark.skipif(sys.version_info < (3, 12), reason="type parameters begin with Python 3.12")
def test_type_parameters_are_no_functions(recorder: reqcov.Recorder, sink: reqcov.MemorySink, tmp_path: Path) -> None:
    """The scopes that Python makes for them run at definition, as class bodies do."""
    source = "def f[T: int](n: T) -> T:\n    return n\nclass C[T]:\n    pass\ntype A = list[int]\n"
    assert lines_of(recorder, sink, lambda: load(tmp_path / "generic.py", source).f(1)) == {"generic.py": {2}}


def test_two_identical_files(recorder: reqcov.Recorder, sink: reqcov.MemorySink, tmp_path: Path) -> None:
    """Their code objects are equal and have equal hashes, and are kept apart all the same."""
    source = "def f(flag):\n    if flag:\n        return 3\n    return 4\n"
    (tmp_path / "other").mkdir()
    one, two = load(tmp_path / "one.py", source), load(tmp_path / "other" / "two.py", source)
    assert one.f.__code__ == two.f.__code__
    first, second = recorder.start("http"), recorder.start("http")
    run_in(recorder, first, lambda: (one.f(True), two.f(False)))
    run_in(recorder, second, lambda: two.f(True))
    for recording in (first, second):
        recorder.finish(recording)
    assert [record.lines for record in sink.records] == [
        {one.__file__: {2, 3}, two.__file__: {2, 4}},
        {two.__file__: {2, 3}},
    ]
    assert len({record.footprint for record in sink.records}) == 2


def test_lines_of_nobody_are_counted(recorder: reqcov.Recorder, sink: reqcov.MemorySink, tmp_path: Path) -> None:
    """Only those that run while a request is open could have been meant for it; each counts once."""
    code = load(tmp_path / "code.py", BRANCHES)
    Context().run(code.g)
    assert recorder.stats().unattributed == 0
    recording = recorder.start("http")
    run_in(recorder, recording, lambda: (code.g(), [Context().run(code.f, False) for _ in range(3)]))
    recorder.finish(recording)
    Context().run(code.f, True)
    assert sink.records[0].lines == {code.__file__: {7}}
    assert recorder.stats().unattributed == 2


def test_code_that_outlives_its_request(recorder: reqcov.Recorder, sink: reqcov.MemorySink, tmp_path: Path) -> None:
    """A context that still names a finished request gives its lines to nobody, least of all to the finished record."""
    code = load(tmp_path / "code.py", BRANCHES)
    context = Context()
    recording = recorder.start("http")
    assert recording is not None
    token = context.run(recorder.enter, recording)
    context.run(code.f, True)
    recorder.finish(recording)
    context.run(code.f, False)
    assert lines_of(recorder, sink, code.g) == {"code.py": {7}}
    assert sink.records[0].lines == {code.__file__: {2, 3}}
    context.run(recorder.leave, recording, token)


def test_closing_leaves_nothing(tmp_path: Path, core: Any, sink: reqcov.MemorySink) -> None:
    """What was measured runs unmeasured afterwards, on threads that stay too; the next recorder is as good."""
    code = load(tmp_path / "code.py", BRANCHES)
    with ThreadPoolExecutor(1) as pool:
        for flag in (True, False, True):
            with reqcov.Recorder(source=[str(tmp_path)], core=core, sinks=sink, follow_threads=True) as recorder:
                expected = {"code.py": {2, 3 if flag else 4, 7}}
                assert lines_of(recorder, sink, lambda f=flag: (code.f(f), pool.submit(code.g).result())) == expected
            assert pool.submit(code.f, flag).result()
            assert pool.submit(sys.gettrace).result() is None
            assert events_of(code.f) == 0


def events_of(function: FunctionType) -> int:
    """The events of whichever tool might have been ours that are still set on a function."""
    if not HAS_MONITORING:
        return 0
    for tool in TOOL_IDS:
        sys.monitoring.use_tool_id(tool, "test")
    events = [sys.monitoring.get_local_events(tool, function.__code__) for tool in TOOL_IDS]
    for tool in TOOL_IDS:
        sys.monitoring.free_tool_id(tool)
    return sum(events)
