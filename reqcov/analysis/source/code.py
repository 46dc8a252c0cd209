"""What a source text consists of: its statements, and the functions they belong to."""

from __future__ import annotations

import ast
import io
import sys
import threading
import tokenize
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from coverage.config import DEFAULT_EXCLUDE as DEFAULT_EXCLUDE_LIST
from coverage.exceptions import NotPython
from coverage.misc import join_regex
from coverage.parser import PythonParser

from reqcov.analysis.source.masks import Mask, of, span

DEFAULT_EXCLUDE = join_regex(DEFAULT_EXCLUDE_LIST)
"""What coverage.py excludes where nothing is configured: `# pragma: no cover`, and more since 7.10."""

_quiet = threading.Lock()


@dataclass(frozen=True, slots=True)
class Function:
    """A function, or a lambda that is outside of functions."""

    name: str
    """Its `__qualname__`: `Cart.total`, `make.<locals>.view`, `Cart.<lambda>`."""
    first: int
    """The line of its first decorator or of its `def`."""
    body: int
    """The line of the first statement of its body: that of the `def` if the body follows on it."""
    last: int
    statements: Mask
    """Those that are its own: the bodies of functions and classes in it are not, their `def` and `class` lines are."""


@dataclass(frozen=True)
class Code:
    """The lines of a source text by what they are.

    A *function statement* runs when something is called; the others run when the module is imported or a class is made.
    Every function statement is one function's own: that of the innermost, where the body of a function begins on a line
    of another. What lambdas and comprehensions in a function run is the function's. Comprehensions outside of functions
    make no function statements, though they may run in functions of their own.
    """

    statements: Mask = 0
    """The lines that coverage.py counts: the first ones of statements, without the excluded ones."""
    excluded: Mask = 0
    continued: Mask = 0
    """The lines that go on with the statement of the line before."""
    functions: tuple[Function, ...] = ()
    """In the order of the text, outer ones first."""
    problem: str | None = None
    """Why there is nothing in here: what the running interpreter can't parse."""

    @cached_property
    def in_functions(self) -> Mask:
        """The function statements."""
        mask = 0
        for function in self.functions:
            mask |= function.statements
        return mask

    @property
    def import_time(self) -> Mask:
        """The statements of modules and classes."""
        return self.statements & ~self.in_functions

    def translate(self, mask: Mask) -> Mask:
        """From lines that ran to the first lines of their statements, as coverage.py does before it counts.

        Not all of those are function statements: a body without a statement, and some formatting with `%`, run on the
        line of the `def`; comprehensions of class bodies are functions before 3.12. What counts is `& in_functions`.
        """
        rest = mask & self.continued
        firsts = mask ^ rest
        while rest:
            rest >>= 1
            firsts |= rest & ~self.continued
            rest &= self.continued
        return firsts

    def standing_for(self, mask: Mask) -> Mask:
        """Every line that `translate` turns into one of these first lines."""
        more = mask
        while more:
            more = more << 1 & self.continued
            mask |= more
        return mask

    def function_at(self, line: int) -> Function | None:
        """The innermost function around a line, decorators and signature included; None outside of functions."""
        return next((each for each in reversed(self.functions) if each.first <= line <= each.last), None)

    def to_dict(self) -> dict[str, Any]:
        """Everything, in types that JSON knows; `from_dict` reads it back.

        Masks are hexadecimal digits; bit 0 of a function's statements is its first line.
        """
        return {
            "statements": f"{self.statements:x}",
            "excluded": f"{self.excluded:x}",
            "continued": f"{self.continued:x}",
            "functions": [
                [each.name, each.first, each.body, each.last, f"{each.statements >> each.first:x}"]
                for each in self.functions
            ],
            "problem": self.problem,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Code:
        """The code that `to_dict` gave `values`, also after a way through JSON.

        Raises KeyError where a value is missing.
        """
        masks = {name: int(values[name], 16) for name in ("statements", "excluded", "continued")}
        functions = tuple(
            Function(name, first, body, last, int(digits, 16) << first)
            for name, first, body, last, digits in values["functions"]
        )
        return cls(**masks, functions=functions, problem=values["problem"])


@dataclass(frozen=True, slots=True)
class File:
    """The version of a file that is shown."""

    path: str
    """In its project, with `/`."""
    digest: str
    """SHA-256 of its content, hexadecimal."""
    text: str | None
    """None where it was not kept: the file had been edited since it was imported."""
    code: Code
    builds: frozenset[str]
    """That used this version, or the last one before it where the file is shown as it is now."""


def decode(source: bytes) -> str:
    """The text of a Python file (PEP 263); what can't be decoded becomes replacement characters."""
    source = source.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(source).readline)
        return source.decode(encoding, "replace")
    except (SyntaxError, LookupError, ValueError):  # no such encoding, or none of texts
        return source.decode("utf-8-sig", "replace")


def lines(text: str) -> list[str]:
    """The lines of a source text as Python counts them: `str.splitlines` ends lines that Python doesn't."""
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


@contextmanager
def without_warnings() -> Iterator[None]:
    """What the parser thinks of somebody's code is not for whoever reads a report."""
    with _quiet, warnings.catch_warnings(action="ignore"):  # the filters are the whole process's: one thread at a time
        yield


def parse(text: str, exclude: str = DEFAULT_EXCLUDE) -> Code:
    """What `text` consists of; `exclude` is the one regular expression that coverage.py joins those configured into.

    What comes out depends on nothing else but the interpreter and the version of coverage.py. A text that the running
    interpreter can't parse is no error, for a report goes on to the next file: `problem` says why, and the code is
    empty. Raises re.error where `exclude` is no regular expression.
    """
    text = "\n".join(lines(text))
    parser = PythonParser(text=text, filename="<source>", exclude=exclude)
    try:
        with without_warnings():
            parser.parse_source()
    except (NotPython, ValueError, RecursionError, MemoryError) as error:
        return Code(problem=_problem(error.__cause__ or error))
    assert isinstance(parser._ast_root, ast.Module)
    statements = of(parser.statements)
    continued = of(line for line in range(2, text.count("\n") + 2) if parser.first_line(line) < line)
    found = _Functions(statements, continued, parser.first_line)
    found.search(parser._ast_root.body, "", in_function=False)
    functions = sorted(found.functions, key=lambda each: (each.first, -each.last))
    return Code(statements, of(parser.excluded), continued, tuple(functions))


def _problem(error: BaseException) -> str:
    what = f"{error.msg} at line {error.lineno}" if isinstance(error, SyntaxError) else str(error) or repr(error)
    return f"Python {sys.version_info[0]}.{sys.version_info[1]} can't parse it: {what}"


class _Functions:
    """Finds the functions of a syntax tree, and shares the statements out among them."""

    def __init__(self, statements: Mask, continued: Mask, first_line: Callable[[int], int]) -> None:
        self.functions: list[Function] = []
        self._statements = statements
        self._continued = continued
        self._first_line = first_line
        self._owned = 0

    def search(self, body: list[ast.stmt], prefix: str, *, in_function: bool) -> Mask:
        """Find the functions in and below the `body` of one scope; the lines of it that run in other scopes."""
        elsewhere = 0
        global_names: set[str] = set()
        for node in of_one_scope(body):
            if isinstance(node, ast.Global):
                global_names.update(node.names)
            elif isinstance(node, ast.ClassDef):
                name = node.name if node.name in global_names else prefix + node.name
                inner = self.search(node.body, f"{name}.", in_function=False)
                # The class is made in this scope, so its first line stays.
                elsewhere |= inner | self._span(node.body[0], node) & ~(1 << node.lineno)
            elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                name = node.name if node.name in global_names else prefix + node.name
                lines_of_body = self._span(node.body[0], node)
                inner = self.search(node.body, f"{name}.<locals>.", in_function=True)
                self._add(name, _first(node), lines_of_body, lines_of_body & ~inner)
                elsewhere |= lines_of_body
            if not in_function:
                for each in _lambdas(node):
                    elsewhere |= self._add_lambda(f"{prefix}<lambda>", each)
        return elsewhere

    def _add(self, name: str, first: int, lines_of_body: Mask, own: Mask) -> None:
        own &= self._statements
        self._owned |= own
        body, last = (lines_of_body & -lines_of_body).bit_length() - 1, lines_of_body.bit_length() - 1
        self.functions.append(Function(name, first, body, last, own))

    def _add_lambda(self, name: str, node: ast.Lambda) -> Mask:
        """One of the statement is enough: nobody can tell which of them ran."""
        first = self._first_line(node.lineno)
        statement = 1 << first & ~self._owned
        if statement & self._statements:
            last = first
            while self._continued >> last + 1 & 1:
                last += 1
            self._add(name, first, span(first, last), statement)
        return statement

    def _span(self, start: ast.stmt, end: ast.stmt) -> Mask:
        assert end.end_lineno is not None
        return span(self._first_line(_first(start)), end.end_lineno)


def _first(node: ast.stmt) -> int:
    """The line of the first decorator, or of the statement itself."""
    return min((each.lineno for each in getattr(node, "decorator_list", ())), default=node.lineno)


def of_one_scope(body: Sequence[ast.AST]) -> Iterator[ast.AST]:
    """The statements of a body in order, those of compound statements too, those of functions and classes not."""
    stack = [*reversed(body)]
    while stack:
        node = stack.pop()
        yield node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            for field in ("cases", "finalbody", "orelse", "handlers", "body"):
                stack.extend(reversed(getattr(node, field, ())))


def _lambdas(node: ast.AST) -> Iterator[ast.Lambda]:
    """The outermost lambdas of a statement, or of the head of a compound one."""
    stack = [node]
    while stack:
        for child in ast.iter_child_nodes(stack.pop()):
            if isinstance(child, ast.Lambda):
                yield child
            elif not isinstance(child, ast.stmt):
                stack.append(child)
