"""Functions that no request ran, with the evidence."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Literal, TypeAlias

from reqcov.analysis.routes import moment
from reqcov.analysis.source.code import Code, File, Function
from reqcov.analysis.source.masks import Mask
from reqcov.analysis.source.startup import Cause, startup
from reqcov.analysis.source.stubs import stubs
from reqcov.analysis.view import View
from reqcov.errors import ReqcovError
from reqcov.store.model import OTHER, TEST, UNREAD, Writer, unpack_labels
from reqcov.store.reading import Hit

Verdict: TypeAlias = Literal["dead", "not imported", "changed", "startup", "outside", "job", "test", "earlier"]

UNUSED: tuple[Verdict, ...] = ("dead", "not imported", "changed")
"""Verdicts that nothing speaks against."""

Watched: TypeAlias = tuple[datetime | None, int, list[str]]
"""When the first request began, how many there were, and to which builds."""

NAMED = 3
"""Jobs that a reason names."""


@dataclass(frozen=True, kw_only=True)
class DeadFunction:
    """A function that no request ran."""

    function: str
    """Its `__qualname__`: `Cart.total`."""
    first: int
    """The line of its first decorator or of its `def`."""
    last: int
    """Its last line."""
    statements: int
    """How many it has, those of functions in it included that are not listed themselves."""
    inner: int
    """How many functions these are."""
    whole_class: str | None
    """The class that it belongs to, if all functions of that are listed with the same verdict."""
    verdict: Verdict
    """`dead`: nothing tells that it ran. `not imported`: neither was its file. `changed`: it has not run since it was
    changed. `startup`: it may run when a module is imported. `outside`: it ran outside of requests. `job`, `test`: only
    jobs, or only requests of tests ran it. `earlier`: it ran, but in none of the requests that were asked for."""
    reason: str
    """What the verdict follows from, as a sentence."""
    watched_since: datetime | None
    """When the first request began that could have run it as it is written; null where there was none."""
    requests: int
    """How many there were, at least; an estimate where not every request is sampled."""
    builds: list[str]
    """To which they were."""


@dataclass(frozen=True, kw_only=True)
class DeadFile:
    """A file with functions that no request ran."""

    path: str
    """In its project, with `/`."""
    imported: bool
    """Whether any measured process imported it."""
    functions: int
    """How many it has that are more than declared, those included that requests ran."""
    statements: int
    """Theirs."""
    unused: int
    """Of these, how many are in functions whose verdict is `dead`, `not imported` or `changed`."""
    builds: list[str]
    """That used the version that is shown."""
    rows: list[DeadFunction]
    """In the order of the text."""


@dataclass(frozen=True, kw_only=True)
class Dead:
    """Functions that no request ran, and how well that is known."""

    watched_since: datetime | None
    """When the first request that counts began."""
    until: datetime | None
    """When the last one did."""
    requests: int
    """That count, without those of tests; an estimate where not every one is sampled."""
    of_tests: int
    """Requests that tests made, which have the label `test`."""
    jobs: int
    """Jobs that count."""
    sampled: float
    """The share of all these that was recorded completely, 0 to 1. The others were seen where they ran code that
    nothing had run before in their process."""
    builds: list[str]
    """To which they were."""
    processes: int
    """That recorded them."""
    cores: list[str]
    """That they did it with."""
    exact: bool
    """Whether of every request all lines are known. If not, requests may also have run what is told to have run in
    jobs, in tests or outside of requests."""
    blind_outside: bool
    """Whether a process measured with the core `settrace`, which sees little outside of requests."""
    unread: int
    """Requests and jobs that were counted though not all of their lines were seen."""
    lost: int
    """Records that processes know they lost."""
    undated: int
    """Functions that ran, perhaps not in the requests asked for: not every one is sampled, so that can't be told."""
    unimported: bool
    """Whether files that no process imported were looked for."""
    functions: int
    """How many there are in all files, those included that requests ran."""
    statements: int
    """Theirs."""
    unused: int
    """Of these, how many are in functions whose verdict is `dead`, `not imported` or `changed`."""
    problems: dict[str, str]
    """By path, why nothing can be told of a file: it can't be parsed, or its text was not kept."""
    files: list[DeadFile]
    """Those first of which nothing is used, then by unused statements."""


def dead(view: View, *, unimported: Mapping[str, tuple[str, Code]] | None = None) -> Dead:
    """What no request ran of the builds and since the day that were chosen.

    `unimported` are files that no process imported, by path: text, and what it consists of; None where nobody looked.
    Raises ReqcovError where a process measured so that it can't be known what requests ran.
    """
    evidence = _Evidence(view)
    blind = evidence.blind
    if blind:
        raise ReqcovError(
            f"What requests ran that were not sampled is not known of build {', '.join(blind)}: the core was settrace. "
            "Choose other builds by --build, or record every request: sample=1, or Python 3.12 without branches."
        )
    files = [*_imported(view, evidence), *_unimported(unimported or {})]
    known = [file.code for file in view.files.values()] + [code for _, code in (unimported or {}).values()]
    writers, hits = evidence.writers, view.hits
    requests = sum(hit.requests for hit in hits)
    return Dead(
        watched_since=moment(min(hit.first_seen for hit in hits)) if hits else None,
        until=moment(max(hit.last_seen for hit in hits)) if hits else None,
        requests=round(sum(hit.requests for hit in evidence.hits["request"])),
        of_tests=round(sum(hit.requests for hit in evidence.hits["test"])),
        jobs=round(sum(hit.requests for hit in evidence.hits["job"])),
        sampled=sum(hit.recorded for hit in hits) / requests if requests else 0.0,
        builds=sorted({hit.build for hit in hits} | {writer.build for writer in writers}),
        processes=len(writers),
        cores=sorted({writer.core for writer in writers}),
        exact=evidence.exact,
        blind_outside=any(writer.core == "settrace" for writer in writers),
        unread=round(sum(hit.requests for hit in hits if view.codebase.address(hit.footprint) == UNREAD)),
        lost=sum(map(_lost, writers)),
        undated=evidence.undated,
        unimported=unimported is not None,
        functions=sum(bool(each.statements) for code in known for each in code.functions),
        statements=sum(code.in_functions.bit_count() for code in known),
        unused=sum(file.unused for file in files),
        problems=view.codebase.problems,
        files=sorted(files, key=lambda file: (file.unused < file.statements, -file.unused, file.path)),
    )


def _lost(writer: Writer) -> int:
    """Records that never came to the store."""
    dropped: int = json.loads(writer.stats).get("dropped", {}).get("StoreSink", 0)
    return writer.lost + dropped


class _Evidence:
    """What speaks against calling a function dead."""

    def __init__(self, view: View) -> None:
        self._view = view
        chosen, codebase = view.chosen, view.codebase
        self.writers = [
            each
            for each in codebase.writers
            if chosen.fits_build(each.build) and each.last_write >= chosen.since_day * 86_400
        ]
        """The processes whose requests count."""
        self.blind = sorted({each.build for each in self.writers if each.core == "settrace" and each.sample < 1})
        """Builds of which nothing is known but what sampled requests ran."""
        self.hits: dict[str, list[Hit]] = {"request": [], "test": [], "job": []}
        for hit in view.hits:
            kind = "test" if TEST in unpack_labels(hit.labels) else "request"
            self.hits["job" if view.routes[hit.route].protocol == "job" else kind].append(hit)
        self.exact = all(each.sample == 1 and not _lost(each) for each in self.writers) and not any(
            codebase.address(hit.footprint) in (UNREAD, OTHER) for hit in view.hits
        )
        self._ran = {kind: codebase.ran(hit.footprint for hit in hits) for kind, hits in self.hits.items()}
        self.undated = 0
        """Functions that ran nobody knows when."""
        self._requests_since: dict[frozenset[tuple[str, float]], Watched] = {}

    @cached_property
    def startup(self) -> dict[str, dict[Function, Cause]]:
        """Functions that may run at import."""
        return startup(self._view.files)

    def verdict(self, path: str, function: Function) -> tuple[Verdict, str] | None:
        """And what it follows from; None where a request ran it."""
        codebase, mask = self._view.codebase, function.statements
        if mask & self._ran["request"].get(path, 0):
            return None
        if mask & self._ran["job"].get(path, 0):
            return "job", f"only jobs ran it: {self._jobs(path, mask)}"
        if mask & self._ran["test"].get(path, 0):
            return "test", "only requests of tests ran it"
        if mask & codebase.seen.get(path, 0):
            if self.exact:
                return "earlier", "requests ran it that are not among these: to other builds, or earlier"
            self.undated += not self._view.chosen.everything
            return None
        if mask & codebase.outside.get(path, 0):
            return "outside", "it ran outside of requests: at start-up, or in the background"
        cause = self.startup.get(path, {}).get(function)
        if cause is not None:
            return "startup", f"it may run at import: {cause}"
        return self._changed(path, function) or ("dead", "nothing tells that it ran")

    def _changed(self, path: str, function: Function) -> tuple[Verdict, str] | None:
        """Whether it ran before it was written as it is now."""
        others = [each for each in self._view.codebase.versions[path] if function.statements & ~each.kept]
        before = sorted({build for each in others if function.name in (each.ran or ()) for build in each.builds})
        if before:
            return "changed", f"it has changed since it ran, in build {', '.join(before)}"
        unknown = sorted({build for each in others if each.ran is None for build in each.builds})
        if unknown:
            return "changed", f"what build {', '.join(unknown)} ran of its file is not known"
        return None

    @cached_property
    def _ran_by_job(self) -> dict[str, dict[str, Mask]]:
        by_name: dict[str, set[int]] = defaultdict(set)
        for hit in self.hits["job"]:
            by_name[self._view.routes[hit.route].context].add(hit.footprint)
        return {name: self._view.codebase.ran(footprints) for name, footprints in sorted(by_name.items())}

    def _jobs(self, path: str, mask: Mask) -> str:
        found = [name for name, ran in self._ran_by_job.items() if ran.get(path, 0) & mask]
        more = f" and {len(found) - NAMED} more" if len(found) > NAMED else ""
        return ", ".join(found[:NAMED]) + more

    def watched(self, path: str, function: Function) -> Watched:
        """Since when, over how many requests and to which builds this could have run as it is written."""
        versions = self._view.codebase.versions[path]
        since: dict[str, float] = {}
        for version in versions:
            if function.statements & ~version.kept:
                continue
            for build in version.builds:
                # A build of several versions tells not which of them ran when; this one did, from then on.
                several = sum(build in each.builds for each in versions) > 1
                since[build] = min(since.get(build, version.last_seen), version.last_seen if several else 0.0)
        key = frozenset(since.items())
        if key not in self._requests_since:
            hits = [hit for hit in self._view.hits if hit.first_seen >= since.get(hit.build, float("inf"))]
            first = moment(min(hit.first_seen for hit in hits)) if hits else None
            requests = sum(hit.requests for hit in hits if self._view.routes[hit.route].protocol != "job")
            self._requests_since[key] = first, round(requests), sorted({hit.build for hit in hits})
        return self._requests_since[key]


def _imported(view: View, evidence: _Evidence) -> Iterator[DeadFile]:
    for path, file in view.files.items():
        listed: dict[Function, tuple[Verdict, str]] = {}
        for function in file.code.functions:
            if function.statements and (verdict := evidence.verdict(path, function)) is not None:
                listed[function] = verdict
        if listed:
            told = {function: evidence.watched(path, function) for function in listed}
            yield from _file(path, file, file.text or "", file.code, listed, told)


def _unimported(files: Mapping[str, tuple[str, Code]]) -> Iterator[DeadFile]:
    for path, (text, code) in files.items():
        reason: tuple[Verdict, str] = "not imported", "no measured process imported its file"
        listed = {function: reason for function in code.functions if function.statements}
        yield from _file(path, None, text, code, listed, dict.fromkeys(listed, (None, 0, [])))


def _file(
    path: str,
    file: File | None,
    text: str,
    code: Code,
    listed: Mapping[Function, tuple[Verdict, str]],
    told: Mapping[Function, Watched],
) -> Iterator[DeadFile]:
    """The file, if anything is listed that is more than declared."""
    declared = stubs(text)
    functions = [each for each in code.functions if each.statements and (each.first, _bare(each)) not in declared]
    rows = _rows([each for each in functions if each in listed], _whole_classes(functions, listed), listed, told)
    if rows:
        yield DeadFile(
            path=path,
            imported=file is not None,
            functions=len(functions),
            statements=sum(each.statements.bit_count() for each in functions),
            unused=sum(row.statements for row in rows if row.verdict in UNUSED),
            builds=sorted(file.builds) if file else [],
            rows=rows,
        )


def _rows(
    functions: Iterable[Function],
    classes: Sequence[str],
    listed: Mapping[Function, tuple[Verdict, str]],
    told: Mapping[Function, Watched],
) -> list[DeadFunction]:
    """A row for each function; what is in one goes with it."""
    groups: dict[Function, list[Function]] = {}
    for function in functions:
        around = next((each for each in groups if _is_in(function, each) and listed[each] == listed[function]), None)
        groups.setdefault(around or function, []).append(function)
    return [
        DeadFunction(
            function=function.name,
            first=function.first,
            last=function.last,
            statements=sum(each.statements.bit_count() for each in group),
            inner=len(group) - 1,
            whole_class=next((name for name in classes if function.name.startswith(f"{name}.")), None),
            verdict=listed[function][0],
            reason=listed[function][1],
            watched_since=told[function][0],
            requests=told[function][1],
            builds=told[function][2],
        )
        for function, group in groups.items()
    ]


def _is_in(function: Function, around: Function) -> bool:
    return function.name.startswith(f"{around.name}.<locals>.") and around.first <= function.first <= around.last


def _bare(function: Function) -> str:
    return function.name.rpartition(".")[2]


def _whole_classes(functions: Iterable[Function], listed: Mapping[Function, tuple[Verdict, str]]) -> Sequence[str]:
    """Names of classes all functions of which are listed with one verdict, the outermost first."""
    verdicts: dict[str, set[Verdict | None]] = defaultdict(set)
    for function in functions:
        for name in _classes_of(function.name):
            verdicts[name].add(listed[function][0] if function in listed else None)
    return [name for name, found in sorted(verdicts.items()) if len(found) == 1 and None not in found]


def _classes_of(name: str) -> Iterable[str]:
    """The classes that a function is in, the outermost first; none of those that functions make."""
    parts = name.partition(".<locals>")[0].split(".")
    return [".".join(parts[:count]) for count in range(1, len(parts))]
