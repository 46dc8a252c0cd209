"""Forks in the middle of a request, and the end of the process."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import reqcov
from tests.conftest import CORES
from tests.inprocess import KINDS, get, make_app
from tests.test_faults import ran

Make = Callable[..., reqcov.Recorder]

pytestmark = pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")


def parents_work() -> int:
    return 1


def childs_work() -> int:
    return 2


def ran_here(*functions: Callable[..., Any]) -> set[int]:
    return set().union(*(ran(function)[__file__] for function in functions))


def in_child(work: Callable[[], object]) -> int:
    """Fork, do `work` in the child, and tell how it ended: 0 where all was well."""
    pid = os.fork()
    if pid == 0:
        signal.alarm(30)  # a child that hangs is ended by the kernel
        try:
            work()
            os._exit(0)
        except BaseException as error:
            sys.stderr.write(f"in the child: {error!r}\n")
        finally:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def lines_of(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


@pytest.mark.parametrize("kind", KINDS)
def test_fork_in_mid_request(kind: str, core: str, make_recorder: Make) -> None:
    """The child's work is not in the parent's record, which is complete; the response is the parent's."""
    memory = reqcov.MemorySink()

    def forking() -> bytes:
        parents_work()
        assert in_child(childs_work) == 0
        return b"served"

    recorder = make_recorder(include=[__file__], core=core, sinks=[memory])
    assert get(kind, reqcov.wrap(make_app(kind, forking), recorder=recorder)).content == b"served"
    [record] = memory.records
    assert record.complete
    assert not ran_here(childs_work) & record.lines[__file__]
    assert record.lines[__file__] >= ran_here(forking, parents_work)
    assert recorder.stats().faults == {}


@pytest.mark.parametrize("kind", KINDS)
def test_a_child_that_goes_on_serving(kind: str, core: str, make_recorder: Make, tmp_path: Path) -> None:
    """It records and delivers what it serves itself, once, and the request that forked is the parent's alone."""
    file = tmp_path / "records"
    recorder = make_recorder(include=[__file__], core=core, sinks=[reqcov.JsonLinesSink(file)])
    child = reqcov.wrap(make_app("wsgi", lambda: str(childs_work()).encode()), recorder=recorder)

    def serve() -> None:
        for _ in range(2):
            assert get("wsgi", child, "/child").content == b"2"
        recorder.close()

    def forking() -> bytes:
        parents_work()
        assert in_child(serve) == 0
        return b"served"

    app = reqcov.wrap(make_app(kind, forking), recorder=recorder)
    assert get(kind, app, "/parent").content == b"served"
    recorder.close()
    records = lines_of(file)
    assert [record["context"] for record in records] == ["GET /child", "GET /child", "GET /parent"]
    for record in records[:2]:
        assert ran_here(childs_work) < set(record["lines"][__file__])
        assert not ran_here(forking, parents_work) & set(record["lines"][__file__])
    assert all(record["complete"] for record in records)


@pytest.mark.parametrize("kind", KINDS)
def test_a_child_that_returns_from_the_request(kind: str, core: str, make_recorder: Make) -> None:
    """Where the child comes back through us as well, it has no record of it, and no error."""
    memory = reqcov.MemorySink()
    recorder = make_recorder(include=[__file__], core=core, sinks=[memory])
    pids: list[int] = []

    def forking() -> bytes:
        pids.append(os.fork())
        if pids == [0]:
            signal.alarm(30)
        return b"served"

    app = reqcov.wrap(make_app(kind, forking), recorder=recorder)
    try:
        assert get(kind, app).content == b"served"
        if pids == [0]:
            assert memory.records == []
            with recorder.record("next"):
                childs_work()
            assert [record.lines for record in memory.records] == [ran(childs_work)]
            assert recorder.stats().faults == {}
            os._exit(0)
    finally:
        if pids == [0]:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(pids[0], 0)[1]) == 0
    assert len(memory.records) == 1


def test_what_waits_at_the_fork_is_delivered_once(core: str, make_recorder: Make, tmp_path: Path) -> None:
    """A record that waits for its sink while the process forks is the parent's to deliver."""
    file = tmp_path / "records"
    recorder = make_recorder(core=core, sinks=[reqcov.JsonLinesSink(file)])
    for _ in range(5):
        with recorder.record("before"):
            pass

    def work() -> None:
        with recorder.record("child"):
            pass
        recorder.close()

    assert in_child(work) == 0
    recorder.close()
    assert sorted(record["context"] for record in lines_of(file)) == [*["before"] * 5, "child"]


@pytest.mark.parametrize("kind", KINDS)
def test_multiprocessing_in_mid_request(kind: str, core: str, make_recorder: Make, tmp_path: Path) -> None:
    """A process that multiprocessing forks from a request delivers its own records when it ends, unasked."""
    file = tmp_path / "records"
    recorder = make_recorder(include=[__file__], core=core, sinks=[reqcov.JsonLinesSink(file)])

    def job() -> None:
        with recorder.record("child"):
            childs_work()

    def forking() -> bytes:
        process = multiprocessing.get_context("fork").Process(target=job)
        process.start()
        process.join(30)
        assert process.exitcode == 0
        return b"served"

    app = reqcov.wrap(make_app(kind, forking), recorder=recorder)
    assert get(kind, app, "/parent").content == b"served"
    recorder.close()
    child, parent = lines_of(file)
    assert [child["context"], parent["context"]] == ["child", "GET /parent"]
    assert ran_here(childs_work) <= set(child["lines"][__file__])
    assert not ran_here(parents_work, forking) & set(child["lines"][__file__])
    assert not ran_here(childs_work) & set(parent["lines"][__file__])


SCRIPT = """\
import asyncio
import os
import sys
import threading
import reqcov
from reqcov import recorder as recorder_module
from reqcov.cores import tracers

core, file = sys.argv[1:]
recorder_module.CLOSING_TIME = 0.5
if core == "python":
    core, tracers.choose = "settrace", tracers.PythonTracers

def work():
    return 1

def make(**options):
    sinks = [reqcov.JsonLinesSink(file), *options.pop("sinks", ())]
    return reqcov.Recorder(core=core, include=[__file__], sinks=sinks, **options)

"""


Run = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Runs a script to its end in a process of its own; the answer is what it recorded."""

    def run(body: str, core: str = "auto", exit_code: int = 0) -> list[dict[str, Any]]:
        script, file = tmp_path / "script.py", tmp_path / "records"
        script.write_text(SCRIPT + body)
        command = [sys.executable, "-X", "dev", str(script), core, str(file)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == exit_code, done.stderr
        assert "Exception ignored" not in done.stderr
        assert "Fatal" not in done.stderr
        return lines_of(file) if file.exists() else []

    return run


@pytest.mark.parametrize("core", CORES)
@pytest.mark.parametrize(
    ("end", "exit_code"), [("", 0), ("sys.exit(3)", 3), ("raise LookupError", 1), ("os.kill(os.getpid(), 2)", -2)]
)
def test_exit_with_records_waiting(end: str, exit_code: int, core: str, run: Run) -> None:
    """However the process ends, short of being killed, what waits is written, and its exit code is its own."""
    records = run(f"r = make()\nfor n in range(20):\n    with r.record(str(n)): work()\n{end}\n", core, exit_code)
    assert [record["context"] for record in records] == [str(n) for n in range(20)]


@pytest.mark.parametrize("core", CORES)
def test_exit_in_mid_request(core: str, run: Run) -> None:
    """A request that is open on another thread at the end is delivered as incomplete, with the lines so far."""
    body = """\
r = make()
with r.record("closed"):
    work()
inside = threading.Event()
def request():
    with r.record("open"):
        work()
        inside.set()
        threading.Event().wait()
threading.Thread(target=request, daemon=True).start()
inside.wait()
"""
    closed, record = run(body, core)
    assert (closed["context"], closed["complete"]) == ("closed", True)
    assert (record["context"], record["complete"]) == ("open", False)
    [lines] = record["lines"].values()
    assert SCRIPT.splitlines().index("    return 1") + 1 in lines


HANGING = {
    "function": "r = make(on_request=lambda record: threading.Event().wait())",
    "coroutine": "async def hang(record): await asyncio.Event().wait()\nr = make(on_request=hang)",
    "stubborn coroutine": """\
async def hang(record):
    while True:
        try:
            await asyncio.Event().wait()
        except BaseException:
            pass
r = make(on_request=hang)
""",
    "flush": "class S(reqcov.Sink):\n    def flush(self): threading.Event().wait()\nr = make(sinks=[S()])",
    "close": "class S(reqcov.Sink):\n    def close(self): threading.Event().wait()\nr = make(sinks=[S()])",
}


@pytest.mark.parametrize("hanging", HANGING)
def test_exit_with_something_that_hangs(hanging: str, run: Run) -> None:
    """The process ends all the same, and the other sink has got its record."""
    records = run(f"{HANGING[hanging]}\nwith r.record('job'): work()\n")
    assert [record["context"] for record in records] == ["job"]


DROPPED = """
import gc, sys, threading
import reqcov

class Sink(reqcov.Sink):
    interval = 60.0

    def accept(self, record):
        self.taken = sorted(record.lines.values())
        accepted.set()

    def flush(self):
        with open("kept", "a") as file:
            print(self.taken, file=file)

def work():
    return 1

gc.disable()
accepted, dropped = threading.Event(), threading.Event()
recorder = reqcov.Recorder(source=["."], sinks=[Sink()], core=sys.argv[1])
with recorder.record("job"):
    work()
assert accepted.wait(30)  # what the record held of the recorder is let go of
core = recorder._core

def never():
    dropped.set()
    threading.Event().wait()

def drop():
    global recorder
    del recorder
    gc.collect()

core.close = never
threading.Thread(target=drop, daemon=True).start()
assert dropped.wait(30)
"""


@pytest.mark.parametrize("core", [core for core in CORES if core != "python"])
def test_dropped_while_the_process_ends(core: str, tmp_path: Path) -> None:
    """What is about to let go of a recorder, the garbage collector of a thread that nobody waits for, loses nothing."""
    script = tmp_path / "dropped.py"
    script.write_text(DROPPED)
    subprocess.run([sys.executable, script, core], check=True, cwd=tmp_path, timeout=60)
    line = DROPPED.splitlines().index("    return 1") + 1
    assert (tmp_path / "kept").read_text() == f"[frozenset({{{line}}})]\n"
