"""`reqcov export coverage`: coverage.py reports what was recorded, by route."""

from __future__ import annotations

import json
import os
import resource
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import lxml.html
import pytest
from coverage import CoverageData

import reqcov
from reqcov.cli.options import tracked
from tests.conftest import HAS_MONITORING
from tests.export_shop import FILES, STRANGE, Project, make_project  # noqa: F401

ORDERS = "GET /orders/<int:id>"
SAY = 'GET /say/"hi"&\n<b>'
TORTURED = "GET /torture/münze"


def serve_all(project: Project, **options: Any) -> None:
    """Three routes; all files are imported, and of two nothing runs."""
    cart, strange, torture = (project.module(name) for name in ("shop/cart.py", STRANGE, "torture.py"))
    project.module("shop/quiet.py")
    project.module("shop/constants.py")
    with project.served(**options) as send:
        for prices in ([], [1], [2000]):
            send(ORDERS.removeprefix("GET "), lambda prices=prices: cart.Cart(prices).total)
        send(SAY.removeprefix("GET "), lambda: (strange.about(), cart.shipping(2)))
        send(SAY.removeprefix("GET "), lambda: (strange.about(), cart.shipping(5)))
        send(TORTURED.removeprefix("GET "), torture.run)


def executed(told: dict[str, dict[int, set[str]]]) -> dict[str, set[int]]:
    """By path, the statements with any context."""
    return {path: {number for number, contexts in lines.items() if contexts} for path, lines in told.items()}


@pytest.mark.parametrize("branch", [False, True])
def test_coverage_reports_what_was_recorded(project: Project, branch: bool) -> None:
    """For each function statement, coverage.py names the routes whose requests ran it: those of the raw records."""
    serve_all(project, branch=branch, sinks=[reqcov.CoverageDataSink("recorded")])
    project.reqcov("export", "coverage", "-o", ".coverage")
    exported = project.told()
    assert exported.keys() == FILES.keys()
    recorded = project.told("recorded")
    assert set(FILES) - set(recorded) == {"shop/__init__.py", "shop/quiet.py", "shop/constants.py"}
    assert {path: exported[path] for path in recorded} == recorded
    assert exported["shop/quiet.py"] == {2: set()}
    assert set().union(*exported["shop/cart.py"].values()) == {ORDERS, SAY}
    assert set().union(*exported["torture.py"].values()) == {TORTURED}


def test_there_and_back(project: Project) -> None:
    """`reqcov report` tells of all requests, and of those to each route, what coverage.py does of the export."""
    serve_all(project)
    told = {}
    for routes in ((), ("--route", ORDERS), ("--route", SAY), ("--route", TORTURED), ("--route", "GET /[ot]*")):
        project.reqcov("export", "coverage", "-o", "exported", *routes)
        told[routes] = project.told("exported")
        report = json.loads(project.reqcov("report", "--current", "--format", "json", *routes).stdout)
        missing = {path: [line for line, names in lines.items() if not names] for path, lines in told[routes].items()}
        assert {file["path"]: file["missing"] for file in report["files"]} == missing
        assert report["statements"] == sum(map(len, told[routes].values())) > report["missed"] > 0
    for route in (ORDERS, SAY, TORTURED):
        assert told["--route", route] == {
            path: {number: contexts & {route} for number, contexts in lines.items()} for path, lines in told[()].items()
        }


def test_html_shows_the_routes_of_each_line(project: Project) -> None:
    """`coverage html --show-contexts` tells in the page of a file which routes ran which of its lines."""
    serve_all(project)
    project.reqcov("export", "coverage", "-o", ".coverage")
    subprocess.run(
        [sys.executable, "-m", "coverage", "html", "--show-contexts", "--directory", "html"],
        check=True,
        stdout=subprocess.DEVNULL,
        timeout=60,
    )
    (page,) = Path("html").glob("*cart_py.html")
    shown = dict(contexts_of_page(lxml.html.fromstring(page.read_text("utf-8"))))
    assert shown == {number: contexts for number, contexts in project.told()["shop/cart.py"].items() if contexts}


def contexts_of_page(page: Any) -> Iterator[tuple[int, set[str]]]:
    """Line numbers and contexts: `1a` is one context, the one that the page's script calls `a`."""
    script = "".join(page.xpath("//script[not(@src)]/text()"))
    names = {
        key: name for key, name in json.loads(script[script.index("{") : script.rindex("}") + 1]).items() if key != "_"
    }
    for line in page.xpath("//p[span[@class='ctxs']]"):
        (codes,) = line.xpath("span[@class='ctxs']/text()")
        (number,) = line.xpath("span[@class='n']/a/text()")
        yield int(number), {names[code] for code in codes[1:]}


def test_excluded_lines_stay_excluded(project: Project) -> None:
    """What this folder's configuration excludes is in neither's statements."""
    project.write("pyproject.toml", '[tool.coverage.report]\nexclude_also = ["if price > 1000"]\n')
    serve_all(project)
    project.reqcov("export", "coverage", "-o", ".coverage")
    lines = project.told()["shop/cart.py"]
    assert 13 in lines
    assert not lines.keys() & {14, 15, 26}
    assert project.lines()["shop/cart.py"].keys() == lines.keys()


def test_names_are_those_that_tests_have(project: Project) -> None:
    """Files have the names that coverage.py gives them when tests run here, with `relative_files` too."""
    serve_all(project)
    for config, folder in (("", f"{project.folder}{os.sep}"), ("[run]\nrelative_files = true\n", "")):
        project.write(".coveragerc", config)
        project.reqcov("export", "coverage", "-o", "exported")
        with project.coverage("exported") as exported:
            assert {Path(name).as_posix() for name in exported.get_data().measured_files()} == {
                f"{folder}{name}" for name in FILES
            }
        subprocess.run(
            [sys.executable, "-m", "coverage", "run", "--data-file=tested", "shop/quiet.py"],
            check=True,
            timeout=60,
        )
        with project.coverage("exported") as exported, project.coverage("tested") as tested:
            assert tested.get_data().measured_files() < exported.get_data().measured_files()
        assert project.told("exported")["shop/quiet.py"] == {2: set()}
        assert project.told("exported")["shop/cart.py"][12] == {ORDERS}


@pytest.mark.skipif(not HAS_MONITORING, reason="without sys.monitoring, requests that are not sampled are not seen")
def test_lines_that_only_unsampled_requests_ran(project: Project) -> None:
    """They have a context of their own in an export of everything, and are in none of some routes."""
    cart = project.module("shop/cart.py")
    with project.served() as send:
        send("/a", lambda: cart.Cart([1]).total)
    with project.served(sample=0) as send:
        send("/b", lambda: cart.Cart([2000]).total)
        send("/b", lambda: cart.shipping(5))
    project.reqcov("export", "coverage", "-o", "all")
    assert project.told("all")["shop/cart.py"] == {
        **{number: {"GET /a"} for number in (8, 12, 13, 14, 16, 17)},
        **{number: {"(not sampled)"} for number in (15, 31, 32)},
        **{number: set() for number in (21, 36, 39)},
    }
    project.reqcov("export", "coverage", "-o", "some", "--route", "*")
    assert executed(project.told("some"))["shop/cart.py"] == {8, 12, 13, 14, 16, 17}
    requests = project.lines()["shop/cart.py"]
    assert requests[8] == (1, ["GET /a"])
    assert requests[15] == (1, [])
    assert requests[36] == (0, [])


MOVED = (
    FILES["shop/cart.py"]
    .replace("import functools\n", "import functools\nimport json\n\nNEW = json\n")
    .replace("price * 9 // 10", "price * 8 // 10")
)
"""`Cart.__init__` and `shipping` are three lines further down; `Cart.total` has changed."""


def test_a_deploy(project: Project) -> None:
    """Lines move with their functions; those of functions that changed are left out, and that is told."""
    serve_all(project)
    before = project.lines()["shop/cart.py"]
    project.write("shop/cart.py", MOVED)
    said = project.reqcov("export", "coverage", "-o", ".coverage").stderr
    assert said == "Left out: 6 lines that ran in functions that have changed since, in shop/cart.py (6).\n"
    assert project.told()["shop/cart.py"] == {
        number + 3: set() if number in (12, 13, 14, 15, 16, 17) else set(routes)
        for number, (_, routes) in before.items()
    }
    assert project.lines()["shop/cart.py"] == {
        number + 3: (0, []) if number in (12, 13, 14, 15, 16, 17) else hits for number, hits in before.items()
    }


def test_a_file_that_is_not_here(project: Project) -> None:
    """It is exported as it ran, and that is told; coverage.py reports the others if it is told to."""
    serve_all(project)
    before = project.lines()
    Path("shop/cart.py").unlink()
    result = project.reqcov("export", "json", "-o", "all.json")
    assert result.stderr == "Not in this folder, and exported as they ran: shop/cart.py.\n"
    assert project.lines() == before
    said = project.reqcov("export", "coverage", "-o", ".coverage").stderr
    assert (
        said == result.stderr + "coverage.py reports on files that are not in this folder with --ignore-errors only.\n"
    )
    report = [sys.executable, "-m", "coverage", "report"]
    assert subprocess.run(report, stdout=subprocess.DEVNULL, timeout=60).returncode == 1
    done = subprocess.run([*report, "--ignore-errors"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0
    assert "torture.py" in done.stdout


def test_a_file_that_is_broken(project: Project) -> None:
    """A file that can't be parsed now is exported without lines, and that is told."""
    serve_all(project)
    project.write("shop/cart.py", "def (:\n")
    said = project.reqcov("export", "json", "-o", "all.json").stderr
    assert "Exported without lines: shop/cart.py (Python 3" in said
    assert "Left out: 10 lines" in said


def arcs(data_file: str) -> dict[str, dict[str, set[tuple[int, int]]]]:
    """By name of the file and context, those of a data file."""
    data = CoverageData(data_file)
    data.read()
    found: dict[str, dict[str, set[tuple[int, int]]]] = {}
    for name in data.measured_files():
        by_context = found[Path(name).name] = {}
        for context in data.measured_contexts():
            data.set_query_context(context)
            some = set(data.arcs(name) or ())
            if some:
                by_context[context] = some
    if hasattr(data, "close"):
        data.close()
    return found


def test_branches(project: Project) -> None:
    """Where arcs were recorded they are exported, and coverage.py finds the same branches taken in each function."""
    serve_all(project, branch=True, sinks=[reqcov.CoverageDataSink("recorded")])
    assert project.reqcov("export", "coverage", "-o", ".coverage").stderr == ""
    taken, lines = {}, project.lines()
    for name in ("recorded", ".coverage"):
        with project.coverage(name) as told:
            assert told.get_data().has_arcs()
            told.json_report(outfile="told.json")
        files = json.loads(Path("told.json").read_text())["files"]
        taken[name] = {
            path: [branch for branch in files[path]["executed_branches"] if branch[0] in lines[path]]
            for path in ("shop/cart.py", "torture.py")
        }
    assert taken[".coverage"] == taken["recorded"]
    assert [14, 15] in taken["recorded"]["shop/cart.py"]
    assert arcs(".coverage")["cart.py"] == arcs("recorded")["cart.py"]


def test_arcs_move_with_their_functions(project: Project) -> None:
    """After a deploy arcs are those that the moved functions have where they are now."""
    serve_all(project, branch=True)
    project.write("shop/cart.py", MOVED)
    project.write("torture.py", "# moved\n\n" + FILES["torture.py"])
    project.reqcov("export", "coverage", "-o", "carried", "--build", "one")
    project.store = Path("after.sqlite3")
    serve_all(project, branch=True)
    project.reqcov("export", "coverage", "-o", "fresh", "--store", "after.sqlite3")
    carried, fresh = arcs("carried"), arcs("fresh")
    assert carried["torture.py"] == fresh["torture.py"] != {}
    changed = range(15, 21)
    for context in (ORDERS, SAY):
        assert carried["cart.py"][context] == {arc for arc in fresh["cart.py"][context] if max(arc) not in changed}
    assert carried["cart.py"].keys() == {ORDERS, SAY}


@pytest.mark.skipif(not HAS_MONITORING, reason="without sys.monitoring, requests that are not sampled are not seen")
def test_arcs_that_are_not_known_of_all(project: Project) -> None:
    """Lines without arcs, of requests that were not sampled or recorded otherwise, make it an export of lines."""
    cart = project.module("shop/cart.py")
    with project.served(branch=True, build="one") as send:
        send("/a", lambda: cart.Cart([1]).total)
    with project.served(sample=0, build="one") as send:
        send("/a", lambda: cart.Cart([2000]).total)
    told = "Left out: branches, for it is not known of all lines that ran which ones they took.\n"
    assert project.reqcov("export", "coverage", "-o", "all").stderr == told
    assert executed(project.told("all"))["shop/cart.py"] == {8, 12, 13, 14, 15, 16, 17}
    assert project.reqcov("export", "coverage", "-o", "sampled", "--route", "*").stderr == ""
    assert arcs("sampled")["cart.py"]["GET /a"]
    with project.served(build="two") as send:
        send("/b", lambda: cart.Cart([1]).total)
    assert project.reqcov("export", "coverage", "-o", "mixed", "--route", "*").stderr == told
    assert project.reqcov("export", "coverage", "-o", "lines", "--build", "two").stderr == ""
    with project.coverage("lines") as lines:
        assert not lines.get_data().has_arcs()


def test_what_ran_nothing(project: Project) -> None:
    """Requests that ran no measured line make a data file of files in which nothing ran."""
    project.module("shop/quiet.py")
    with project.served() as send:
        send("/a", lambda: None)
    project.reqcov("export", "coverage", "-o", ".coverage")
    assert project.told() == {"shop/__init__.py": {}, "shop/quiet.py": {2: set()}}


def test_where_it_can_be_written(project: Project) -> None:
    """A file is made or replaced; no data file goes to standard output, into the store, a folder or a pipe."""
    serve_all(project)
    Path("link").symlink_to("target")
    for name in ("link", "target", "link"):
        project.reqcov("export", "coverage", "-o", name)
    assert Path("link").is_symlink()
    assert sqlite3.connect("target").close() is None
    assert "name a file with -o" in project.reqcov("export", "coverage", "-o", "-", status=2).stderr
    assert "is the store itself" in project.reqcov("export", "json", "-o", str(project.store), status=2).stderr
    os.mkfifo("pipe")  # stands for devices: where the test fails, none may be replaced
    for name in ("shop", "pipe"):
        assert "is no regular file" in project.reqcov("export", "json", "-o", name, status=1).stderr
    assert Path("pipe").is_fifo()
    for form in ("coverage", "xml"):
        said = project.reqcov("export", form, "-o", "nowhere/file", status=1).stderr
        assert "nowhere/file can't be written: " in said
        assert said.endswith("; name another file with -o.\n")
    assert "Missing option '-o'" in project.reqcov("export", "json", status=2).stderr


@pytest.mark.parametrize("form", ["coverage", "lcov", "xml", "json"])
def test_a_failure_leaves_the_old_file(project: Project, form: str) -> None:
    """Where the disk ends, what was there before stays, nothing else stays, and a sentence says why."""
    serve_all(project)
    Path("out").mkdir()
    Path("out/file").write_text("old")
    room = 2_000
    with closing(sqlite3.connect(project.store)) as open_store:
        open_store.execute("SELECT * FROM hits").fetchall()  # now others can read without making files of their own
        done = subprocess.run(
            [sys.executable, "-m", "reqcov", "export", form, "-o", "out/file"],
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (room, room)),
            capture_output=True,
            text=True,
            timeout=60,
        )
    assert done.returncode == 1
    assert "out/file can't be written: " in done.stderr
    assert "Traceback" not in done.stderr
    assert [file.name for file in Path("out").iterdir()] == ["file"]
    assert Path("out/file").read_text() == "old"


def test_nothing_to_export(project: Project) -> None:
    """No store, and no request that fits, are told."""
    assert "There is no store at" in project.reqcov("export", "json", "-o", "-", status=1).stderr
    serve_all(project)
    assert "nowhere" in project.reqcov("export", "json", "-o", "-", "--route", "/nowhere", status=1).stderr


def test_progress_is_for_terminals(capsys: pytest.CaptureFixture[str]) -> None:
    """Elsewhere nothing is written, however long it takes."""
    assert list(tracked(range(99))) == [*range(99)]
    assert capsys.readouterr() == ("", "")
