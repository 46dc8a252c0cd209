"""What the names in a project may stand for."""

from __future__ import annotations

import ast
import builtins
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from reqcov.analysis.source.calls import MadeClass, Module, Scope, name_of, names, references
from reqcov.analysis.source.components import components

DYNAMIC = frozenset(
    ["importlib", "sys", "getattr", "globals", "locals", "vars", "__import__", "eval", "next", "iter", "type", "super"]
)
"""Not ours, but what comes out of them may be."""

OF_MAPPINGS_AND_TEXTS = frozenset({*dir(Mapping), *dir(str)})
"""What a parameter is asked for that is one of these, far more often than anything of ours: `space.get("name")`."""

Targets = tuple[list[Scope], list[MadeClass]]

Key = tuple[bool, Scope | None, str]
"""Whether it is an attribute; then the method that looks it up on its own object, else the scope that a name is of."""


class Meaning(NamedTuple):
    """What a name stands for by itself; and other names, for whatever these stand for."""

    scopes: list[Scope]
    classes: list[MadeClass]
    others: list[Key]


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
        self._named_methods: dict[tuple[MadeClass, tuple[str, ...]], list[Scope]] = {}
        self._subclasses: dict[str, list[MadeClass]] = defaultdict(list)
        for module in modules:
            for made in module.classes:
                for base in made.bases:
                    self._subclasses[_base(base)].append(made)
        self._foreign: dict[tuple[Scope, str], bool] = {}
        self._meanings: dict[Key, Meaning] = {}
        self._targets: dict[Key, Targets] = {}

    def properties(self, scope: Scope, load: ast.Attribute) -> list[Scope]:
        """The properties that are asked for by reading an attribute."""
        if self._is_foreign(scope, load.value):
            return []
        return [each for each in self._members(self._owner(scope, load), load.attr) if each.is_property]

    def methods(self, made: MadeClass) -> list[Scope]:
        """Its own, and those of the classes that it is made from."""
        return [method for one in self._with_bases(made) for method in one.methods]

    def named_methods(self, made: MadeClass, wanted: tuple[str, ...]) -> list[Scope]:
        """Those of these names."""
        key = made, wanted
        if key not in self._named_methods:
            self._named_methods[key] = [each for each in self.methods(made) if each.name in wanted]
        return self._named_methods[key]

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

    def _members(self, owner: Scope | None, attribute: str) -> list[Scope]:
        """The functions that an attribute may stand for."""
        found = [each for each in self._functions.get(attribute, ()) if each.of_class or each.of_module]
        made = self._own_class(owner)
        if made is not None:
            relatives = self._relatives(made)
            return [each for each in found if each.of_class in relatives]
        return found

    def _owner(self, scope: Scope, attribute: ast.Attribute) -> Scope | None:
        """The method that asks its own object; None where any object may be asked."""
        return self._own_method(scope) if self._is_own(attribute.value) else None

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
        if isinstance(callee, ast.Lambda):
            made = scope.module.lambdas.get(callee)
            return [made] if made is not None else [], []
        key = self._key(scope, callee)
        if key is None:
            return [], []
        if key not in self._targets:
            for component in components(key, lambda each: self._meaning(each).others, self._targets):
                self._targets.update(dict.fromkeys(component, self._together(component)))
        return self._targets[key]

    def _together(self, component: Collection[Key]) -> Targets:
        """What names stand for that stand for each other."""
        meanings = [self._meaning(key) for key in component]
        known = {
            id(found): found
            for meaning in meanings
            for other in meaning.others
            if (found := self._targets.get(other)) is not None
        }
        parts: list[Targets] = [*((meaning.scopes, meaning.classes) for meaning in meanings), *known.values()]
        scopes = dict.fromkeys(each for part in parts for each in part[0])
        classes = dict.fromkeys(each for part in parts for each in part[1])
        return list(scopes), list(classes)

    def _key(self, scope: Scope, expression: ast.expr) -> Key | None:
        """What is to be looked up for an expression; None where it is nothing of ours."""
        if isinstance(expression, ast.Attribute):
            if self._is_foreign(scope, expression.value) or self._is_of_any_kind(scope, expression):
                return None
            # What it means depends on the class only where that is known.
            return True, self._owner(scope, expression), expression.attr
        if isinstance(expression, ast.Name):
            return False, self._home(scope, expression.id), expression.id
        return None

    def _is_of_any_kind(self, scope: Scope, attribute: ast.Attribute) -> bool:
        """Whether a parameter is asked for what mappings and texts have."""
        if attribute.attr not in OF_MAPPINGS_AND_TEXTS or not isinstance(attribute.value, ast.Name):
            return False
        name = attribute.value.id
        return not self._is_own(attribute.value) and name in self._home(scope, name).parameters

    def _meaning(self, key: Key) -> Meaning:
        if key not in self._meanings:
            is_attribute, scope, name = key
            if is_attribute:
                meaning = Meaning(self._members(scope, name), list(self._classes.get(name, ())), [])
                self._add(meaning, self._kept.get(name, ()))
            else:
                assert scope is not None
                meaning = self._meaning_of_name(scope, name)
            self._meanings[key] = meaning._replace(others=list(dict.fromkeys(meaning.others)))
        return self._meanings[key]

    def _meaning_of_name(self, home: Scope, name: str) -> Meaning:
        meaning = Meaning([], [], [])
        own = self._own_class(home) if name == "cls" and home.is_of_class else None
        if own is not None:
            meaning.classes.extend(self._relatives(own))
        if home.outer is None:
            self._named(home.module, name, meaning)
        else:
            self._add(meaning, [(home, value) for value in home.assigned.get(name, ())])
        return meaning

    def _add(self, meaning: Meaning, values: Iterable[tuple[Scope, ast.expr]]) -> None:
        """Whatever these values stand for, each in its scope."""
        for scope, value in values:
            for each in references(value):
                if isinstance(each, ast.Lambda):
                    made = scope.module.lambdas.get(each)
                    meaning.scopes.extend([made] if made is not None else [])
                elif (key := self._key(scope, each)) is not None:
                    meaning.others.append(key)

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

    def _named(self, here: Module, name: str, meaning: Meaning) -> None:
        """What a bare name of import-time code stands for."""
        homes: Sequence[Module] = [here]
        if name in here.imported and name not in here.defined:
            where, original = here.imported[name]
            if self._is_not_ours(where) and name not in here.scopes[0].assigned:
                return
            name = original or name
            homes = self._modules
        elif not (name in here.defined or name in here.scopes[0].assigned or name in here.unknown):
            if hasattr(builtins, name):
                return
            homes = self._modules  # by `from ... import *`
        named = [each for each in self._functions.get(name, ()) if each.module in homes]
        # One of a method can only be bare in the body of its class.
        meaning.scopes.extend(
            [each for each in named if not each.of_class]
            or ([] if hasattr(builtins, name) else [each for each in named if each.module is here])
        )
        meaning.classes.extend(each for each in self._classes.get(name, ()) if each.module in homes)
        if homes is self._modules:
            self._add(meaning, self._kept.get(name, ()))
            tops = self._importing.get(name, ())
            meaning.others.extend((False, top, name) for top in tops if top.module is not here)
        else:
            top = here.scopes[0]
            self._add(meaning, [(top, value) for value in top.assigned.get(name, ())])
            self._add(meaning, here.attributes.get(name, ()))

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
