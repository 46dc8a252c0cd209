"""Beside coverage.py, pytest-cov and a debugger: their results are what they are without us, and ours are right."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from coverage import CoverageData

from tests.conftest import HAS_MONITORING

SHOP = """\
import threading

both_are_here = threading.Barrier(2, timeout=30)

def price(number):
    if number > 1:
        return 7 * number
    return 8

def app(environ, start_response):
    both_are_here.wait()
    if environ["PATH_INFO"] == "/cheap":
        total = price(1)
    else:
        total = price(2)
        total += price(1)
    both_are_here.wait()
    start_response("200 OK", [])
    return [str(total).encode()]
"""
RAN = {"/cheap": {6, 8, 11, 12, 13, 17, 18, 19}, "/dear": {6, 7, 8, 11, 12, 15, 16, 17, 18, 19}}
BEFORE_AND_AFTER = {6, 8, 11, 12, 15, 16, 17, 22}
STOPPED = {6, 7, 11, 12, 13, 14, 15, 16, 17, 22}

SERVE = """\
import sys
import threading

import reqcov
import shop

recorder = reqcov.Recorder(source=["."], core=sys.argv[1], sinks=reqcov.JsonLinesSink("records"))
app = reqcov.wsgi.CoverageMiddleware(shop.app, recorder=recorder)
answers = {}

def get(path):
    answers[path] = app({"REQUEST_METHOD": "GET", "SCRIPT_NAME": "", "PATH_INFO": path}, lambda *_: None)

dear = threading.Thread(target=get, args=["/dear"])
dear.start()
get("/cheap")
dear.join()
print(sorted(answers.items()))
recorder.close()
"""

TESTS = """\
import runpy

def test_first(monkeypatch):
    monkeypatch.setattr("sys.argv", ["serve.py", "CORE"])
    runpy.run_path("serve.py")

def test_second(monkeypatch):
    test_first(monkeypatch)
"""

DEBUGGED = """\
import sys

import reqcov

def price(number):
    if number > 1:
        return 8 * number
    return 9

def app(environ, start_response):
    total = 1
    if environ["PATH_INFO"] == "/stop":
        breakpoint()
        total += 1
    total += price(total)
    start_response("200 OK", [])
    return [b"%d" % total]

sink = reqcov.JsonLinesSink("records")
wrapped = reqcov.wsgi.CoverageMiddleware(app, source=["."], core=sys.argv[1], sinks=sink)
for path in ("/before", "/stop", "/after"):
    print(wrapped({"REQUEST_METHOD": "GET", "SCRIPT_NAME": "", "PATH_INFO": path}, lambda *_: None))
"""

WARNING = "another trace function"

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Runs Python in the project's folder."""
    (tmp_path / "shop.py").write_text(SHOP)
    (tmp_path / "serve.py").write_text(SERVE)
    (tmp_path / "debugged.py").write_text(DEBUGGED)

    def run(*arguments: str, stdin: str = "", **environ: str) -> subprocess.CompletedProcess[str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("COV", "PYTEST"))}
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=tmp_path,
            env=inherited | environ,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )

    return run


def records(folder: Path) -> dict[str, tuple[bool, set[int]]]:
    """By path, whether the record is complete, and the lines."""
    found = [json.loads(line) for line in (folder / "records").read_text().splitlines()]
    return {record["path"]: (record["complete"], set().union(*record["lines"].values())) for record in found}


def measured(folder: Path) -> list[Any]:
    """What coverage.py has measured: lines, arcs and contexts of every file."""
    data = CoverageData(str(folder / ".coverage"))
    data.read()
    names = sorted(data.measured_files())
    found = [(n, sorted(data.lines(n) or []), data.arcs(n), data.contexts_by_lineno(n)) for n in names]
    if hasattr(data, "close"):  # before coverage.py 7.11 nothing stays open
        data.close()
    (folder / ".coverage").unlink()
    assert {str(folder / "shop.py"), str(folder / "serve.py")} <= set(names)
    return [(name, lines, arcs and sorted(arcs), contexts) for name, lines, arcs, contexts in found]


OURS = ["auto", "settrace"]
THEIRS = [*(["sysmon"] if HAS_MONITORING else []), "ctrace"]


def fit_together(ours: str, theirs: str) -> bool:
    """Whether not both of them need the trace function."""
    return theirs == "sysmon" or (ours == "auto" and HAS_MONITORING)


@pytest.mark.parametrize(
    ("theirs", "branch"), [*((core, False) for core in THEIRS), ("ctrace", True), ("pytrace", False)]
)
@pytest.mark.parametrize("ours", OURS)
def test_coverage_run(run: Run, tmp_path: Path, ours: str, theirs: str, branch: bool) -> None:
    """`coverage run` measures the same with us; we record each line or, where two can't trace, step aside and tell."""
    command = ["-m", "coverage", "run", "--source=.", *(["--branch"] if branch else []), "serve.py", ours]
    without = run(*command, COVERAGE_CORE=theirs, REQCOV_DISABLED="1")
    expected = measured(tmp_path)
    beside = run(*command, COVERAGE_CORE=theirs)
    assert measured(tmp_path) == expected
    assert beside.stdout == without.stdout
    if fit_together(ours, theirs):
        assert beside.stderr == ""
        assert records(tmp_path) == {path: (True, lines) for path, lines in RAN.items()}
    else:
        assert beside.stderr.count(WARNING) == 1
        assert records(tmp_path) == {path: (False, set()) for path in RAN}


@pytest.mark.parametrize("theirs", THEIRS)
@pytest.mark.parametrize("ours", OURS)
def test_pytest_cov(run: Run, tmp_path: Path, ours: str, theirs: str) -> None:
    """`pytest --cov --cov-context=test` knows as well as without us which test ran which line."""
    if (ours, theirs) == ("settrace", "sysmon"):
        pytest.skip("of a line that ran in two tests coverage.py's sysmon core notes the first, unless anybody traces")
    (tmp_path / "test_serve.py").write_text(TESTS.replace("CORE", ours))
    command = ["-m", "pytest", "-p", "pytest_cov", "--cov=.", "--cov-context=test", "--cov-report="]
    environ = {"COVERAGE_CORE": theirs, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    run(*command, **environ, REQCOV_DISABLED="1")
    expected = measured(tmp_path)
    run(*command, **environ)
    assert measured(tmp_path) == expected
    complete = fit_together(ours, theirs)
    assert records(tmp_path) == {path: (complete, lines if complete else set()) for path, lines in RAN.items()}


@pytest.mark.parametrize("ours", OURS)
def test_breakpoint_in_a_request(run: Run, tmp_path: Path, ours: str) -> None:
    """A session in the debugger goes as without us; the next request is recorded as ever, this one where it can be."""
    commands = "tbreak 7\ncontinue\nprint(number)\nwhere\ncontinue\n"
    without = run("debugged.py", ours, stdin=commands, REQCOV_DISABLED="1")
    beside = run("debugged.py", ours, stdin=commands)
    assert "-> return 8 * number" in without.stdout
    assert session(beside.stdout) == session(without.stdout)
    undisturbed = ours == "auto" and HAS_MONITORING
    assert beside.stderr.count(WARNING) == (not undisturbed)
    recorded = records(tmp_path)
    assert recorded["/before"] == recorded["/after"] == (True, BEFORE_AND_AFTER)
    assert recorded["/stop"][0] is undisturbed
    assert not undisturbed or recorded["/stop"][1] == STOPPED


def session(output: str) -> str:
    """What the debugger said, but for where it stopped first and for the frames between server and app that are ours.

    On 3.13 `breakpoint()` stops one line later where any tool of `sys.monitoring` sees the lines, coverage.py's too.
    """
    return re.sub(r"  \S*/reqcov/wsgi.py\(\d+\).*\n-> .*\n", "", output.partition("(Pdb)")[2])


@pytest.mark.parametrize("ours", OURS)
def test_program_in_the_debugger(run: Run, tmp_path: Path, ours: str) -> None:
    """A program that is run by pdb, with a breakpoint, stops where it stops without us."""
    commands = "break shop.py:8\ncontinue\nprint(number)\nreturn\ncontinue\nquit\n"
    without = run("-m", "pdb", "serve.py", ours, stdin=commands, REQCOV_DISABLED="1")
    beside = run("-m", "pdb", "serve.py", ours, stdin=commands)
    assert beside.stdout == without.stdout
    assert "shop.py(8)price()" in without.stdout
    if ours == "auto" and HAS_MONITORING:
        assert records(tmp_path) == {path: (True, lines) for path, lines in RAN.items()}
    else:
        assert records(tmp_path)["/cheap"] == (False, set())
