"""Tells which of the lines and arcs that coverage.py reports belong to functions, and compares them with a record."""

from __future__ import annotations

import dis
import functools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType
from typing import Any

import coverage
from coverage.python import PythonFileReporter

from reqcov.cores.files import CO_OPTIMIZED


@dataclass
class Body:
    """A code object: the body of a function, a class or a module."""

    is_function: bool
    is_module: bool
    is_comprehension: bool
    entry: int
    lines: set[int]
    inner: list[Body] = field(default_factory=list)

    def with_inner(self) -> Iterator[Body]:
        yield self
        for body in self.inner:
            yield from body.with_inner()

    def holds(self, start: int, end: int) -> bool:
        """Whether the arc may be one of this body."""
        entry = -self.entry
        return (start == entry or start in self.lines) and (end == entry or end in self.lines)


def _body(code: CodeType) -> Body:
    return Body(
        is_function=bool(code.co_flags & CO_OPTIMIZED),
        is_module=code.co_name == "<module>",
        is_comprehension=code.co_name in ("<genexpr>", "<listcomp>", "<setcomp>", "<dictcomp>"),
        entry=code.co_firstlineno,
        lines=_lines(code),
        inner=[_body(constant) for constant in code.co_consts if isinstance(constant, CodeType)],
    )


def _lines(code: CodeType) -> set[int]:
    """Line numbers of what runs once the call is set up; the set-up itself has the number of the `def`."""
    instructions = dis.get_instructions(code)
    for instruction in instructions:
        if instruction.opname == "RESUME":
            break
    positions = (instruction.positions for instruction in instructions)
    return {position.lineno for position in positions if position and position.lineno}


@functools.cache
def bodies(name: str) -> list[Body]:
    """All bodies of a file."""
    return list(_body(compile(Path(name).read_bytes(), name, "exec", dont_inherit=True)).with_inner())


@functools.cache
def function_lines(name: str) -> frozenset[int]:
    return frozenset(line for body in bodies(name) if body.is_function for line in body.lines)


@functools.cache
def _reporter(name: str) -> PythonFileReporter:
    return PythonFileReporter(name, coverage.Coverage(data_file=None, config_file=False))


def statements(name: str, lines: Iterable[int]) -> frozenset[int]:
    """The executed statements, as coverage.py's reports have them for these lines."""
    reporter = _reporter(name)
    return frozenset(reporter.translate_lines(lines) & reporter.lines())


def unclear(name: str, lines: set[int]) -> list[Body]:
    """Class and module bodies among `lines`, what coverage.py saw, that have lines in common with functions.

    `def name(self): return 1` is a statement of the class and the body of the function. coverage.py knows only lines,
    so where the class is made in the request it can't tell whether the function was called too. These lines are left
    out of the comparison; `test_oracle.py` has them in a test of their own, with answers worked out by hand.
    """
    inside = function_lines(name)

    def ran(body: Body) -> bool:
        return bool(lines & (body.lines - inside)) if body.is_module else body.entry in lines

    return [body for body in bodies(name) if not body.is_function and ran(body)]


def compare(alone: dict[str, Any], record: dict[str, Any]) -> list[str]:
    """In which files, and how, a record differs from what coverage.py says; empty where they agree."""
    found: list[str] = []
    for name in sorted(alone["lines"].keys() | record["lines"].keys()):
        reported = set(alone["lines"].get(name, ()))
        recorded = set(record["lines"].get(name, ()))
        others = unclear(name, reported)
        left_out = {line for body in others for line in body.lines}
        if recorded - function_lines(name):
            found.append(f"{name}: not in a function {sorted(recorded - function_lines(name))}")
        expected = (reported & function_lines(name)) - left_out
        got = recorded - left_out
        for what, right, ours in (
            ("lines", expected, got),
            ("statements", statements(name, expected), statements(name, got)),
        ):
            found += _differences(name, what, right, ours)
        if alone["arcs"] is not None:
            functions = [body for body in bodies(name) if body.is_function]
            ways = [
                {
                    (start, end)
                    for start, end in side["arcs"].get(name, ())
                    if not any(body.holds(start, end) for body in others)
                    and (side is record or any(body.holds(start, end) for body in functions))
                }
                for side in (alone, record)
            ]
            found += _differences(name, "arcs", *ways)
    return found


def _differences(name: str, what: str, expected: Iterable[Any], got: Iterable[Any]) -> list[str]:
    missing, surplus = sorted(set(expected) - set(got)), sorted(set(got) - set(expected))
    return [f"{name}: {what} missing {missing}, surplus {surplus}"] if missing or surplus else []
