"""The lines of a source text as HTML."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

from markupsafe import Markup
from pygments.lexers.python import PythonLexer
from pygments.token import Comment, Keyword, Name, Number, Operator, String, _TokenType

from reqcov.analysis.source.code import Code, lines
from reqcov.analysis.source.masks import Mask, runs, span
from reqcov.reports.text import printable

CLASSES = {
    Comment: "c",
    String.Doc: "d",
    String: "s",
    Number: "m",
    Keyword: "k",
    Operator.Word: "k",
    Name.Decorator: "a",
    Name.Function: "f",
    Name.Class: "f",
    Name.Builtin: "b",
    Name.Exception: "b",
}
"""Kinds of tokens that look different, and the class that `source.css` knows each by."""

MANY_LINES = 40
"""That an excerpt has."""

_known: dict[_TokenType, str] = {}


def highlighted(text: str) -> list[Markup]:
    """Every line of a Python source, with each token in a span of its class."""
    made: list[list[str]] = [[]]
    all_lines = lines(text)
    # Lines of white space only are nothing to the lexer: it would look through all that follow, at each of them again.
    told = "\n".join("" if line.isspace() else line for line in all_lines)
    for kind, value in PythonLexer(stripnl=False, ensurenl=False).get_tokens(told):
        name = _class_of(kind)
        for number, part in enumerate(value.split("\n")):
            if number:
                made.append([])
            if part:
                made[-1].append(f'<span class="{name}">{visible(part)}</span>' if name else visible(part))
    return [Markup("".join(parts) or visible(line)) for parts, line in zip(made, all_lines, strict=True)]


@dataclass(frozen=True, slots=True)
class Excerpt:
    """Some lines of a source."""

    runs: list[list[tuple[int, Markup]]]
    """Of neighbours, each with its number."""
    rest: int
    """How many lines are left out at the end."""


def excerpt(text: str, code: Code, statements: Mask, first: int) -> Excerpt:
    """These statements of a function that begins on line `first`, with what stands between them that is none."""
    wanted = code.standing_for(statements)
    last = wanted.bit_length() - 1
    found = runs(wanted, code.statements & span(first, last))
    numbers = [number for begin, end in found for number in range(begin, end + 1)]
    shown = set(numbers[:MANY_LINES])
    own = lines(text)[first - 1 : max(shown, default=0)]
    html = dict(enumerate(highlighted("\n".join(own)), first))
    parts = [[(number, html[number]) for number in range(begin, end + 1) if number in shown] for begin, end in found]
    return Excerpt([part for part in parts if part], len(numbers) - len(shown))


def visible(text: str) -> str:
    """`text` as HTML, with escapes for what has no shape of its own, or turns others around."""
    if text.replace("\t", " ").isprintable():
        return escape(text)
    return "".join(escape(each) if each == "\t" or each.isprintable() else f"<i>{printable(each)}</i>" for each in text)


def _class_of(kind: _TokenType) -> str:
    if kind not in _known:
        _known[kind] = next((CLASSES[each] for each in reversed(kind.split()) if each in CLASSES), "")
    return _known[kind]
