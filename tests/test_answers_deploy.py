"""What the commands say after a deploy: unchanged functions keep their history, changed ones lose it, as is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.conftest import HAS_MONITORING
from tests.reading import Project, add, hit, run, viewed

WEB = """\
from shop import cart

def app(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/total":
        body = cart.total([1, 2])
    elif path == "/tax":
        body = cart.tax(
            10,
        )
    else:
        body = cart.idle
    start_response("200 OK", [])
    return [str(body).encode()]
"""

CART = """\
idle = 0

def total(prices):
    found = 0
    for price in prices:
        found += price
    return found

def tax(amount):
    rate = 1
    return amount * rate

def unused():
    return "never"

def debug():  # pragma: no cover
    return "left out"
"""

MOVED = CART.replace("def total", "import os\n\n\ndef total").replace("    rate = 1\n", "    rate = 2\n    rate += 1\n")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("sys.dont_write_bytecode", True)
    made = Project(tmp_path)
    made.deploy(web=WEB, cart=CART, __init__="")
    return made


@pytest.fixture
def deployed(project: Project) -> Project:
    """A store of two builds; in B, `total` has moved and `tax` has changed."""
    project.ask("/total", "/tax", build="A")
    project.deploy(cart=MOVED)
    project.ask("/total", build="B")
    return project


def ask(project: Project, command: str, *arguments: object) -> Any:
    answered = run(command, *arguments, "--store", project.store, "--format", "json")
    assert answered.status == 0, answered.err
    return answered.json


def row_of(report: Any, path: str) -> Any:
    return next(row for row in report["files"] if row["path"] == path)


def test_lines_of_a_moved_function_are_carried_over(deployed: Project) -> None:
    """The history of a function that moved is on its new lines, and both builds count."""
    line = deployed.lines("shop/cart.py")["found += price"]
    assert line == CART.splitlines().index("        found += price") + 1 + 3
    answer = ask(deployed, "line", f"shop/cart.py:{line}")
    assert [(row["route"], row["requests"]) for row in answer["routes"]] == [("GET /total", 2)]
    assert (answer["function"], answer["text"].strip()) == ("total", "found += price")


def test_lines_of_a_changed_function_are_dropped_and_told(deployed: Project) -> None:
    """Nothing is painted on the new lines of a function that changed; how much was dropped is told, and where."""
    report = ask(deployed, "report")
    lines = deployed.lines("shop/cart.py")
    row = row_of(report, "shop/cart.py")
    assert row["missing"] == [
        lines["rate = 2"],
        lines["rate += 1"],
        lines["return amount * rate"],
        lines['return "never"'],
    ]
    assert row["dropped"] == 2
    assert row["builds"] == ["B"]
    assert row_of(report, "shop/web.py")["dropped"] == 0
    assert row_of(report, "shop/web.py")["builds"] == ["A", "B"]
    told = run("report", "--store", deployed.store).out
    assert "dropped: lines of older versions" in told
    assert next(each for each in told.splitlines() if each.startswith("shop/cart.py")).split()[-1] == "2"
    shown = ask(deployed, "show", "/tax")
    cart = next(file for file in shown["files"] if file["path"] == "shop/cart.py")
    assert (cart["lines"], cart["dropped"], cart["functions"]) == (0, 2, [])
    assert "0 of 8 lines, 2 dropped" in run("show", "/tax", "--store", deployed.store).out
    line = ask(deployed, "line", f"shop/cart.py:{lines['rate = 2']}")
    assert (line["routes"], line["seen"], line["dropped"]) == ([], False, 2)
    assert "2 lines of older versions" in run("line", f"cart.py:{lines['rate = 2']}", "--store", deployed.store).out


def test_a_build_is_shown_as_it_ran(deployed: Project) -> None:
    """With `--build A` it is A's text, A's lines and A's requests, with nothing dropped."""
    report = ask(deployed, "report", "--build", "A")
    row = row_of(report, "shop/cart.py")
    number = {line.strip(): number for number, line in enumerate(CART.splitlines(), 1)}
    assert (row["missing"], row["dropped"], row["builds"]) == ([number['return "never"']], 0, ["A"])
    assert report["requests"] == 2
    assert ask(deployed, "line", f"shop/cart.py:{number['rate = 1']}", "--build", "A")["text"] == "    rate = 1"
    assert row_of(ask(deployed, "report", "--build", "B"), "shop/cart.py")["dropped"] == 0
    assert ask(deployed, "report", "--build", "?")["requests"] == 3


def test_code_of_the_folder(deployed: Project) -> None:
    """With `--current` the lines are those of the files in this folder; what is not there is shown as it ran."""
    deployed.deploy(cart="\n\n" + MOVED.replace("return found", "return found or 0"))
    lines = deployed.lines("shop/cart.py")
    report = ask(deployed, "report", "--current")
    row = row_of(report, "shop/cart.py")
    assert set(row["missing"]) > {lines["found += price"], lines["return found or 0"]}
    assert row["dropped"] == 4 + 4 + 2, "total of both builds, and tax of A"
    assert row_of(ask(deployed, "report"), "shop/cart.py")["dropped"] == 2
    (deployed.folder / "shop" / "cart.py").unlink()
    assert row_of(ask(deployed, "report", "--current"), "shop/cart.py")["dropped"] == 2


def test_a_file_that_is_gone_stays_with_what_ran_of_it(project: Project) -> None:
    """A module that the newest build no longer has is still reported, with the builds that had it."""
    project.ask("/total", build="A")
    project.deploy(web=WEB.replace("from shop import cart", "class cart: idle = 0"))
    (project.folder / "shop" / "cart.py").unlink()
    project.ask("/", build="B")
    report = ask(project, "report")
    assert row_of(report, "shop/cart.py")["builds"] == ["A"]
    assert row_of(report, "shop/cart.py")["missed"] == 3
    assert [row["path"] for row in ask(project, "report", "--build", "B")["files"]] == [
        "shop/__init__.py",
        "shop/web.py",
    ]


def test_continued_import_time_excluded_and_blank_lines(project: Project) -> None:
    """Of a line that no request can run it is said why; a line that goes on counts as the first of its statement."""
    project.ask("/tax", build="A")
    web, cart = project.lines("shop/web.py"), project.lines("shop/cart.py")
    answer = ask(project, "line", f"shop/web.py:{web['10,']}")
    assert (answer["asked"], answer["line"]) == (web["10,"], web["body = cart.tax("])
    assert answer["requests"] == 1
    for line, kind, said in (
        (web["10,"], "function", f"Line {web['10,']} goes on with the statement that begins on line {web['10,'] - 1}."),
        (cart["idle = 0"], "import-time", "It runs when the module is imported or a class is made, not in requests."),
        (cart['return "left out"'], "excluded", "coverage.py is told to leave it out."),
        (2, "none", "There is no statement on this line."),
        (cart['return "never"'], "function", "No request has run it: 1 request since "),
    ):
        place = f"shop/{'web' if line == web['10,'] else 'cart'}.py:{line}"
        assert ask(project, "line", place)["kind"] == kind
        answered = run("line", place, "--store", project.store)
        assert (answered.status, said in answered.out) == (0, True), answered.out


@pytest.mark.skipif(not HAS_MONITORING, reason="the settrace core sees nothing of requests that are not sampled")
def test_lines_that_only_unsampled_requests_ran(project: Project) -> None:
    """Nothing is called unrun that an unsampled request ran: not by `report` over everything, not by `line`."""
    project.ask("/total", build="A", sample=1.0)
    project.ask("/tax", build="A", sample=0.0)
    cart = project.lines("shop/cart.py")
    assert row_of(ask(project, "report"), "shop/cart.py")["missing"] == [cart['return "never"']]
    assert cart["rate = 1"] in row_of(ask(project, "report", "--since", "2020-01-01"), "shop/cart.py")["missing"]
    answer = ask(project, "line", f"shop/cart.py:{cart['rate = 1']}")
    assert (answer["requests"], answer["seen"], answer["watched"]) == (0, True, 1)
    assert "some that were not sampled" in run("line", f"cart.py:{cart['rate = 1']}", "--store", project.store).out


def test_sampled_requests_stand_for_others(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where half of the requests are sampled each counts twice."""
    draws = iter([0.4, 0.6, 0.4])
    monkeypatch.setattr("reqcov.recorder.random", lambda: next(draws))
    project.ask("/total", "/total", "/total", build="A", sample=0.5)
    (route,) = ask(project, "routes")["routes"]
    assert (route["route"], route["requests"], route["behaviours"]) == ("GET /total", 4, 1)
    assert ask(project, "show", "/total")["requests"] == 4


def test_requests_that_were_cut_short(project: Project) -> None:
    """A request of which not all lines were seen is counted, and is no behaviour."""
    records = project.ask("/total", build="A")
    assert records[0].complete
    with viewed(project.store) as view:
        known = view.codebase.address(view.hits[0].footprint)
    add(project.store, [(hit("/total", "(unread)"), 3), (hit("/total", known), 1)])
    shown = ask(project, "show", "/total")
    assert (shown["requests"], shown["unread"], [row["footprint"] for row in shown["behaviours"]]) == (5, 3, [known])
    assert ask(project, "routes")["routes"][0]["behaviours"] == 1
    assert "3 requests were cut short" in run("show", "/total", "--store", project.store).out


def test_text_that_was_not_kept(project: Project) -> None:
    """A file that was edited between its import and the first write is named, with what to do; others are reported."""
    with_edit = WEB.replace("start_response(", "cart.edit()\n    start_response(")
    project.deploy(
        web=with_edit,
        cart=CART + "\ndef edit():\n    with open(__file__, 'a') as file:\n        file.write('# edited')\n",
    )
    project.ask("/total", build="A")
    report = ask(project, "report")
    assert "restart the server" in row_of(report, "shop/cart.py")["problem"]
    assert (row_of(report, "shop/web.py")["problem"], row_of(report, "shop/cart.py")["statements"]) == (None, 0)
    told = run("report", "--store", project.store).out
    assert "shop/cart.py: its text was not kept" in told
    assert next(each for each in told.splitlines() if each.startswith("shop/cart.py")).split()[3] == "?"
    answered = run("line", "shop/cart.py:4", "--store", project.store)
    assert (answered.status, "its text was not kept" in answered.err) == (1, True)


def test_code_that_this_interpreter_cannot_parse(project: Project) -> None:
    """A file in the syntax of another Python is named and skipped."""
    project.ask("/total", build="A")
    (project.folder / "shop" / "cart.py").write_text("print 'old'\n")
    row = row_of(ask(project, "report", "--current"), "shop/cart.py")
    assert "can't parse it" in row["problem"]


def test_statements_are_dropped_not_lines(project: Project) -> None:
    """What is told to be dropped are statements: those over several lines count once, excluded ones not at all."""
    tax = "    rate = max(\n        1,\n        0,\n    )\n    rate += 0  # pragma: no cover\n"
    project.deploy(cart=CART.replace("    rate = 1\n", tax))
    project.ask("/tax", build="A")
    project.deploy(cart=MOVED)
    project.ask("/", build="B")
    assert row_of(ask(project, "report"), "shop/cart.py")["dropped"] == 2


def test_what_is_excluded_may_change(project: Project) -> None:
    """coverage.py's configuration is the one of now, also where an earlier reader went by another one."""
    project.ask("/tax", build="A")
    before = row_of(ask(project, "report"), "shop/cart.py")
    assert row_of(ask(project, "report"), "shop/cart.py") == before
    (project.folder / ".coveragerc").write_text("[report]\nexclude_lines =\n    def unused\n")
    after = row_of(ask(project, "report"), "shop/cart.py")
    assert (after["statements"], after["missed"]) == (before["statements"], before["missed"])
    assert project.lines("shop/cart.py")['return "never"'] not in after["missing"]
    assert project.lines("shop/cart.py")['return "left out"'] in after["missing"]
