"""Real applications, measured as their own project: the same comparison as in `test_oracle.py`."""

from __future__ import annotations

import pytest

from tests.oracle import PATIENCE, Runs, run
from tests.test_oracle import WAYS as EVERY_WAY
from tests.test_oracle import check

pytestmark = pytest.mark.timeout(3 * PATIENCE)  # the first test of an app waits for all of its processes

WAYS = [(core, branch) for core, branch in EVERY_WAY if core != "python"]
"""Without the trace function that stands in for the C tracer: it is slow, and `test_oracle.py` has it."""

APPS = ["pypiserver_app", "datasette_app", "admin_app"]


@pytest.fixture(scope="module", params=APPS)
def runs(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """All that the process of one app has to tell, in every way."""
    return run(request.param, WAYS, tmp_path_factory.mktemp("runs"))


@pytest.mark.parametrize(("core", "branch"), WAYS)
def test_records_in_a_crowd(runs: Runs, core: str, branch: bool) -> None:
    """Each record holds what coverage.py has for the same request in a new process."""
    check(runs, core, branch)
