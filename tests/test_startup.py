"""Which functions may run at import is told from the sources alone."""

from __future__ import annotations

from textwrap import dedent

import pytest

from reqcov.analysis.source.code import File, parse
from reqcov.analysis.source.startup import startup


def found(**modules: str) -> dict[str, str]:
    """By the name of each function that may run at import, the line that makes it."""
    texts = {f"shop/{name}.py": dedent(text) for name, text in modules.items()}
    files = {path: File(path, "", text, parse(text), frozenset()) for path, text in texts.items()}
    return {
        function.name: f"{cause.path.removeprefix('shop/')}:{cause.line}"
        for functions in startup(files).values()
        for function, cause in functions.items()
    }


RUN = {
    "called": "def work(): return 1\nwork()",
    "called by what is called": "def work(): return 1\ndef outer(): return work()\nouter()",
    "called before it is defined in a function": "def outer(): return work()\ndef work(): return 1\nouter()",
    "called in the body of a class": "def work(): return 1\nclass A:\n    one = work()",
    "a default": "def work(): return 1\ndef other(x=work()): return x",
    "a decorator": "def work(fn): return fn\n@work\ndef other(): return 1",
    "a decorator that is made": (
        "def make(n):\n    def work(fn): return fn\n    return work\n@make(1)\ndef other(): return 1"
    ),
    "given to a decorator that calls it": "def now(fn):\n    fn()\n    return fn\n@now\ndef work(): return 1",
    "given on to what calls it": "def a(f): return f()\ndef b(g): return a(g)\ndef work(): return 1\nb(work)",
    "given to an object that calls it": (
        "class A:\n    def __init__(self, f):\n        self.f = f\n        self.f()\ndef work(): return 1\nA(work)"
    ),
    "a key": "def work(x): return x\nsorted([2, 1], key=work)",
    "mapped": "def work(x): return x\nlist(map(work, [1]))",
    "reduced": "import functools\ndef work(a, b): return a\nfunctools.reduce(work, [1, 2])",
    "by another name": "def work(): return 1\nother = work\nother()",
    "a part": "import functools\ndef work(x): return 1\nother = functools.partial(work, 1)\nother()",
    "from a table": "def work(): return 1\nTABLE = {'a': work}\nTABLE['a']()",
    "put into a table": "def work(): return 1\nTABLE = {}\nTABLE['a'] = work\nTABLE['a']()",
    "in a loop": "def work(): return 1\nfor f in (work, print):\n    f()",
    "in a comprehension": "def work(): return 1\n[f() for f in (work, print)]",
    "a lambda": "f = lambda: work()\ndef work(): return 1\nf()",
    "entered": "import contextlib\n@contextlib.contextmanager\ndef work(): yield\nwith work(): pass",
    "in a thread": "import threading\ndef work(): return 1\nthreading.Thread(target=work).start()",
    "a property": "class A:\n    @property\n    def work(self): return 1\na = A()\na.work",
    "a method": "class A:\n    def work(self): return 1\na = A()\na.work()",
    "what makes a default": (
        "from dataclasses import dataclass, field\ndef work(): return []\n"
        "@dataclass\nclass A:\n    x: list = field(default_factory=work)\nA()"
    ),
    "a coroutine": "import asyncio\nasync def work(): return 1\nasyncio.run(work())",
    "only as a script": "def work(): return 1\nif __name__ == '__main__':\n    work()",
    "what is imported dynamically": "import importlib\ndef work(): return 1\nimportlib.import_module('shop.a').work()",
}


@pytest.mark.parametrize("text", RUN.values(), ids=RUN)
def test_runs_at_import(text: str) -> None:
    """What import-time code calls is found, in whatever way it comes by it."""
    assert "work" in {name.rpartition(".")[2] for name in found(a=text)}


DO_NOT_RUN = {
    "given to somebody else": "from web import app\ndef work(): return 1\napp.add_url_rule('/', work)",
    "decorated": "from web import app\n@app.route('/')\ndef work(): return 1",
    "decorated by one of ours": "def keep(fn): return fn\n@keep\ndef work(): return 1",
    "wrapped": "def keep(fn):\n    def inner(): return fn()\n    return inner\n@keep\ndef work(): return 1",
    "called in a function": "def other(): return work()\ndef work(): return 1",
    "named like a method of somebody else": "import os\nclass A:\n    def work(self): return 1\nos.environ.work()",
    "named like what is built in": "class A:\n    def list(self): return 1\nlist()",
    "only a part is made": "import functools\ndef work(): return 1\nother = functools.partial(work, 1)",
    "an ordinary method of what is made": "class A:\n    def work(self): return 1\nA()",
    "a special method of what is not made": "class A:\n    def __init__(self): work()\ndef work(): return 1",
    "of a module that is not ours": "from os import work as other\ndef work(): return 1\nother()",
}


@pytest.mark.parametrize("text", DO_NOT_RUN.values(), ids=DO_NOT_RUN)
def test_does_not_run_at_import(text: str) -> None:
    """What is registered, wrapped, or only named like what is called, is not said to run."""
    assert not {"work", "list"} & {name.rpartition(".")[2] for name in found(a=text)}


def test_across_modules() -> None:
    """Names are followed through imports, under whatever name, and through modules that hand them on."""
    assert found(
        a="def work(): return 1\ndef other(): return 1\ndef starred(): return 1",
        b="from .a import work as worker",
        c="from shop.b import worker\nfrom shop.a import *\nimport shop.a\nworker()\nstarred()\nshop.a.other()",
    ) == {"work": "c.py:4", "starred": "c.py:5", "other": "c.py:6"}


def test_special_methods() -> None:
    """Making an object or a class at import runs special methods, inherited ones too, and those of metaclasses."""
    made = found(
        a="""
        class Meta(type):
            def __new__(mcs, *rest): return type.__new__(mcs, *rest)
            def __call__(cls): return type.__call__(cls)
        class Base(metaclass=Meta):
            def __init__(self): self.ready = self.prepared()
            def __init_subclass__(cls): cls.name = cls.__name__
            def prepared(self): return True
            def other(self): return True
        class Made(Base): pass
        class NotMade:
            def __init__(self): self.x = 1
        def __getattr__(name): raise AttributeError(name)
        """,
        b="""
        from enum import IntEnum
        from .a import Made
        class Size(IntEnum):
            SMALL = 1
            def __new__(cls, value): return int.__new__(cls, value)
            def doubled(self): return 2
        MADE = Made()
        """,
    )
    assert set(made) == {
        "Meta.__new__",
        "Meta.__call__",
        "Base.__init__",
        "Base.__init_subclass__",
        "Base.prepared",
        "Size.__new__",
        "__getattr__",
    }
    assert made["Base.__init__"] == "b.py:8"


def test_it_comes_to_an_end() -> None:
    """Neither a text that is no Python nor names that stand for themselves are in the way."""
    assert found(a="def work(:", b="x = x\nx()\nfor y in y: y()\n(lambda: z)()()()\nz = z()") == {"<lambda>": "b.py:4"}
