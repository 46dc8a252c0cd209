"""Which requests and which tests run the code that a diff touches."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Literal

from reqcov.analysis.inputs.changes import Change
from reqcov.analysis.inputs.project import Project
from reqcov.analysis.judging import Judge, Verdict
from reqcov.analysis.view import View
from reqcov.store.model import OTHER, TEST, UNREAD, unpack_labels
from reqcov.store.reading import Hit


@dataclass(frozen=True, kw_only=True)
class TouchedFunction:
    """A function whose code changed, or is gone."""

    name: str
    """Its `__qualname__`, in the text before."""
    first: int | None
    """The line where it begins now; null where it is gone."""
    requests: int
    """That ran it in any version; an estimate where not every request is sampled."""


@dataclass(frozen=True, kw_only=True)
class NewFunction:
    """A function that nothing has run yet, for it has just been written."""

    name: str
    """Its `__qualname__`."""
    first: int
    """The line where it begins."""


@dataclass(frozen=True, kw_only=True)
class ChangedFile:
    """One file of the diff."""

    path: str
    """As the diff has it; the new one where it was renamed."""
    stored: str | None
    """As the store has it; null where no measured process imported it."""
    scope: Literal["none", "functions", "importers", "everything"]
    """What may do something else now: nothing; what runs the touched functions; what runs anything of this file, or of
    those that import it; anything."""
    reasons: list[str]
    """Why it is more than the touched functions, or why it is nothing; in words."""
    functions: list[TouchedFunction]
    """The one that most requests ran first."""
    new: list[NewFunction]
    """In the order of the file."""


@dataclass(frozen=True, kw_only=True)
class ImpactRoute:
    """A route whose requests may do something else now."""

    route: str
    """With its method: `GET /orders/{id}`; a job's name."""
    requests: int
    """Of its requests that ran a touched function, or may be concerned otherwise."""
    share: float
    """Of its requests, 0 to 1."""
    touched: bool
    """Whether any of them ran a touched function; if not, it is listed to be careful."""


@dataclass(frozen=True, kw_only=True)
class ImpactTest:
    """A test to run."""

    test: str
    """Its id, which is the label `test` of its requests."""
    requests: int
    """Of its requests that ran a touched function."""
    why: Literal["touched", "changed", "careful", "unknown"]
    """Its requests ran a touched function; it is changed itself; it may be concerned, as the files' reasons say; it is
    not known what all of its requests ran."""


@dataclass(frozen=True, kw_only=True)
class Impact:
    """What a diff touches, in order of traffic."""

    requests: int
    """That were asked for; an estimate where not every request is sampled."""
    touched: int
    """How many of them ran a touched function."""
    unlabelled: int
    """How many of these have no test's name: what they were made for can't be told."""
    tests_known: int
    """Tests in the store, but for those that are no more."""
    share: float
    """Of these, the share that is listed, 0 to 1."""
    files: list[ChangedFile]
    """In the order of the diff."""
    routes: list[ImpactRoute]
    """The most frequent one first."""
    tests: list[ImpactTest]
    """Those first whose requests ran touched functions most often; then by name."""
    gone: list[str]
    """Tests in the store that are no more, by name: pytest would end at once if it were given one of them."""


def impact(view: View, changes: Iterable[Change], project: Project, told: Collection[str] = ()) -> Impact:
    """Which of the chosen requests, and which tests, may do something else after `changes`.

    `told` are tests that the store knows of though they have no requests.
    """
    by_test: dict[str, list[Hit]] = defaultdict(list)
    for hit in view.hits:
        by_test[unpack_labels(hit.labels).get(TEST, "")].append(hit)
    unlabelled = by_test.pop("", [])
    judge = Judge(view, list(changes), project, {*by_test, *told} - {OTHER})
    names = sorted(judge.tests)
    verdicts = judge.verdicts()
    touched = set().union(*(each.touched for each in verdicts))
    careful = set().union(*(each.careful for each in verdicts)) - touched
    everything = any(each.scope == "everything" for each in verdicts)
    if any(each.scope != "none" for each in verdicts):
        careful |= {hit.footprint for hit in view.hits if view.codebase.address(hit.footprint) in (UNREAD, OTHER)}
    changed = set().union(*(each.changed_tests for each in verdicts))
    loaded = set().union(*(each.careful_tests for each in verdicts))
    tests = [
        row
        for name in names
        if (row := _test(view, name, by_test.get(name, []), touched, careful, changed, loaded, everything)) is not None
    ]
    return Impact(
        requests=round(view.requests),
        touched=_requests(view.hits, touched),
        unlabelled=_requests(unlabelled, touched),
        tests_known=len(names),
        share=len(tests) / len(names) if names else 0.0,
        files=[_file(view, each) for each in verdicts],
        routes=_routes(view, touched, careful, everything=everything),
        tests=sorted(tests, key=lambda row: (-row.requests, row.test)),
        gone=sorted(judge.gone),
    )


def _requests(hits: Iterable[Hit], footprints: Collection[int]) -> int:
    return round(sum(hit.requests for hit in hits if hit.footprint in footprints))


def _test(
    view: View,
    name: str,
    hits: list[Hit],
    touched: set[int],
    careful: set[int],
    changed: set[str],
    loaded: set[str],
    everything: bool,
) -> ImpactTest | None:
    ran = {hit.footprint for hit in hits}
    unknown = {key for key in ran & careful if view.codebase.address(key) in (UNREAD, OTHER)}
    why: Literal["touched", "changed", "careful", "unknown"] | None = None
    if name in changed:
        why = "changed"
    elif ran & touched:
        why = "touched"
    elif everything or name in loaded or ran & careful - unknown:
        why = "careful"
    elif unknown:
        why = "unknown"
    return ImpactTest(test=name, requests=_requests(hits, touched), why=why) if why else None


def _file(view: View, verdict: Verdict) -> ChangedFile:
    functions = [
        TouchedFunction(name=name, first=verdict.new_lines.get(name), requests=_requests(view.hits, footprints))
        for name, footprints in verdict.functions.items()
    ]
    return ChangedFile(
        path=verdict.path,
        stored=verdict.stored,
        scope=verdict.scope,
        reasons=verdict.reasons,
        functions=sorted(functions, key=lambda each: (-each.requests, each.name)),
        new=[
            NewFunction(name=name, first=first)
            for name, first in sorted(verdict.new.items(), key=lambda item: (item[1], item[0]))
        ],
    )


def _routes(view: View, touched: set[int], careful: set[int], *, everything: bool) -> list[ImpactRoute]:
    by_route: dict[str, list[Hit]] = defaultdict(list)
    for hit in view.hits:
        by_route[view.routes[hit.route].context].append(hit)
    rows = []
    for route, hits in by_route.items():
        concerned = sum(hit.requests for hit in hits if everything or hit.footprint in touched | careful)
        if concerned:
            rows.append(
                ImpactRoute(
                    route=route,
                    requests=round(concerned),
                    share=concerned / sum(hit.requests for hit in hits),
                    touched=any(hit.footprint in touched for hit in hits),
                )
            )
    return sorted(rows, key=lambda row: (not row.touched, -row.requests, row.route))
