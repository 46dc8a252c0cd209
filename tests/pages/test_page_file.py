"""The page of a file follows what is chosen, says who runs a line, and compares: with the numbers of the commands."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from reqcov.analysis.line import Line, line
from reqcov.analysis.source.masks import numbers
from reqcov.reports.text import percent, when
from tests.pages.browser import Look
from tests.pages.cart_site import (
    CART,
    CHOICES,
    CODE,
    LINES,
    MORE,
    PATH,
    At,
    Choice,
    counted,
    focused,
    hot,
    outline,
    panel,
    panels,
    query,
    shown,
    state,
)
from tests.pages.sites import Site
from tests.reading import run, viewed


@pytest.mark.parametrize("name", [*CHOICES, *MORE])
def test_heat_follows(at: At, name: str) -> None:
    """Each line, each function and the summary tell of the chosen requests what counting them one by one tells."""
    choice = {**CHOICES, **MORE}[name]
    page = at(f"?{query(choice)}")
    requests, by_line = counted(choice)
    expected = {number: hot(count, requests) for number, count in by_line.items()}
    if not choice:
        expected[LINES["return 3"]] = "seen ·"
    assert shown(page) == expected
    reached = [number for number in expected if not expected[number].startswith("never")]
    every, _ = counted({})
    who = f"{round(requests):,} of {round(every):,} requests chosen" if choice else f"All {round(every):,} requests"
    statements = f"{len(expected)} function statements of this file."
    assert page.inner_text("#told") == f"{who}; they ran {len(reached)} of {statements}"
    counts = {each.name: list(numbers(each.statements)) for each in CODE.functions}
    assert outline(page) == {
        name: (f"{len(set(own) & set(reached))}/{len(own)}" if set(own) & set(reached) else "never!") if own else ""
        for name, own in counts.items()
    }
    assert page.inner_text(f"#L{LINES['def hidden():  # pragma: no cover']} b") == "excl."
    assert page.inner_text(f"#L{LINES['def rare(value):']} b") == "import"


def test_counting_sees_everything() -> None:
    """The requests differ so much that no choice tells the same as another, and every heat is there."""
    told = {name: counted(choice) for name, choice in {**CHOICES, **MORE}.items()}
    same = {
        "every status": "everything",
        "no such value": "no such route",
        "a route and none": "a route",
        "either value": "both labels",
    }
    assert all(told[name] == told[other] for name, other in same.items())
    assert len({str(told[name]) for name in told.keys() - same.keys()}) == len(told) - len(same)
    heats = {hot(count, all_) for all_, lines in told.values() for count in lines.values()}
    assert {each.split()[-2] for each in heats} == {"h1", "h2", "h3", "h4", "h5", "never"}


def rows(answer: Line) -> list[list[Any]]:
    """What the panel has to say."""
    return [
        [
            row.route,
            [f"{key}={value}" for key, value in row.labels.items()],
            f"{row.requests:,}",
            percent(row.share),
            when(row.first_seen),
            when(row.last_seen),
        ]
        for row in answer.routes
    ]


@pytest.mark.parametrize("name", CHOICES)
def test_who_runs_it(at: At, site: Site, name: str) -> None:
    """Of every line the panel says what `reqcov line` says, in its order, with its words."""
    choice = CHOICES[name]
    page = at(f"?{query(choice)}")
    chosen = {
        "routes": tuple(choice.get("route", ())),
        "builds": tuple(choice.get("build", ())),
        "labels": tuple((key, value) for key, _, value in (each.partition("=") for each in choice.get("label", ()))),
    }
    if name == "either label":  # the commands have no word for that
        chosen["labels"] = (("tenant", "*"),)
    with viewed(site.store, **chosen) as view:
        answers = [line(view, PATH, number) for number in range(1, CART.count("\n") + 1)]
    for answer, said in zip(answers, panels(page, range(1, len(answers) + 1)), strict=True):
        inside = f" in {answer.function}" if answer.function else ""
        assert (said["title"], said["source"]) == (f"Line {answer.line}{inside}", answer.text.strip())
        assert said["tables"] == ([rows(answer)] if answer.routes else []), answer
        if answer.routes:
            some = f"{answer.requests:,} of {answer.watched:,} requests run it ({percent(answer.share)})."
            assert some in said["told"].replace("1 request run", "1 requests run")
        goes_on = f"Line {answer.asked} goes on with the statement that begins on line {answer.line}."
        assert (goes_on in said["told"]) == (answer.asked != answer.line)
    assert any(answer.routes for answer in answers) == any(counted(choice)[1].values())


@pytest.mark.parametrize("name", ["everything", "a build"])
def test_words(at: At, site: Site, name: str) -> None:
    """Where nobody runs a line the panel says why, as `reqcov line` does."""
    page = at(f"?{query(CHOICES[name])}")
    options = [word for build in CHOICES[name].get("build", ()) for word in ("--build", build)]
    said = set()
    for text in ("return 3", "return 4", "size = 3", "2)", 'are these."""', "return 2", "Neither"):
        number = LINES.get(text) or LINES['"""Neither']
        answered = run("line", f"{PATH}:{number}", "--store", site.store, *options)
        words = panels(page, [number])[0]["told"]
        assert words.split(". ")[-1] == answered.out.strip().splitlines()[-1].split(". ")[-1]
        said.add(words.split(". ")[-1])
    assert len(said) == 5


def test_words_of_some_requests(look: Look, site: Site, tmp_path: Path) -> None:
    """Pages of some requests tell, too, that others ran a line."""
    some = ["--store", site.store, "--route", "GET /quick"]
    assert run("html", *some, "-o", tmp_path / "html").status == 0
    page = look(f"{(tmp_path / 'html').as_uri()}/", site.page_of("file", "shop-cart.py"))
    for text, told in (
        ("return 3", "other requests did"),
        ("return 1", "other requests did"),
        ("return 4", "No request"),
    ):
        answered = run("line", f"{PATH}:{LINES[text]}", *some)
        (said,) = panels(page, [LINES[text]])
        assert said["told"] == answered.out.strip().splitlines()[-1]
        assert told in said["told"]


SIDES = [
    ("route:GET /carts", "route:POST /rare", {}),
    ("build:1.0", "build:2.0", {"status": ["2xx"]}),
    ("label:tenant=acme", "label:tenant=globex", {}),
    ("build:2.0", "route:GET /nowhere", {}),
]


@pytest.mark.parametrize(("left", "right", "choice"), SIDES, ids=["routes", "builds", "labels", "nowhere"])
def test_compare(at: At, left: str, right: str, choice: Choice) -> None:
    """Lines that only one side ran, both, or none, with letters; the other choices hold for both sides."""
    page = at(f"?{query({'left': [left], 'right': [right], **choice})}")
    ran_by = []
    for side in (left, right):
        kind, _, name = side.partition(":")
        of_side = {**choice, kind: [name]}
        ran_by.append((counted(of_side)[0], counted(of_side)[1]))
    words = {(0, 0): "never never", (1, 0): "left L", (0, 1): "right R", (1, 1): "both B"}
    expected = {
        number: words[bool(ran_by[0][1][number]), bool(ran_by[1][1][number])]  # type: ignore[index]
        for number in ran_by[0][1]
    }
    assert shown(page) == expected
    told = [sum(each == word for each in expected.values()) for word in ("left L", "right R", "both B", "never never")]
    assert page.inner_text("#told") == (
        f"Of {len(expected)} function statements, {told[0]} ran only left, {told[1]} only right, "
        f"{told[2]} on both sides, {told[3]} never."
    )
    legend = page.locator("#sides li").all_inner_texts()
    assert f"{round(ran_by[0][0]):,} request" in legend[0]
    assert ("is not there" in legend[1]) == ("nowhere" in right)
    assert page.locator(".reading > .legend").is_hidden()
    differing = [number for number, told in expected.items() if told in ("left L", "right R")]
    if differing:
        page.click("h1")
        page.keyboard.press("n")
        assert int(focused(page)) == differing[0]
        page.keyboard.press("Enter")
        said = panel(page)["told"]
        for side, (requests, by_line) in zip((left, right), ran_by, strict=True):
            if by_line[differing[0]]:
                assert f"{side.replace(':', ' ', 1)}: {round(by_line[differing[0]]):,} of {round(requests):,} " in said
        assert len(panel(page)["tables"]) == 1
    page.get_by_role("button", name="Back to heat").click()
    assert state(page) == choice
    if choice:
        assert shown(page) == {number: hot(count, counted(choice)[0]) for number, count in counted(choice)[1].items()}
    assert page.locator("#sides").is_hidden()
    assert page.locator(".reading > .legend").is_visible()
