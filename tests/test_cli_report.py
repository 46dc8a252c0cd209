"""What `report`, `show` and `line` print for people."""

from __future__ import annotations

import contextlib
import json
import os
import zlib
from pathlib import Path

import pytest

from reqcov.reports.text import percent
from reqcov.store.model import pack_labels
from reqcov.store.reading import MAX_TEXT
from reqcov.store.sqlite import opened
from tests.conftest import HAS_MONITORING
from tests.reading import Project, add, hit, run, viewed

WEB = """\
def app(environ, start_response):
    start_response("200 OK", [])
    path = environ["PATH_INFO"]
    if path == "/a":
        return first()
    if path == "/b":
        return second()
    return []

def first():
    return [
        b"a",
    ]

def second():
    return [b"b"]

class Third:
    kept = True

    def never(self):
        found = []
        return found
"""


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """After three requests to `/a` and one to `/`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("sys.dont_write_bytecode", True)
    project = Project(tmp_path)
    project.deploy(web=WEB, __init__="")
    project.ask("/a", "/a", "/a", "/", build="A")
    return project.store


def columns(line: str) -> list[str]:
    return line.split()


def test_report(store: Path) -> None:
    """A row for each file, and the total; import-time statements are told apart."""
    said = run("report", "--store", store)
    assert said.status == 0
    assert [columns(line) for line in said.out.splitlines()] == [
        ["file", "stmts", "miss", "cover", "at", "import"],
        ["shop/__init__.py", "0", "0", "100.0%", "0"],
        ["shop/web.py", "11", "4", "63.6%", "6"],
        ["total", "11", "4", "63.6%", "6"],
    ]


def test_report_with_missing_lines(store: Path) -> None:
    """`-m` joins them as coverage.py does."""
    for option in ("-m", "--show-missing"):
        lines = run("report", option, "--store", store).out.splitlines()
        assert lines[0].endswith("missing")
        assert lines[2].endswith("  7, 16, 22-23")
        assert lines[3].endswith("6")


def test_report_without_what_is_covered(store: Path) -> None:
    """`--skip-covered` leaves files out, says how many, and the total stays."""
    lines = run("report", "--skip-covered", "--store", store).out.splitlines()
    assert [line.split()[0] for line in lines[:3]] == ["file", "shop/web.py", "total"]
    assert lines[2].split()[1] == "11"
    assert lines[3:] == ["", "1 file skipped: requests ran everything."]


@pytest.mark.parametrize(("least", "status"), [("0", 0), ("63", 0), ("63.6", 0), ("63.7", 2), ("64", 2), ("100", 2)])
def test_fail_under(store: Path, least: str, status: int) -> None:
    """Status 2 where less is covered, to the digit that is shown; the report is printed all the same."""
    for output in ("text", "json"):
        answered = run("report", "--fail-under", least, "--store", store, "--format", output)
        assert (answered.status, "shop/web.py" in answered.out) == (status, True)
        assert answered.err == ("" if status == 0 else f"63.6% is less than --fail-under {float(least):g}.\n")


def test_show(store: Path) -> None:
    """Who and how often; files and functions with what ran, what only some ran, and what none did; behaviours."""
    said = run("show", "GET /*", "--store", store)
    lines = said.out.splitlines()
    assert lines[:2] == ["GET /a", "GET /"]
    assert lines[2].startswith("4 requests (100.0% of all), 20")
    assert lines[2].endswith(" UTC, 2xx: 4")
    assert lines[3] == "7 lines, 63.6% of what requests could run"
    assert lines[5].split() == ["file,", "function", "requests", "ran", "some", "never"]
    assert lines[6].split() == ["shop/web.py", "7", "of", "11", "lines"]
    assert lines[7].split("  ")[1].strip() == "app"
    assert " ".join(lines[7].split()) == "app 4 2-6, 8 5 (3), 6 (1), 8 (1) 7"
    assert lines[8].split() == ["first", "3", "11"]
    assert " ".join(lines[10].split()) == "behaviour requests share lines more fewer last seen"
    assert lines[11].split()[1:6] == ["3", "75.0%", "5", "0", "0"]
    assert lines[12].split()[1:6] == ["1", "25.0%", "5", "2", "2"]


def test_show_cuts_many_behaviours(store: Path) -> None:
    """Ten behaviours are listed, the rest is counted; JSON has all."""
    add(store, [(hit("/many", f"{number:032x}"), 1) for number in range(13)])
    lines = run("show", "/many", "--store", store).out.splitlines()
    assert lines[-1] == "and 3 behaviours more, of 3 requests; --format json has them all."
    assert sum(line.startswith("00000") for line in lines) == 10
    assert len(run("show", "/many", "--store", store, "--format", "json").json["behaviours"]) == 13


def test_line(store: Path) -> None:
    """The line, its function, and who runs it."""
    lines = run("line", "web.py:12", "--store", store).out.splitlines()
    assert lines[:6] == [
        "shop/web.py:11 in first (10-13)",
        "",
        "    return [",
        "",
        "Line 12 goes on with the statement that begins on line 11.",
        "3 of 4 requests run it (75.0%).",
    ]
    assert " ".join(lines[7].split()) == "route requests share first seen last seen"
    assert lines[8].split()[:4] == ["GET", "/a", "3", "100.0%"]
    assert len(lines) == 9
    assert "shop/web.py has 24 lines, so there is no line 99." in run("line", "web.py:99", "--store", store).err


def test_line_with_labels(store: Path) -> None:
    """Labels get a column, and a row for each set of them."""
    with viewed(store, routes=("/a",)) as view:
        known = view.codebase.address(view.hits[0].footprint)
    add(store, [(hit("/a", known, labels=pack_labels({"test": "pay", "tenant": "acme"})), 2)])
    lines = run("line", "web.py:11", "--store", store).out.splitlines()
    assert [line.split()[2:5] for line in lines[-2:]] == [
        ["3", "100.0%", lines[-2].split()[4]],
        ["tenant=acme,", "test=pay", "2"],
    ]
    narrowed = run("line", "web.py:11", "--store", store, "--label", "test=p*", "--format", "json").json
    assert [(row["labels"], row["requests"]) for row in narrowed["routes"]] == [({"tenant": "acme", "test": "pay"}, 2)]


def test_one_route_among_others(store: Path) -> None:
    """What only a route runs is told against all others, and `show` tells its share of all requests."""
    (row,) = run("routes", "--route", "/a", "--store", store, "--format", "json").json["routes"]
    assert (row["lines"], row["only_here"], row["share"]) == (5, 2, 1.0)
    assert run("show", "/a", "--store", store).out.splitlines()[1].startswith("3 requests (75.0% of all)")


@pytest.mark.parametrize(
    ("share", "said"),
    [(0, "0.0%"), (0.00001, "0.1%"), (0.1234, "12.3%"), (0.9994, "99.9%"), (0.99999, "99.9%"), (1, "100.0%")],
)
def test_only_all_is_all(share: float, said: str) -> None:
    """Nothing is rounded to all or to nothing."""
    assert percent(share) == said


def test_what_a_store_calls_a_path_opens_nothing_else(store: Path, tmp_path: Path) -> None:
    """`--current` reads regular files of this folder, whatever is written in a store that came from elsewhere."""
    (tmp_path / "here").mkdir()
    secret = "def first():\n    token = 1\n    return token\n"
    (tmp_path / "secret.py").write_text(secret)
    os.mkfifo(tmp_path / "here" / "pipe.py")
    for name in ("../secret.py", str(tmp_path / "secret.py"), "here/../../secret.py", "pipe.py", "/dev/zero", "a\0b"):
        with opened(store) as connection:
            connection.execute("UPDATE source SET path = ? WHERE path NOT LIKE '%__init__.py'", (name,))
        with contextlib.chdir(tmp_path / "here"):
            ran = [run(*command, "--store", store) for command in CURRENT]
        assert [answered.status for answered in ran] == [0, 0], ran
        [file] = [file for file in ran[0].json["files"] if file["path"] == name]
        assert file["statements"] == 11
        assert "token" not in ran[1].out


CURRENT = (["report", "--current", "--format", "json"], ["show", "*", "--current"])


@pytest.mark.skipif(not HAS_MONITORING, reason="the settrace core sees nothing of a request that is not sampled")
def test_nothing_was_sampled(store: Path, tmp_path: Path) -> None:
    """What requests ran is told though none of them was counted; what needs counts says why there are none."""
    store.unlink()
    Project(tmp_path).ask("/a", sample=0)
    report = run("report", "--store", store, "--format", "json").json
    assert report["requests"] == 0
    assert [(file["statements"], file["missed"]) for file in report["files"]] == [(0, 0), (11, 6)]
    for form in ("lcov", "xml", "json", "coverage"):
        assert run("export", form, "-o", tmp_path / "out", "--store", store).status == 0
    for command in (["routes"], ["show", "/a"], ["line", "shop/web.py:2"], ["report", "--since", "7d"]):
        answered = run(*command, "--store", store)
        assert (answered.status, "was sampled yet; `reqcov report`" in answered.err) == (1, True), answered
    examined = run("doctor", "--store", store)
    assert (examined.status, "advice: No request has been sampled yet." in examined.out) == (0, True)


@pytest.mark.parametrize("table", ["text", "parsed"])
def test_a_text_that_would_fill_the_memory(store: Path, table: str) -> None:
    """A few kilobytes that stand for far more are not unpacked, nor is what was cut off: the store is damaged."""
    run("report", "--store", store)
    column = {"text": "content", "parsed": "code"}[table]
    for packed in (zlib.compress(bytes(MAX_TEXT + 1)), zlib.compress(b"a = 1")[:-1]):
        with opened(store) as connection:
            connection.execute(f"UPDATE {table} SET {column} = ?", (packed,))
        answered = run("report", "--store", store)
        assert (answered.status, "is damaged" in answered.err) == (1, True), answered


def test_what_no_reader_can_have_worked_out(store: Path) -> None:
    """A line of a number that would fill the memory, a function of no length, no JSON: the text is parsed anew."""
    told = run("report", "--store", store).out
    code = {"statements": "2", "excluded": "0", "continued": "0", "problem": None}
    for functions in ([["f", 1 << 40, 1 << 40, 1 << 40, "1"]], [["f", 2, 2, 1, "1"]], [["f"]], None):
        with opened(store) as connection:
            packed = zlib.compress(json.dumps(code | {"functions": functions}).encode() if functions else b"{")
            connection.execute("UPDATE parsed SET code = ?", (packed,))
        assert run("report", "--store", store).out == told
