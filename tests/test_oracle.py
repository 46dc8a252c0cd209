"""The records of requests in a crowd are what coverage.py reports for each of them alone, in every framework."""

from __future__ import annotations

import pytest

from tests.conftest import CORES
from tests.oracle import CROWD, LATECOMERS, Runs, run
from tests.statements import compare

WAYS = [(core, False) for core in CORES] + [(core, True) for core in CORES if core != "monitoring"]
"""Core, and whether branches are measured."""

APPS = ["raw_wsgi", "raw_asgi", "flask_app", "starlette_app", "fastapi_app", "django_wsgi", "django_asgi"]


@pytest.fixture(scope="module", params=APPS)
def runs(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """All that the process of one app has to tell, in every way."""
    return run(request.param, WAYS, tmp_path_factory.mktemp("runs"))


@pytest.mark.parametrize(("core", "branch"), WAYS)
def test_records_in_a_crowd(runs: Runs, core: str, branch: bool) -> None:
    """Each record holds what coverage.py has for the same request in a new process: lines, statements and arcs."""
    check(runs, core, branch)


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
        found += [f"{where}: {difference}" for difference in compare(oracle, record)]
    assert not found, "\n".join(sorted(set(found)))
