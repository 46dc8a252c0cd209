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
        self._kept: dict[str, list[tuple[Module, ast.expr]]] = defaultdict(list)
        for module in modules:
            for scope in module.scopes:
                self._functions[scope.name].append(scope)
            for made in module.classes:
                self._classes[made.name].append(made)
            for table in (module.attributes, module.assigned):
                for name, values in table.items():
                    self._kept[name] += [(module, value) for value in values]
        self._foreign: dict[tuple[str, str], bool] = {}
        self._stand_for: dict[tuple[str, str], Targets] = {}

    def properties(self, module: Module, load: ast.Attribute) -> list[Scope]:
        """The properties that are asked for by reading an attribute."""
        if self._is_foreign(module, load.value):
            return []
        return [each for each in self._functions.get(load.attr, ()) if each.is_property]

    def is_kept(self, name: str | None) -> bool:
        """Whether something is kept under this name."""
        return name in self._kept

    def methods(self, made: MadeClass) -> list[Scope]:
        """Its own, and those of the classes that it is made from."""
        return [method for one in self._with_bases(made) for method in one.methods]

    def is_enum(self, made: MadeClass) -> bool:
        """Whether members are made with the class itself."""
        bases = (base for one in self._with_bases(made) for base in one.bases)
        return any(name.endswith(("Enum", "Flag")) for base in bases for name in names(base))

    def _with_bases(self, made: MadeClass) -> list[MadeClass]:
        found = [made]
        for one in found:
            for base in one.bases:
                found += [each for each in self.targets(one.module, base)[1] if each not in found]
        return found

    def targets(self, module: Module, callee: ast.expr) -> Targets:
        """The functions and classes of ours that an expression may stand for."""
        if isinstance(callee, ast.Lambda):
            return ([module.lambdas[callee]] if callee in module.lambdas else []), []
        name = name_of(callee)
        if name is None or (isinstance(callee, ast.Attribute) and self._is_foreign(module, callee.value)):
            return [], []
        key = "" if isinstance(callee, ast.Attribute) else module.path, name
        if key not in self._stand_for:
            self._stand_for[key] = self._look_up(module, callee)
        return self._stand_for[key]

    def _look_up(self, module: Module, callee: ast.expr) -> Targets:
        scopes: list[Scope] = []
        classes: list[MadeClass] = []
        waiting: list[tuple[Module, ast.expr]] = [(module, callee)]
        seen: set[tuple[str, str]] = set()
        while waiting:
            here, expression = waiting.pop()
            name = name_of(expression)
            if isinstance(expression, ast.Lambda) and expression in here.lambdas:
                scopes.append(here.lambdas[expression])
            elif isinstance(expression, ast.Attribute) and name is not None:
                if ("", name) not in seen and not self._is_foreign(here, expression.value):
                    seen.add(("", name))
                    scopes += self._functions.get(name, ())
                    classes += self._classes.get(name, ())
                    waiting += [(home, each) for home, value in self._kept.get(name, ()) for each in references(value)]
            elif name is not None and (here.path, name) not in seen:
                seen.add((here.path, name))
                waiting += self._named(here, name, scopes, classes)
        return list(dict.fromkeys(scopes)), list(dict.fromkeys(classes))

    def _named(
        self, here: Module, name: str, scopes: list[Scope], classes: list[MadeClass]
    ) -> list[tuple[Module, ast.expr]]:
        """What a bare name stands for; and what is to be looked up for it."""
        homes: Sequence[Module] = [here]
        if name in here.imported and name not in here.defined:
            where, original = here.imported[name]
            if self._is_not_ours(where) and name not in here.assigned:
                return []
            name = original or name
            homes = self._modules
        elif not (name in here.defined or name in here.assigned or name in here.unknown):
            if hasattr(builtins, name):
                return []
            homes = self._modules  # by `from ... import *`
        waiting: list[tuple[Module, ast.expr]] = []
        named = [each for each in self._functions.get(name, ()) if each.module in homes]
        # One of a method can only be bare in the body of its class.
        scopes += [each for each in named if not each.of_class] or (
            [] if hasattr(builtins, name) else [each for each in named if each.module is here]
        )
        classes += [each for each in self._classes.get(name, ()) if each.module in homes]
        for home in homes:
            values = [*home.assigned.get(name, ()), *home.attributes.get(name, ())]
            waiting += [(home, each) for value in values for each in references(value)]
            if home is not here and name in home.imported:
                waiting.append((home, ast.Name(name, ast.Load())))
        return waiting

    def _is_not_ours(self, module: str) -> bool:
        top = module.partition(".")[0]
        return bool(top) and top not in self._ours and top not in DYNAMIC

    def _is_foreign(self, module: Module, expression: ast.expr) -> bool:
        """Whether what comes out of an expression can be no object of ours."""
        for node in ast.walk(expression):
            if isinstance(node, ast.Lambda):
                return False
            if isinstance(node, ast.Name) and not self._is_foreign_name(module, node.id):
                return False
        return True

    def _is_foreign_name(self, module: Module, name: str) -> bool:
        key = module.path, name
        if key not in self._foreign:
            self._foreign[key] = True  # as far as it depends on itself
            self._foreign[key] = self._work_out_foreign(module, name)
        return self._foreign[key]

    def _work_out_foreign(self, module: Module, name: str) -> bool:
        if name in module.defined or name in module.unknown:
            return False
        values = module.assigned.get(name, [])
        if name in module.imported:
            where, original = module.imported[name]
            if not self._is_not_ours(where):
                homes = [each for each in self._modules if each is not module and original in each.assigned]
                if not homes or not all(self._is_foreign_name(each, original) for each in homes):
                    return False
        elif not values:
            return name not in DYNAMIC and (hasattr(builtins, name) or name.startswith("__"))
        return all(self._is_foreign(module, value) for value in values)
