"""What a source text consists of: as coverage.py counts, the compiler divides and the recorder sees it."""

from __future__ import annotations

import ast
import codecs
import contextlib
import dis
import encodings.aliases
import hashlib
import importlib.util
import json
import re
import sys
import sysconfig
import warnings
from collections.abc import Callable
from pathlib import Path
from types import CodeType, ModuleType

import coverage
import pytest
from coverage.exceptions import NotPython
from coverage.parser import PythonParser
from hypothesis import example, given
from hypothesis import strategies as st

import reqcov
from reqcov.analysis.source import masks
from reqcov.analysis.source.code import DEFAULT_EXCLUDE, Code, decode, lines, parse
from reqcov.cores.files import is_function

# The comment at the end of a line says what the line is: `i` an import-time statement, `x` excluded, a name a statement
# of the function of that name, `^` the same of the line above; no comment: no statement. `run` runs every function.
TORTURE = '''\
"""Several
lines."""
from __future__ import annotations  # i

import asyncio  # i
import contextlib; import functools  # i
from dataclasses import dataclass, field  # i
from typing import TYPE_CHECKING, overload  # i

counter = 0  # i
TABLE = {  # i
    "a": 1,
}
doubled = [x * 2 for x in range(3)]  # i
evens = list(  # i
    x
    for x in range(9)
    if x % 2
)
twice = lambda x: x * 2  # <lambda>
by_name = {  # <lambda>
    "one": lambda: 1,
    "two":
        lambda:
            2,
}
nested = lambda: (lambda: 3)()  # <lambda>
listed = [(lambda: y) for y in range(2)]  # <lambda>


def decorated(*names):  # i
    def decorate(function):  # decorated
        return function  # decorated.<locals>.decorate

    return decorate  # decorated


def plain(a, b=1):  # i
    """Doc."""
    global counter
    counter = a  # plain
    pass  # plain


def documented():  # i
    """Only
    words."""


def one_line(): return 1  # one_line


def empty(): pass  # empty


def signature(  # i
    a: int = 1,
    b: str = "x",
) -> str:
    text = """
    {}
    """.format(  # ^2 signature
        b
    )
    return text  # signature


def late(a=0,
         b=1): return a  # ^1 late


@decorated(  # i
    "a",
    "b",
)
@functools.lru_cache(maxsize=None)  # i
def wrapped(  # i
    a=1
):
    x = a; y = x; return y  # wrapped


@decorated(lambda: 1)  # <lambda>
def under_lambda(key=lambda: 1):  # <lambda>
    return key()  # under_lambda


def one_line_key(key=lambda: 1): return key()  # one_line_key


def outer(n):  # i
    @decorated(n)  # outer
    def inner(a=n):  # outer
        def innermost(): return a  # outer.<locals>.inner.<locals>.innermost
        return innermost()  # outer.<locals>.inner

    def unused():  # outer
        return lambda: n  # outer.<locals>.unused

    class Local:  # outer
        """Doc."""

        attribute = n  # i
        for _ in range(2): attribute += 1  # i
        squares = [x for x in range(3)]  # i
        key = lambda self: 5  # outer.<locals>.Local.<lambda>

        @property  # i
        def value(self):  # i
            return self.attribute  # outer.<locals>.Local.value

        def one(self): return 1  # outer.<locals>.Local.one

    class Empty: pass  # outer
    class Tiny: key = lambda self: 1  # outer.<locals>.Tiny.<lambda>

    @decorated("c")  # outer
    class Dressed(  # outer
        Local
    ):
        def key(self):  # i
            return 6  # outer.<locals>.Dressed.key

    global made_global
    def made_global():  # outer
        return [  # made_global
            lambda: 1
        ]

    unused()()  # outer
    made_global()[0]()  # outer
    local = Local()  # outer
    Empty(), Tiny().key(), Dressed().key()  # outer
    total = sum(  # outer
        x
        for x in range(
            3
        )
    )
    return inner(), local.key(), local.value, local.one(), total  # outer


class Cart:  # i
    """Doc."""

    size: int  # i
    sizes = {x for x in range(3)}  # i
    key = lambda self: 1; other = lambda self: 2  # Cart.<lambda>

    def __init__(self):  # i
        self._total = 0  # Cart.__init__
        self.note: str  # Cart.__init__
        self.mark: str = ""  # Cart.__init__

    @property  # i
    def total(self):  # i
        return self._total  # Cart.total

    @total.setter  # i
    def total(self, value):  # i
        self._total = value  # Cart.total

    class Line:  # i
        def price(self):  # i
            return 1  # Cart.Line.price

    if counter == 0:  # i
        def conditional(self):  # i
            return 1  # Cart.conditional
    else:
        def conditional(self):  # i
            raise AssertionError  # Cart.conditional

    @overload  # i
    def get(self, a: int) -> int: ...  # Cart.get

    @overload  # i
    def get(self, a: str) -> str:  # i
        return ""  # pragma: no cover  # x

    def get(self, a):  # i
        return a  # Cart.get


@dataclass(  # i
    frozen=True
)
class Point:  # i
    x: int = 0  # i
    tags: list = field(default_factory=lambda: [])  # Point.<lambda>

    def moved(self):  # i
        return Point(self.x + 1)  # Point.moved


try:  # i
    import nothing_of_this_name  # i
except ImportError:  # i
    def fallback():  # i
        return 1  # fallback
finally:
    with contextlib.suppress(KeyError):  # i
        def in_with():  # i
            try:  # in_with
                raise ValueError  # in_with
            except ValueError as error:  # in_with
                return error  # in_with
            finally:
                len("")  # in_with


match counter:  # i
    case 0 if (lambda: True)():  # <lambda>
        def in_case():  # i
            return 1  # in_case


try:  # i
    raise ValueError  # i
except (lambda: ValueError)():  # <lambda>
    def in_except():  # i
        return 1  # in_except


async def waits():  # i
    async with guarded() as it:  # waits
        await asyncio.sleep(0)  # waits
    async for each in counts():  # waits
        it += each  # waits
    return [x async for x in counts()]  # waits


@contextlib.asynccontextmanager  # i
async def guarded():  # i
    yield 1  # guarded


async def counts():  # i
    yield 1  # counts


def generates():  # i
    got = yield 1  # generates
    yield from (  # generates
        x for x in [got]
    )


def matches(value):  # i
    match value:  # matches
        case {"a": a}:  # matches
            return a  # matches
        case [*_] if (lambda: True)():  # matches
            return 1  # matches
        case _:  # matches
            return 2  # matches


def loops(n):  # i
    while n:  # loops
        n -= 1  # loops
        if n > 5: continue  # loops
    else:
        n = 7  # loops
    for x in range(2):  # loops
        if x:  # loops
            break  # loops
    del x  # loops
    assert n, (  # loops
        "never"
    )
    return n  # loops
    return 0


def closes():  # i
    n = 0  # closes

    def bump():  # closes
        nonlocal n
        n += \\
            1  # ^1 closes.<locals>.bump
        return n  # closes.<locals>.bump

    return bump()  # closes


def left_out():  # pragma: no cover  # x
    def inside():  # x
        return 1  # x
    return inside()  # x


def partly(n):  # i
    if n:  # pragma: no cover  # x
        return 1  # x
    else:
        return 2  # partly


if False:  # i
    dead = 1

\f
def after_form_feed():  # i
	if counter:  # after_form_feed
		return 1  # after_form_feed
	return 2  # after_form_feed


def run():  # i
    async def asynchronous():  # run
        await waits()  # run.<locals>.asynchronous

    asyncio.run(asynchronous())  # run
    cart = Cart()  # run
    cart.total = 1  # run
    cart.total, cart.Line().price(), cart.conditional(), cart.get(1), cart.key()  # run
    twice(1), by_name["one"](), by_name["two"](), nested()  # run
    decorated("x")(plain)(1), documented(), one_line(), empty(), signature(), late(), wrapped(2)  # run
    under_lambda(), one_line_key(), outer(2), Point().moved(), fallback(), in_with()  # run
    generator = generates()  # run
    next(generator), generator.send(1), list(generator)  # run
    matches({"a": 1}), matches([1]), matches(1), loops(8), closes(), partly(0)  # run
    in_case(), in_except(), listed[0](), after_form_feed(), globals().update(counter=0), after_form_feed()  # run
'''

TORTURE_312 = """\
type Number = int | float  # i
type Pair[T] = tuple[T, T]  # i


def first[T: (int, str)](items: list[T]) -> T:  # i
    def inner[U](a: U): return a  # first.<locals>.inner
    return inner(items[0])  # first


class Stack[T]:  # i
    def push[U](self, item: T) -> T:  # i
        type Alias = list[U]  # Stack.push
        return [x for x in [item]][0]  # Stack.push


def makes():  # i
    class Local[T]:  # makes
        type Mine = int  # i
        def method[U: int](self): return 1  # makes.<locals>.Local.method
    return f"{  # makes
        Local().method()
    }"


def run():  # i
    first([1]), Stack().push(1), makes()  # run
"""

RUN_ALL_THE_SAME = {"def documented():"} | (
    {"squares = [x for x in range(3)]"} if sys.version_info < (3, 12) else set()
)
"""What is recorded and no function statement: the end of a function that has no statements has the line of its `def`;
comprehensions in the bodies of classes are code objects of their own before 3.12."""

NEVER_RUN = {
    "raise AssertionError",
    "@decorated(lambda: 1)",
    "case 0 if (lambda: True)():",
    "except (lambda: ValueError)():",
    "def get(self, a: int) -> int: ...",
}
"""What runs at import, though it is in a function, or never."""

PRAGMA = "# pragma: no cover"


def expected(text: str) -> tuple[dict[int, str], set[int], set[int]]:
    """What the comments say: owners of function statements, import-time statements, excluded lines."""
    marks = {}
    for number, line in enumerate(lines(text), 1):
        if mark := re.search(r"# (?:\^(\d) )?([\w.<>]+)$", line):
            marks[number - int(mark[1] or 0)] = mark[2]
    owners = {number: mark for number, mark in marks.items() if mark not in ("i", "x")}
    return owners, {n for n, mark in marks.items() if mark == "i"}, {n for n, mark in marks.items() if mark == "x"}


def owners(code: Code) -> dict[int, str]:
    """The function of each function statement, of which there is one."""
    found = [(number, each.name) for each in code.functions for number in masks.numbers(each.statements)]
    assert len(found) == len(dict(found)) == code.in_functions.bit_count()
    return dict(sorted(found))


TEXTS = {"torture": TORTURE, "torture_312": TORTURE_312} if sys.version_info >= (3, 12) else {"torture": TORTURE}


@pytest.fixture(params=TEXTS)
def text(request: pytest.FixtureRequest) -> str:
    return TEXTS[request.param]


def test_every_construct(text: str) -> None:
    """Statements, their owners and exclusions, line by line as worked out by hand."""
    code = parse(text, PRAGMA)
    in_functions, import_time, excluded = expected(text)
    assert owners(code) == dict(sorted(in_functions.items()))
    assert set(masks.numbers(code.import_time)) == import_time
    assert set(masks.numbers(code.excluded)) == excluded
    assert code.statements == code.in_functions | code.import_time
    assert not code.in_functions & code.import_time
    assert code.problem is None


def test_where_functions_begin_and_end() -> None:
    """From the first decorator to the last line; the body from its first statement on, or from the `def` beside it."""
    source = lines(TORTURE)
    found = {
        each.name: tuple(source[line - 1].split("  #")[0].strip() for line in (each.first, each.body, each.last))
        for each in parse(TORTURE).functions
    }
    assert found["plain"] == ("def plain(a, b=1):", '"""Doc."""', "pass")
    assert found["wrapped"] == ("@decorated(", "x = a; y = x; return y", "x = a; y = x; return y")
    assert found["late"] == ("def late(a=0,", "def late(a=0,", "b=1): return a")
    assert found["outer.<locals>.inner"] == ("@decorated(n)", "def innermost(): return a", "return innermost()")
    assert found["loops"] == ("def loops(n):", "while n:", "return 0")
    assert found["left_out"] == ("def left_out():", "def inside():", "return inside()")
    assert found["Cart.<lambda>"] == ("key = lambda self: 1; other = lambda self: 2",) * 3


def loaded(text: str, folder: Path) -> ModuleType:
    """The text as a module in a file of its own."""
    file = folder / "torture.py"
    file.write_text(text)
    spec = importlib.util.spec_from_file_location("torture", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["torture"] = module  # dataclasses look there
    try:
        spec.loader.exec_module(module)
    finally:
        del sys.modules["torture"]
    return module


def test_what_the_recorder_sees(
    text: str, core: str, tmp_path: Path, make_recorder: Callable[..., reqcov.Recorder]
) -> None:
    """Recorded lines are lines of function statements, whatever was called; and of all of them if everything was."""
    module = loaded(text, tmp_path)
    sink = reqcov.MemorySink()
    recorder = make_recorder(include=[module.__file__], core=core, sinks=[sink])
    with recorder.record("everything"):
        module.run()
    code = parse(text, PRAGMA)
    ran = code.translate(masks.of(sink.records[0].lines[str(module.__file__)])) & code.statements

    def written(mask: masks.Mask) -> set[str]:
        return {lines(text)[number - 1].split("  #")[0].strip() for number in masks.numbers(mask)}

    assert written(ran & ~code.in_functions) == {line for line in RUN_ALL_THE_SAME if line in text}
    assert written(code.in_functions & ~ran) <= NEVER_RUN


RESUME = dis.opmap["RESUME"]

COMPREHENSION = re.compile(r"<(listcomp|setcomp|dictcomp|genexpr)>\.(<locals>\.)?")


def compiled(text: str) -> list[tuple[str, int, int, set[int]]]:
    """The functions as the compiler makes them: name, first line, nesting, the lines that run once they are entered."""
    found: list[tuple[str, int, int, set[int]]] = []
    tree = ast.parse(text)
    on_line_of_def = {
        (node.name, min([node.lineno, *(each.lineno for each in node.decorator_list)])): bool(
            lines(text)[node.body[0].lineno - 1].encode()[: node.body[0].col_offset].strip()
        )
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }

    def visit(code: CodeType, depth: int, own: set[int] | None) -> None:
        for inner in code.co_consts:
            if not isinstance(inner, CodeType):
                continue
            key = (inner.co_name, inner.co_firstlineno)
            if not is_function(inner):
                visit(inner, depth, own if inner.co_name.startswith("<") else None)
            elif key in on_line_of_def or (inner.co_name == "<lambda>" and own is None):
                mine = lines_of_body(inner, on_line_of_def.get(key, True))
                found.append((COMPREHENSION.sub("", inner.co_qualname), inner.co_firstlineno, depth, mine))
                visit(inner, depth + 1, mine)
            else:
                if own is not None:
                    own.update(lines_of_body(inner, True))
                visit(inner, depth, own)

    visit(compile(tree, "source", "exec", dont_inherit=True), 0, None)
    return found


def lines_of_body(code: CodeType, on_line_of_def: bool) -> set[int]:
    """The lines behind the first RESUME, less those that are said to be the `def`'s only for want of a better one."""
    resume = code.co_code[::2].index(RESUME)
    positions = list(code.co_positions())
    return {at[0] for at in positions[resume + 1 :] if at[0] and (on_line_of_def or at != positions[resume])}


def assert_as_compiled(text: str, code: Code) -> None:
    """Each function that there is code for is found; each statement in a function is the innermost's, as compiled."""
    expected: dict[int, tuple[tuple[int, bool], str]] = {}
    known = {(each.name, each.first) for each in code.functions}
    for name, first, depth, own in compiled(text):
        is_lambda = name.endswith("<lambda>")
        assert is_lambda or (name, first) in known
        for number in masks.numbers(code.translate(masks.of(own)) & code.statements):
            rank = (depth, not is_lambda)
            if number not in expected or expected[number][0] < rank:
                expected[number] = (rank, name)
    assert owners(code) == {number: name for number, (_, name) in sorted(expected.items())}


def sources(count: int) -> list[Path]:
    """Some source files of the standard library and of what is installed, always the same ones."""
    found = {}
    for folder in ("stdlib", "purelib"):
        root = Path(sysconfig.get_path(folder))
        for file in root.rglob("*.py"):
            if file.stat().st_size < 100_000:
                found[hashlib.sha256(str(file.relative_to(root)).encode()).digest()] = file
    return [file for _, file in sorted(found.items())][:count]


def test_real_files_as_coverage_and_the_compiler_have_them() -> None:
    """Statements and exclusions are those of `Coverage.analysis2`, functions and what they run the compiler's."""
    compared = 0
    measured = coverage.Coverage(data_file=None, config_file=False)
    for file in sources(100):
        text = decode(file.read_bytes())
        code = parse(text)
        try:
            _, statements, excluded, *_ = measured.analysis2(str(file))
        except NotPython:
            assert code.problem
        except SyntaxError:
            continue  # coverage.py can't decode it
        else:
            assert (masks.numbers(code.statements), masks.numbers(code.excluded)) == (statements, excluded), file
            with warnings.catch_warnings(action="ignore"):
                assert_as_compiled(text, code)
            compared += 1
    with contextlib.suppress(AttributeError):  # before coverage.py 7.11 there is nothing to close
        measured.get_data().close(force=True)
    assert compared > 90


def test_torture_as_the_compiler_has_it(text: str) -> None:
    """The compiler divides the constructs as worked out by hand."""
    assert_as_compiled(text, parse(text))


@pytest.mark.parametrize("file", sources(20), ids=lambda file: file.stem)
def test_lines_become_statements(file: Path) -> None:
    """Any line, and all of them at once, becomes what coverage.py makes of it."""
    text = decode(file.read_bytes())
    code = parse(text)
    parser = PythonParser(text=text, filename=str(file), exclude=DEFAULT_EXCLUDE)
    with warnings.catch_warnings(action="ignore"):
        parser.parse_source()
    every = range(2, len(lines(text)) + 1)
    for line in every:
        assert masks.numbers(code.translate(1 << line)) == [*parser.translate_lines([line])]
    assert set(masks.numbers(code.translate(masks.of(every)))) == parser.translate_lines(every)


def test_function_around_a_line() -> None:
    """The innermost one, from its decorators on; continued lines are where their statements begin."""
    code = parse(TORTURE)

    def around(line: str) -> str | None:
        (number,) = [n for n, each in enumerate(lines(TORTURE), 1) if each.strip() == line]
        found = code.function_at(number)
        return found and found.name

    assert around("counter = 0  # i") is None
    assert around("return decorate  # decorated") == "decorated"
    assert around("@decorated(n)  # outer") == "outer.<locals>.inner"
    assert around("attribute = n  # i") == "outer"
    assert around('"two":') == "<lambda>"
    assert around('b: str = "x",') == "signature"
    assert around("{}") == "signature"
    assert around("return 0") == "loops"
    assert parse("").function_at(1) is None


def test_caching(text: str) -> None:
    """What a reader remembers as JSON is what it parsed."""
    for code in (parse(text), parse("if:")):
        assert Code.from_dict(json.loads(json.dumps(code.to_dict()))) == code
    assert len(json.dumps(parse(text).to_dict())) < len(text)


def test_configured_exclusions() -> None:
    """The caller's pattern takes the place of the default one; an empty one excludes nothing."""
    text = "def f():\n    return 1  # pragma: no cover\ndef g():  # private\n    return 2\n"
    of = {pattern: parse(text, pattern).statements for pattern in (DEFAULT_EXCLUDE, "# private", "")}
    assert [masks.numbers(mask) for mask in of.values()] == [[1, 3, 4], [1, 2], [1, 2, 3, 4]]
    assert parse(text).statements == of[DEFAULT_EXCLUDE]
    with pytest.raises(re.error):
        parse(text, "(")


@pytest.mark.parametrize("text", ["", "\n\n", "# only this", "\f\n", '"""Doc."""'])
def test_nothing_to_run(text: str) -> None:
    """A file without statements has none, and no problem."""
    assert parse(text) == Code()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("x = 1\nif:\n", "at line 2"),
        ("x = (\n", "at line 1"),
        ("  x = 1\n y = 2\n", "at line"),
        ("x = '\0'\n", "null bytes"),
        ("x = '\ud800'\n", "surrogates"),
        ("x = " + "-" * 100_000 + "1\n", "Memory|too complex"),
        ("x = " + "(" * 500 + ")" * 500 + "\n", "too many"),
    ],
    ids=["syntax", "open", "indentation", "null", "surrogate", "deep", "parentheses"],
)
def test_no_python(text: str, why: str) -> None:
    """What the interpreter can't parse is told, and does not stop a report."""
    code = parse(text)
    assert code == Code(problem=code.problem)
    assert re.search(rf"^Python 3\.\d+ can't parse it: .*({why})", code.problem or "", re.DOTALL)
    assert code.translate(0b110) == 0b110


@given(st.text(st.sampled_from("def f(x):\n\r\f\t \\\"'lambda ifclass@#;{}\ufeff\u2028\x1c")))
@example("\ufeffx = 1")
@example("x = 1\ry = 2\r\nz = 3")
def test_any_text(text: str) -> None:
    """Whatever a text is, it is parsed or has a problem; and its bytes are that text again."""
    code = parse(text)
    assert (code.problem is None) or code == Code(problem=code.problem)
    assert decode(text.encode()) == "\n".join(lines(text.removeprefix("\ufeff")))


@given(st.binary(), st.sampled_from(sorted({*encodings.aliases.aliases.values(), "nonsense", "undefined"})))
def test_any_bytes(content: bytes, encoding: str) -> None:
    """A file in whatever encoding, or in none that it says, has a text."""
    assert isinstance(decode(f"# -*- coding: {encoding} -*-\n".encode() + content), str)
    assert isinstance(decode(content), str)


def test_encodings() -> None:
    """PEP 263: declared, marked, or UTF-8; what can't be decoded is replaced, and lines end as Python has it."""
    word = "x = 'é'\n"
    assert decode(b"# coding: latin-1\n" + word.encode("latin-1")) == "# coding: latin-1\n" + word
    assert decode(b"#!/bin/python\n# coding: cp1252\n" + "€".encode("cp1252")).endswith("€")
    assert decode(b"# coding: cp1252\n\x80\x81") == "# coding: cp1252\n€\ufffd"
    assert decode(codecs.BOM_UTF8 + word.encode()) == word
    assert decode(codecs.BOM_UTF8 + b"# coding: latin-1\n" + word.encode()) == "# coding: latin-1\n" + word
    assert decode(word.encode("latin-1")) == "x = '\ufffd'\n"
    assert decode(b"# coding: rot13\n" + word.encode()) == "# coding: rot13\n" + word
    assert decode(b"a\r\nb\rc\nd\x0ce") == "a\nb\nc\nd\x0ce"
    assert decode(b"") == ""


@pytest.mark.parametrize("end", ["\r\n", "\r"])
def test_line_ends(end: str) -> None:
    """A file from elsewhere has the same statements."""
    assert parse(TORTURE.replace("\n", end)) == parse(TORTURE)
    assert lines("a\x0cb\u2028c" + end + "d") == ["a\x0cb\u2028c", "d"]


def test_no_warnings(recwarn: pytest.WarningsRecorder) -> None:
    """What the compiler thinks of somebody's code is not shown, nor taken for an error."""
    text = "x = '\\d'\ny = 1 is 1\nassert (x, 'y')\n"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        filters = [*warnings.filters]
        assert parse(text).problem is None
        assert warnings.filters == filters
    assert not recwarn.list
