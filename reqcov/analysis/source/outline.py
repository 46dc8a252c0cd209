"""What a module is made of: functions apart from what runs when it is imported, and the names in either."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from reqcov.analysis.source.code import lines, without_warnings

KEEPS = ("cache", "memo", "once", "lazy")
"""What the names of decorators hold that call a function once, and keep what it gave."""

ROUTES = frozenset(["route", "get", "post", "put", "patch", "delete", "head", "options", "websocket", "api_route"])
"""Last names of decorators that make views."""

BY_NAME = frozenset({"import_module", "__import__"})
"""Functions that import what they are given the name of."""


class Import(NamedTuple):
    """A module that may be imported, seen from the one that says so."""

    level: int
    """How many folders up, as the dots of `from ..shop import cart`; 0 for none."""
    name: str
    """Dotted; empty for `from . import cart`."""
    function: str | None
    """Where it is imported when that is called; None where it is at once."""


class Definition(NamedTuple):
    """A function in a module or in a class."""

    name: str
    """Its qualified name."""
    head: str
    """What of it runs when it is defined: decorators, defaults, annotations."""
    plain: bool
    """Whether that can do nothing but define it."""


@dataclass(slots=True)
class Body:
    """What runs when functions of one name are called."""

    first: int
    """The line of the first one's `def`, or of its first decorator."""
    texts: list[str] = field(default_factory=list)
    """Of each its parameters and statements; those of functions in it are not among them."""
    mentions: set[str] = field(default_factory=set)
    """Names and attributes in it."""
    calls_given: bool = False
    """Whether any of them calls what it is given, itself."""
    routed: bool = False
    """Whether a decorator makes a view of it, so that requests call it and nobody else."""


@dataclass(slots=True)
class Outline:
    """What a module is made of."""

    bodies: dict[str, Body] = field(default_factory=dict)
    """By qualified name."""
    scopes: dict[str, list[str | Definition]] = field(default_factory=lambda: defaultdict(list))
    """What runs in the module (an empty name), and in each class when it is made."""
    bare: set[str] = field(default_factory=set)
    """Classes without bases, decorators or other arguments."""
    imports: set[Import] = field(default_factory=set)
    guesses: set[str] = field(default_factory=set)
    """Texts that may be dotted names of modules."""
    unclear: bool = False
    """Whether something is imported by a name that is worked out."""
    mentions: set[str] = field(default_factory=set)
    """All names and attributes, and texts that could be either."""
    mentions_at_import: set[str] = field(default_factory=set)
    """Those of them that are outside of functions."""
    bases: set[str] = field(default_factory=set)
    """Last names of what classes derive from."""
    kept: set[str] = field(default_factory=set)
    """Last names of functions whose results are kept, so that not everyone who needs them calls them."""


def outline(text: str, *, names_only: bool = False) -> Outline | None:
    """What the text of a module is made of; None where the running interpreter can't parse it.

    Texts that differ in comments, blanks and docstrings have the same bodies and scopes. With `names_only`, which is
    quicker, these can't be compared.
    """
    try:
        with without_warnings():
            tree = ast.parse("\n".join(lines(text)))
        made = _Outliner(names_only=names_only)
        made.scope(tree.body, "")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    return made.made


def last_name(qualified: str) -> str:
    """`total` of `Cart.total`."""
    return qualified.rpartition(".")[2]


def called_by(qualified: str) -> set[str]:
    """The names that a function is called by: its last one, or that of its class where Python calls it."""
    last = last_name(qualified)
    return {last} if not (last.startswith("__") and "." in qualified) else {last, qualified.split(".")[-2]}


class _Outliner:
    """Takes a syntax tree apart, in place."""

    def __init__(self, *, names_only: bool) -> None:
        self.made = Outline()
        self._names_only = names_only

    def _dumped(self, *nodes: ast.AST) -> str:
        return "" if self._names_only else "; ".join(map(ast.dump, nodes))

    def scope(self, body: list[ast.stmt], prefix: str) -> None:
        """Take apart what runs in one module or class."""
        for node in _without_docstring(body):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                self._names(_head(node), None)
                self._function(node, prefix)
                definition = Definition(prefix + node.name, self._dumped(*_head(node)), _is_plain(node))
                self.made.scopes[prefix].append(definition)
            elif isinstance(node, ast.ClassDef):
                self._class(node, prefix)
            else:
                for child in _statements(node):
                    self._inner(child, prefix)
                self._names([node], None)
                self.made.scopes[prefix].append(self._dumped(node))

    def _inner(self, node: ast.stmt, prefix: str) -> None:
        """A function or a class in a compound statement: its bodies are taken out, and its head stays there."""
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            self._function(node, prefix)
        elif isinstance(node, ast.ClassDef):
            self._note_class(node)
            for child in node.body:
                self._inner(child, f"{prefix}{node.name}.")
        else:
            for child in _statements(node):
                self._inner(child, prefix)

    def _class(self, node: ast.ClassDef, prefix: str) -> None:
        head = [*node.decorator_list, *node.bases, *node.keywords, *getattr(node, "type_params", ())]
        self._names(head, None)
        self._note_class(node)
        self.made.scopes[prefix].append(f"class {node.name}: {self._dumped(*head)}")
        if not node.decorator_list and not node.keywords and {_last(base) for base in node.bases} <= {"object"}:
            self.made.bare.add(f"{prefix}{node.name}.")
        self.scope(node.body, f"{prefix}{node.name}.")

    def _note_class(self, node: ast.ClassDef) -> None:
        self.made.mentions.add(node.name)
        self.made.bases |= {_last(base) for base in node.bases}

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef, prefix: str) -> None:
        """What runs when it is called; afterwards there is nothing in it."""
        name = prefix + node.name
        first = min([node.lineno, *(each.lineno for each in node.decorator_list)])
        body = self.made.bodies.setdefault(name, Body(first))
        self.made.mentions.add(node.name)
        if any(part in _last(each).lower() for each in node.decorator_list for part in KEEPS):
            self.made.kept.add(node.name)
        node.body = _without_docstring(node.body)
        for child in node.body:
            self._inner(child, f"{name}.<locals>.")
        body.mentions |= self._names(node.body, name)
        text = self._dumped(*node.body)
        arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
        given = {each.arg for each in arguments}
        calls = (each for child in node.body for each in ast.walk(child) if isinstance(each, ast.Call))
        body.calls_given |= any(isinstance(each.func, ast.Name) and each.func.id in given for each in calls)
        body.routed |= any(isinstance(each, ast.Call) and _last(each) in ROUTES for each in node.decorator_list)
        body.texts.append(f"{' '.join([type(node).__name__, *_parameters(node.args)])}: {text}")
        node.body = []

    def _names(self, nodes: Iterable[ast.AST], function: str | None) -> set[str]:
        """Note what these name and import; what functions and classes in them do is noted with them."""
        found: set[str] = set()
        shared: set[str] = set()
        assigned: list[tuple[list[ast.expr], ast.expr]] = []
        for node in nodes:
            for each in ast.walk(node):
                match each:
                    case ast.Global() | ast.Nonlocal():
                        shared.update(each.names)
                    case ast.Assign():
                        assigned.append((each.targets, each.value))
                    case ast.AnnAssign(value=ast.expr() as value) | ast.AugAssign(value=value):
                        assigned.append(([each.target], value))
                    case ast.Import():
                        self.made.imports |= {Import(0, alias.name, function) for alias in each.names}
                        found |= {alias.name.partition(".")[0] for alias in each.names}
                    case ast.ImportFrom():
                        self._import_from(each, function)
                        found |= {alias.name for alias in each.names}
                    case ast.Name():
                        found.add(each.id)
                    case ast.Attribute():
                        found.add(each.attr)
                    case ast.keyword(arg=str(name)):
                        found.add(name)
                    case ast.Constant(value=str(text)) if len(text) < 200:
                        self._text(text)
                    case ast.Call() if _last(each.func) in BY_NAME:
                        self._import_by_name(each, function)
        for targets, value in assigned:
            self._keep(targets, value, shared)
        self.made.mentions |= found
        if function is None:
            self.made.mentions_at_import |= found
        return found

    def _keep(self, targets: list[ast.expr], value: ast.expr, shared: set[str]) -> None:
        """Note what is called to keep the result in what outlives the call."""
        ones = [one for target in targets for one in getattr(target, "elts", [target])]
        if any(isinstance(one, ast.Attribute | ast.Subscript) or _last(one) in shared for one in ones):
            self.made.kept |= {_last(each.func) for each in ast.walk(value) if isinstance(each, ast.Call)}

    def _text(self, text: str) -> None:
        if text.isidentifier():
            self.made.mentions.add(text)
        elif text.replace(":", ".").replace(".", "").isidentifier():
            self.made.guesses.add(text.replace(":", "."))
            self.made.mentions |= set(text.replace(":", ".").split("."))

    def _import_from(self, node: ast.ImportFrom, function: str | None) -> None:
        for alias in node.names:
            inner = "" if alias.name == "*" else alias.name
            name = ".".join(part for part in (node.module, inner) if part)
            self.made.imports.add(Import(node.level, name, function))
            if alias.name == "*":
                self.made.imports.add(Import(node.level, f"{name}.*", function))

    def _import_by_name(self, node: ast.Call, function: str | None) -> None:
        match node.args[:1]:
            case [ast.Constant(value=str(text))]:
                name = text.lstrip(".")
                self.made.imports.add(Import(len(text) - len(name), name, function))
            case _:
                self.made.unclear = True


def _without_docstring(body: list[ast.stmt]) -> list[ast.stmt]:
    match body[:1]:
        case [ast.Expr(value=ast.Constant(value=str()))]:
            return body[1:]
    return body


def _statements(node: ast.AST) -> Iterator[ast.stmt]:
    """Those in a compound one, however deep, but for those in other statements."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.stmt):
            yield child
        elif isinstance(child, ast.excepthandler | ast.match_case):
            yield from _statements(child)


def _head(node: ast.FunctionDef | ast.AsyncFunctionDef) -> list[ast.AST]:
    """What runs when a function is defined."""
    arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs, node.args.vararg, node.args.kwarg]
    annotated = [each for each in arguments if each is not None and each.annotation is not None]
    defaults = [*node.args.defaults, *(each for each in node.args.kw_defaults if each is not None)]
    returns = [node.returns] if node.returns is not None else []
    return [*node.decorator_list, *annotated, *defaults, *returns, *getattr(node, "type_params", ())]


def _parameters(arguments: ast.arguments) -> Iterator[str]:
    for sign, each in (("/", arguments.posonlyargs), ("", arguments.args), ("*", arguments.kwonlyargs)):
        yield sign + ",".join(argument.arg for argument in each)
    for sign, one in (("*", arguments.vararg), ("**", arguments.kwarg)):
        yield sign + (one.arg if one is not None else "")


def _is_plain(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether to define it can neither fail nor tell anybody."""
    safe = (ast.arg, ast.Constant, ast.Load)
    return all(
        isinstance(each, safe) or (isinstance(each, ast.Name) and each.id in PLAIN)
        for part in _head(node)
        for each in ast.walk(part)
    )


PLAIN = frozenset({"bool", "bytes", "dict", "float", "int", "list", "object", "set", "str", "tuple", "property"})
"""Names in heads of functions that everybody has."""


def _last(node: ast.expr) -> str:
    """The last name of what an expression calls, or is: `total` of `cart.total(1)`."""
    match node:
        case ast.Call(func=inner) | ast.Subscript(value=inner):
            return _last(inner)
        case ast.Attribute(attr=name) | ast.Name(id=name):
            return name
    return ""
