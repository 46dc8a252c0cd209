"""What a store is told of tests: by several processes and threads at once, and by those who tell it nonsense."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from reqcov.errors import ConfigError, StoreBusy, StoreError
from reqcov.store import outcomes, sqlite
from reqcov.store.model import LABEL_LENGTH, Run
from reqcov.store.outcomes import begin, end, keep
from reqcov.store.reading import reading


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Where a store will be, in a folder that is not there either."""
    return tmp_path / ".reqcov" / "reqcov.sqlite3"


def runs_in(store: Path) -> dict[str, Run]:
    with reading(store) as reader:
        return reader.tests()


def test_a_test_begins_and_ends(store: Path) -> None:
    """In between it is inconclusive, and so is the next run of it, whatever came of the first."""
    before = time.time()
    run = begin(store, "test_pay")
    assert before <= run.started <= time.time()
    assert runs_in(store) == {"test_pay": Run(None, run.started, None)} == {"test_pay": run}
    done = end(store, "test_pay", "passed")
    assert runs_in(store) == {"test_pay": done}
    assert (done.outcome, done.started) == ("passed", run.started)
    assert done.ended is not None
    assert run.started <= done.ended <= time.time()
    again = begin(store, "test_pay")
    assert again.started > run.started
    assert runs_in(store) == {"test_pay": again}


def test_the_last_word_holds(store: Path) -> None:
    """What fails after all, while it is torn down, has failed."""
    begun = begin(store, "test_pay")
    end(store, "test_pay", "passed")
    end(store, "test_pay", "failed")
    run = runs_in(store)["test_pay"]
    assert (run.outcome, run.started) == ("failed", begun.started)


def test_an_end_without_a_beginning(store: Path) -> None:
    """The outcome is kept."""
    run = end(store, "test_pay", "skipped")
    assert runs_in(store) == {"test_pay": run}
    assert run.started == run.ended


def test_a_clock_that_was_set_back(store: Path) -> None:
    """A run that begins is the latest one, and no test ends before it began."""
    future = time.time() + 1_000.0
    keep(store, [("test_pay", Run("passed", future, future + 1))])
    run = begin(store, "test_pay")
    assert runs_in(store) == {"test_pay": run}
    assert (run.outcome, run.ended) == (None, None)
    assert run.started > future
    end(store, "test_pay", "failed")
    assert runs_in(store)["test_pay"] == Run("failed", run.started, run.started)


def test_many_at_once(store: Path) -> None:
    """Of runs of the same test that one holds which began last, in whatever order they come."""
    keep(store, [("a", Run("passed", 1.0, 2.0)), ("b", Run(None, 1.0, None)), ("c", Run("failed", 5.0, 6.0))])
    keep(store, iter([("a", Run("failed", 3.0, 4.0)), ("a", Run("skipped", 2.0, 3.0)), ("c", Run("passed", 1.0, 9.0))]))
    held = {"a": Run("failed", 3.0, 4.0), "b": Run(None, 1.0, None), "c": Run("failed", 5.0, 6.0)}
    assert runs_in(store) == held
    with pytest.raises(ConfigError):
        keep(store, [("d", Run("passed", 1.0, 2.0)), ("", Run("passed", 1.0, 2.0))])
    assert runs_in(store) == held


TESTS = 6
"""That each thread runs at the same time."""

PROCESS = """\
import sys
from pathlib import Path
from tests.test_outcomes import in_threads
in_threads(Path(sys.argv[1]), sys.argv[2])
"""


def in_threads(store: Path, who: str) -> None:
    """Four threads tell of their tests by turns; each leaves one of them unfinished."""
    ready = threading.Barrier(4)

    def tell(thread: int) -> None:
        ready.wait(30)
        names = [f"{who} {thread} {test}" for test in range(TESTS)]
        for name in names:
            begin(store, name)
        for name in reversed(names[1:]):
            end(store, name, "passed" if thread % 2 else "failed")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(tell, range(4)))


def test_several_processes_and_threads(store: Path) -> None:
    """None gets lost or mixed up, even while the store is being made."""
    command = [sys.executable, "-c", PROCESS, str(store)]
    root = Path(__file__).parent.parent
    others = [subprocess.Popen([*command, who], cwd=root) for who in ("one", "two")]
    in_threads(store, "here")
    assert [other.wait(60) for other in others] == [0, 0]
    told = {
        f"{who} {thread} {test}": ("passed" if thread % 2 else "failed") if test else None
        for who in ("one", "two", "here")
        for thread in range(4)
        for test in range(TESTS)
    }
    assert {name: run.outcome for name, run in runs_in(store).items()} == told


@pytest.mark.parametrize("name", ["", "x" * (LABEL_LENGTH + 1), "test_\ud800"], ids=["empty", "long", "surrogate"])
def test_names_that_are_none(name: str, store: Path) -> None:
    """What no label can hold is refused before there is a store."""
    told: list[Any] = [
        lambda: begin(store, name),
        lambda: end(store, name, "passed"),
        lambda: keep(store, [(name, Run("passed", 1.0, 2.0))]),
    ]
    for tell in told:
        with pytest.raises(ConfigError, match="name of a test"):
            tell()
    assert not store.exists()


def test_names_as_long_as_they_may_be(store: Path) -> None:
    """Any characters are kept as they came."""
    names = ["é" * LABEL_LENGTH, " tests/test_cart.py::test_pay[a b,\0'\"] ", "\U0001f600"]
    for name in names:
        begin(store, name)
    assert set(runs_in(store)) == set(names)


def test_outcomes_that_are_none(store: Path) -> None:
    """There are three."""
    for outcome in ("", "Passed", "error"):
        with pytest.raises(ConfigError, match="passed, failed, skipped"):
            end(store, "test_pay", outcome)  # type: ignore[arg-type]
        with pytest.raises(ConfigError, match="passed, failed, skipped"):
            keep(store, [("test_pay", Run(outcome, 1.0, 2.0))])  # type: ignore[arg-type]
    assert not store.exists()


def test_too_many(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """New tests are refused then, all of a batch or none; those that are known go on."""
    monkeypatch.setattr(outcomes, "MAX_LABELS", 2)
    begin(store, "a")
    begin(store, "b")
    with pytest.raises(StoreError, match="more than 2 tests"):
        begin(store, "c")
    with pytest.raises(StoreError, match="more than 2 tests"):
        end(store, "c", "passed")
    with pytest.raises(StoreError, match="more than 2 tests"):
        keep(store, [("a", Run("passed", 9e9, 9e9)), ("c", Run("passed", 1.0, 2.0))])
    assert {name: run.outcome for name, run in runs_in(store).items()} == {"a": None, "b": None}
    monkeypatch.setattr(outcomes, "MAX_LABELS", 1)  # as after merging
    end(store, "a", "passed")
    begin(store, "b")
    assert {name: run.outcome for name, run in runs_in(store).items()} == {"a": "passed", "b": None}


def test_while_somebody_else_writes(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It waits, but not for ever."""
    begin(store, "a")
    tried = threading.Event()
    attempt = outcomes.opened

    def opened(path: Path, patience: float) -> Any:
        tried.set()
        return attempt(path, patience)

    monkeypatch.setattr(outcomes, "opened", opened)
    with closing(sqlite.sqlite3.connect(store, isolation_level=None)) as other, ThreadPoolExecutor(1) as pool:
        other.execute("BEGIN IMMEDIATE")
        waiting = pool.submit(end, store, "a", "passed")
        assert tried.wait(30)
        assert runs_in(store)["a"].outcome is None
        other.execute("COMMIT")
        assert waiting.result(30).outcome == "passed"
        other.execute("BEGIN IMMEDIATE")
        monkeypatch.setattr(outcomes, "COMMAND_PATIENCE", 0.05)
        with pytest.raises(StoreBusy, match="try again"):
            end(store, "a", "failed")
    assert runs_in(store)["a"].outcome == "passed"
