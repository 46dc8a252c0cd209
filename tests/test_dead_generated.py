"""Over programs that nobody wrote: a function that any request called is never called dead."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from textwrap import dedent, indent

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.reading import Project, run

KINDS = {
    "plain": "def f{n}():\n    ran.append({n})\n{calls}",
    "generator": "def g{n}():\n    ran.append({n})\n    yield 1\n{calls}\ndef f{n}(): return list(g{n}())",
    "coroutine": (
        "async def c{n}():\n    ran.append({n})\n{calls}\n"
        "def f{n}():\n    try:\n        c{n}().send(None)\n    except StopIteration:\n        pass"
    ),
    "async generator": (
        "async def a{n}():\n    ran.append({n})\n    yield 1\n{calls}\n"
        "async def d{n}(): return [each async for each in a{n}()]\n"
        "def f{n}():\n    try:\n        d{n}().send(None)\n    except StopIteration:\n        pass"
    ),
    "nested": "def f{n}():\n    def inner{n}():\n        ran.append({n})\n{inner}\n    return inner{n}()",
    "method": "class A{n}:\n    def m{n}(self):\n        ran.append({n})\n{inner}\ndef f{n}(): return A{n}().m{n}()",
    "made class": (
        "def m{n}(self):\n    ran.append({n})\n{calls}\n"
        "def f{n}(): return type('A', (), {{'m': m{n}, '__init__': lambda self: None}})().m()"
    ),
    "property": (
        "class A{n}:\n    @property\n    def m{n}(self):\n        ran.append({n})\n{inner}\n"
        "def f{n}(): return A{n}().m{n}"
    ),
    "decorated": "@wrapped\ndef f{n}():\n    ran.append({n})\n{calls}",
    "one line": "def f{n}(): ran.append({n}); {line}",
    "lambda": "f{n} = lambda: (ran.append({n}), {tuple})",
    "comprehension": "def f{n}(): [ran.append({n}) or call() for call in [{names}]]",
    "raising": (
        "def f{n}():\n    try:\n        r{n}()\n    except ValueError:\n        pass\n"
        "def r{n}():\n    ran.append({n})\n{calls}\n    raise ValueError"
    ),
    "long": "def f{n}(\n    x=1,\n    *,\n    y=2,\n):\n    'Told.'\n    (\n        ran.append({n})\n    )\n{calls}",
    "match": "def f{n}():\n    match [1]:\n        case [x] if x:\n            ran.append({n})\n{inner}",
    "loop": "def f{n}():\n    for _ in range(2):\n        continue\n    else:\n        ran.append({n})\n{inner}",
    "global": "def f{n}():\n    global ran\n    ran += [{n}]\n{calls}",
}

HEAD = """
import functools

ran = []


def wrapped(function):
    @functools.wraps(function)
    def wrapper():
        return function()
    return wrapper


def app(environ, start_response):
    start_response("200 OK", [])
    VIEWS[environ["PATH_INFO"]]()
    return [b""]


"""


def written(functions: list[tuple[str, list[int]]]) -> str:
    """A module: each function notes that it runs, and calls some of those before it."""
    text = HEAD
    for n, (kind, calls) in enumerate(functions):
        called = sorted({call % n for call in calls}) if n else []
        body = "\n".join(f"f{each}()" for each in called) or "pass"
        text += KINDS[kind].format(
            n=n,
            calls=indent(body, "    "),
            inner=indent(body, " " * (12 if kind == "match" else 8)),
            line="; ".join(body.splitlines()),
            tuple="".join(f"f{each}(), " for each in called),
            names=", ".join(["print", *(f"f{each}" for each in called)]).replace("print", "lambda: None"),
        )
        text += "\n\n\n"
    views = ", ".join(f"'/{n}': f{n}" for n in range(len(functions)))
    return f"{text}VIEWS = {{{views}}}\n"


@pytest.mark.skipif(sys.version_info < (3, 12), reason="the core monitoring")
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    functions=st.lists(st.tuples(st.sampled_from(sorted(KINDS)), st.lists(st.integers(0, 20), max_size=3)), min_size=8),
    asked=st.lists(st.integers(0, 20), min_size=1, max_size=4),
    sample=st.sampled_from([0.0, 0.3, 1.0]),
)
def test_exactly_what_no_request_called_is_dead(
    functions: list[tuple[str, list[int]]], asked: list[int], sample: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is called, by whatever kind of function, sampled or not: dead is what noted nothing, nothing else."""
    with TemporaryDirectory() as folder:
        monkeypatch.chdir(folder)
        monkeypatch.syspath_prepend(folder)
        monkeypatch.setattr(sys, "dont_write_bytecode", True)
        project = Project(Path(folder))
        project.deploy(__init__="", web=dedent(written(functions)))
        importlib.invalidate_caches()
        ran = importlib.import_module("shop.web").ran
        project.ask(*(f"/{each % len(functions)}" for each in asked), sample=sample)
        answered = run("dead", "--store", project.store, "--format", "json")
        monkeypatch.undo()
    assert answered.status == 0, answered.err
    rows = [row for file in answered.json["files"] for row in file["rows"]]
    dead = {row["function"] for row in rows if row["verdict"] == "dead"}
    text = written(functions).splitlines()
    lambdas = {row["first"] for row in rows if row["function"] == "<lambda>" and row["verdict"] == "dead"}
    for n, (kind, _) in enumerate(functions):
        named = dead & {f"{letter}{n}" for letter in "fgcadmr"} | dead & {f"A{n}.m{n}"}
        if kind == "lambda":
            named = {text[line - 1] for line in lambdas if text[line - 1].startswith(f"f{n} =")}
        assert bool(named) == (n not in ran), (kind, n, named)
