"""What the pytest plugin does once it is asked for: labels what runs with its test, and tells how tests end."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from reqcov import baggage
from reqcov.config import TOKEN, configured
from reqcov.errors import ReqcovError
from reqcov.labels import ambient
from reqcov.record import LABEL_LENGTH
from reqcov.store.model import TEST, Outcome, Run, storable
from reqcov.testing.plugin import OFF, ON, labelling
from reqcov.testing.telling import Telling

RUN_NOTHING = ("collectonly", "setuponly", "showfixtures", "show_fixtures_per_test", "cacheshow")
"""Options of pytest that only show something."""

os.register_at_fork(after_in_child=ambient.clear)  # a server that a fixture forks outlives the test


def begin(config: pytest.Config) -> None:
    """Take part in a run of pytest. Raises pytest.UsageError for options that are unusable."""
    header = config.getoption("reqcov_header") or config.getini("reqcov_header")
    if header and not TOKEN.fullmatch(header):
        raise pytest.UsageError(f"--reqcov-header: {header!r} can't be the name of a header.")
    grouped = config.getoption("dist", None) == "loadgroup" or config.getoption("loadgroup", False)
    config.stash[labelling] = Labelling(header, grouped)
    config.pluginmanager.register(config.stash[labelling], "reqcov-labelling")
    if hasattr(config, "workerinput") or any(config.getoption(name, None) for name in RUN_NOTHING):
        return  # of workers of pytest-xdist the controller tells: it also knows of those that crash
    try:
        where = _where(config)
        if where is not None:
            ending = Ending(config.stash[labelling], where, Telling(where))
            config.pluginmanager.register(ending, "reqcov-ending")
    except ReqcovError as error:
        raise pytest.UsageError(f"--reqcov: {error}") from error


def _where(config: pytest.Config) -> str | None:
    """The store or the URL that is to be told. Raises ReqcovError and pytest.UsageError where it is unusable."""
    given = config.getoption("reqcov")
    where: str = given or config.getini("reqcov")
    if where == ON:
        store = configured("store")
        return str(store) if store is not None else None
    if where.lower() in (ON, OFF, "true", "false", "yes", "no", "1", "0"):
        raise pytest.UsageError(f"--reqcov takes '{ON}', '{OFF}', a store or a URL; {where!r} is not one of these.")
    if Path(where.partition("::")[0]).is_dir() or where.partition("::")[0].endswith(".py"):
        raise pytest.UsageError(
            f"--reqcov takes {where!r} for a store, as it comes next: write --reqcov after it, or --reqcov={ON}."
        )
    if given or "://" in where:
        return where
    return str((config.inipath or config.rootpath / "pytest.ini").parent / where)


class Labelling:
    """Says which test runs: to requests that are served in this process, and by headers to other servers."""

    def __init__(self, header: str, grouped: bool) -> None:
        """`header` is empty for `baggage`; `grouped`: whether pytest-xdist writes groups behind the ids of tests."""
        self._header = header
        self._grouped = grouped

    def name(self, nodeid: str) -> str:
        """What a test is called: its id, as pytest takes it."""
        if self._grouped and nodeid.rfind("@") > nodeid.rfind("]"):
            nodeid = nodeid.rpartition("@")[0]
        return storable(nodeid[:LABEL_LENGTH])

    def headers(self, nodeid: str) -> dict[str, str]:
        """The headers for its requests."""
        name = self.name(nodeid)
        if not self._header:
            return {baggage.HEADER: baggage.member(TEST, name)}
        return {self._header: name if name.isascii() and name.isprintable() else quote(name)}

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        """All that is served from its first fixture to the last belongs to a test."""
        before = dict(ambient)
        ambient[TEST] = self.name(item.nodeid)
        yield
        ambient.clear()
        ambient.update(before)


class Ending:
    """Follows the tests to their ends: in the only process, or in the controller of pytest-xdist."""

    def __init__(self, labelling: Labelling, where: str, telling: Telling) -> None:
        self._labelling = labelling
        self._where = where
        self._telling = telling
        self._running: dict[str, tuple[float, set[str]]] = {}

    def pytest_report_header(self) -> str:
        """Where it is told."""
        return f"reqcov: outcomes of tests go to {self._where}"

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self) -> None:
        """Before anything else begins, find out whether it can be told. Raises pytest.UsageError where it can't."""
        try:
            self._telling.check()
        except ReqcovError as error:
            raise pytest.UsageError(f"--reqcov: {error}") from error

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """A test begins."""
        started = time.time()
        self._running[nodeid] = started, set()
        self._telling.tell(self._labelling.name(nodeid), Run(None, started, None))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """A phase of a test is over: `setup`, `call` or `teardown`."""
        if report.nodeid in self._running:  # else it is of somebody else's making
            self._running[report.nodeid][1].add(_meaning(report))

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        """A test has ended: one whose worker crashes never gets here, and one that is run again only once."""
        started, phases = self._running.pop(nodeid, (0.0, ()))
        for outcome in _OUTCOMES:
            if outcome in phases:
                self._telling.tell(self._labelling.name(nodeid), Run(outcome, started, time.time()))
                break

    def pytest_sessionfinish(self) -> None:
        """Tell the rest."""
        self._telling.finish()

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Say what could not be told."""
        if self._telling.problem is not None:
            terminalreporter.section("reqcov", yellow=True)
            terminalreporter.line(
                f"How {len(self._telling.untold):,} tests ended could not be told: {self._telling.problem}"
            )


_OUTCOMES: tuple[Outcome, ...] = ("failed", "skipped", "passed")
"""Of several phases the first of these holds."""


def _meaning(report: pytest.TestReport) -> str:
    """What a phase says of the test. One that fails as it is expected to has done what it should."""
    if report.skipped and report.when == "call" and hasattr(report, "wasxfail"):
        return "passed"
    if report.passed and report.when != "call":
        return ""
    return report.outcome
