"""A suite, eight tests at once, against one server of several processes; `python -m tests.load.e2e` is a larger one."""

from __future__ import annotations

from pathlib import Path

from tests.conftest import CORES
from tests.e2e.running import Suite, alone, check, in_a_crowd


def test_each_test_runs_what_it_runs_alone(tmp_path: Path) -> None:
    """Per test, the store holds the requests with the lines that coverage.py has for them one at a time."""
    suite = Suite(http=8, browser=0, workers=8)
    for name in ("alone", "crowd"):
        (tmp_path / name).mkdir()
    crowd = in_a_crowd(suite, CORES[0], tmp_path / "crowd")
    assert crowd.core == CORES[0]
    check(suite, crowd, alone(suite, tmp_path / "alone"))
