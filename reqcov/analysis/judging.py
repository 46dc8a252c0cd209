"""What each change of a diff may do to what was recorded, and to the tests."""

from __future__ import annotations

import posixpath
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from reqcov.analysis.inputs.changes import Change
from reqcov.analysis.inputs.homes import gone, home_of, same
from reqcov.analysis.inputs.matching import match
from reqcov.analysis.inputs.project import Project, Sides, worlds
from reqcov.analysis.source.code import Code
from reqcov.analysis.source.edits import Edit, edit, named_elsewhere
from reqcov.analysis.source.imports import Importers, Imports
from reqcov.analysis.source.masks import Mask, span
from reqcov.analysis.source.outline import Outline, called_by, last_name
from reqcov.analysis.source.reach import CONFTEST, Reach, is_test
from reqcov.analysis.source.startup import startup
from reqcov.analysis.view import View

Scope = Literal["none", "functions", "importers", "everything"]

SCOPES: tuple[Scope, ...] = ("none", "functions", "importers", "everything")

NOTHING = "nothing but comments, blanks and docstrings changed"


@dataclass(slots=True)
class Verdict:
    """What one change may do."""

    path: str
    stored: str | None
    scope: Scope = "none"
    reasons: list[str] = field(default_factory=list)
    functions: dict[str, set[int]] = field(default_factory=dict)
    """By name, the footprints that hold any of it."""
    new: dict[str, int] = field(default_factory=dict)
    new_lines: dict[str, int] = field(default_factory=dict)
    """Where each function begins now."""
    careful: set[int] = field(default_factory=set)
    """Footprints that may come out otherwise though they hold none of the functions."""
    changed_tests: set[str] = field(default_factory=set)
    careful_tests: set[str] = field(default_factory=set)

    @property
    def touched(self) -> set[int]:
        """The footprints that hold any of the functions."""
        return set().union(*self.functions.values())

    def widen(self, scope: Scope, reason: str) -> None:
        """It is as much as this, at least."""
        self.scope = max(self.scope, scope, key=SCOPES.index)
        if reason not in self.reasons:
            self.reasons.append(reason)


class Judge:
    """Weighs changes against what was recorded."""

    def __init__(self, view: View, changes: list[Change], project: Project, tests: Collection[str]) -> None:
        """`tests` are the names of all that are known; those that are `gone` are weighed no more."""
        self._codebase = view.codebase
        self._used = {hit.footprint for hit in view.hits}
        self._files = view.files
        self._changes = changes
        self._homes = {test: home_of(test, project.folder) for test in tests}
        paths = {path for each in changes for path in (each.old, each.new) if path is not None}
        names = sorted(paths.union(project.modules))
        matched = match(names, view.files, project.folder)
        self._stored = matched.paths
        self._unclear = set(matched.unclear)
        there = set(matched.paths.values())
        elsewhere = {
            path: file.text for path, file in view.files.items() if path not in there and file.text is not None
        }
        self._stored |= {path: path for path in elsewhere if path not in self._stored}
        self._worlds = worlds(changes, project, self._texts, elsewhere)
        self.gone = self._gone(project)
        for test in self.gone:
            del self._homes[test]
        self._graphs = Imports(self._worlds.before), Imports(self._worlds.after)
        self._reach = Reach(self._worlds.before, self._graphs[0])
        self._ran: dict[tuple[str, str], set[int]] = {}
        self._importers: dict[str, Importers] = {}

    def _gone(self, project: Project) -> set[str]:
        old = {each.old for each in self._changes if each.old is not None and each.old != each.new}
        deleted = {path for path in old if project.read(path) is None}
        there = {*project.modules, *(each.new for each in self._changes if each.new is not None)} - deleted
        return gone(self._homes, deleted, {path: self._worlds.after.get(path) for path in there})

    @property
    def tests(self) -> set[str]:
        """The names of all that are known and still there."""
        return set(self._homes)

    def verdicts(self) -> list[Verdict]:
        """In the order of the changes."""
        return [self._verdict(change, sides) for change, sides in zip(self._changes, self._worlds.sides, strict=True)]

    def _texts(self, path: str) -> Iterable[str]:
        if path in self._stored:
            for digest, _ in self._codebase.codes_of(self._stored[path]):
                if (text := self._codebase.text(digest)) is not None:
                    yield text

    def _verdict(self, change: Change, sides: Sides) -> Verdict:
        own = [path for path in dict.fromkeys((change.old, change.new)) if path is not None]
        stored = next((self._stored[path] for path in own if path in self._stored), None)
        verdict = Verdict(change.path, stored)
        verdict.changed_tests = {test for test, home in self._homes.items() if any(same(home, path) for path in own)}
        before = self._worlds.before.get(change.old or "")
        after = self._worlds.after.get(change.new or "")
        if any(path in self._unclear for path in own):
            verdict.widen("everything", "it may be several files of the store")
        elif not any(path.endswith(".py") for path in own) and stored is None:
            verdict.widen(
                "everything", "it is no Python file, so who depends on it can't be told; --ignore leaves it out"
            )
        elif not sides.known or (change.old and before is None) or (change.new and after is None):
            why = "it can't be parsed" if sides.known else "it is not the file that the diff is of"
            self._whole(verdict, change, before or after, why)
        elif stored is None:
            self._unmeasured(verdict, change, after, before)
        elif before is None or after is None or change.old != change.new:
            what = "new, and there was another one" if before is None else "gone" if after is None else "moved"
            self._whole(verdict, change, before, f"it is {what}")
            if before is not None and after is not None:
                verdict.new_lines = {name: body.first for name, body in after.bodies.items()}
        else:
            self._edited(verdict, change, before, after)
        if verdict.scope == "none" and verdict.changed_tests:
            verdict.widen("functions", "its tests are changed")
        return verdict

    def _whole(self, verdict: Verdict, change: Change, outline: Outline | None, reason: str) -> None:
        """All of a file, and of those that import it."""
        for name in outline.bodies if outline is not None else ():
            verdict.functions[name] = self._running(change.old or change.path, name)
        self._at_import(verdict, change.old or change.path, reason)

    def _unmeasured(self, verdict: Verdict, change: Change, after: Outline | None, before: Outline | None) -> None:
        """A file that the store does not have."""
        path = change.path
        importers = self._who_imports(change.new or path, change.old or path)
        others = sorted(importers.loaded.union(importers.lazily) - {change.old, change.new})
        folder = posixpath.dirname(path)
        beside = [
            each for each in self._stored if posixpath.dirname(each) == folder and each not in (change.old, change.new)
        ]
        # One that nobody imports is where a server begins; several are plugins, migrations and the like.
        found_by_name = sum(not self._imported(each) for each in beside) > 1
        if before is not None and after is not None and change.old == change.new:
            found = edit(before, after)
            verdict.new_lines, verdict.new = _first_lines(after), found.new
            if not (found.touched or found.new or found.moved or found.at_import):
                verdict.reasons.append(NOTHING)
                verdict.changed_tests.clear()
                return
        elif after is not None and before is None:
            verdict.new = _first_lines(after)
        if others:
            reason = "it is new" if change.old is None else "no measured process imported it"
            self._at_import(verdict, change.new or path, f"{reason}, but {_some(others)} may import it")
            if change.old is not None:
                self._at_import(verdict, change.old, verdict.reasons[-1])
        elif is_test(path) or verdict.changed_tests:
            used = posixpath.basename(path) == CONFTEST
            self._at_import(verdict, path, "tests below its folder use it" if used else "tests are in it")
            came = verdict.new if change.old == change.new or after is None else after.bodies
            if any(last_name(name).startswith("test") for name in came):
                verdict.reasons.append("new tests are in it: the store knows nothing of them, so they are not listed")
        elif change.old is None and not found_by_name:
            verdict.reasons.append("it is new, and nobody imports it")
        elif beside and not found_by_name:
            verdict.reasons.append("no measured process imported it, and nobody does")
        else:
            verdict.widen(
                "everything", "the store knows nothing of it, and who uses it can't be told; --ignore leaves it out"
            )

    def _imported(self, path: str) -> bool:
        """Whether a module says that it imports that one."""
        return any(graph.importers(path) for graph in self._graphs)

    def _edited(self, verdict: Verdict, change: Change, before: Outline, after: Outline) -> None:
        """A file that is where it was."""
        path = change.path
        found = edit(before, after)
        verdict.new_lines, verdict.new = _first_lines(after), found.new
        for name in sorted(found.touched):
            verdict.functions[name] = self._running(path, name)
            verdict.scope = max(verdict.scope, "functions", key=SCOPES.index)
            self._beyond(verdict, path, name)
        calling = self._reach.of(path, found.touched)
        if themselves := {test for test in self._homes if self._loads(test, calling)}:
            verdict.careful_tests |= themselves
            verdict.reasons.append("tests that may call what changed themselves, in no request, are listed")
        if found.at_import is not None:
            self._at_import(verdict, path, found.at_import)
        for reason in self._moved(path, found, before, after):
            self._at_import(verdict, path, reason)
        if verdict.scope == "none" and found.new:
            verdict.reasons.append("nothing has run its new functions yet")
        elif verdict.scope == "none":
            verdict.reasons.append(NOTHING)
            verdict.changed_tests.clear()

    def _moved(self, path: str, found: Edit, before: Outline, after: Outline) -> Iterable[str]:
        """Why functions that came or went matter to others."""
        if not found.moved:
            return
        importers = self._who_imports(path)
        near = importers.loaded.union(importers.lazily)
        for moved in found.moved:
            world = self._worlds.before if moved.came else self._worlds.after
            others = {
                other: made for other, made in world.items() if other != path and (moved.in_class or other in near)
            }
            reason = named_elsewhere(moved, before, after, others)
            if reason is None and not moved.in_class and any(graph.taken_whole(path) for graph in self._graphs):
                reason = f"{moved.name} is {'new' if moved.came else 'gone'}, and others import all names of the module"
            if reason is not None:
                yield reason

    def _beyond(self, verdict: Verdict, path: str, name: str) -> None:
        """Who may depend on a function though they have not run it."""
        stored = self._stored[path]
        versions = [code for _, code in self._codebase.codes_of(stored)]
        if not any(each.name == name for code in versions for each in code.functions):
            self._at_import(verdict, path, f"{name} is in no version of the file that ran: the store is older")
        elif self._codebase.ran_outside(stored, lambda code: _lines(code, name)):
            self._at_import(verdict, path, f"{name} ran outside of requests as well, at start-up or in the background")
        elif name in self._at_startup.get(stored, ()):
            self._at_import(verdict, path, f"{name} may run when modules are imported")
        elif not verdict.functions[name] and self._may_run_unseen(path, name):
            self._at_import(verdict, path, f"nothing was seen to run {name}: it may run before recording begins")
        kept = self._kept(path, name)
        if kept - verdict.functions[name]:
            verdict.careful |= kept
            verdict.reasons.append(
                f"what {name} gives may be kept: those who may have used it without a call are listed"
            )

    def _may_run_unseen(self, path: str, name: str) -> bool:
        """Whether a function that no request ran may be called by others than those that requests run."""
        seen, waiting = {(path, name)}, [(path, name)]
        while waiting:
            where, function = waiting.pop()
            if where not in self._stored:
                return True
            if self._worlds.before[where].bodies[function].routed:
                continue
            names = called_by(function)
            if any(not names.isdisjoint(made.mentions_at_import) for made in self._worlds.before.values()):
                return True
            callers = {caller for each in names for caller in self._callers.get(each, ())} - {(where, function)}
            if not callers:
                return True
            for caller in callers - seen:
                seen.add(caller)
                if not self._runs(*caller):
                    waiting.append(caller)
        return False

    @cached_property
    def _at_startup(self) -> Mapping[str, set[str]]:
        """By path, the names of functions that may run when something is imported: nobody has seen whether they do."""
        return {path: {each.name for each in functions} for path, functions in startup(self._files).items()}

    def _at_import(self, verdict: Verdict, path: str, reason: str) -> None:
        """Whoever runs anything of a file, or of those that import it; and whoever starts with it."""
        verdict.widen("importers", reason)
        importers = self._who_imports(path)
        for other in importers.loaded | importers.lazily:
            if other in self._stored:
                verdict.careful |= self._holding(self._codebase.running(self._stored[other], lambda _: ~0))
        loaded = {test for test in self._homes if self._loads(test, importers.loaded)}
        if any(not is_test(root) and not self._is_home(root) for root in importers.roots):
            loaded |= {test for test in self._homes if not self._in_process(test)}
        verdict.careful_tests |= loaded

    def _loads(self, test: str, files: Collection[str]) -> bool:
        """Whether one of the files is that of a test, or a `conftest.py` that it uses."""
        home = self._homes[test]
        return any(
            same(home, file) or _is_conftest_of(file, home) for file in files if is_test(file) or self._is_home(file)
        )

    def _is_home(self, path: str) -> bool:
        return any(same(home, path) for home in self._homes.values())

    def _in_process(self, test: str) -> bool:
        """Whether a test imports measured code itself; others ask a server, which may not even start."""
        return test in self._all_in_process

    @cached_property
    def _all_in_process(self) -> set[str]:
        graph = self._graphs[1]
        mains = [
            path
            for path in self._worlds.after
            if (is_test(path) or self._is_home(path)) and any(each in self._stored for each in graph.imported_by(path))
        ]
        return {test for test in self._homes if self._loads(test, mains)}

    def _who_imports(self, *paths: str) -> Importers:
        found = [self._importers_of(graph, path) for path in dict.fromkeys(paths) for graph in self._graphs]
        loaded, lazily, roots = (frozenset().union(*sets) for sets in zip(*map(_sets, found), strict=True))
        return Importers(loaded, lazily, roots)

    def _importers_of(self, graph: Imports, path: str) -> Importers:
        return graph.of(path, self._runs)

    def _runs(self, path: str, name: str) -> bool:
        """Whether requests run a function, and nobody else does."""
        if path not in self._stored or not self._running(path, name):
            return False
        return not self._codebase.ran_outside(self._stored[path], lambda code: _lines(code, name))

    def _running(self, path: str, name: str) -> set[int]:
        """The footprints that hold any of a function, in any version of its file."""
        key = path, name
        if key not in self._ran:
            stored = self._stored.get(path)
            found = self._codebase.running(stored, lambda code: _lines(code, name)) if stored is not None else set()
            self._ran[key] = self._holding(found)
        return self._ran[key]

    def _holding(self, pieces: set[int]) -> set[int]:
        return {key for key in self._used if not pieces.isdisjoint(self._codebase.pieces(key))}

    def _kept(self, path: str, name: str) -> set[int]:
        """The footprints of those who may use what a function gave to somebody before them."""
        ran = self._running(path, name)
        found: set[int] = set()
        seen, waiting = {(path, name)}, [(path, name)]
        while waiting and ran:
            function = waiting.pop()[1]
            names = called_by(function)
            callers = {caller for each in names for caller in self._callers.get(each, ()) if caller[0] in self._stored}
            for caller in callers:
                if not names.isdisjoint(self._kept_names):
                    found |= self._running(*caller)
                if caller not in seen and not ran.isdisjoint(self._running(*caller)):
                    seen.add(caller)
                    waiting.append(caller)
        return found

    @cached_property
    def _kept_names(self) -> set[str]:
        return set().union(*(made.kept for made in self._worlds.before.values()))

    @cached_property
    def _callers(self) -> Mapping[str, list[tuple[str, str]]]:
        """By a name, the functions that mention it."""
        found: dict[str, list[tuple[str, str]]] = {}
        for path, made in self._worlds.before.items():
            for function, body in made.bodies.items():
                for name in body.mentions:
                    found.setdefault(name, []).append((path, function))
        return found


def _lines(code: Code, name: str) -> Mask:
    """The lines that run where functions of that name do."""
    mask = 0
    for function in code.functions:
        if function.name == name:
            # A function of nothing but a docstring runs on the line of its `def`.
            first = function.body if function.statements else function.first
            own = span(first, function.last)
            for inner in code.functions:
                if inner.name.startswith(f"{name}.") and function.first < inner.first and inner.last <= function.last:
                    own &= ~span(inner.body, inner.last)
            mask |= own
    return mask


def _sets(importers: Importers) -> tuple[frozenset[str], ...]:
    return importers.loaded, importers.lazily, importers.roots


def _first_lines(outline: Outline) -> dict[str, int]:
    return {name: body.first for name, body in outline.bodies.items()}


def _is_conftest_of(path: str, home: str) -> bool:
    folder, _, name = path.rpartition("/")
    return name == CONFTEST and bool(home) and (not folder or f"/{home}".find(f"/{folder}/") >= 0)


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
