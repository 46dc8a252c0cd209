"""`dedupe` keeps every line with the fewest tests, and judges nothing that isn't known."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reqcov.analysis.dedupe import Dedupe, dedupe
from reqcov.store.model import OTHER, UNREAD, Run
from reqcov.store.outcomes import keep
from tests.behaving import Requests, fill
from tests.reading import add, hit, run, viewed

FUNCTIONS = 6

TEXT = "import os\n" + "".join(f"def f{n}():\n    {n}\n" for n in range(FUNCTIONS))


def line(function: int) -> int:
    """Of the one statement of a function."""
    return 3 + 2 * function


def ran(functions: Iterable[int]) -> set[int]:
    return {line(each) for each in functions}


def of_test(name: str, functions: Iterable[int], **values: Any) -> Requests:
    values = {"route": f"/{name}", **values}
    return Requests(lines=ran(functions), labels={"test": name}, **values)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "reqcov.sqlite3"


def answer(store: Path, *arguments: object) -> Any:
    answered = run("dedupe", "--store", store, "--format", "json", *arguments)
    assert answered.status == 0, answered.err
    return answered.json


def names(rows: Any) -> list[str]:
    return [row["name"] for row in rows]


sets_of_functions = st.sets(st.integers(0, FUNCTIONS - 1), max_size=4)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(sets_of_functions, min_size=1, max_size=2), min_size=1, max_size=6), st.data())
def test_by_force(tests: list[list[set[int]]], data: st.DataObject) -> None:
    """Of random tests the fewest are kept that there can be, and every number is what counting gives."""
    by = data.draw(st.sampled_from(["lines", "footprint"]))
    requests = [
        of_test(f"t{number}", functions, count=2)
        for number, of_one in enumerate(tests)
        for functions in {frozenset(each) for each in of_one}
    ]
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "store"
        fill(store, "A", TEXT, [*requests, Requests("/", ran(range(FUNCTIONS)))])
        with viewed(store) as view:
            found = dedupe(view, by=by)
    sets = {
        f"t{number}": {frozenset(each) for each in of_one} if by == "footprint" else set().union(*of_one)
        for number, of_one in enumerate(tests)
    }
    everything = set().union(*sets.values())
    few = next(n for n in range(7) for some in combinations(sets.values(), n) if set().union(*some) == everything)
    kept = [row.name for row in found.kept]
    assert (found.of, found.before, found.total) == ("tests", len(sets), len(everything))
    assert set().union(*(sets[name] for name in kept)) == everything
    assert len(kept) == found.after == found.at_least == few
    assert found.smallest
    assert sorted([*kept, *(row.name for row in found.redundant)]) == sorted(sets)
    so_far: set[Any] = set()
    for row in found.kept:
        own = sets[row.name]
        assert (row.size, row.adds) == (len(own), len(own - so_far))
        so_far |= own
        assert row.share == pytest.approx(len(so_far) / len(everything))
        alone = own.difference(*(sets[name] for name in kept if name != row.name))
        assert row.alone == len(alone) > 0
        assert row.unique == len(own.difference(*(sets[name] for name in sets if name != row.name)))
        if by == "lines":
            assert [number for part in row.functions for number in part.lines] == sorted(map(line, alone))
        assert row.routes == [f"/{row.name}".replace("/", "GET /")]
    assert [row.adds for row in found.kept] == sorted((row.adds for row in found.kept), reverse=True)
    for less in found.redundant:
        assert less.size == len(sets[less.name])
        assert sets[less.name] <= set().union(*(sets[name] for name in less.covered_by))
        assert set(less.covered_by) <= set(kept)
    assert found.requests == sum(each.count for each in requests)
    assert found.requests_after == sum(row.requests for row in found.kept)


def test_what_cannot_be_judged_is_set_aside(store: Path) -> None:
    """Tests that did not pass, or of which something isn't known, cover nothing, and are neither kept nor redundant."""
    unknown = {
        "failed": "it failed",
        "unfinished": "it did not finish",
        "skipped": "it was skipped",
        "sampled": "not all of its requests were sampled",
        "cut": "a request was cut short: not all of its lines were seen",
        "crowded": "a request behaved in a way that the store had no room for",
        OTHER: "it stands for the tests that the store had no room for",
        "x" * 1000: "its name was cut off, so it may be several",
    }
    requests = [of_test(name, {1}, weight=4.0 if name == "sampled" else 1.0) for name in unknown]
    fill(store, "A", TEXT, [*requests, of_test("passed", {0}), of_test("untold", {0, 2}, count=3)])
    labels = {name: f'{{"test": "{name}"}}' for name in ("cut", "crowded")}
    add(store, [(hit("/", UNREAD, labels=labels["cut"]), 1), (hit("/", OTHER, labels=labels["crowded"]), 1)])
    outcomes = {"failed": "failed", "unfinished": None, "skipped": "skipped", "passed": "passed"}
    keep(store, [(name, Run(outcome, 1.0, 2.0 if outcome else None)) for name, outcome in outcomes.items()])
    found = answer(store)
    assert {row["name"]: row["reason"] for row in found["aside"]} == unknown
    assert (names(found["kept"]), names(found["redundant"]), found["total"]) == (["untold"], ["passed"], 2)
    keep(store, [("failed", Run("passed", 3.0, 4.0))])
    found = answer(store)
    assert (names(found["kept"]), found["total"]) == (["untold", "failed"], 3)


def test_what_is_preferred(store: Path) -> None:
    """Of those that run the same: the test with fewer requests, the route and the behaviour with more."""
    many, few = of_test("many", {0}, count=5, route="/a"), of_test("few", {0}, count=2, route="/b")
    fill(store, "A", TEXT, [many, few])
    assert (names(answer(store)["kept"]), names(answer(store)["redundant"])) == (["few"], ["many"])
    assert names(answer(store, "--of", "routes")["kept"]) == ["GET /a"]
    fill(store, "B", TEXT.replace("import os", "\nimport os"), [Requests("/a", {line(0) + 1}, count=9)])
    with viewed(store) as view:
        most = max(view.hits, key=lambda each: each.requests)
        found = dedupe(view, "requests", "footprint")
        assert [row.name for row in found.kept] == [view.codebase.address(most.footprint)]
        assert [(row.size, row.routes) for row in found.redundant] == [(1, ["GET /a", "GET /b"])]


def test_without_tests_it_is_routes(store: Path) -> None:
    """Routes are looked at where no request has the label; whoever asks for tests is told so."""
    fill(store, "A", TEXT, [Requests("/a", ran({0, 1})), Requests("/b", ran({1})), Requests("/c", ran({2}))])
    found = answer(store)
    assert (found["of"], names(found["kept"]), names(found["redundant"])) == (
        "routes",
        ["GET /a", "GET /c"],
        ["GET /b"],
    )
    told = run("dedupe", "--of", "tests", "--store", store)
    assert (told.status, told.out) == (1, "")
    assert "No request that was asked for has the label test=...; compare --of routes or --of requests." in told.err


def test_arcs(store: Path) -> None:
    """Tests that run the same lines by other ways are told apart by arcs; those without any are set aside."""
    text = "def f(a):\n    if a:\n        1\n    if a:\n        2\n    return 3\n"
    both, second, first = ({1, 2, 3, 4, 5, 6}, [(2, 3), (3, 4), (4, 5), (5, 6)]), ({2, 4, 5, 6}, []), ({2, 3, 4, 6}, [])
    second[1].extend([(2, 4), (4, 5), (5, 6)])
    first[1].extend([(2, 3), (3, 4), (4, 6)])
    requests = [
        Requests("/", lines, labels={"test": name}, arcs=[(-1, 2), *arcs, (6, -1)])
        for name, (lines, arcs) in {"both": both, "second": second, "first": first}.items()
    ]
    fill(store, "A", text, requests)
    assert names(answer(store)["kept"]) == ["both"]
    found = answer(store, "--by", "arcs")
    assert (sorted(names(found["kept"])), names(found["redundant"]), found["total"]) == (
        ["first", "second"],
        ["both"],
        8,
    )
    lost = {row["name"]: row["functions"][0]["lines"] for row in found["kept"]}
    assert lost == {"first": [3, 4, 6], "second": [4, 5, 6]}
    fill(store, "A", text, [Requests("/", {2, 3}, labels={"test": "plain"})])
    found = answer(store, "--by", "arcs")
    assert found["aside"] == [{"name": "plain", "reason": "not all of its requests were recorded with arcs"}]


def test_no_arcs_at_all(store: Path) -> None:
    """Whoever asks for arcs where none were recorded is told how to record them."""
    fill(store, "A", TEXT, [of_test("one", {0})])
    told = run("dedupe", "--by", "arcs", "--store", store)
    assert (told.status, told.out) == (1, "")
    assert "record with branch=True, or leave --by out" in told.err


def test_files_for_other_tools(store: Path, tmp_path: Path) -> None:
    """One name a line, whatever is in it; what is set aside is in neither file."""
    odd = "tests/test_a.py::test_b[x\ny \x1b[2J]"
    fill(
        store, "A", TEXT, [of_test(odd, {0}, route="/"), of_test("t1", {1, 2}), of_test("t2", {2}), of_test("t3", {1})]
    )
    keep(store, [("t3", Run("failed", 1.0, 2.0))])
    kept, less = tmp_path / "kept.txt", tmp_path / "less.txt"
    told = run("dedupe", "--store", store, "-o", kept, "--redundant", less)
    assert kept.read_text() == "t1\ntests/test_a.py::test_b[x\\ny \\x1b[2J]\n"
    assert less.read_text() == "t2\n"
    assert "\x1b" not in told.out
    assert told.out.startswith("2 of 3 tests cover all 3 lines; 1 other adds nothing.\nNo fewer do.\n")
    assert run("dedupe", "--store", store, "-o", tmp_path).status == 1


def test_only_what_was_chosen_counts(store: Path) -> None:
    """With `--route` a test is judged by its requests to that route alone."""
    fill(store, "A", TEXT, [of_test("one", {0}, route="/a"), of_test("one", {1}, route="/b"), of_test("two", {0, 2})])
    assert sorted(names(answer(store)["kept"])) == ["one", "two"]
    found = answer(store, "--route", "/a")
    assert (names(found["kept"]), found["total"]) == (["one"], 1)


def test_a_deploy(store: Path) -> None:
    """What ran in an older build counts on the lines of the newest; what was lost with changed functions is told."""
    fill(store, "A", TEXT, [of_test("old", {0, 1}), of_test("both", {0})])
    fill(store, "B", TEXT.replace("import os", "\n\nimport os").replace("    1\n", "    11\n"), [])
    found = answer(store)
    assert (names(found["kept"]), names(found["redundant"]), found["dropped"]) == (["both"], ["old"], 1)
    assert found["kept"][0]["functions"][0]["lines"] == [line(0) + 2]
    assert "dropped: lines of older versions" in run("dedupe", "--store", store).out


def test_nothing_can_be_judged(store: Path) -> None:
    """Where all tests are set aside, one of the reasons is told."""
    fill(store, "A", TEXT, [of_test("one", {0})])
    keep(store, [("one", Run("failed", 1.0, 2.0))])
    told = run("dedupe", "--store", store)
    assert (told.status, "of one, it failed." in told.err) == (1, True), told.err


def test_the_answer_is_a_value(store: Path) -> None:
    """The same store gives the same answer."""
    fill(store, "A", TEXT, [of_test(f"t{n}", {n % 3, n % 4}) for n in range(9)])
    with viewed(store) as view, viewed(store) as again:
        assert isinstance(dedupe(view), Dedupe)
        assert dedupe(view) == dedupe(again)


def test_problems_are_told(store: Path) -> None:
    """A file that can't be parsed is named: nobody covers any of it."""
    fill(store, "A", "print 'old'\n", [of_test("one", {0})])
    found = answer(store)
    assert ("can't parse it" in found["problems"]["shop/m.py"], found["total"]) == (True, 0)
    assert "shop/m.py: Python 3" in run("dedupe", "--store", store).out
