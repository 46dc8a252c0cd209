"""Functions that are not there to be run."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from reqcov.analysis.source.calls import names
from reqcov.analysis.source.code import of_one_scope, without_warnings

ABSTRACT = frozenset({"abstractmethod", "abstractproperty", "overload"})
"""Decorators of what is only declared."""


def stubs(text: str) -> set[tuple[int, str]]:
    """First line and bare name of each function that is only declared.

    Its body is `...` or raises NotImplementedError, it is abstract or an overload, or a method of a protocol. A text
    that can't be parsed has none.
    """
    try:
        with without_warnings():
            tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return set()
    found = set()
    for node in _definitions(tree.body):
        if isinstance(node, ast.ClassDef):
            if any("Protocol" in names(base) for base in node.bases):
                found |= {_key(each) for each in node.body if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)}
        elif _is_declared(node):
            found.add(_key(node))
    return found


def _definitions(body: Sequence[ast.AST]) -> Iterator[ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in of_one_scope(body):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield node
            yield from _definitions(node.body)


def _key(node: ast.FunctionDef | ast.AsyncFunctionDef) -> tuple[int, str]:
    return min((each.lineno for each in node.decorator_list), default=node.lineno), node.name


def _is_declared(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    if any(not ABSTRACT.isdisjoint(names(each)) for each in node.decorator_list):
        return True
    body = node.body[1:] if ast.get_docstring(node, clean=False) is not None else node.body
    match body:
        case [ast.Expr(value=ast.Constant(value=value))]:
            return value is ...
        case [ast.Raise(exc=ast.expr() as raised)]:
            return "NotImplementedError" in names(raised)
    return False
