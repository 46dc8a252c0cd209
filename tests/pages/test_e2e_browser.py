"""Tests that use browsers at the same time are told apart, too: Playwright sends the headers with every request."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.running import Suite, alone, check, in_a_crowd
from tests.pages.browser import INSTALLED


@pytest.mark.skipif(INSTALLED is None, reason="there is no chromium: apt-get install chromium")
def test_each_test_runs_what_it_runs_alone(tmp_path: Path) -> None:
    """Per test, the store holds the requests with the lines that coverage.py has for them one at a time."""
    suite = Suite(http=4, browser=4, workers=4)
    for name in ("alone", "crowd"):
        (tmp_path / name).mkdir()
    check(suite, in_a_crowd(suite, "settrace", tmp_path / "crowd"), alone(suite, tmp_path / "alone"))
