"""The records of requests in a crowd are what coverage.py reports for each of them alone, in every framework."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import CORES
from tests.oracle import CROWD, LATECOMERS, PATIENCE, Runs, run
from tests.statements import compare, function_lines

pytestmark = pytest.mark.timeout(3 * PATIENCE)  # the first test of an app waits for all of its processes

WAYS = [(core, False) for core in CORES] + [(core, True) for core in CORES if core != "monitoring"]
"""Core, and whether branches are measured."""

APPS = [
    "raw_wsgi",
    "raw_asgi",
    "flask_app",
    "starlette_app",
    "fastapi_app",
    "django_wsgi",
    "django_asgi",
    "greenlet_app",
]

APPS_FOLDER = Path(__file__).resolve().parent / "apps"
SHAPES, LAZY, GREENLETS = (str(APPS_FOLDER / name) for name in ("shapes.py", "lazy.py", "greenlet_app.py"))

every_way = pytest.mark.parametrize(("core", "branch"), WAYS)


@pytest.fixture(scope="module", params=APPS)
def runs(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """All that the process of one app has to tell, in every way."""
    return run(request.param, WAYS, tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def runs_of_greenlets(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """Greenlets measured with branches."""
    return run("greenlet_app", [way for way in WAYS if way[1]], tmp_path_factory.mktemp("greenlets"))


@every_way
def test_records_in_a_crowd(runs: Runs, core: str, branch: bool) -> None:
    """Each record holds what coverage.py has for the same request in a new process: lines, statements and arcs."""
    check(runs, core, branch)
    assert runs.in_a_crowd[core, branch]["unattributed"] == 0


@every_way
def test_bodies_on_the_line_of_their_def_in_classes_and_modules_made_in_the_request(
    runs: Runs, core: str, branch: bool
) -> None:
    """Making the class or importing the module is no part of the record; calling the function is."""
    for request, record in records(runs, core, branch):
        *_, shape, n = request.path.split("/")
        for file, name in ((SHAPES, "terse_class"), (LAZY, "lazily")):
            odd, never = marked(file, "# runs when odd"), marked(file, "# never runs")
            recorded = set(record["lines"].get(file, ()))
            assert not recorded & never
            assert recorded & odd == (odd if shape == name and int(n) % 2 else set())


def test_comparison_notices_each_difference(tmp_path: Path) -> None:
    """A line or an arc too few or too many, and the record of another request, are all found."""
    runs = run("raw_asgi", [("settrace", True)], tmp_path)
    for (request, record), oracle in zip(records(runs, "settrace", True), runs.alone[True], strict=False):
        assert compare(oracle, record) == []
        for kind in ("lines", "arcs"):
            for name, recorded in record[kind].items():
                for number in range(len(recorded)):
                    broken = copy.deepcopy(record)
                    del broken[kind][name][number]
                    assert compare(oracle, broken), f"{request.path}: {kind} without {recorded[number]}"
        (name, lines), *_ = record["lines"].items()
        for line in function_lines(name) - set(lines):
            broken = copy.deepcopy(record)
            broken["lines"][name].append(line)
            assert compare(oracle, broken), f"{request.path}: lines with {line}"
        broken = copy.deepcopy(record)
        broken["arcs"][name].append([lines[-1], lines[0]])
        assert compare(oracle, broken)
        others = [other for other in runs.alone[True] if other["lines"] != oracle["lines"]]
        assert all(compare(other, record) for other in others)


@pytest.mark.parametrize("core", [core for core, branch in WAYS if branch])
def test_arcs_of_greenlets_that_take_turns(runs_of_greenlets: Runs, core: str) -> None:
    """Each greenlet goes its own way, wherever it is left and entered again."""
    source = Path(GREENLETS).read_text("utf-8").splitlines()
    start = source.index("def counting(n: int) -> None:") + 1
    lines = range(start, source.index("def in_turn(n: int) -> list[Any]:"))
    entered, looped, odd, even = start, start + 3, start + 5, start + 7
    to_the_loop = {(-entered, start + 1), (start + 1, start + 2), (start + 2, looped), (looped, looped + 1)}
    expected = {
        # What the counters are left in when the request ends with them: even after one switch, odd after two, ...
        "/turns/1": {(looped + 1, even), (even, -entered)},
        "/turns/2": {(looped + 1, even), (even, looped), (looped + 1, odd), (odd, -entered)},
        "/turns/3": {(looped + 1, even), (even, looped), (looped + 1, odd), (odd, looped), (even, -entered)},
    }
    for request, record in records(runs_of_greenlets, core, True):
        if request.path in expected:
            arcs = {(a, b) for a, b in record["arcs"][GREENLETS] if abs(a) in lines or abs(b) in lines}
            assert arcs == expected[request.path] | to_the_loop


def records(runs: Runs, core: str, branch: bool) -> Iterator[tuple[Any, dict[str, Any]]]:
    """Each record of a crowd with its request."""
    for served in runs.in_a_crowd[core, branch]["served"]:
        (record,) = served["records"]
        yield runs.requests[served["request"]], record


def marked(name: str, mark: str) -> set[int]:
    """The lines of a file that have `mark` in them."""
    return {number for number, line in enumerate(Path(name).read_text("utf-8").splitlines(), 1) if mark in line}


def check(runs: Runs, core: str, branch: bool) -> None:
    """Compare every record of one crowd with the oracle of its request."""
    crowd = runs.in_a_crowd[core, branch]
    assert crowd["core"] == ("monitoring" if core == "monitoring" else "settrace")
    assert crowd["faults"] == {}
    assert crowd["strays"] == []
    assert crowd["open_at_the_gate"] == [CROWD]
    assert len(crowd["served"]) == CROWD + LATECOMERS
    found = []
    for served in crowd["served"]:
        request = runs.requests[served["request"]]
        oracle = runs.alone[branch][served["request"]]
        where = f"{request.method} {request.path}?{request.query}"
        assert served["status"] == oracle["status"] == request.status, where
        (record,) = served["records"]
        assert record["complete"]
        assert record["lines"], where
        if not request.arcs:
            oracle = oracle | {"arcs": None}
        found += [f"{where}: {difference}" for difference in compare(oracle, record)]
    assert not found, "\n".join(sorted(set(found)))
