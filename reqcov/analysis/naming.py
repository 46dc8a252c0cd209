"""What the names in a project may stand for."""

from __future__ import annotations

import ast
import builtins
from collections import defaultdict
from collections.abc import Sequence

from reqcov.analysis.calls import MadeClass, Module, Scope, name_of, names, references

DYNAMIC = frozenset(
    ["importlib", "sys", "getattr", "globals", "locals", "vars", "__import__", "eval", "next", "iter", "type", "super"]
)
"""Not ours, but what comes out of them may be."""

Targets = tuple[list[Scope], list[MadeClass]]


class Names:
    """Looks names up, across modules: where one may stand for several things, all of them are meant."""

    def __init__(self, modules: Sequence[Module]) -> None:
        self._modules = modules
        self._ours = {part.removesuffix(".py") for module in modules for part in module.path.split("/")}
        self._functions: dict[str, list[Scope]] = defaultdict(list)
        self._classes: dict[str, list[MadeClass]] = defaultdict(list)
        self._kept: dict[str, list[tuple[Scope, ast.expr]]] = defaultdict(list)
        for module in modules:
            for scope in module.scopes:
                self._functions[scope.name].append(scope)
            for made in module.classes:
                self._classes[made.name].append(made)
            top = module.scopes[0]
            for name, values in top.assigned.items():
                self._kept[name] += [(top, value) for value in values]
            for name, kept in module.attributes.items():
                self._kept[name] += kept
        self._importing: dict[str, list[Scope]] = defaultdict(list)
        for module in modules:
            for name in module.imported:
                self._importing[name].append(module.scopes[0])
        self._bases: dict[MadeClass, list[MadeClass]] = {}
        self._subclasses: dict[str, list[MadeClass]] = defaultdict(list)
        for module in modules:
            for made in module.classes:
                for base in made.bases:
                    self._subclasses[_base(base)].append(made)
        self._foreign: dict[tuple[Scope, str], bool] = {}
        self._stand_for: dict[tuple[Scope | None, str], Targets] = {}

    def properties(self, scope: Scope, load: ast.Attribute) -> list[Scope]:
        """The properties that are asked for by reading an attribute."""
        if self._is_foreign(scope, load.value):
            return []
        return [each for each in self._members(scope, load) if each.is_property]

    def methods(self, made: MadeClass) -> list[Scope]:
        """Its own, and those of the classes that it is made from."""
        return [method for one in self._with_bases(made) for method in one.methods]

    def is_enum(self, made: MadeClass) -> bool:
        """Whether members are made with the class itself."""
        bases = (base for one in self._with_bases(made) for base in one.bases)
        return any(name.endswith(("Enum", "Flag")) for base in bases for name in names(base))

    def _with_bases(self, made: MadeClass) -> list[MadeClass]:
        if made in self._bases:
            return self._bases[made]
        found = {made: None}
        waiting = [made]
        while waiting:
            for base in waiting.pop().bases:
                more = [each for each in self._classes.get(_base(base), ()) if each not in found]
                found.update(dict.fromkeys(more))
                waiting += more
        self._bases[made] = list(found)
        return self._bases[made]

    def _relatives(self, made: MadeClass) -> set[MadeClass]:
        """What an object of the class, or of one that is made from it, may have its methods from."""
        below, waiting = {made}, [made]
        while waiting:
            more = [each for each in self._subclasses.get(waiting.pop().name, ()) if each not in below]
            below.update(more)
            waiting += more
        return {base for each in below for base in self._with_bases(each)}

    def _members(self, scope: Scope, attribute: ast.Attribute) -> list[Scope]:
        """The functions that an attribute may stand for."""
        found = [each for each in self._functions.get(attribute.attr, ()) if each.of_class or each.of_module]
        made = self._own_class(scope) if self._is_own(attribute.value) else None
        if made is not None:
            relatives = self._relatives(made)
            return [each for each in found if each.of_class in relatives]
        return found

    @staticmethod
    def _is_own(value: ast.expr) -> bool:
        """Whether it is the object, or the class, that a method is of."""
        called = value.func if isinstance(value, ast.Call) else value
        return isinstance(called, ast.Name) and called.id in ("self", "cls", "super")

    @staticmethod
    def _own_class(scope: Scope | None) -> MadeClass | None:
        while scope is not None and scope.of_class is None:
            scope = scope.outer
        return scope.of_class if scope is not None else None

    def targets(self, scope: Scope, callee: ast.expr) -> Targets:
        """The functions and classes of ours that an expression may stand for."""
        name = name_of(callee)
        if isinstance(callee, ast.Attribute):
            if self._is_foreign(scope, callee.value):
                return [], []
            # What it means depends on the class only where that is known.
            key = self._own_method(scope) if self._is_own(callee.value) else None, callee.attr
        elif name is not None:
            key = self._home(scope, name), name
        else:
            return self._look_up(scope, callee)
        if key not in self._stand_for:
            self._stand_for[key] = self._look_up(scope, callee)
        return self._stand_for[key]

    @staticmethod
    def _own_method(scope: Scope) -> Scope:
        while scope.of_class is None and scope.outer is not None:
            scope = scope.outer
        return scope

    @staticmethod
    def _home(scope: Scope, name: str) -> Scope:
        """The scope that a name is of."""
        while scope.outer is not None:
            if name in scope.assigned or name in scope.parameters - scope.outer.parameters:
                return scope
            scope = scope.outer
        return scope

    def _look_up(self, scope: Scope, callee: ast.expr) -> Targets:
        scopes: list[Scope] = []
        classes: list[MadeClass] = []
        waiting: list[tuple[Scope, ast.expr]] = [(scope, callee)]
        seen: set[tuple[Scope | None, str]] = set()
        while waiting:
            here, expression = waiting.pop()
            if isinstance(expression, ast.Lambda):
                if expression in here.module.lambdas:
                    scopes.append(here.module.lambdas[expression])
            elif isinstance(expression, ast.Attribute):
                key = self._own_method(here) if self._is_own(expression.value) else None, expression.attr
                if key not in seen and not self._is_foreign(here, expression.value):
                    seen.add(key)
                    scopes += self._members(here, expression)
                    classes += self._classes.get(expression.attr, ())
                    kept = self._kept.get(expression.attr, ())
                    waiting += [(home, each) for home, value in kept for each in references(value)]
            elif isinstance(expression, ast.Name):
                home = self._home(here, expression.id)
                own = self._own_class(home) if expression.id == "cls" and home.is_of_class else None
                classes += self._relatives(own) if own is not None else ()
                if (home, expression.id) not in seen:
                    seen.add((home, expression.id))
                    if home.outer is None:
                        waiting += self._named(home.module, expression.id, scopes, classes)
                    else:
                        values = home.assigned.get(expression.id, ())
                        waiting += [(home, each) for value in values for each in references(value)]
        return list(dict.fromkeys(scopes)), list(dict.fromkeys(classes))

    def _named(
        self, here: Module, name: str, scopes: list[Scope], classes: list[MadeClass]
    ) -> list[tuple[Scope, ast.expr]]:
        """What a bare name of import-time code stands for; and what is to be looked up for it."""
        homes: Sequence[Module] = [here]
        if name in here.imported and name not in here.defined:
            where, original = here.imported[name]
            if self._is_not_ours(where) and name not in here.scopes[0].assigned:
                return []
            name = original or name
            homes = self._modules
        elif not (name in here.defined or name in here.scopes[0].assigned or name in here.unknown):
            if hasattr(builtins, name):
                return []
            homes = self._modules  # by `from ... import *`
        waiting: list[tuple[Scope, ast.expr]] = []
        named = [each for each in self._functions.get(name, ()) if each.module in homes]
        # One of a method can only be bare in the body of its class.
        scopes += [each for each in named if not each.of_class] or (
            [] if hasattr(builtins, name) else [each for each in named if each.module is here]
        )
        classes += [each for each in self._classes.get(name, ()) if each.module in homes]
        if homes is self._modules:
            values = self._kept.get(name, [])
            waiting += [
                (top, ast.Name(name, ast.Load())) for top in self._importing.get(name, ()) if top.module is not here
            ]
        else:
            top = here.scopes[0]
            values = [*((top, value) for value in top.assigned.get(name, ())), *here.attributes.get(name, ())]
        return waiting + [(scope, each) for scope, value in values for each in references(value)]

    def _is_not_ours(self, module: str) -> bool:
        top = module.partition(".")[0]
        return bool(top) and top not in self._ours and top not in DYNAMIC

    def _is_foreign(self, scope: Scope, expression: ast.expr) -> bool:
        """Whether what comes out of an expression can be no object of ours."""
        for node in ast.walk(expression):
            if isinstance(node, ast.Lambda):
                return False
            if isinstance(node, ast.Name) and not self._is_foreign_name(self._home(scope, node.id), node.id):
                return False
        return True

    def _is_foreign_name(self, home: Scope, name: str) -> bool:
        if (home, name) not in self._foreign:
            self._foreign[home, name] = True  # as far as it depends on itself
            self._foreign[home, name] = self._work_out_foreign(home, name)
        return self._foreign[home, name]

    def _work_out_foreign(self, home: Scope, name: str) -> bool:
        module, values = home.module, home.assigned.get(name, [])
        if home.outer is not None:
            return name not in home.parameters and all(self._is_foreign(home, value) for value in values)
        if name in module.defined or name in module.unknown:
            return False
        if name in module.imported:
            where, original = module.imported[name]
            if not self._is_not_ours(where):
                tops = [each.scopes[0] for each in self._modules if each is not module]
                homes = [top for top in tops if original in top.assigned]
                if not homes or not all(self._is_foreign_name(top, original) for top in homes):
                    return False
        elif not values:
            return name not in DYNAMIC and (hasattr(builtins, name) or name.startswith("__"))
        return all(self._is_foreign(home, value) for value in values)


def _base(expression: ast.expr) -> str:
    """The name of a class that is made from; without what it is of, as in `Base[int]`."""
    while isinstance(expression, ast.Subscript):
        expression = expression.value
    return name_of(expression) or ""
