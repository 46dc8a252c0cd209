"""The pages that answer a question: what to test, what to delete, which tests add nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from reqcov.analysis.dead import UNUSED, Dead, DeadFile, DeadFunction, Verdict, dead
from reqcov.analysis.dedupe import Dedupe, dedupe
from reqcov.analysis.gaps import Gap, Gaps, gaps
from reqcov.analysis.inputs.tested import Covered
from reqcov.analysis.source.code import Code
from reqcov.analysis.source.masks import Mask, of
from reqcov.analysis.view import View
from reqcov.errors import ReqcovError
from reqcov.reports.html.source import Excerpt, excerpt
from reqcov.reports.text import plural
from reqcov.store.model import TEST, unpack_labels

MANY_GAPS = 200
"""That are listed, those with the most requests."""

MANY_TESTS = 500
"""That are listed of each kind: kept, redundant, set aside."""


MANY_DEAD = 1_000
"""Functions that are listed, of the files with the most unused statements."""

MOST_CELLS = 400_000_000
"""Tests times function statements for which it is found on a page which tests add nothing: some 15 seconds' work."""

PATIENCE = 5.0
"""Seconds that a page waits for what another one has asked for already."""

NOT_YET = "This is being worked out, and takes a while here; load the page again in a moment."

VERDICTS: dict[Verdict, str] = {
    "dead": "nothing tells that it ran",
    "not imported": "no measured process imported its file",
    "changed": "it has not run since it was changed",
    "startup": "it may run when a module is imported",
    "outside": "it ran outside of requests",
    "job": "only jobs ran it",
    "test": "only requests of tests ran it",
    "earlier": "it ran, but not in these requests",
}
"""What each means."""

ALL_REQUESTS = (
    "Which functions no request ran is told of the requests to all routes, with all labels: "
    "write these pages without --route and --label to see it."
)

Unimported: TypeAlias = Mapping[str, tuple[str, Code]]
"""By path, text and code of files that no process imported."""


class Answers:
    """What these pages show. Each answer is found when it is asked for first, for some take long; then it is kept."""

    def __init__(self, view: View, tested: Callable[[], Covered] | None, unimported: Unimported | None) -> None:
        """As `Site` has them."""
        self._view = view
        self._tested = tested
        self._unimported = unimported
        self._finding: dict[str, threading.Lock] = {}
        self._found: dict[str, Any] = {}
        self.pages: dict[str, Callable[[], dict[str, Any]]] = {
            "gaps.html": self._gaps_context,
            "dead.html": self._dead_context,
            "dedupe.html": self._dedupe_context,
        }
        """By the name of a page what gives the values for its template."""

    def find(self) -> None:
        """All answers, at once."""
        self._gaps()
        self._dead()
        self._dedupe()

    def untested(self, path: str) -> Mask | None:
        """The lines of a file that requests ran and no test did; None where it is not known what tests ran."""
        found = self._gaps()
        if not isinstance(found, tuple):
            return None
        by_path: dict[str, Mask] = self._once("untested", lambda: _by_path(found[0]))
        return by_path.get(path, 0)

    def _once(self, name: str, find: Callable[[], Any]) -> Any:
        """What `find` gives, or a sentence: that of the ReqcovError that it raises, or that another thread is at it."""
        finding = self._finding.setdefault(name, threading.Lock())
        if not finding.acquire(timeout=PATIENCE):
            return NOT_YET
        try:
            if name not in self._found:
                self._found[name] = find()
        except ReqcovError as error:
            self._found[name] = str(error)
        finally:
            finding.release()
        return self._found[name]

    def _gaps(self) -> tuple[Gaps, Covered] | str | None:
        """None where nobody told what tests covered; a sentence where that can't be made use of."""
        tested = self._tested
        if tested is None:
            return None

        def find() -> tuple[Gaps, Covered]:
            covered = tested()
            return gaps(self._view, covered.lines), covered

        found: tuple[Gaps, Covered] | str = self._once("gaps", find)
        return found

    def _gaps_context(self) -> dict[str, Any]:
        found = self._gaps()
        if not isinstance(found, tuple):
            return {"answer": None, "problem": found}
        answer, covered = found
        listed = answer.gaps[:MANY_GAPS]
        return {
            "answer": answer,
            "covered": covered,
            "listed": [(gap, self._excerpt(gap)) for gap in listed],
            "rest": answer.gaps[MANY_GAPS:],
        }

    def _excerpt(self, gap: Gap) -> Excerpt:
        file = self._view.files[gap.path]
        return excerpt(file.text or "", file.code, of(gap.lines), gap.first)

    def _dead(self) -> Dead | str:
        if self._view.chosen.routes or self._view.chosen.labels:
            return ALL_REQUESTS
        found: Dead | str = self._once("dead", lambda: dead(self._view, unimported=self._unimported))
        return found

    def _dead_context(self) -> dict[str, Any]:
        found = self._dead()
        if isinstance(found, str):
            return {"answer": None, "problem": found}
        rows = [row for file in found.files for row in file.rows]
        listed: list[tuple[DeadFile, list[DeadFunction]]] = []
        left = MANY_DEAD
        for file in found.files:
            if left > 0:
                listed.append((file, file.rows[:left]))
                left -= len(file.rows)
        return {
            "answer": found,
            "listed": listed,
            "rest": rows[MANY_DEAD:],
            "verdicts": {name: words for name, words in VERDICTS.items() if any(row.verdict == name for row in rows)},
            "unused": UNUSED,
            "functions": sum(1 + row.inner for row in rows if row.verdict in UNUSED),
        }

    def _dedupe(self) -> Dedupe | str:
        found: Dedupe | str = self._once("dedupe", lambda: _dedupe(self._view))
        return found

    def _dedupe_context(self) -> dict[str, Any]:
        found = self._dedupe()
        if isinstance(found, str):
            return {"answer": None, "problem": found}
        return {
            "answer": found,
            "thing": {"tests": "test", "routes": "route", "requests": "behaviour"}[found.of],
            "many": MANY_TESTS,
        }


def _dedupe(view: View) -> Dedupe:
    """Raises ReqcovError where there is nothing to compare, or so much that nobody would wait for it."""
    names = {unpack_labels(labels).get(TEST) for labels in {hit.labels for hit in view.hits}} - {None}
    if len(names) * view.codebase.reachable > MOST_CELLS:
        raise ReqcovError(
            f"{plural(len(names), 'test')} and {plural(view.codebase.reachable, 'function statement')} are too many to "
            "compare while a page is made; `reqcov dedupe` does it."
        )
    return dedupe(view)


def _by_path(answer: Gaps) -> dict[str, Mask]:
    found: dict[str, Mask] = {}
    for gap in answer.gaps:
        found[gap.path] = found.get(gap.path, 0) | of(gap.lines)
    return found
