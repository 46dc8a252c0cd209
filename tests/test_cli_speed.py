"""Reading commands stay quick on the store of a busy server: a million requests, 50 routes, 2,000 behaviours."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import pytest

from tests.big_store import make

ATTEMPTS = 3
"""One that is quick is enough: on a machine that has much to do, all take longer."""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store, which one reader has looked at: the first one parses the sources."""
    path = tmp_path_factory.mktemp("big") / "reqcov.sqlite3"
    make(path, days=2)
    cpu_seconds("report", "--store", str(path))
    return path


def cpu_seconds(*arguments: str) -> float:
    """What `reqcov` uses up from its start to its end."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [sys.executable, "-m", "reqcov", *arguments], stdout=subprocess.DEVNULL, cwd=Path(__file__).parent, check=False
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


@pytest.mark.parametrize(
    "command",
    [
        ["routes"],
        ["show", "/route3/{id}"],
        ["line", "module_5.py:7"],
        ["report", "-m"],
        ["report", "--build", "build0"],
        ["doctor"],
        ["routes", "--format", "json"],
    ],
    ids=" ".join,
)
def test_answers_take_less_than_a_second(store: Path, command: list[str]) -> None:
    """Of CPU time, with the start of the interpreter."""
    assert any(cpu_seconds(*command, "--store", str(store)) < 1 for _ in range(ATTEMPTS))


def test_help_takes_less_than_150_ms() -> None:
    """Of CPU time, with the start of the interpreter."""
    assert any(cpu_seconds("--help") < 0.15 for _ in range(ATTEMPTS))
