"""`diff` tells what differs between two builds, labels or spans of time, and calls nothing new that is as it was."""

from __future__ import annotations

import tempfile
from collections import Counter, defaultdict
from collections.abc import Mapping
from math import sqrt
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reqcov.analysis.diff import beyond_chance, diff
from reqcov.analysis.sides import sides
from reqcov.analysis.view import Chosen
from reqcov.store.model import UNREAD
from reqcov.store.reading import reading
from tests.behaving import Requests, fill
from tests.reading import Project, add, hit, run
from tests.test_answers_deploy import CART, MOVED, WEB

ROUTES = ["/a", "/b", "/c"]

Version = Mapping[str, int]
"""By the name of each function in their order, a constant in it: another one is another text."""

Ran = frozenset[tuple[str, int]]
"""Names of functions, and which of their two statements."""


def text(version: Version) -> str:
    return "".join(f"def {name}():\n    {number}\n    0\n\n" for name, number in version.items())


def line(version: Version, name: str, statement: int) -> int:
    return 4 * list(version).index(name) + 2 + statement


@st.composite
def versions(draw: st.DrawFn) -> Version:
    names = draw(st.permutations("fghi"))[: draw(st.integers(2, 4))]
    return {name: draw(st.sampled_from([1, 1, 1, 2])) for name in names}


@st.composite
def traffic(draw: st.DrawFn, version: Version) -> list[tuple[str, Ran, int]]:
    """Routes, what ran, how often."""
    ran = st.frozensets(st.tuples(st.sampled_from(sorted(version)), st.integers(0, 1)), max_size=3)
    some = st.tuples(st.sampled_from(ROUTES), ran, st.sampled_from([1, 5, 40, 300]))
    return draw(st.lists(some, min_size=1, max_size=7))


def changed(share_a: float, n_a: int, share_b: float, n_b: int, over: float) -> str:
    """By the textbook: the difference, in standard errors of what two samples of one population differ by."""
    if not share_a or not share_b:
        return "vanished" if share_a else "appeared"
    p = (share_a * n_a + share_b * n_b) / (n_a + n_b)
    error = sqrt(p * (1 - p) / n_a + p * (1 - p) / n_b)
    return "shifted" if abs(share_a - share_b) > max(over, 2.576 * error) else "same"


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_by_force(data: st.DataObject) -> None:
    """Of random builds and requests, every route, behaviour and line is told as counting tells it."""
    one, two = data.draw(versions()), data.draw(versions())
    of_a, of_b = data.draw(traffic(one)), data.draw(traffic(two))
    over = data.draw(st.sampled_from([0.0, 0.05, 0.3]))
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "store"
        for build, version, some in (("1", one, of_a), ("2", two, of_b)):
            fill(store, build, text(version), [Requests(r, [line(version, *x) for x in ran], n) for r, ran, n in some])
        with reading(store) as reader:
            views = sides(reader, Chosen(), Chosen(builds=("1",)), Chosen(builds=("2",)))
            found = diff(*views, names=(("1", "build"), ("2", "build")), over=over)
    # A side that ran nothing of the file has no version of it to compare with.
    known = [any(ran for _, ran, _ in some) for some in (of_a, of_b)]
    same = {name for name in two if one.get(name) == two[name] or not known[0]}

    def seen(ran: Ran) -> tuple[Ran, frozenset[str]]:
        return frozenset(x for x in ran if x[0] in same), frozenset(name for name, _ in ran if name not in same)

    assert {row.route for row in found.routes} == {f"GET {route}" for route, _, _ in [*of_a, *of_b]}
    total = sum(n for *_, n in of_a), sum(n for *_, n in of_b)
    for row in found.routes:
        counts = tuple(Counter[Any]() for _ in "ab")
        for counter, some in zip(counts, (of_a, of_b), strict=True):
            for route, ran, n in some:
                counter[seen(ran)] += n if f"GET {route}" == row.route else 0
        here = counts[0].total(), counts[1].total()
        assert (row.requests_a, row.requests_b) == here
        assert (row.share_a, row.share_b) == pytest.approx((here[0] / total[0], here[1] / total[1]))
        assert row.change == changed(row.share_a, total[0], row.share_b, total[1], over)
        expected, alike = Counter[Any](), 0
        for key in {key for counter in counts for key in counter if counter[key]}:
            shares = [counter[key] / n if n else 0.0 for counter, n in zip(counts, here, strict=True)]
            change = changed(shares[0], here[0], shares[1], here[1], over)
            alike += change == "same"
            expected[change, counts[0][key], counts[1][key]] += change != "same"
        assert Counter((each.change, each.requests_a, each.requests_b) for each in row.behaviours) == +expected
        assert row.same == alike
    assert [abs(row.share_b - row.share_a) for row in found.routes] == sorted(
        (abs(row.share_b - row.share_a) for row in found.routes), reverse=True
    )
    assert {(row.name, row.ran_in, row.text, tuple(row.lines)) for row in found.functions} == set(
        functions(one, two, same, [frozenset().union(*(ran for _, ran, _ in some)) for some in (of_a, of_b)])
    )


def functions(one: Version, two: Version, same: set[str], ran: list[Ran]) -> Any:
    """What ran on one side only."""
    only: dict[tuple[str, str], list[int]] = defaultdict(list)
    for side, some, others in (("a", *ran), ("b", *reversed(ran))):
        for name, statement in sorted(some - others):
            if name in same:
                only[name, side].append(line(two, name, statement))
    for (name, side), lines in only.items():
        yield name, side, "unchanged", tuple(lines)
    for name in {name for name, _ in ran[0] | ran[1]} - same:
        sides_of = "".join(side for side, some in zip("ab", ran, strict=True) if any(name == x for x, _ in some))
        version, some = (two, ran[1]) if "b" in sides_of else (one, ran[0])
        lines = sorted(line(version, *x) for x in some if x[0] == name) if len(sides_of) == 1 else []
        kind = "changed" if name in one and name in two else "added" if name in two else "removed"
        yield name, "both" if len(sides_of) == 2 else sides_of, kind, tuple(lines)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("sys.dont_write_bytecode", True)
    made = Project(tmp_path)
    made.deploy(web=WEB, cart=CART, __init__="")
    return made


def ask(store: Path, *arguments: object) -> Any:
    answered = run("diff", *arguments, "--store", store, "--format", "json")
    assert answered.status == 0, answered.err
    return answered.json


def test_a_deploy_changes_nothing_by_itself(project: Project) -> None:
    """Of a function that moved and one that was rewritten, behaviours are what they were; that it changed is told."""
    project.ask("/total", "/tax", build="A")
    project.deploy(cart=MOVED)
    project.ask("/total", "/tax", build="B")
    found = ask(project.store, "A", "B")
    assert [(row["change"], row["behaviours"], row["same"]) for row in found["routes"]] == [("same", [], 1)] * 2
    (tax,) = found["functions"]
    assert (tax["name"], tax["ran_in"], tax["text"], tax["lines"]) == ("tax", "both", "changed", [])
    told = run("diff", "A", "B", "--store", project.store).out
    assert "2 routes with about the same share." in told
    assert told.splitlines()[-1].split() == ["tax", "changed"]


def test_what_a_deploy_brings(project: Project) -> None:
    """A route, a behaviour and lines that only the new build has are told, in the text that it has."""
    project.ask("/total", "/tax", build="A")
    project.deploy(cart=MOVED.replace("    return found\n", "    return unused() and found\n"))
    project.ask("/total", "/", build="B")
    found = ask(project.store, "A", "B")
    changes = {row["route"]: row["change"] for row in found["routes"]}
    assert changes == {"GET /total": "same", "GET /tax": "vanished", "GET /": "appeared"}
    lines = project.lines("shop/cart.py")
    told = {row["name"]: (row["ran_in"], row["text"], row["lines"]) for row in found["functions"]}
    assert told["unused"] == ("b", "unchanged", [lines['return "never"']])
    assert told["total"] == ("both", "changed", [])
    assert told["tax"] == ("a", "changed", [10, 11])
    (total,) = (row for row in found["routes"] if row["route"] == "GET /total")
    assert sorted(row["change"] for row in total["behaviours"]) == ["appeared", "vanished"]
    more = {row["change"]: [each["name"] for each in row["more"]] for row in total["behaviours"]}
    fewer = {row["change"]: [each["name"] for each in row["fewer"]] for row in total["behaviours"]}
    assert sorted([*more.values(), *fewer.values()]) == [[], [], [], ["unused"]]
    (tax,) = (row for row in found["routes"] if row["route"] == "GET /tax")
    assert tax["functions"] == []


def test_labels_and_days(tmp_path: Path) -> None:
    """Sides are labels, which may be globs, or days in UTC with both ends in; what is on both is counted."""
    store, body = tmp_path / "store", text({"f": 1, "g": 1})
    some = [
        Requests("/a", {2}, 10, {"tenant": "acme"}, day=20_000),
        Requests("/a", {6}, 20, {"tenant": "globex"}, day=20_001),
        Requests("/b", {6}, 40, {"tenant": "globex"}, day=20_002),
    ]
    fill(store, "v1", body, some)
    first, second, third = "2024-10-04", "2024-10-05", "2024-10-06"
    for a, b, kind, requests, both in (
        ("tenant=acme", "tenant=globex", "label", (10, 60), 0),
        ("tenant=acme", "tenant=*", "label", (10, 70), 10),
        (f"{first}..{first}", f"{second}..", "days", (10, 60), 0),
        (f"..{second}", f"{second}..{third}", "days", (30, 60), 20),
        ("..7d", f"{third}..7d", "days", (70, 40), 40),
        ("v1", "v*", "build", (70, 70), 70),
    ):
        found = ask(store, a, b)
        assert [(found[side]["name"], found[side]["kind"]) for side in "ab"] == [(a, kind), (b, kind)]
        assert (found["a"]["requests"], found["b"]["requests"], found["both"]) == (*requests, both), (a, b)
    found = ask(store, "tenant=acme", "tenant=globex")
    assert {row["name"]: (row["ran_in"], row["lines"]) for row in found["functions"]} == {
        "f": ("a", [2]),
        "g": ("b", [6]),
    }
    narrowed = ask(store, "tenant=acme", "tenant=globex", "--route", "/a", "--until", second)
    assert [(row["route"], row["share_b"]) for row in narrowed["routes"]] == [("GET /a", 1.0)]
    assert ask(store, "tenant=acme", "tenant=globex", "--route", "/a")["routes"][0]["share_b"] == pytest.approx(1 / 3)
    assert ask(store, "tenant=globex", "tenant=acme", "--route", "/a")["routes"][0]["share_a"] == pytest.approx(1 / 3)
    assert "Nothing differs." in run("diff", "v1", "v1", "--store", store).out


def test_names_that_may_be_several_things(tmp_path: Path) -> None:
    """What is the name of a build is that build, also with `=`, dots or stars in it; which kind it was is told."""
    store, body = tmp_path / "store", text({"f": 1})
    for count, build in enumerate(("release=1", "7d..", "v[1]", "v1", "1..2"), 1):
        fill(store, build, body, [Requests("/a", {2}, count, {"release": "1"})])
    for name, requests in (("release=1", 1), ("7d..", 2), ("v[1]", 3), ("v1", 4), ("1..2", 5), ("1..?", 5)):
        found = ask(store, name, "release=*")
        assert (found["a"]["kind"], found["a"]["requests"]) == ("build", requests)
        assert (found["b"]["kind"], found["b"]["requests"]) == ("label", 15)
        assert f"A: build {name}" in run("diff", name, "release=*", "--store", store).out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("A", "v2"), "No build is called 'A'; there are 'v1', 'v2'."),
        (("v2", "v3"), "No build is called 'v3'; did you mean "),
        (("tenant=acme", "v1"), "No request fits the label 'tenant=acme'; widen that, or the other choices."),
        (("v1", "1d.."), "No request fits the days '1d..'; widen that, or the other choices."),
        (("v1", "v2", "--label", "x=y"), "No request fits the build 'v1'; widen that, or the other choices."),
        (("v1", "v2", "--route", "/b"), "No route fits '/b'; `reqcov routes` lists them."),
        (("2024-13-01..", "v1"), "'2024-13-01' is neither a date"),
    ],
)
def test_a_side_without_requests(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    """One sentence says which side holds nothing, and what to do."""
    store = tmp_path / "store"
    for build in ("v1", "v2"):
        fill(store, build, text({"f": 1}), [Requests("/a", {2})])
    told = run("diff", *arguments, "--store", store)
    assert (told.status in (1, 2), told.out) == (True, "")
    assert said in " ".join(told.err.split())


def test_requests_whose_behaviour_is_not_known(tmp_path: Path) -> None:
    """They count for routes, are told, and shift no share of the behaviours that are known."""
    store = tmp_path / "store"
    for build in ("v1", "v2"):
        fill(store, build, text({"f": 1}), [Requests("/a", {2}, 50), Requests("/a", {3}, 50)])
    add(store, [(hit("/a", UNREAD), 300)], name="cut", build="v2")
    found = ask(store, "v1", "v2")
    assert (found["a"]["unknown"], found["b"]["unknown"], found["b"]["requests"]) == (0, 300, 400)
    assert [(row["behaviours"], row["same"]) for row in found["routes"]] == [([], 2)]
    assert "of 300 requests it isn't known what they ran" in run("diff", "v1", "v2", "--store", store).out


def test_problems_are_told(tmp_path: Path) -> None:
    """A file that can't be parsed is named."""
    store = tmp_path / "store"
    for build in ("v1", "v2"):
        fill(store, build, "print 'old'\n", [Requests("/a", {1})])
    assert "can't parse it" in ask(store, "v1", "v2")["problems"]["shop/m.py"]
    assert "shop/m.py: Python 3" in run("diff", "v1", "v2", "--store", store).out


@pytest.mark.parametrize(
    ("a", "of_a", "b", "of_b", "sure"),
    [
        (38, 200, 35, 200, False),
        (0, 3, 3, 3, False),
        (0, 5, 5, 5, True),
        (10, 1000, 30, 1000, True),
        (1, 100, 3, 100, False),
        (5, 5, 7, 7, False),
    ],
)
def test_chance(a: int, of_a: int, b: int, of_b: int, sure: bool) -> None:
    """Few requests prove little; both ways round."""
    assert beyond_chance(a / of_a, of_a, b / of_b, of_b) is sure
    assert beyond_chance(b / of_b, of_b, a / of_a, of_a) is sure


def test_a_changed_function_that_only_the_first_side_ran(tmp_path: Path) -> None:
    """It is called changed, and not removed, also where the other side ran nothing of the file."""
    store = tmp_path / "store"
    fill(store, "v1", text({"f": 1, "g": 1}), [Requests("/a", {2, 6})])
    fill(store, "v2", text({"f": 2}), [Requests("/a", [])])
    found = ask(store, "v1", "v2")
    assert {row["name"]: (row["ran_in"], row["text"], row["lines"]) for row in found["functions"]} == {
        "f": ("a", "changed", [2]),
        "g": ("a", "removed", [6]),
    }


def test_a_deploy_on_both_sides(tmp_path: Path) -> None:
    """Where both sides are of the same builds, what changed between these is no difference between the sides."""
    store = tmp_path / "store"
    for build, constant in (("v1", 1), ("v2", 2)):
        some = [Requests("/a", {2, 3}, 5, {"tenant": tenant}) for tenant in ("acme", "globex")]
        fill(store, build, text({"f": constant}), some)
    assert "Nothing differs." in run("diff", "tenant=acme", "tenant=globex", "--store", store).out
    assert [row["text"] for row in ask(store, "v1", "v2")["functions"]] == ["changed"]


def test_the_code_is_that_of_the_second_side(tmp_path: Path) -> None:
    """Lines are told where they stand in B, also where A is the newer one."""
    store = tmp_path / "store"
    fill(store, "v1", text({"f": 1, "g": 1}), [Requests("/a", {2, 6})])
    fill(store, "v2", text({"g": 1, "f": 1}), [Requests("/a", {2})])
    assert [(row["name"], row["lines"]) for row in ask(store, "v1", "v2")["functions"]] == [("f", [6])]
    assert [(row["name"], row["lines"]) for row in ask(store, "v2", "v1")["functions"]] == [("f", [2])]


def test_few_requests_shift_nothing(tmp_path: Path) -> None:
    """The same shares are told of many requests, and not of a few."""
    store = tmp_path / "store"
    for build, times in (("few", 1), ("many", 100)):
        labels = [{"tenant": f"{build} {side}"} for side in "ab"]
        some = [(2, 4, labels[0]), (6, 6, labels[0]), (2, 6, labels[1]), (6, 4, labels[1])]
        fill(store, build, text({"f": 1, "g": 1}), [Requests("/a", {n}, times * count, by) for n, count, by in some])
    few, many = (ask(store, f"tenant={build} a", f"tenant={build} b")["routes"][0] for build in ("few", "many"))
    assert (few["same"], few["behaviours"]) == (2, [])
    assert [(row["change"], row["share_a"], row["share_b"]) for row in many["behaviours"]] in (
        [("shifted", 0.4, 0.6), ("shifted", 0.6, 0.4)],
        [("shifted", 0.6, 0.4), ("shifted", 0.4, 0.6)],
    )
