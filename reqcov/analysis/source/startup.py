"""Which functions may run while modules are imported, which is mostly before anybody watches.

It is worked out from the sources, by name: what import-time code calls, what that calls in turn, and so on. Where a
name may stand for several functions, all of them count; what is looked up by text, as by `getattr`, is not found.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from reqcov.analysis.source.calls import MadeClass, Module, Scope, name_of, names, read_module, references, unwrapped
from reqcov.analysis.source.code import File, Function
from reqcov.analysis.source.naming import Names

AT_ONCE = frozenset(
    [
        *("map", "filter", "sorted", "min", "max", "sort", "iter", "reduce", "starmap", "takewhile", "dropwhile"),
        *("filterfalse", "accumulate", "groupby", "defaultdict", "sub", "subn"),
        *("Thread", "Timer", "start_new_thread", "submit", "run_in_executor", "call_soon", "call_later"),
    ]
)
"""What calls the functions that it is given, of the standard library: at once, or soon and in no request."""

BY_PYTHON = frozenset(
    ["__init_subclass__", "__set_name__", "__class_getitem__", "__prepare__", "__mro_entries__", "__subclasshook__"]
)
"""Methods that are called when classes are made."""

BY_IMPORT = frozenset({"__getattr__", "__dir__"})
"""Functions of modules that are called when something is imported from these."""

BY_ENUM = frozenset({"_generate_next_value_", "_missing_"})

CONSTRUCTORS, CALLED = ("__init__", "__new__"), ("__call__",)

DEEPEST = 4
"""Calls of what calls return: `f()()()`."""


class Cause(NamedTuple):
    """Why a function may run at import."""

    path: str
    line: int
    called: str
    """What is called on that line; empty where Python calls it by itself."""

    def __str__(self) -> str:
        """For people."""
        where = f"{self.path}:{self.line}"
        return f"{where} calls {self.called}" if self.called else "Python calls it when a class is made or imported"


def startup(files: Mapping[str, File]) -> dict[str, dict[Function, Cause]]:
    """By path, the functions that may run at import, and which line makes them.

    Lines are those of import-time code, or of a function that runs at import itself. A function that is only handed to
    something which is not among `files`, as in `add_url_rule("/", view)`, is not called by that, as far as this tells.
    """
    modules = [module for path, file in files.items() if (module := read_module(path, file)) is not None]
    return _Search(modules).search()


class _Search:
    """Finds what import-time code calls."""

    def __init__(self, modules: Sequence[Module]) -> None:
        self._modules = modules
        self._names = Names(modules)
        self._parameters: dict[Scope, tuple[set[str], set[str]]] = {}
        self._calling = self._that_call_what_they_are_given()
        self._found: dict[Scope, Cause] = {}
        self._instances: set[MadeClass] = set()
        self._handed_over: set[tuple[Scope, ast.expr]] = set()
        self._queue: list[Scope] = []

    def search(self) -> dict[str, dict[Function, Cause]]:
        """Everything that may run at import."""
        for module in self._modules:
            for scope in module.scopes:
                if scope.function is not None and (
                    (scope.of_class and scope.name in BY_PYTHON) or (scope.of_module and scope.name in BY_IMPORT)
                ):
                    self._reach(scope, Cause(module.path, scope.function.first, ""))
            self._follow(module.scopes[0])
        while self._queue:
            self._follow(self._queue.pop(0))
        found: dict[str, dict[Function, Cause]] = defaultdict(dict)
        for scope, cause in self._found.items():
            if scope.function is not None:
                found[scope.module.path].setdefault(scope.function, cause)
        return dict(found)

    def _reach(self, scope: Scope, cause: Cause) -> None:
        if scope not in self._found:
            self._found[scope] = cause
            self._queue.append(scope)

    def _follow(self, scope: Scope) -> None:
        """What a scope runs where it is run."""
        module = scope.module
        for made in scope.classes:
            cause = Cause(module.path, made.line, f"class {made.name}")
            for each in made.metaclasses:
                for metaclass in self._names.targets(scope, each)[1]:
                    self._instantiate(metaclass, cause)
                    for method in self._names.named_methods(metaclass, CALLED):
                        self._reach(method, cause)
            if self._names.is_enum(made):
                self._instantiate(made, cause)
        for load in scope.loads:
            for asked in self._names.properties(scope, load):
                self._reach(asked, Cause(module.path, load.lineno, load.attr))
        for call in scope.calls:
            callees, depth, arguments = unwrapped(call.callee)
            for callee in callees:
                self._call(scope, callee, [*arguments, *call.arguments], depth, call.line)

    def _call(self, here: Scope, callee: ast.expr, arguments: list[ast.expr], depth: int, line: int) -> None:
        """`callee(...)`, `depth` times one after the other."""
        scopes, classes = self._names.targets(here, callee)
        name = ast.unparse(callee) if isinstance(callee, ast.Name | ast.Attribute) else "it"
        self._called(scopes, classes, here, arguments, depth, Cause(here.module.path, line, name))
        if name_of(callee) in AT_ONCE or _is_atexit(callee):
            self._hand_over(here, arguments, line)

    def _called(
        self,
        scopes: Iterable[Scope],
        classes: Iterable[MadeClass],
        here: Scope,
        arguments: list[ast.expr],
        depth: int,
        cause: Cause,
    ) -> None:
        run = dict.fromkeys(scopes)
        for made in classes:
            self._instantiate(made, cause)
            run.update(dict.fromkeys(self._names.named_methods(made, CONSTRUCTORS)))
            if depth > 1 or cause.called.rpartition(".")[2] != made.name:  # an object of it, perhaps
                run.update(dict.fromkeys(self._names.named_methods(made, CALLED)))
        for scope in run:
            self._reach(scope, cause)
        if not self._calling.isdisjoint(run):
            self._hand_over(here, arguments, cause.line)
        if depth > 1:
            inner = [
                self._names.targets(scope, each)
                for scope in run
                for value in scope.returned
                for each in references(value)
            ]
            returned = dict.fromkeys(each for targets in inner for each in targets[0])
            made_of = dict.fromkeys(each for targets in inner for each in targets[1])
            self._called(returned, made_of, here, arguments, min(depth, DEEPEST) - 1, cause)

    def _hand_over(self, here: Scope, arguments: list[ast.expr], line: int) -> None:
        """What is given is called."""
        for argument in arguments:
            if (here, argument) in self._handed_over:
                continue
            self._handed_over.add((here, argument))
            for each in references(argument):
                scopes, classes = self._names.targets(here, each)
                name = name_of(each) or "it"
                self._called(scopes, classes, here, [], 1, Cause(here.module.path, line, name))

    def _instantiate(self, made: MadeClass, cause: Cause) -> None:
        """Its special methods may run."""
        if made in self._instances:
            return
        self._instances.add(made)
        for method in self._names.methods(made):
            if (method.name.startswith("__") and method.name != "__call__") or method.name in BY_ENUM:
                self._reach(method, cause)

    def _that_call_what_they_are_given(self) -> set[Scope]:
        """Functions that call one of their arguments before they return."""
        calling: set[Scope] = set()
        before = -1
        while len(calling) > before:
            before = len(calling)
            for module in self._modules:
                for scope in module.scopes:
                    if scope not in calling and scope.parameters and self._calls_given(scope, calling):
                        calling.add(scope)
        return calling

    def _calls_given(self, scope: Scope, calling: set[Scope]) -> bool:
        given, kept = self._given(scope)
        for call in scope.calls:
            callees, _, arguments = unwrapped(call.callee)
            for callee in callees:
                if name_of(callee) in (given if isinstance(callee, ast.Name) else kept):
                    return True
                scopes, classes = self._names.targets(scope, callee)
                on = (
                    name_of(callee) in AT_ONCE
                    or not calling.isdisjoint(scopes)
                    or any(not calling.isdisjoint(self._names.named_methods(made, CONSTRUCTORS)) for made in classes)
                )
                if on and (
                    any(name in given for each in [*arguments, *call.arguments] for name in names(each))
                    or any(each.outer is scope for each in scopes if each in calling)
                ):
                    return True
        return False

    def _given(self, scope: Scope) -> tuple[set[str], set[str]]:
        """Its parameters, and the names that it gives to them; and the attributes that it keeps them in."""
        if scope not in self._parameters:
            given = scope.parameters - {"self", "cls"}
            grown = -1
            while len(given) > grown:
                grown = len(given)
                for name, values in scope.assigned.items():
                    if any(names(value) & given for value in values):
                        given.add(name)
            kept = {
                name
                for name, values in scope.module.attributes.items()
                if any(names(value) & given for where, value in values if where is scope)
            }
            self._parameters[scope] = given, kept
        return self._parameters[scope]


def _is_atexit(callee: ast.expr) -> bool:
    return isinstance(callee, ast.Attribute) and isinstance(callee.value, ast.Name) and callee.value.id == "atexit"
