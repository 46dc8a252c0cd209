"""What each function of a module calls, and what its import-time code does, as it is written."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from reqcov.analysis.source.code import File, Function, without_warnings

FACTORIES = frozenset({"default_factory", "factory"})
"""Arguments that are called when an object is made, which may be of import-time code."""


@dataclass(eq=False)
class Call:
    """A call as it is written, or a decorator."""

    line: int
    callee: ast.expr
    arguments: list[ast.expr]


@dataclass(eq=False)
class MadeClass:
    """A class statement."""

    module: Module
    name: str
    line: int
    bases: list[ast.expr]
    metaclasses: list[ast.expr]
    methods: list[Scope] = field(default_factory=list)


@dataclass(eq=False)
class Scope:
    """A function; or all import-time code of a module."""

    module: Module
    name: str = ""
    function: Function | None = None
    of_class: MadeClass | None = None
    of_module: bool = False
    is_property: bool = False
    is_of_class: bool = False
    """Whether it gets its class, as `cls`."""
    outer: Scope | None = None
    """The function around it, or the import-time code."""
    parameters: set[str] = field(default_factory=set)
    """Its own, and those of the functions around it."""
    assigned: dict[str, list[ast.expr]] = field(default_factory=lambda: defaultdict(list))
    """What its names are given."""
    calls: list[Call] = field(default_factory=list)
    loads: list[ast.Attribute] = field(default_factory=list)
    classes: list[MadeClass] = field(default_factory=list)
    returned: list[ast.expr] = field(default_factory=list)


@dataclass(eq=False)
class Module:
    """What is written in one file."""

    path: str
    file: File
    scopes: list[Scope] = field(default_factory=list)
    classes: list[MadeClass] = field(default_factory=list)
    imported: dict[str, tuple[str, str]] = field(default_factory=dict)
    """By the name that it has here: the module (empty: of this project), and the name that it has there."""
    attributes: dict[str, list[tuple[Scope, ast.expr]]] = field(default_factory=lambda: defaultdict(list))
    """What is kept in objects and tables, by the name of the attribute, or of the table."""
    defined: set[str] = field(default_factory=set)
    """Names of functions and classes that are in no class."""
    unknown: set[str] = field(default_factory=set)
    """Names of what is given from outside: parameters and the like."""
    lambdas: dict[ast.Lambda, Scope] = field(default_factory=dict)


def read_module(path: str, file: File) -> Module | None:
    """None where it can't be read."""
    if file.text is None or file.code.problem:
        return None
    module = Module(path, file)
    try:
        with without_warnings():
            tree = ast.parse(file.text)
        _Reader(module).read(tree)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    return module


class _Reader(ast.NodeVisitor):
    """Notes what each scope of a module calls."""

    def __init__(self, module: Module) -> None:
        self._module = module
        self._scope = Scope(module)
        self._class: MadeClass | None = None
        self._functions: dict[tuple[int, str], Function] = {}
        for each in module.file.code.functions:
            self._functions.setdefault((each.first, each.name.rpartition(".")[2]), each)
        module.scopes.append(self._scope)

    def read(self, tree: ast.Module) -> None:
        """All of it."""
        self.generic_visit(tree)

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        """Decorators and defaults run where it stands, its body when it is called."""
        self._decorated(node)
        for each in (node.args, node.returns):
            if each is not None:
                self.visit(each)
        first = min((each.lineno for each in node.decorator_list), default=node.lineno)
        scope = Scope(
            self._module,
            node.name,
            self._functions.get((first, node.name)),
            self._class,
            of_module=self._class is None and self._scope.function is None,
            is_of_class=[each.arg for each in node.args.args[:1]] == ["cls"],
            is_property=any("property" in name for each in node.decorator_list for name in names(each)),
        )
        if self._class is not None:
            self._class.methods.append(scope)
        self._within(scope, node.args, node.body)

    visit_AsyncFunctionDef = visit_FunctionDef  # noqa: N815

    def visit_Lambda(self, node: ast.Lambda) -> None:
        """One within a function is part of that."""
        self.visit(node.args)
        if self._scope.name:
            self._scope.parameters |= _parameters(node.args)
            self.visit(node.body)
            return
        found = [
            each
            for each in self._module.file.code.functions
            if each.name.endswith("<lambda>") and each.first <= node.lineno <= each.last
        ]
        scope = Scope(self._module, "<lambda>", found[-1] if found else None, returned=[node.body])
        self._module.lambdas[node] = scope
        self._within(scope, node.args, [node.body])

    def _within(self, scope: Scope, arguments: ast.arguments, body: Iterable[ast.AST]) -> None:
        scope.parameters |= _parameters(arguments)
        self._module.scopes.append(scope)
        outer, self._scope, of_class, self._class = self._scope, scope, self._class, None
        scope.outer = outer
        scope.parameters |= outer.parameters
        for each in body:
            self.visit(each)
        self._scope, self._class = outer, of_class

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        """Its body runs where it stands."""
        self._decorated(node)
        metaclasses = [each.value for each in node.keywords if each.arg == "metaclass"]
        made = MadeClass(self._module, node.name, node.lineno, node.bases, metaclasses)
        self._module.classes.append(made)
        self._scope.classes.append(made)
        outer, self._class = self._class, made
        for each in (*node.bases, *node.keywords, *node.body):
            self.visit(each)
        self._class = outer

    def _decorated(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> None:
        if self._class is None:
            self._module.defined.add(node.name)
        for each in node.decorator_list:
            self.visit(each)
            name = ast.copy_location(ast.Name(node.name, ast.Load()), each)
            self._scope.calls.append(Call(each.lineno, each, [name]))

    def visit_Call(self, node: ast.Call) -> None:
        """The call itself, and those within it."""
        arguments = [*node.args, *(each.value for each in node.keywords)]
        self._scope.calls.append(Call(node.lineno, node.func, arguments))
        for each in node.keywords:
            if each.arg in FACTORIES:
                self._scope.calls.append(Call(node.lineno, each.value, []))
        self.generic_visit(node)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        """It may be a property."""
        if isinstance(node.ctx, ast.Load):
            self._scope.loads.append(node)
        self.generic_visit(node)

    def visit_Return(self, node: ast.Return) -> None:
        """What comes out may be called."""
        if node.value is not None:
            self._scope.returned.append(node.value)
        self.generic_visit(node)

    def visit_Import(self, node: ast.Import) -> None:
        """Names of modules."""
        for each in node.names:
            name = each.asname or each.name.partition(".")[0]
            self._module.imported[name] = each.name, ""

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        """Names from modules."""
        for each in node.names:
            self._module.imported[each.asname or each.name] = "" if node.level else node.module or "", each.name

    def generic_visit(self, node: ast.AST) -> None:
        """Whatever binds names, and all that is within."""
        match node:
            case ast.Assign(targets=targets, value=value):
                self._assign(targets, value)
            case ast.AnnAssign(target=target, value=ast.expr() as value) | ast.AugAssign(target=target, value=value):
                self._assign([target], value)
            case ast.NamedExpr(target=target, value=value):
                self._assign([target], value)
            case ast.For(target=target, iter=value) | ast.AsyncFor(target=target, iter=value):
                self._assign([target], value)
            case ast.comprehension(target=target, iter=value):
                self._assign([target], value)
            case ast.withitem(context_expr=value, optional_vars=ast.expr() as target):
                self._assign([target], value)
            case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                self._module.unknown.add(name)
        super().generic_visit(node)

    def _assign(self, targets: Iterable[ast.expr], value: ast.expr) -> None:
        for target in targets:
            for each in ast.walk(target):
                if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store):
                    self._scope.assigned[each.id].append(value)
                elif isinstance(each, ast.Name | ast.Attribute):  # kept in a table or an object, by whatever name
                    name = each.id if isinstance(each, ast.Name) else each.attr
                    if not isinstance(target, ast.Name):
                        self._module.attributes[name].append((self._scope, value))


def _parameters(arguments: ast.arguments) -> set[str]:
    some = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
    return {each.arg for each in some if each is not None}


def references(expression: ast.expr) -> Iterator[ast.expr]:
    """Names, attributes and lambdas in an expression: what may be called if that is."""
    stack: list[ast.AST] = [expression]
    while stack:
        node = stack.pop()
        if isinstance(node, ast.Name | ast.Attribute | ast.Lambda):
            yield node
        if not isinstance(node, ast.Lambda | ast.Attribute):
            stack.extend(ast.iter_child_nodes(node))


def names(expression: ast.expr) -> set[str]:
    """All names and attributes in an expression."""
    return {
        node.id if isinstance(node, ast.Name) else node.attr
        for node in ast.walk(expression)
        if isinstance(node, ast.Name | ast.Attribute)
    }


def unwrapped(expression: ast.expr) -> tuple[list[ast.expr], int, list[ast.expr]]:
    """What is called by a call of this expression, how often one after the other, and what is handed over before."""
    depth, arguments = 1, []
    while isinstance(expression, ast.Call | ast.Subscript | ast.Await | ast.NamedExpr):
        if isinstance(expression, ast.Call):
            depth += 1
            arguments += [*expression.args, *(each.value for each in expression.keywords)]
            expression = expression.func
        else:
            expression = expression.value
    if isinstance(expression, ast.IfExp | ast.BoolOp):
        return list(references(expression)), depth, arguments
    return [expression], depth, arguments


def name_of(expression: ast.expr) -> str | None:
    """The name, or that of the attribute; None where it is anything else."""
    if isinstance(expression, ast.Name):
        return expression.id
    return expression.attr if isinstance(expression, ast.Attribute) else None
