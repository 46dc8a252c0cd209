"""What the JSON of each answer holds: as JSON Schema, and as tables for people, both from the dataclasses."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from datetime import datetime
from functools import cache
from textwrap import dedent
from types import NoneType, UnionType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from reqcov.analysis.dead import Dead
from reqcov.analysis.dedupe import Dedupe
from reqcov.analysis.diff import Diff
from reqcov.analysis.doctor import Doctor
from reqcov.analysis.export import Export
from reqcov.analysis.gaps import Gaps
from reqcov.analysis.impact import Impact
from reqcov.analysis.line import Line
from reqcov.analysis.report import Report
from reqcov.analysis.routes import Routes
from reqcov.analysis.show import Show
from reqcov.reports.json import VERSION, name_of

ANSWERS: tuple[type, ...] = (Routes, Show, Line, Report, Gaps, Dead, Impact, Dedupe, Diff, Doctor, Export)

_SIMPLE: dict[Any, dict[str, Any]] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    NoneType: {"type": "null"},
    datetime: {"type": "string", "format": "date-time"},
}

_WORDS = {str: "text", int: "integer", float: "number", bool: "true or false", NoneType: "null", datetime: "time"}


def schema(answer: type) -> dict[str, Any]:
    """The JSON Schema of what `--format json` prints for this kind of answer. Fields may be added without notice."""
    head = {"answer": {"const": name_of(answer)}, "version": {"const": VERSION}}
    shape = _object(answer)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"reqcov {name_of(answer)}",
        **shape,
        "properties": head | shape["properties"],
        "required": [*head, *shape["required"]],
        "$defs": {row.__name__: _object(row) for row in _rows(answer)},
    }


def tables(answer: type) -> str:
    """The same for people: Markdown, a table for the answer and one for each kind of row in it."""
    blocks = [f"## {name_of(answer)}\n\n{_told(answer)}\n\n{_table(answer)}"]
    blocks += [f"### {row.__name__}\n\n{_told(row)}\n\n{_table(row)}" for row in _rows(answer)]
    return "\n\n".join(blocks) + "\n"


def _object(shape: type) -> dict[str, Any]:
    hints, told = get_type_hints(shape), _docstrings(shape)
    names = [field.name for field in fields(shape)]
    described = {name: {"description": told[name]} if name in told else {} for name in names}
    return {
        "type": "object",
        "description": _told(shape),
        "properties": {name: _type(hints[name]) | described[name] for name in names},
        "required": names,
    }


def _type(hint: Any) -> dict[str, Any]:
    if hint in _SIMPLE:
        return _SIMPLE[hint]
    kind, inner = get_origin(hint), get_args(hint)
    if kind is list:
        return {"type": "array", "items": _type(inner[0])}
    if kind is dict:
        return {"type": "object", "additionalProperties": _type(inner[1])}
    if kind is Literal:
        return {"enum": list(inner)}
    if kind is UnionType:
        return {"anyOf": [_type(each) for each in inner]}
    return {"$ref": f"#/$defs/{hint.__name__}"}


def _table(shape: type) -> str:
    hints, told = get_type_hints(shape), _docstrings(shape)
    rows = [
        f"| `{field.name}` | {_words(hints[field.name])} | {told.get(field.name, '')} |".replace(" |  |", " | |")
        for field in fields(shape)
    ]
    return "\n".join(["| field | type | meaning |", "|---|---|---|", *rows])


def _words(hint: Any) -> str:
    if hint in _WORDS:
        return _WORDS[hint]
    kind, inner = get_origin(hint), get_args(hint)
    if kind is list:
        return f"list of {_words(inner[0])}"
    if kind is dict:
        return f"object, {_words(inner[1])} by name"
    if kind is Literal:
        return ", ".join(f"`{each}`" for each in inner)
    if kind is UnionType:
        return " or ".join(map(_words, inner))
    return f"[{hint.__name__}](#{hint.__name__.lower()})"


def _rows(answer: type) -> list[type]:
    """The dataclasses below an answer, in the order in which they come."""

    def below(hint: Any) -> Iterator[type]:
        if is_dataclass(hint):
            assert isinstance(hint, type)
            yield hint
            for inner in get_type_hints(hint).values():
                yield from below(inner)
        for inner in get_args(hint):
            yield from below(inner)

    return [row for row in dict.fromkeys(below(answer)) if row is not answer]


def _told(shape: type) -> str:
    return inspect.cleandoc(shape.__doc__ or "")


@cache
def _docstrings(shape: type) -> dict[str, str]:
    """By field, the text that stands below it."""
    (made,) = ast.parse(dedent(inspect.getsource(shape))).body
    assert isinstance(made, ast.ClassDef)
    found = {}
    for field, below in zip(made.body, made.body[1:], strict=False):
        match field, below:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                found[name] = " ".join(text.split())
    return found
