"""`reqcov gaps`, with a real suite under coverage.py and real recordings."""

from __future__ import annotations

import difflib
import importlib
from pathlib import Path
from typing import Any

import coverage
import pytest

import reqcov
from reqcov.store.model import OTHER, UNREAD, pack_labels
from tests.calls import Request, call_wsgi
from tests.conftest import HAS_MONITORING
from tests.gaps_shop import FILES, closed, deploy, planted, run_tests, serve, traffic
from tests.reading import Project, add, hit, run


class Shop:
    """The project, where it is looked at, and where its tests ran."""

    def __init__(self, here: Path, ci: Path, store: Path) -> None:
        self.here = here
        self.ci = ci
        self.store = store

    def gaps(self, *tests: Path | str, options: tuple[object, ...] = ()) -> Any:
        """The answer."""
        given = [each for name in tests for each in ("--tests", name)]
        answered = run("gaps", *given, "--store", self.store, "--format", "json", *options)
        assert answered.status == 0, answered.err
        return answered.json


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """The store of the server, and the data of a suite that ran on another machine, in a folder of another name."""
    here, ci = tmp_path_factory.mktemp("here"), tmp_path_factory.mktemp("ci") / "builds" / "team" / "checkout"
    deploy(here)
    deploy(ci)
    with pytest.MonkeyPatch.context() as patch:
        store = serve(here, traffic(), patch)
    run_tests(ci)
    return Shop(here, ci, store)


@pytest.fixture
def shop(made: Shop, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """The same, seen from the project's folder."""
    monkeypatch.chdir(made.here)
    return made


def numbers(path: str, lines: list[str]) -> list[int]:
    """Of lines, by what is written there."""
    texts = [line.strip() for line in FILES[path].splitlines()]
    return [texts.index(line) + 1 for line in lines]


def rows(answer: Any) -> list[tuple[Any, ...]]:
    return [
        (
            row["path"],
            row["function"],
            row["lines"],
            row["requests"],
            {route["route"]: route["requests"] for route in row["routes"]},
        )
        for row in answer["gaps"]
    ]


def expected() -> list[tuple[Any, ...]]:
    found = [
        (each.path, each.function, numbers(each.path, each.lines), each.requests.total(), dict(each.requests))
        for each in planted(traffic())
    ]
    assert [row[3] for row in found] == sorted((row[3] for row in found), reverse=True)
    return found


def test_planted_gaps_come_out(shop: Shop) -> None:
    """They do in their order, with their routes and requests, and nothing else does."""
    answer = shop.gaps(shop.ci / ".coverage")
    assert rows(answer) == expected()
    assert answer["requests"] == len(traffic()) + 1
    assert answer["lines"] == sum(len(row[2]) for row in expected())
    assert answer["ran"] == answer["tested"] + answer["lines"]
    assert {row["kind"] for row in answer["gaps"]} == {"ran"}
    assert [row["ranges"] for row in answer["gaps"][3:6]] == ["28", "12-14", "16"]


def exported(file: Path, form: str, **options: Any) -> Path:
    """What coverage.py makes of a data file."""
    measured = coverage.Coverage(data_file=file, config_file=False)
    measured.load()
    target = file.with_name(f"export of {form}")  # a name that says nothing
    getattr(measured, f"{form}_report")(outfile=str(target), **options)
    closed(measured.get_data())
    return target


@pytest.mark.parametrize("form", ["lcov", "xml"])
def test_formats_say_the_same(shop: Shop, form: str) -> None:
    """The suite's coverage as lcov and as Cobertura's XML gives the same answer."""
    data = shop.ci / ".coverage"
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(shop.ci)
        target = exported(data, form)
    assert shop.gaps(target) == shop.gaps(data)


def test_contexts_arcs_and_parts_say_the_same(shop: Shop) -> None:
    """So do arcs with a context for each test, and data files of which each has some of the tests, named in any way."""
    run_tests(shop.ci, "--branch", "--context=unit", "--data-file=arcs.data")
    run_tests(shop.ci, "--parallel-mode", "--data-file=parts/.coverage", tests="tests/test_prices.py")
    (part,) = (shop.ci / "parts").iterdir()
    assert rows(shop.gaps(part)) != expected()
    run_tests(shop.ci, "--parallel-mode", "--data-file=parts/.coverage", tests="tests/test_web.py")
    whole = shop.gaps(shop.ci / ".coverage")
    assert rows(whole) == expected()
    assert shop.gaps(shop.ci / "arcs.data") == whole
    parts = sorted((shop.ci / "parts").iterdir())
    assert len(parts) == 2
    assert shop.gaps(*parts) == shop.gaps(shop.ci / "parts") == shop.gaps(f"{shop.ci}/parts/.cov*") == whole
    assert shop.gaps(parts[0], options=(parts[1],)) == whole


def test_for_people(shop: Shop) -> None:
    """A row for each gap, as many as were asked for; below it how much is tested, and what could not be matched."""
    said = run("gaps", "--tests", shop.ci / ".coverage", "--store", shop.store, "--top", 2)
    lines = said.out.splitlines()
    (first, second) = (row[3] for row in expected()[:2])
    assert lines[0].split() == ["requests", "share", "file", "lines", "function", "routes"]
    assert " ".join(lines[1].split()) == (f"{first} {first / 1.51:.1f}% shop/prices.py 18 total GET /order ({first})")
    assert " ".join(lines[2].split()).startswith(f"{second} {second / 1.51:.1f}% shop/prices.py 23, 26 discounted")
    assert lines[3] == "and 7 gaps more, of 9 lines; --top lists more, --format json all."
    assert lines[4] == ""
    assert lines[5].startswith("151 requests ran 30 function statements; tests ran 18 of them, 60.0%; ")
    assert lines[6:] == ["12 lines in 9 gaps."]
    assert "4 files of --tests" in said.err
    assert str(shop.ci / "tests/prices.py") in said.err


@pytest.mark.parametrize(("most", "status"), [(0, 2), (11, 2), (12, 0), (99, 0)])
def test_fail_over(shop: Shop, most: int, status: int) -> None:
    """Status 2 where there are more gap lines, and the answer is printed all the same."""
    answered = run("gaps", "--tests", shop.ci / ".coverage", "--store", shop.store, "--fail-over", most)
    assert (answered.status, "12 lines in 9 gaps." in answered.out) == (status, True)
    assert (f"12 lines in gaps, more than --fail-over {most}." in answered.err) == bool(status)


def test_choosing_a_route(shop: Shop) -> None:
    """Gaps are those of the requests that were chosen."""
    answer = shop.gaps(shop.ci / ".coverage", options=("--route", "nightly"))
    assert rows(answer) == [expected()[-1]]
    assert answer["gaps"][0]["share"] == 1.0


def test_a_diff_narrows_it(shop: Shop, tmp_path: Path) -> None:
    """Only lines that it adds or changes count; a changed later line of a statement stands for its first."""
    new = FILES["shop/prices.py"]
    old = new.replace("            cents // rate\n", "            cents // 19\n").replace("490", "99")
    sides = (side.splitlines(keepends=True) for side in (old, new))
    lines = difflib.unified_diff(*sides, "a/shop/prices.py", "b/shop/prices.py")
    (tmp_path / "diff").write_text("".join(lines))
    answer = shop.gaps(shop.ci / ".coverage", options=("--diff", tmp_path / "diff"))
    lot = expected()[4]
    assert rows(answer) == [(*lot[:2], [lot[2][1]], *lot[3:])]
    assert (answer["changes"], answer["ran"], answer["tested"], answer["lines"]) == (True, 2, 1, 1)


OLD = """\
def app(environ, start_response):
    start_response("200 OK", [])
    return [cheap(1)] if environ["PATH_INFO"] == "/cheap" else [dear(1)]


def cheap(cents):
    return b"%d" % cents


def dear(cents):
    return b"%d" % cents
"""

NEW = OLD.replace("def dear(cents):", "def dear(cents):\n    if cents > 100:\n        cents -= 1").replace(
    "def cheap", "def new():\n    return 1\n\n\ndef cheap"
)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """One of which an old version was asked: twice for what is cheap, once for what is dear."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("sys.dont_write_bytecode", True)
    project = Project(tmp_path)
    project.deploy(__init__="", web=OLD)
    project.ask("/cheap", "/cheap", "/dear", build="1")
    (tmp_path / "none.info").write_text("SF:shop/web.py\nDA:2,1\nDA:3,1\nend_of_record\n")
    return project


def gaps(project: Project, *options: object) -> Any:
    answered = run("gaps", "--tests", "none.info", "--store", project.store, "--format", "json", *options)
    assert answered.status == 0, answered.err
    return answered.json


def found(answer: Any) -> list[tuple[Any, ...]]:
    return [(row["kind"], row["function"], row["lines"], row["requests"]) for row in answer["gaps"]]


def test_requests_to_earlier_builds_count_where_the_function_is_the_same(project: Project) -> None:
    """They are carried over to the code of the folder; what ran of functions that have changed is told as dropped."""
    assert found(gaps(project)) == [("ran", "cheap", [7], 2), ("ran", "dear", [11], 1)]
    project.deploy(web=NEW)
    answer = gaps(project)
    assert found(answer) == [("ran", "cheap", [11], 2)]
    assert answer["dropped"] == {"shop/web.py": 1}
    assert (
        "1 line that ran in functions that have changed since is left out: shop/web.py."
        in run("gaps", "--tests", "none.info", "--store", project.store).out
    )


def test_a_diff_tells_of_functions_that_requests_ran_before(project: Project) -> None:
    """Its lines in a function of which requests ran an earlier version count; once they have run the new one, only
    those that they ran."""
    project.deploy(web=NEW)
    names = ("a/shop/web.py", "b/shop/web.py")
    diff = "".join(difflib.unified_diff(OLD.splitlines(keepends=True), NEW.splitlines(keepends=True), *names))
    (project.folder / "diff").write_text(diff)
    answer = gaps(project, "--diff", "diff")
    assert found(answer) == [("changed", "dear", [15, 16], 1)]
    assert [(each["route"], each["requests"]) for each in answer["gaps"][0]["routes"]] == [("GET /dear", 1)]
    assert (answer["ran"], answer["tested"], answer["lines"], answer["weighted"]) == (2, 0, 2, 0.0)
    said = run("gaps", "--tests", "none.info", "--store", project.store, "--diff", "diff").out
    assert "dear (changed)" in said
    assert "\nchanged: requests ran an earlier version" in said
    project.ask("/dear", build="2")
    assert found(gaps(project, "--diff", "diff")) == [("ran", "dear", [15], 1)]
    (project.folder / "diff").write_text("")
    assert run("gaps", "--tests", "none.info", "--store", project.store, "--diff", "diff").out == (
        "None of 4 requests ran a changed function statement, or an earlier version of its function.\n"
    )


def test_requests_of_tests_are_no_traffic(project: Project) -> None:
    """They are left out and counted, unless they are asked for; what only they ran is no gap."""
    module = importlib.import_module("shop.web")
    with reqcov.Recorder(store=project.store, source=[str(project.folder / "shop")], labels=["test"]) as recorder:
        app = reqcov.wrap(module.app, recorder=recorder)
        for _ in range(5):
            call_wsgi(app, Request("/dear", headers={"baggage": "reqcov.test=tests/test_a.py::test_dear"}))
    answer = gaps(project)
    assert found(answer) == [("ran", "cheap", [7], 2), ("ran", "dear", [11], 1)]
    assert (answer["requests"], answer["of_tests"]) == (3, 5)
    answer = gaps(project, "--label", "test=tests/*")
    assert found(answer) == [("ran", "dear", [11], 5)]
    assert (answer["requests"], answer["of_tests"]) == (5, 0)


@pytest.mark.skipif(not HAS_MONITORING, reason="nothing is known of requests that are not sampled")
def test_what_was_not_sampled_comes_last(project: Project) -> None:
    """Lines that only requests ran which were not sampled are told, without a number; not where a choice was made."""
    project.deploy(web=NEW)
    (project.folder / "none.info").write_text("SF:shop/web.py\nDA:2,1\nDA:3,1\nDA:11,1\nend_of_record\n")
    project.ask("/dear", build="2", sample=0.0)
    answer = gaps(project)
    assert found(answer) == [("not sampled", "dear", [15, 17], 0)]
    row = answer["gaps"][0]
    assert (row["routes"], row["last_seen"], row["share"]) == ([], None, 0.0)
    assert "?" in run("gaps", "--tests", "none.info", "--store", project.store).out
    assert found(gaps(project, "--build", "*")) == []


@pytest.mark.skipif(not HAS_MONITORING, reason="nothing is known of requests that are not sampled")
def test_nobody_knows_how_often_what_was_not_sampled_ran(project: Project) -> None:
    """Where no request was sampled, every line counts once."""
    for file in project.folder.glob(f"{project.store.name}*"):
        file.unlink()
    project.ask("/dear", sample=0.0)
    (project.folder / "none.info").write_text("SF:shop/web.py\nDA:2,1\nend_of_record\n")
    answer = gaps(project)
    assert (answer["tested"], answer["ran"]) == (1, 3)
    assert answer["weighted"] == answer["share"] == pytest.approx(1 / 3)


def test_what_is_not_known_is_told(project: Project) -> None:
    """Requests without lines, files that can't be matched, found or parsed: each has a sentence."""
    add(project.store, [(hit("/x", UNREAD), 2), (hit("/x", OTHER), 1)])
    add(project.store, [(hit("/x", labels=pack_labels({"test": "t"})), 1)], name="2")
    (project.folder / "shop/web.py").unlink()
    unclear, strange = ["/ci/lib/shop/web.py", "/ci/shop/web.py"], "/ci/\x1b[2J.py"
    names = ["shop/__init__.py", *unclear, strange]
    (project.folder / "none.info").write_text("".join(f"SF:{name}\nDA:2,1\nend_of_record\n" for name in names))
    (project.folder / "diff").write_text("--- /dev/null\n+++ b/shop/new.py\n@@ -0,0 +1 @@\n+1\n")
    arguments = ("gaps", "--tests", "none.info", "--store", project.store)
    said = run(*arguments, "--diff", "diff")
    assert said.err.splitlines() == [
        "Of the diff, not in the store: shop/new.py.",
        f"Left out, for they may be more than one file of the store: {', '.join(unclear)}.",
        "Not in the store: 1 file of --tests, /ci/\\x1b[2J.py.",
        "Not in this folder, and shown as they ran: shop/web.py.",
    ]
    assert "Of 3 requests not all lines are known: there may be more gaps." in said.out
    assert "1 request was made by a test and left out; --label 'test=*' asks for them." in said.out
    answer = run(*arguments, "--format", "json").json
    assert (answer["unread"], answer["uncounted"], answer["of_tests"], answer["problems"]) == (2, 1, 1, {})
    project.deploy(web="def (")
    said = run(*arguments)
    assert "shop/web.py: Python " in said.out
    assert "can't parse it" in said.out
