"""Runs the suite against a server, and says what each of its tests ran."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from reqcov.store.model import TEST, Outcome, unpack_labels
from reqcov.store.reading import reading
from tests import servers
from tests.e2e.gate import meetings
from tests.e2e.served import ALONE, MEASURED, STORE

ROOT = Path(__file__).resolve().parents[2]

Ran: TypeAlias = dict[str, Counter[tuple[str, str, frozenset[int]]]]
"""By test, how many of its requests had this method and route and ran these lines."""


@dataclass(frozen=True, kw_only=True)
class Suite:
    """How much is run."""

    http: int
    """Tests that ask by httpx."""
    browser: int
    """And by a browser. Each worker gets as many as any other one."""
    workers: int

    def names(self) -> list[str]:
        """Of all tests."""
        http = [f"test_http.py::test_shop[{number}]" for number in range(self.http)]
        return sorted(http + [f"test_browser.py::test_page[{number}]" for number in range(self.browser)])

    def run(self, folder: Path, url: str, *arguments: str) -> None:
        """Run it in a process of its own. Raises AssertionError where a test fails."""
        (folder / "pytest.ini").write_text("[pytest]\nmarkers = xdist_group\n")
        files = {"http_suite.py": "test_http.py", "browser_suite.py": "test_browser.py"}
        chosen = [file for file, tests in zip(files, (self.http, self.browser), strict=True) if tests]
        for file in chosen:
            shutil.copy(Path(__file__).parent / "suite" / file, folder / files[file])
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "reqcov.testing.plugin", *arguments],
            cwd=folder,
            env=os.environ
            | {"PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "E2E_URL": url}
            | {"E2E_GROUPS": str(self.workers), "E2E_HTTP": str(self.http), "E2E_BROWSER": str(self.browser)},
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stdout + done.stderr


@dataclass(frozen=True, kw_only=True)
class Crowd:
    """What came of many tests at once."""

    ran: Ran
    outcomes: dict[str, Outcome | None]
    core: str
    unread: int
    """Requests of which not all lines were seen."""
    together: list[int]
    """For each time that all workers had a request open: the most of them that were in the same process."""


def in_a_crowd(suite: Suite, core: str, folder: Path, processes: int = 2) -> Crowd:
    """Run all tests at once, against one server of several processes that is recorded."""
    uvicorn = f"uvicorn --workers {processes} --port {{port}} --log-level critical --factory tests.e2e.served:recorded"
    environ = {"E2E_FOLDER": str(folder), "E2E_CORE": core, "E2E_PARTIES": str(suite.workers)}
    with servers.running(uvicorn.split(), folder, environ) as server:
        crowd = ("-p", "xdist", "-n", str(suite.workers), "--dist", "loadgroup", f"--reqcov={folder / STORE}")
        suite.run(folder, f"http://127.0.0.1:{server.port}", *crowd)
        server.stop()
    ran: Ran = defaultdict(Counter)
    unread = 0
    with reading(folder / STORE) as reader:
        routes, footprints, lines = reader.routes(), reader.footprints(), reader.lines()
        for hit in reader.hits():
            address, ids = footprints[hit.footprint]
            unread += hit.recorded * address.startswith("(")
            numbers = frozenset(
                n for each in ids for n in range(lines[each].mask.bit_length()) if lines[each].mask >> n & 1
            )
            route = routes[hit.route]
            ran[unpack_labels(hit.labels)[TEST]][route.method, route.template, numbers] += hit.recorded
        paths = {each.source.path for each in reader.sources().values()}
        assert {Path(path).name for path in paths} == {Path(MEASURED).name}
        return Crowd(
            ran=dict(ran),
            outcomes={name: run.outcome for name, run in reader.tests().items()},
            core=reader.writers()[0].core,
            unread=unread,
            together=[max(each.values()) for each in meetings(folder, suite.workers)],
        )


def alone(suite: Suite, folder: Path, *chosen: str) -> Ran:
    """Run the tests one after the other, against a server that lets in one request at a time, under coverage.py."""
    uvicorn = "uvicorn --port {port} --log-level critical --factory tests.e2e.served:alone"
    environ = {"E2E_FOLDER": str(folder), "COVERAGE_CORE": "ctrace"}
    with servers.running(uvicorn.split(), folder, environ) as server:
        suite.run(folder, f"http://127.0.0.1:{server.port}", *chosen, "--reqcov=on")
        server.stop()
    ran: Ran = defaultdict(Counter)
    for test, method, route, numbers in json.loads((folder / ALONE).read_text()):
        ran[test][method, route, frozenset(numbers)] += 1
    return dict(ran)


def differences(crowd: Ran, alone: Ran) -> list[str]:
    """Tests that did not run the same in a crowd and alone, and what of it."""
    return [
        f"{test}: in a crowd {crowd.get(test, Counter()) - alone.get(test, Counter())}, "
        f"alone {alone.get(test, Counter()) - crowd.get(test, Counter())}"
        for test in sorted(crowd.keys() | alone.keys())
        if crowd.get(test) != alone.get(test)
    ]


def check(suite: Suite, crowd: Crowd, alone: Ran) -> None:
    """Raises AssertionError where anything is not as it is alone, or where tests did not overlap."""
    wrong = differences(crowd.ran, alone)
    assert wrong == [], wrong
    assert sorted(crowd.ran) == suite.names(), sorted(crowd.ran)
    assert crowd.outcomes == dict.fromkeys(suite.names(), "passed"), crowd.outcomes
    assert crowd.unread == 0
    assert len(crowd.together) == 2 * len(suite.names()) / suite.workers, crowd.together
    assert max(crowd.together) > 1, crowd.together
    distinct = {frozenset(ran.items()) for ran in crowd.ran.values()}
    assert len(distinct) > 1, "where all tests run the same, nobody sees that they are mixed up"
