"""What a diff touches: functions and who ran them, and what may break though it has not run."""

from __future__ import annotations

import os
import subprocess
import textwrap
from pathlib import Path
from typing import Any

import pytest

import reqcov
from reqcov.analysis.inputs.homes import gone
from reqcov.analysis.source.edits import Edit, edit, named_elsewhere
from reqcov.analysis.source.imports import Imports
from reqcov.analysis.source.outline import Outline, outline
from reqcov.analysis.source.reach import Reach
from tests.calls import Request, call_wsgi
from tests.mutating import Lab
from tests.reading import recorded, run


def made(text: str) -> Outline:
    found = outline(textwrap.dedent(text))
    assert found is not None
    return found


BEFORE = """
import os

LIMIT = 3

class Cart(dict):
    '''A cart.'''
    rate = 2

    def total(self, extra=0):
        def each(item):
            return item
        return sum(map(each, self)) + extra

class Plain:
    def one(self):
        return 1

def use(cart):
    return cart.total()
"""


def edited(*exchanges: tuple[str, str]) -> Edit:
    text = BEFORE
    for old, new in exchanges:
        assert old in text
        text = text.replace(old, new)
    return edit(made(BEFORE), made(text))


@pytest.mark.parametrize(
    ("old", "new", "touched"),
    [
        ("return cart.total()", "return cart.total() + 1", {"use"}),
        ("            return item", "            return -item", {"Cart.total.<locals>.each"}),
        ("+ extra", "- extra", {"Cart.total"}),
        ("def use(cart):", "def use(cart, more):", {"use"}),
        ("def use(cart):", "async def use(cart):", {"use"}),
        ("return sum(", "return (  # why\n            sum(", None),
        ("    '''A cart.'''\n", "", set()),
        ("return 1", "'''One.'''\n        return 1  # one", set()),
        ("import os\n", "import os  # for paths\n\n\n", set()),
    ],
)
def test_functions_that_do_something_else(old: str, new: str, touched: set[str] | None) -> None:
    """They are named, and comments, blanks and docstrings change none."""
    if touched is None:
        found = edited((old, new), ("+ extra", "+ extra)"))
        touched = set()
    else:
        found = edited((old, new))
    assert (found.touched, found.at_import, found.moved) == (touched, None, ())


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("LIMIT = 3", "LIMIT = 4"),
        ("rate = 2", "rate = 3"),
        ("extra=0", "extra=1"),
        ("class Plain:", "class Plain(dict):"),
        ("import os", "import os, sys"),
        ("def use(cart):", "@print\ndef use(cart):"),
        ("def use(cart):", "def use(cart: int):"),
        ("def total(", "def __len__(self):\n        return 0\n    def total("),
        ("def use(cart):", "def more(x=print()):\n    pass\ndef use(cart):"),
    ],
)
def test_what_runs_at_import(old: str, new: str) -> None:
    """Constants, class bodies, bases, defaults, decorators, annotations, imports, methods that may override."""
    assert edited((old, new)).at_import is not None


def test_functions_that_come_and_go() -> None:
    """They are told apart from what else runs at import: what they do to others depends on their names."""
    found = edited(("def use(", "def used("))
    assert (found.touched, set(found.new), found.at_import) == ({"use"}, {"used"}, None)
    assert {(each.name, each.came) for each in found.moved} == {("use", False), ("used", True)}


@pytest.mark.parametrize(
    ("finds", "matters"), [("getattr(self, f'show_{kind}')", True), ("vars()['show']", True), ("self.show", False)]
)
def test_functions_that_are_found_by_text(finds: str, matters: bool) -> None:
    """Where a module looks names up, a new function may be called by one that is written nowhere."""
    text = f"class Shop:\n    def show(self, kind):\n        return {finds}\n"
    before, after = made(text), made(f"{text}    def show_cart(self):\n        return 1\n")
    (moved,) = edit(before, after).moved
    assert (named_elsewhere(moved, before, after, {}) is not None) == matters


def test_who_imports() -> None:
    """Relative, absolute, dotted and literal imports are followed; those in functions that requests run, no further."""
    texts = {
        "shop/__init__.py": "",
        "shop/prices.py": "",
        "shop/cart.py": "from . import prices",
        "shop/web.py": "import shop.cart",
        "shop/late.py": "def view():\n    from .prices import x",
        "shop/user.py": "from shop import late",
        "shop/named.py": "import importlib\nimportlib.import_module('shop.prices')",
        "tests/test_web.py": "from shop.web import app",
        "other/prices.py": "",
        "other/user.py": "import prices",
    }
    graph = Imports({path: made(text) for path, text in texts.items()})
    found = graph.of("shop/prices.py", lambda path, function: (path, function) == ("shop/late.py", "view"))
    assert found.loaded == {
        "shop/prices.py", "shop/cart.py", "shop/web.py", "shop/named.py", "tests/test_web.py"
    }  # fmt: skip
    assert found.lazily == {"shop/late.py"}
    assert found.roots == {"tests/test_web.py", "shop/named.py"}
    always = graph.of("shop/prices.py", lambda path, function: False)
    assert {"shop/late.py", "shop/user.py"} <= always.loaded
    assert graph.of("other/prices.py", lambda path, function: False).loaded == {"other/prices.py", "other/user.py"}


SHOP = """
from shop import prices

def app(environ, start_response):
    start_response("200 OK", [])
    if environ["PATH_INFO"] == "/price":
        return [str(prices.price(2)).encode()]
    return [b"fine"]
"""

PRICES = """
RATE = 3

def price(number):
    return taxed(number * RATE)

def taxed(number):
    return number + 1
"""


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a project, and what two tests ran of it."""
    (tmp_path / "shop").mkdir()
    for name, text in {"__init__": "", "web": SHOP, "prices": PRICES}.items():
        (tmp_path / "shop" / f"{name}.py").write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    import importlib
    import sys

    with recorded(tmp_path / "s.sqlite3", source=[str(tmp_path / "shop")], labels=["test=X-Test"]) as (recorder, _):
        app = reqcov.wrap(importlib.import_module("shop.web").app, recorder=recorder)
        for path, test, times in (("/price", "t.py::test_price", 2), ("/health", "t.py::test_health", 1)):
            for _ in range(times):
                call_wsgi(app, Request(path, headers={"X-Test": test}))
    for name in [name for name in sys.modules if name.partition(".")[0] == "shop"]:
        del sys.modules[name]
    return tmp_path


def asked(shop: Path, diff: str, *words: str) -> Any:
    (shop / "a.diff").write_text(diff)
    return run("impact", "--store", shop / "s.sqlite3", "--diff", shop / "a.diff", *words)


def changed(shop: Path, path: str, old: str, new: str) -> str:
    """The diff that exchanges one line of a file, which is left as it is."""
    lines = (shop / path).read_text().splitlines()
    return f"--- a/{path}\n+++ b/{path}\n@@ -{lines.index(old) + 1} +{lines.index(old) + 1} @@\n-{old}\n+{new}\n"


def test_a_function_touches_who_ran_it(shop: Path) -> None:
    """Its routes and tests are listed with their requests, others are not, and `--tests` prints the ids alone."""
    diff = changed(shop, "shop/prices.py", "    return number + 1", "    return number + 2")
    answer = asked(shop, diff, "--format", "json").json
    assert [(row["test"], row["requests"], row["why"]) for row in answer["tests"]] == [
        ("t.py::test_price", 2, "touched")
    ]
    assert [row["scope"] for row in answer["files"]] == ["functions"]
    assert [(row["name"], row["requests"]) for row in answer["files"][0]["functions"]] == [("taxed", 2)]
    assert (answer["touched"], answer["requests"], answer["tests_known"]) == (2, 3, 2)
    told = asked(shop, diff, "--tests")
    assert (told.status, told.out, told.err) == (0, "t.py::test_price\n", "")


@pytest.mark.parametrize(
    ("path", "old", "new", "tests"),
    [
        ("shop/prices.py", "RATE = 3", "RATE = 4", 2),
        ("shop/prices.py", "RATE = 3", "RATE = 3  # per cent", 0),
        ("shop/web.py", '    return [b"fine"]', '    return [b"well"]', 2),
    ],
)
def test_what_else_may_break(shop: Path, path: str, old: str, new: str, tests: int) -> None:
    """A constant concerns those who import it; a comment concerns nobody, and that is said aside, with status 0."""
    told = asked(shop, changed(shop, path, old, new), "--tests")
    assert (told.status, len(told.out.splitlines())) == (0, tests)
    assert ("No test runs what changed" in told.err) == (tests == 0)


@pytest.mark.parametrize(
    ("package", "tests", "listed"),
    [
        ("", "from shop import prices\ndef test_health():\n    assert prices.taxed(1) == 2\n", 2),
        ("", "import shop.prices\ndef test_health():\n    assert shop.prices.price(1) == 4\n", 2),
        ("from shop.prices import taxed\n", "from shop import taxed\ntest_health = taxed\n", 2),
        ("", "from shop import web\ndef test_health():\n    assert web.taxed\n", 1),
        ("", "from shop.prices import RATE\ndef test_health():\n    assert RATE\n", 1),
    ],
)
def test_what_tests_call_themselves(shop: Path, package: str, tests: str, listed: int) -> None:
    """A test may have called a function in no request, or one that calls it, if its file imports it and names it."""
    (shop / "shop" / "__init__.py").write_text(package)
    (shop / "t.py").write_text(f"{tests}def test_price(): pass\n")
    told = asked(shop, changed(shop, "shop/prices.py", "    return number + 1", "    return number + 2"), "--tests")
    assert len(told.out.splitlines()) == listed
    assert ("themselves" in told.err) == (listed == 2)


def test_what_tests_call_of_fixtures() -> None:
    """A test that a `conftest.py` may hand an object to calls its methods without an import of its own."""
    texts = {
        "shop/cart.py": "class Cart:\n    def total(self):\n        return 1",
        "tests/conftest.py": "from shop.cart import Cart\ndef cart():\n    return Cart()",
        "tests/web/test_cart.py": "def test_total(cart):\n    assert cart.total() == 1",
        "tests/web/test_other.py": "def test_other(cart):\n    assert cart",
        "other/test_cart.py": "def test_total(cart):\n    assert cart.total() == 1",
    }
    outlines = {path: made(text) for path, text in texts.items()}
    found = Reach(outlines, Imports(outlines)).of("shop/cart.py", ["Cart.total"])
    assert found == {"tests/web/test_cart.py"}


@pytest.mark.parametrize(
    ("files", "left_out"),
    [
        ({"t.py": "def test_health(): pass\n"}, ["t.py::test_price"]),
        ({"t.py": "def test_health(): pass\n", "more.py": "class Prices:\n    def test_price(self): pass\n"}, []),
        ({"t.py": "from_feature('prices')\n"}, []),  # makes them, perhaps
        ({"t.py": "def test_health(:\n"}, []),
        ({}, []),  # somewhere else
    ],
)
def test_tests_that_are_no_more(shop: Path, files: dict[str, str], left_out: list[str]) -> None:
    """They are left out, and that is said: pytest runs nothing at all where it can't find one of those it is given."""
    for name, text in files.items():
        (shop / name).write_text(text)
    diff = changed(shop, "shop/prices.py", "RATE = 3", "RATE = 4")
    told = asked(shop, diff, "--tests")
    assert set(told.out.splitlines()) == {"t.py::test_price", "t.py::test_health"} - set(left_out)
    assert ("no more: t.py::test_price" in told.err) == bool(left_out)
    answer = asked(shop, diff, "--format", "json").json
    assert (answer["gone"], answer["tests_known"]) == (left_out, 2 - len(left_out))


def test_the_store_is_no_change(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """That it lies in the repository, and git knows nothing of it, lists nobody."""
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    (shop / ".gitignore").write_text("__pycache__\n")
    own = ["-c", "user.name=me", "-c", "user.email=me@shop.example"]
    for words in (["init", "-q"], ["add", "shop", ".gitignore"], ["commit", "-qm", "first"]):
        subprocess.run(["git", *own, *words], cwd=shop, check=True)
    (shop / "s.sqlite3-wal").touch()
    told = run("impact", "--store", "s.sqlite3", "--since", "HEAD")
    assert (told.status, told.out) == (0, "Nothing has changed.\n")
    (shop / "notes.txt").touch()
    assert "notes.txt" in run("impact", "--store", "s.sqlite3", "--since", "HEAD").out


def test_new_tests_are_told(shop: Path) -> None:
    """The store can't know them, so they are not listed, and that is said: somebody has to run them."""
    told = asked(shop, "--- /dev/null\n+++ b/test_new.py\n@@ -0,0 +1,2 @@\n+def test_more():\n+    pass\n", "--tests")
    assert told.out == ""
    assert "test_new.py: new tests are in it" in told.err


@pytest.mark.parametrize(
    ("file", "reason"), [("conftest.py", "tests below its folder use it"), ("test_new.py", "tests are in it")]
)
def test_why_files_of_tests_count(shop: Path, file: str, reason: str) -> None:
    """No measured process imports them; tests do, or are in them."""
    told = asked(shop, f"--- /dev/null\n+++ b/{file}\n@@ -0,0 +1 @@\n+import shop\n")
    assert f"    {reason}" in told.out.splitlines()


def test_tests_of_a_moved_file_are_new(shop: Path) -> None:
    """Their ids are others now, and the store knows the old ones."""
    (shop / "tests").mkdir()
    (shop / "tests" / "test_t.py").write_text("def test_price(): pass\ndef test_health(): pass\n")
    moved = "diff --git a/t.py b/tests/test_t.py\nsimilarity index 100%\nrename from t.py\nrename to tests/test_t.py\n"
    told = asked(shop, moved, "--tests")
    assert told.out == ""
    assert "tests/test_t.py: new tests are in it" in told.err
    assert "no more: t.py::test_health, t.py::test_price" in told.err


def test_tests_of_files_that_are_no_more() -> None:
    """A file is gone if a diff deletes it, or if others of its folder are there; ids may begin in another folder."""
    homes = {"a": "old/test_a.py", "b": "tests/test_b.py", "c": "tests/test_c.py", "d": "else/test_d.py", "e": ""}
    there = {"app/tests/test_c.py": None}
    assert gone(homes, {"app/old/test_a.py"}, there) == {"a", "b"}
    assert gone(homes, set(), {}) == set()


def test_what_the_store_knows_nothing_of(shop: Path) -> None:
    """A template concerns everybody, unless it is ignored; a new module that nobody imports concerns nobody."""
    diff = "--- a/page.html\n+++ b/page.html\n@@ -1 +1 @@\n-a\n+b\n"
    assert len(asked(shop, diff, "--tests").out.splitlines()) == 2
    assert asked(shop, diff, "--tests", "--ignore", "*.html").out == ""
    new = "--- /dev/null\n+++ b/shop/more.py\n@@ -0,0 +1,2 @@\n+def more():\n+    pass\n"
    answer = asked(shop, new, "--format", "json").json
    assert (answer["tests"], answer["files"][0]["new"]) == ([], [{"name": "more", "first": 1}])


def test_ids_that_pytest_would_obey_are_left_out(tmp_path: Path, shop: Path) -> None:
    """Whoever sends requests may call a test what he likes: no id becomes an option."""
    with recorded(shop / "s.sqlite3", source=[str(shop / "shop")], labels=["test=X-Test"]) as (recorder, _):
        app = reqcov.wrap(lambda environ, start_response: start_response("200 OK", []) or [], recorder=recorder)
        call_wsgi(app, Request("/", headers={"X-Test": "-pno:terminal"}))
    told = asked(shop, "--- a/x.html\n+++ b/x.html\n@@ -1 +1 @@\n-a\n+b\n", "--tests")
    assert "-pno" not in told.out
    assert "-pno:terminal" in told.err


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """The example app, recorded."""
    return Lab(tmp_path_factory.mktemp("lab"))


@pytest.mark.parametrize(
    ("file", "name", "most"),
    [
        ("members.py", "limit_of", 12),  # kept by a cache: one test ran it
        ("reports.py", "heading", 37),  # runs when it is imported, in the middle of a request
        ("app.py", "configured", 37),  # ran before recording began
        ("books.py", "Novel.is_long", 4),
    ],
)
def test_every_test_that_fails_is_listed(lab: Lab, file: str, name: str, most: int) -> None:
    """A function that raises makes tests fail, and each of them was listed; for most functions few others were."""
    outcome = lab.mutate(lab.folder / "lending" / file, name)
    assert outcome.failed
    assert outcome.missed == frozenset()
    assert len(outcome.listed) <= most
