"""Lines carried to another version of a file: never to a function that changed, and all of them to one that didn't."""

from __future__ import annotations

import copy
import random
import re
from collections import Counter
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from itertools import count
from textwrap import dedent, indent

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reqcov.analysis.source import masks
from reqcov.analysis.source.carry import Carried, Move, carry
from reqcov.analysis.source.code import Code, parse
from tests.test_code import TORTURE

# Modules are made up of parts, and changed part by part. Every statement has a token of its own, which stays with it
# and its copies wherever they go, so it is known of each line of each version where it comes from.

SIMPLE = ("call", "long", "fixed", "spaced", "indented", "lambda")
SILENT = ("comment", "blank")


@dataclass
class Part:
    kind: str
    token: int
    name: str = ""
    decorators: list[int] = field(default_factory=list)
    body: list[Part] = field(default_factory=list)

    def trimmed(self) -> Part:
        """Without the comments behind the last statement, which no function has."""
        body = [*self.body]
        while body and body[-1].kind in SILENT:
            body.pop()
        if body:
            body[-1] = body[-1].trimmed()
        return Part(self.kind, self.token, self.name, self.decorators, body)

    def written(self, depth: int, *, strict: bool) -> Hashable:
        """Equal for what is written the same; where `strict`, also for what strings over several lines make of it."""
        inside = tuple(part.written(depth + 1, strict=strict) for part in self.body)
        counts = strict and self.kind in ("indented", "spaced")
        token = self.token if self.kind != "blank" else 0
        return self.kind, token, self.name, tuple(self.decorators), inside, depth if counts else None


@dataclass
class Owner:
    """A function in a text."""

    name: str
    loose: Hashable
    strict: Hashable
    lines: list[int] = field(default_factory=list)


class Version:
    """A text, and of each of its statements' lines which one it is and whose."""

    def __init__(self) -> None:
        self.text: list[str] = []
        self.origins: dict[int, Hashable] = {}
        self.owners: dict[int, Owner | None] = {}
        self.functions: list[Owner] = []

    def __repr__(self) -> str:
        return "\n" + "\n".join(f"{number:3} {line}" for number, line in enumerate(self.text, 1)) + "\n"

    def add(self, text: str, origin: Hashable, owner: Owner | None) -> None:
        self.text.append(text)
        self.origins[len(self.text)] = origin
        self.owners[len(self.text)] = owner
        if owner is not None:
            owner.lines.append(len(self.text))

    def function(self, part: Part, depth: int, name: str) -> Owner:
        trimmed = part.trimmed()
        owner = Owner(name, trimmed.written(depth, strict=False), trimmed.written(depth, strict=True))
        self.functions.append(owner)
        return owner

    def render(self, body: list[Part], depth: int = 0, prefix: str = "", owner: Owner | None = None) -> Version:
        if depth and all(part.kind in SILENT for part in body):
            self.add("    " * depth + "pass", "pass", owner)
        for part in body:
            self.render_part(part, depth, prefix, owner)
        return self

    def render_part(self, part: Part, depth: int, prefix: str, owner: Owner | None) -> None:
        token, name, indent = part.token, prefix + part.name, "    " * depth
        for decorator in part.decorators:
            self.add(f"{indent}@t({decorator})", decorator, owner)
        if part.kind == "def":
            self.add(f"{indent}def {part.name}(a=t({token})):", token, owner)
            self.render(part.body, depth + 1, f"{name}.<locals>.", self.function(part, depth, name))
        elif part.kind == "short":
            self.add(f"{indent}def {part.name}(a=1): return t({token})", token, self.function(part, depth, name))
        elif part.kind == "class":
            self.add(f"{indent}class {part.name}(t({token})):", token, owner)
            # The body of a class in a function is part of its text, though it does not run as part of it.
            self.render(part.body, depth + 1, f"{name}.", owner)
        elif part.kind == "if":
            self.add(f"{indent}if t({token}):", token, owner)
            self.render(part.body, depth + 1, prefix, owner)
        elif part.kind == "lambda":
            if not prefix.endswith("<locals>."):
                owner = self.function(part, depth, f"{prefix}<lambda>")
            self.add(f"{indent}t(lambda: {token})", token, owner)
        elif part.kind in SILENT:
            self.text.append(f"{indent}# {token}" if part.kind == "comment" else "")
        else:
            inside = {"call": None, "long": f"{indent}  0", "fixed": "word", "spaced": " " * 8, "indented": indent}[
                part.kind
            ]
            if inside is None:
                self.add(f"{indent}t({token})", token, owner)
            else:
                quotes = "" if part.kind == "long" else '"""'
                self.add(f"{indent}t({token}, {quotes}", token, owner)
                self.add(f"{inside}", (token, 1), owner)
                self.add(f"{quotes})" if part.kind == "fixed" else f"{indent}{quotes})", (token, 2), owner)


class Maker:
    """Makes modules up, and changes them."""

    def __init__(self, choices: random.Random) -> None:
        self.choices = choices
        self.tokens = count(1)

    def part(self, depth: int) -> Part:
        kinds = [*SIMPLE, *SILENT, "def", "def", "short", "class", "if"] if depth < 4 else [*SIMPLE, "short"]
        part = Part(self.choices.choice(kinds), next(self.tokens))
        if part.kind in ("def", "short", "class"):
            part.name = self.choices.choice("fgh" if part.kind != "class" else "AB")
            part.decorators = [next(self.tokens) for _ in range(self.choices.choice((0, 0, 1)))]
        if part.kind in ("def", "class", "if"):
            part.body = self.body(depth + 1)
        return part

    def body(self, depth: int) -> list[Part]:
        return [self.part(depth) for _ in range(self.choices.randrange(1, 4))]

    def changed(self, module: list[Part], times: int) -> list[Part]:
        module = copy.deepcopy(module)
        for _ in range(times):
            change = self.choices.choice(
                [self.edit, self.insert, self.delete, self.move, self.wrap, self.duplicate, self.swap, self.comment]
            )
            change(module)
        return module

    def anywhere(self, module: list[Part]) -> list[Part]:
        return self.choices.choice([*bodies(module)])

    def somewhere(self, module: list[Part]) -> tuple[list[Part], int] | None:
        body = self.choices.choice([body for body in bodies(module) if body] or [[]])
        return (body, self.choices.randrange(len(body))) if body else None

    def edit(self, module: list[Part]) -> None:
        """Another statement, condition, default or name."""
        if at := self.somewhere(module):
            part = at[0][at[1]]
            if part.name and self.choices.random() < 0.5:
                part.name = self.choices.choice("fgh" if part.kind != "class" else "AB")
            elif part.decorators:
                part.decorators = [next(self.tokens)]
            else:
                part.token = next(self.tokens)

    def insert(self, module: list[Part]) -> None:
        self.put(module, self.part(3))

    def put(self, module: list[Part], part: Part) -> None:
        body = self.anywhere(module)
        body.insert(self.choices.randrange(len(body) + 1), part)

    def delete(self, module: list[Part]) -> None:
        if at := self.somewhere(module):
            del at[0][at[1]]

    def move(self, module: list[Part]) -> None:
        if at := self.somewhere(module):
            self.put(module, at[0].pop(at[1]))

    def wrap(self, module: list[Part]) -> None:
        """Indent it into a class, a function or a condition."""
        if at := self.somewhere(module):
            body, index = at
            kind, name = self.choices.choice([("class", "A"), ("def", "f"), ("if", "")])
            body[index] = Part(kind, next(self.tokens), name, body=[body[index]])

    def duplicate(self, module: list[Part]) -> None:
        if at := self.somewhere(module):
            self.put(module, copy.deepcopy(at[0][at[1]]))

    def swap(self, module: list[Part]) -> None:
        body = self.anywhere(module)
        self.choices.shuffle(body)

    def comment(self, module: list[Part]) -> None:
        self.put(module, Part(self.choices.choice(SILENT), next(self.tokens)))


def bodies(body: list[Part]) -> Iterator[list[Part]]:
    yield body
    for part in body:
        if part.kind in ("def", "class", "if"):
            yield from bodies(part.body)


@st.composite
def versions(draw: st.DrawFn, number: int) -> list[Version]:
    """Versions of one module, each changed from the one before."""
    maker = Maker(draw(st.randoms(use_true_random=False)))
    module = maker.body(0) + maker.body(0)
    modules = [module]
    for _ in range(number - 1):
        modules.append(maker.changed(modules[-1], maker.choices.randrange(1, 5)))
    return [Version().render(module) for module in modules]


def text(version: Version) -> str:
    return "\n".join(version.text) + "\n"


def assert_true(old: Version, new: Version, where: dict[int, int]) -> None:
    """What was carried is the same line of a function that did not change, and no two lines are one."""
    assert len({*where.values()}) == len(where)
    for line, there in where.items():
        before, after = old.owners[line], new.owners[there]
        assert before is not None
        assert after is not None
        assert (old.origins[line], before.strict) == (new.origins[there], after.strict), (line, there)


def moved(carried: Carried, lines: list[int]) -> dict[int, int]:
    """Each carried line, and where it is now; taken one by one, which is as good as all together."""
    where = {}
    for line in lines:
        there = masks.numbers(carried.lines(1 << line))
        assert (len(there) == 0) == bool(carried.dropped(1 << line))
        if there:
            (where[line],) = there
    everything = masks.of(lines)
    assert carried.lines(everything) == masks.of(where.values())
    assert carried.dropped(everything) == everything & ~masks.of(where)
    return where


@settings(max_examples=500)
@given(versions(2))
def test_never_to_a_function_that_changed(both: list[Version]) -> None:
    """A hit goes to the same statement of an unchanged function, or is dropped."""
    old, new = both
    if text(old) != text(new):
        assert_true(old, new, moved(carry(text(old), text(new)), [*old.origins]))


@settings(max_examples=500)
@given(versions(2))
def test_all_lines_of_an_unchanged_function(both: list[Version]) -> None:
    """No line is dropped of a function that is still there, by its name, or by its text if there is but one of it."""
    old, new = both
    where = moved(carry(text(old), text(new)), [*old.origins])
    named = [Counter((each.name, each.strict) for each in version.functions) for version in both]
    loose = [Counter(each.loose for each in version.functions) for version in both]
    strict = {each.strict for each in new.functions}
    for each in old.functions:
        by_name = named[0][each.name, each.strict] <= named[1][each.name, each.strict]
        by_text = loose[0][each.loose] == loose[1][each.loose] == 1 and each.strict in strict
        if by_name or by_text:
            assert {*each.lines} <= {*where}, each.name


@settings(max_examples=500)
@given(versions(3))
def test_carried_twice(three: list[Version]) -> None:
    """What is carried from deploy to deploy is as true as what is carried at once."""
    first, second, third = three
    once, twice = carry(text(first), text(second)), carry(text(second), text(third))
    where = {}
    for line in first.origins:
        if there := twice.lines(once.lines(1 << line)):
            (where[line],) = masks.numbers(there)
    if text(first) != text(second) and text(second) != text(third):
        assert_true(first, third, where)


@given(versions(1), st.integers(0))
def test_nothing_changed(one: list[Version], mask: int) -> None:
    """The same text keeps every line, import-time ones too; other line ends are the same text."""
    (version,) = one
    for other in (text(version), text(version).replace("\n", "\r\n")):
        carried = carry(text(version), other)
        assert (carried.lines(mask), carried.dropped(mask)) == (mask, 0)


CASES = {
    "moved down": (
        """
        def f():
            return 1  # 1
        """,
        """
        import os

        def f():
            return 1  # 1
        """,
    ),
    "a docstring is no statement, but text": (
        """
        def f():
            'Old.'
            return 1
        def g():
            return 2  # 1
        """,
        """
        def f():
            'New.'
            return 1
        def g():
            return 2  # 1
        """,
    ),
    "the signature changed, or a decorator": (
        """
        def f(a=1):
            return a
        @first
        def g():
            return 2
        """,
        """
        def f(a=2):
            return a
        @second
        def g():
            return 2
        """,
    ),
    "the inner one is unchanged": (
        """
        def outer():
            @decorated
            def inner():
                return 1  # 1
            return inner()
        """,
        """
        def outer():
            @decorated
            def inner():
                return 1  # 1
            return inner() + 1
        """,
    ),
    "the outer one is not what it was when the inner one changed": (
        """
        def outer():
            def inner():
                return 1
            return inner()
        """,
        """
        def outer():
            def inner():
                return 2
            return inner()
        """,
    ),
    "the class has another name, and is in another": (
        """
        class A:
            size = 1
            key = lambda self: 1  # 1
            def f(self):
                return 1  # 2
        """,
        """
        class Outer:
            class B:
                size = 1
                key = lambda self: 1  # 1
                def f(self):
                    return 1  # 2
        """,
    ),
    "another indentation inside is another text": (
        """
        def f():
          return 1
        """,
        """
        def f():
            return 1
        """,
    ),
    "two that are equal have other names": (
        """
        class A:
            def f(self):
                return 1
        class B:
            def f(self):
                return 1
        """,
        """
        class C:
            def f(self):
                return 1
        class D:
            def f(self):
                return 1
        """,
    ),
    "renamed": (
        """
        def f():
            return 1
        """,
        """
        def g():
            return 1
        """,
    ),
    "indentation is no text, but in strings it is": (
        """
        def f():
            return '''
            '''
        def g(a,
                b):
            return (  # 1
                a)  # 2
        """,
        """
        if True:
            def f():
                return '''
                '''
            def g(a,
                    b):
                return (  # 1
                    a)  # 2
        """,
    ),
    "a string that stayed where it was": (
        """
        def f():
            return (1, '''  # 1
        '''[:-1])  # 2
        """,
        """
        if True:
            def f():
                return (1, '''  # 1
        '''[:-1])  # 2
        """,
    ),
    "all functions of a statement, or none": (
        """
        TABLE = [
            lambda: 1,
            lambda: 2,
        ]
        OTHER = [  # 1
            lambda: 3,  # 2
            lambda: 4,  # 3
        ]  # 4
        """,
        """
        TABLE = [
            lambda: 1,
            lambda: 3,
        ]
        OTHER = [  # 1
            lambda: 3,  # 2
            lambda: 4,  # 3
        ]  # 4
        """,
    ),
    "a lambda that runs on the line of a def": (
        """
        def f(key=lambda: 1):  # 1
            return key() + 1
        """,
        """
        def f(key=lambda: 1):  # 1
            return key() + 2
        """,
    ),
    "on one line": (
        """
        def f(a,  # 1
              b): return a  # 2
        """,
        """
        x = 1
        def f(a,  # 1
              b): return a  # 2
        """,
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_by_hand(case: str) -> None:
    """Lines with a number go to the line with the same number, all others are dropped."""
    old, new = (dedent(each) for each in CASES[case])
    numbered = [
        {mark[1]: number for number, line in enumerate(each.split("\n"), 1) if (mark := re.search(r"# (\d)$", line))}
        for each in (old, new)
    ]
    expected = {line: numbered[1][mark] for mark, line in numbered[0].items()}
    assert moved(carry(old, new), [*range(1, old.count("\n") + 1)]) == expected


EQUALS = {
    "go in order": (
        """
        if a:
            def f():
                return 1
        elif b:
            def f():
                return 1
        else:
            def f():
                return 1
        """,
        """
        if a:
            def f():
                return 1
        elif b:
            pass
        elif c:
            def f():
                return 1
        else:
            def f():
                return 1
        """,
        {4: 4, 7: 9, 10: 12},
    ),
    "go with what they are in": (
        """
        def f():
            def g():
                return 1
            return g()
        def f():
            def g():
                return 1
            return g() + 1
        """,
        """
        def f():
            def g():
                return 1
            return g() + 1
        def f():
            def g():
                return 1
            return g() + 2
        """,
        {4: 8, 7: 3, 8: 4, 9: 5},
    ),
    "stay where they have their name": (
        """
        class A:
            def f():
                def g():
                    return 1
                return 1
        class B:
            def f():
                def g():
                    return 1
                return 2
        """,
        """
        class A:
            def f():
                def g():
                    return 1
                return 2
        """,
        {5: 5, 9: 4, 11: 6},
    ),
    "stay where they have their name, and what they are in does not": (
        """
        def f():
            def g():
                return 1
            return 1
        """,
        """
        def f():
            def g():
                return 1
            return 2
        class A:
            def f():
                def g():
                    return 1
                return 1
        """,
        {3: 8, 4: 4, 5: 10},
    ),
    "are one each once the others are known": (
        """
        class A:
            def f():
                return 1
        class B:
            def f():
                return 1
        """,
        """
        class C:
            def f():
                return 1
        class A:
            def f():
                return 1
        """,
        {4: 7, 7: 4},
    ),
}


@pytest.mark.parametrize("case", EQUALS)
def test_equal_functions(case: str) -> None:
    """Functions that only their place tells apart."""
    old, new, expected = EQUALS[case]
    assert moved(carry(dedent(old), dedent(new)), [*range(1, old.count("\n") + 1)]) == expected


def test_every_construct() -> None:
    """Where only the first line is new, all that runs in functions is one line further down."""
    code = parse(TORTURE, "")
    carried = carry(TORTURE, "# new\n" + TORTURE)
    assert carried.lines(code.in_functions) == code.in_functions << 1
    assert carried.lines(code.import_time) & ~(code.import_time << 1) == 0


@pytest.mark.parametrize(("old", "new"), [("if:\n", TORTURE), (TORTURE, "if:\n"), ("if:\n", "else:\n"), ("", TORTURE)])
def test_no_python(old: str, new: str) -> None:
    """From and to a text that is none nothing is carried."""
    everything = masks.span(1, 400)
    assert carry(old, new).lines(everything) == 0
    assert carry(old, new).dropped(everything) == everything


def test_remembered() -> None:
    """A caller that has parsed the texts need not have them parsed again."""
    old, new = "def f():\n    return 1\n", "\ndef f():\n    return 1\n"
    known = {old: parse(old), new: parse(new)}
    assert carry(old, new, known.__getitem__) == carry(old, new) == Carried((Move(0b100, 1, 0b110),))
    for text in known:
        assert carry(old, new, {**known, text: Code()}.__getitem__) == Carried(())


def test_no_warnings() -> None:
    """Texts that the compiler would warn of are compared in silence."""
    function = "def f():\n    return '\\d'\n"
    assert carry(function, "if True:\n" + indent(function, "  ")).lines(0b100) == 0b1000


def test_arcs_of_a_function_around() -> None:
    """An arc is carried with the function that it is in, not with one that shares a line with it."""
    old = "def f():\n    def g(): return 1\n    return g()\n"
    way = carry(old, "x = 1\n" + old.replace("g()\n", "g() + 1\n"))
    assert set(way.arcs([(-1, 2), (2, 3), (3, -1), (2, -1), (-2, 2), (2, -2), (-2, 3)])) == {(-3, 3), (3, -3)}


def test_an_arc_moves_as_its_lines_do() -> None:
    """Entering and leaving a function are told by its first line; what is outside of functions goes nowhere."""
    old = "a = 1\n\n\n@d\ndef f():\n    x\n    y\n"
    way = carry(old, "\n" + old)
    assert set(way.arcs([(-4, 6), (6, 7), (7, -4), (-1, 1), (1, 4)])) == {(-5, 7), (7, 8), (8, -5)}
    back = carry("\n" + old, old)
    assert set(back.arcs([(-5, 7), (7, 8), (8, -5)])) == {(-4, 6), (6, 7), (7, -4)}
