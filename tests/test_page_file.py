"""The page of a file follows what is chosen, says who runs a line, and compares: with the numbers of the commands."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from playwright.sync_api import Page

from reqcov.analysis.code import parse
from reqcov.analysis.line import Line, line
from reqcov.analysis.masks import numbers, of
from reqcov.reports.text import percent, when
from tests import hostile_store
from tests.browser import NARROW, Look, browser, look, overhanging, violations  # noqa: F401
from tests.reading import run, viewed
from tests.sites import Site
from tests.stores import DAY, TODAY, Request, Server

CART = '''\
"""The first lines of this
are no statement."""


def outer(value):
    """Neither
    are these."""
    def inner(first,
              second=None):
        return (first,
                second)

    class Local:
        size = 3

        def method(self): return inner(1)

    if value:
        return Local().method()
    return inner(
        value,
    )


KEY = lambda value: (
    value)


def hidden():  # pragma: no cover
    return (1,
            2)


def rare(value):
    if value is None:
        return 1
    return 2


def unsampled():
    return 3


def alone():
    return 4
'''

LINES = {text.strip(): number for number, text in enumerate(CART.splitlines(), 1)}
"""By their text, less what is around it, the numbers of the lines; the last of equal ones."""

PATH = "shop/cart.py"


def ran(*texts: str) -> tuple[tuple[str, frozenset[int]], ...]:
    return ((PATH, frozenset(LINES[text] for text in texts)),)


SMALL = ran("def inner(first,", "class Local:", "if value:", "value,")
OUTER = ran("def inner(first,", "class Local:", "return (first,", "def method(self): return inner(1)")
RARE = ran("return 1", "value)", "second)")

WHEN = TODAY * DAY + 3_600.0


def times(count: int, *place: Any, **values: Any) -> list[Request]:
    """Requests that are alike, a minute apart."""
    return [Request(*place, when=WHEN + 60 * each, **values) for each in range(count)]


OLD = [
    *times(7, "/carts", SMALL),
    *times(3, "/carts", OUTER, status=5, labels=(("tenant", "acme"),)),
    *times(2, "/carts", (), status=4, labels=(("tenant", "acme"), ("test", "a=b&c"))),
    *times(2, "/rare", RARE, weight=0.25),
    *times(4, "/quick", (), weight=1000.0),
]
NEW = [
    *times(5, "/carts", OUTER, labels=(("tenant", "globex"),)),
    *times(4, "/carts", SMALL, labels=(("a-b", "1"),)),
    *times(4, "/carts", SMALL, labels=(("a", "1"),)),
    *times(1, "/rare", RARE, method="POST", weight=2.5),
    *times(1, "/rare", RARE, status=0, weight=0.25),
]
"""Estimates that are no whole numbers, among them such as are to be rounded half to even; and labels whose order is not
that of their text."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """Of a file with lines of all kinds, two builds that do not differ, and requests that differ in everything."""
    folder = tmp_path_factory.mktemp("cart")
    project = hostile_store.Project(folder, {PATH: CART.encode()})
    store = folder / "reqcov.sqlite3"
    first = Server(project, "a", build="1.0")
    first.seen[project.sources[PATH]] = 1 << LINES["return 3"]
    first.serve(store, *OLD)
    Server(project, "b", build="2.0").serve(store, *NEW)
    assert run("html", "--store", store, "-o", folder / "html").status == 0
    return Site(store, folder / "html")


Choice = Mapping[str, list[str]]

CHOICES: dict[str, Choice] = {
    "everything": {},
    "a route": {"route": ["GET /carts"]},
    "routes": {"route": ["GET /rare", "POST /rare"]},
    "a little": {"route": ["GET /quick", "POST /rare"]},
    "either label": {"label": ["tenant=acme", "tenant=globex"]},
    "both labels": {"label": ["tenant=acme", "test=a=b&c"]},
    "a build": {"build": ["2.0"]},
    "this and that": {"route": ["GET /carts", "GET /rare"], "label": ["tenant=globex"], "build": ["2.0"]},
}
"""Such as the commands know."""

MORE: dict[str, Choice] = {
    "statuses": {"status": ["5xx", "none"]},
    "a status": {"status": ["2xx"], "route": ["GET /carts"], "build": ["1.0"]},
    "every status": {"status": ["2xx", "4xx", "5xx", "none"]},
    "no such route": {"route": ["GET /nowhere"]},
    "a route and none": {"route": ["GET /nowhere", "GET /carts"]},
    "no such value": {"label": ["tenant=acme", "test=none"]},
}

CODE = parse(CART)
FUNCTIONS = [each.name for each in CODE.functions]


def fits(build: str, request: Request, choice: Choice) -> bool:
    """Whether a request is chosen."""
    labels = {f"{key}={value}" for key, value in request.labels}
    own = {
        "route": {f"{request.method} {request.route}"},
        "build": {build},
        "status": {f"{request.status}xx" if request.status else "none"},
    }
    for key in {name.partition("=")[0] for name in choice.get("label", ())}:
        own[f"label {key}"] = labels
        choice = {**choice, f"label {key}": [name for name in choice["label"] if name.partition("=")[0] == key]}
    return all(own[kind].intersection(names) for kind, names in choice.items() if kind != "label")


def counted(choice: Choice) -> tuple[float, dict[int, float]]:
    """How many requests are chosen, and by function statement how many of them ran it, counted one by one."""
    all_requests, by_line = 0.0, dict.fromkeys(numbers(CODE.in_functions), 0.0)
    for build, requests in (("1.0", OLD), ("2.0", NEW)):
        for request in requests:
            if fits(build, request, choice):
                all_requests += request.weight
                lines = CODE.translate(of(dict(request.ran).get(PATH, ())))
                for number in numbers(lines & CODE.in_functions):
                    by_line[number] += request.weight
    return all_requests, by_line


def shown(page: Page) -> dict[int, str]:
    """By the number of a line its classes and what stands beside it; of lines of functions only."""
    rows = page.eval_on_selector_all(
        ".source > .l", "all => all.map((each) => [each.className, each.children[1].textContent])"
    )
    found = {number: " ".join(row).removeprefix("l ") for number, row in enumerate(rows, 1)}
    return {number: found[number].replace(" chosen", "") for number in numbers(CODE.in_functions)}


def outline(page: Page) -> dict[str, str]:
    """By the name of a function what the outline says of it, and how it looks."""
    rows: dict[str, str] = page.eval_on_selector_all(
        ".outline li",
        """all => Object.fromEntries(all.map((each) => [
            each.firstChild.textContent, each.lastChild.textContent + (each.matches(".never") ? "!" : "")]))""",
    )
    return rows


def hot(requests: float, of_all: float) -> str:
    """The class of a line and what stands beside it."""
    if not requests:
        return "never never"
    share = requests / of_all
    return f"ran h{1 + sum(share >= bound for bound in (0.001, 0.01, 0.1, 0.5))} {percent(share)}"


def query(choice: Choice) -> str:
    return urlencode(choice, doseq=True)


@pytest.fixture
def at(look: Look, site: Site) -> Callable[..., Page]:  # noqa: F811
    """Opens the page of the file at a state."""

    def at(state: str = "", **options: Any) -> Page:
        page = look(site.url, site.page_of("file", "shop-cart.py") + state, **options)
        page.wait_for_selector("#told:not(:empty)")
        return page

    return at


At = Callable[..., Page]


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
    same = {"every status": "everything", "no such value": "no such route", "a route and none": "a route"}
    assert all(told[name] == told[other] for name, other in same.items())
    assert len({str(told[name]) for name in told.keys() - same.keys()}) == len(told) - len(same)
    heats = {hot(count, all_) for all_, lines in told.values() for count in lines.values()}
    assert {each.split()[-2] for each in heats} == {"h1", "h2", "h3", "h4", "h5", "never"}


PANEL = """() => ({
    title: document.getElementById("who-title").textContent,
    source: document.getElementById("who-source").textContent,
    told: document.getElementById("who-told").textContent.trim(),
    tables: [...document.querySelectorAll("#who table")].map((table) => [...table.tBodies[0].rows].map((row) => [
        row.querySelector("a").textContent,
        [...row.querySelectorAll("button")].slice(1).map((each) => each.lastChild.textContent),
        ...[...row.cells].slice(1).map((cell) => cell.textContent),
        ...[...row.querySelectorAll("time")].map((time) => time.textContent),
    ])),
})"""

PANELS = f"""async (lines) => {{
    const said = [];
    for (const line of lines) {{
        const changed = new Promise((resolve) => addEventListener("hashchange", resolve, {{ once: true }}));
        location.hash = `#L${{line}}`;
        await changed;
        said.push(({PANEL})());
    }}
    return said;
}}"""


def panel(page: Page) -> dict[str, Any]:
    """What is said of the chosen line."""
    found: dict[str, Any] = page.evaluate(PANEL)
    return found


def panels(page: Page, lines: Iterable[int]) -> list[dict[str, Any]]:
    """What is said of each of these lines, in turn."""
    found: list[dict[str, Any]] = page.evaluate(PANELS, list(lines))
    return found


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


def state(page: Page) -> dict[str, list[str]]:
    return parse_qs(urlsplit(page.url).query)


def chips(page: Page) -> list[str]:
    return [each.rstrip(" \u00d7") for each in page.locator(".chip").all_inner_texts()]


def test_choosing_by_hand(at: At) -> None:
    """Lists that are opened, filtered and ticked choose; chips show what is chosen and take it back; back goes back."""
    page = at()
    page.click(".pick[data-kind=route] summary")
    page.get_by_label("GET /carts").check()
    page.get_by_label("GET /rare").check()
    page.click(".pick[data-kind=label] summary")
    assert page.locator(".pick[open]").count() == 1
    page.get_by_label("test=a=b&c").check()
    page.keyboard.press("Escape")
    assert page.locator(".pick[open]").count() == 0
    assert state(page) == {"route": ["GET /carts", "GET /rare"], "label": ["test=a=b&c"]}
    assert chips(page) == ["route GET /carts", "route GET /rare", "label test=a=b&c"]
    assert page.inner_text("#told").startswith("2 of 4,028 requests chosen")
    again = at(page.url[page.url.index("?") :])
    assert chips(again) == chips(page)
    assert shown(again) == shown(page)
    again.click(".pick[data-kind=route] summary")
    assert again.get_by_role("checkbox", name="GET /rare").is_checked()
    assert not again.get_by_role("checkbox", name="GET /quick").is_checked()
    page.click("text=label test=a=b&c")
    assert shown(page) == {
        number: hot(count, counted({"route": ["GET /carts", "GET /rare"]})[0])
        for number, count in counted({"route": ["GET /carts", "GET /rare"]})[1].items()
    }
    page.click("#L1 a")
    page.get_by_role("button", name="Clear").click()
    assert state(page) == {}
    assert page.url.endswith("#L1")
    assert page.inner_text("#told").startswith("All 4,028 requests")
    page.go_back()
    page.wait_for_selector(".chip")
    assert state(page) == {"route": ["GET /carts", "GET /rare"]}
    assert chips(page) == ["route GET /carts", "route GET /rare"]


def test_names_that_are_not_there(at: At) -> None:
    """What the address chooses and nobody knows is shown as such, and fits nothing."""
    page = at(f"?{query({'route': ['GET /<b>nowhere']})}")
    assert chips(page) == ["route GET /<b>nowhere is not there"]
    assert page.inner_text("#told").startswith("0 of 4,028 requests chosen; they ran 0 of")
    page.click("#L20 code")
    assert panel(page)["told"] == "No request is chosen."
    page.click(".chip")
    assert page.inner_text("#told").startswith("All 4,028 requests")


def test_filter(look: Look, site: Site, tmp_path_factory: pytest.TempPathFactory) -> None:  # noqa: F811
    """Of many names those are listed that hold what is typed; the list knows thousands."""
    folder = tmp_path_factory.mktemp("many")
    project = hostile_store.Project(folder, {PATH: CART.encode()})
    requests = [Request(f"/r{number}", SMALL, labels=(("user", f"u{number}"),)) for number in range(600)]
    Server(project).serve(folder / "s.sqlite3", *requests)
    assert run("html", "--store", folder / "s.sqlite3", "-o", folder / "html").status == 0
    many = Site(folder / "s.sqlite3", folder / "html")
    page = look(many.url, many.page_of("file", "shop-cart.py"))
    page.keyboard.press("f")
    page.keyboard.press("Enter")
    page.wait_for_selector("#filter-route")
    page.keyboard.press("Tab")
    page.keyboard.type("/R59")
    assert page.locator(".options label:visible").all_inner_texts() == [
        f"GET /r{number}\n1" for number in (59, *range(590, 600))
    ]
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    assert state(page) == {"route": ["GET /r59"]}
    assert page.inner_text("#told").startswith("1 of 600 requests chosen")


def test_rows_choose(at: At) -> None:
    """A row's buttons choose its route or one of its labels, and take that back; the focus stays where it was."""
    page = at(f"#L{LINES['def method(self): return inner(1)']}")
    page.get_by_role("button", name="Choose route GET /carts").first.focus()
    page.keyboard.press("Enter")
    assert state(page) == {"route": ["GET /carts"]}
    page.get_by_role("button", name="Choose label tenant=acme").press("Enter")
    assert state(page) == {"route": ["GET /carts"], "label": ["tenant=acme"]}
    assert [row[1] for row in panel(page)["tables"][0]] == [["tenant=acme"]]
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") == "Stop choosing label tenant=acme"
    page.keyboard.press("Enter")
    assert state(page) == {"route": ["GET /carts"]}
    page.click("#who tbody a >> nth=0")
    page.wait_for_url("**/route/get-carts-*.html")


def focused(page: Page) -> str:
    found: str = page.evaluate("document.activeElement.textContent")
    return found


def test_keyboard_alone(at: At) -> None:
    """Without a mouse: line by line, to the next one that never ran, who runs it, and back to where it began."""
    page = at()
    statement = LINES["def inner(first,"]
    page.click("h1")
    for key, number in (("j", 1), ("j", 2), ("ArrowDown", 3), ("k", 2), ("ArrowUp", 1), ("k", 1), ("End", 46)):
        page.keyboard.press(key)
        assert focused(page) == str(number), key
    page.keyboard.press("Home")
    assert focused(page) == "1"
    page.keyboard.press("PageDown")
    assert 20 < int(focused(page)) < 46
    page.keyboard.press("PageUp")
    assert focused(page) == "1"
    page.keyboard.press("Control+ArrowDown")
    assert focused(page) == "1"
    never = [number for number, told in shown(page).items() if told.startswith("never")]
    found = []
    for _ in range(len(never)):
        page.keyboard.press("n")
        found.append(int(focused(page)))
    assert found == [*never, never[-1]][: len(never)]
    page.keyboard.press("p")
    assert int(focused(page)) == never[-2]
    page.keyboard.press("Shift+N")
    assert int(focused(page)) == never[-2 if len(never) == 2 else -3]
    while int(focused(page)) > statement:
        page.keyboard.press("k")
    page.keyboard.press("Enter")
    assert page.url.endswith(f"#L{statement}")
    assert page.evaluate("document.activeElement.getAttribute('aria-label')").startswith(f"{statement}, ")
    assert page.locator(".source a[tabindex='0']").all_inner_texts() == [str(statement)]
    page.keyboard.press("Escape")
    assert "#" not in page.url
    assert panel(page)["told"] == "Choose a line to see who runs it."
    page.keyboard.press("/")
    page.keyboard.type("jn?")
    assert page.input_value("#search") == "jn?"
    assert page.locator("dialog").count() == 0


def test_keys_are_listed(at: At) -> None:
    """`?`, or the button at the foot of the page, lists the keys; none of them works meanwhile, and Escape closes."""
    page = at("#L10")
    page.keyboard.press("?")
    listed = page.locator("dialog th").all_inner_texts()
    assert {"/", "?", "j", "p N", "f", "Esc", "↓"} <= set(listed)
    page.keyboard.press("n")
    page.keyboard.press("Escape")
    page.wait_for_selector("dialog", state="detached")
    assert page.url.endswith("#L10")
    page.click("#show-keys")
    page.get_by_role("button", name="Close").last.click()
    page.wait_for_selector("dialog", state="detached")


def test_history_of_lines(at: At) -> None:
    """A click on a line chooses it without moving the page; back and forward go through the lines."""
    page = at("#L10")
    assert panel(page)["title"] == "Line 10 in outer.<locals>.inner"
    before = page.evaluate("scrollY")
    page.click("#L20 code")
    page.click("#L28 code")
    assert page.evaluate("scrollY") == before
    assert page.locator(".l.chosen").get_attribute("id") == "L28"
    page.go_back()
    page.wait_for_selector("#L20.chosen")
    assert panel(page)["title"].startswith("Line 20 ")
    page.go_back()
    page.wait_for_selector("#L10.chosen")
    page.go_forward()
    page.wait_for_selector("#L20.chosen")
    page.click("#who-close")
    assert page.locator(".l.chosen").count() == 0
    page.click(".outline a >> text=rare")
    page.wait_for_selector(f"#L{LINES['def rare(value):']}.chosen")


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


def test_sheet_on_narrow_screens(at: At) -> None:
    """In a hand the panel lies at the bottom, does not cover the line that it tells of, and can be closed."""
    page = at(size=NARROW)
    assert page.locator("#who").is_hidden()
    page.locator("#L44 code").scroll_into_view_if_needed()
    page.click("#L44 code")
    panel_box, line_box = page.locator("#who").bounding_box(), page.locator("#L44").bounding_box()
    assert panel_box is not None
    assert line_box is not None
    assert panel_box["y"] + panel_box["height"] == NARROW[1]
    assert line_box["y"] + line_box["height"] <= panel_box["y"]
    page.click("#who-close")
    assert page.locator("#who").is_hidden()


STATES = {
    "a line": "?route=GET+/carts&label=tenant%3Dacme#L10",
    "sides": "?left=build:1.0&right=route:POST+/rare&route=GET+/nowhere#L10",
}


@pytest.mark.parametrize("name", STATES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_looks(at: At, name: str, scheme: str) -> None:
    """With everything open there is nothing to be scrolled sideways and nothing that axe-core minds, on all screens."""
    page = at(STATES[name], scheme=scheme)
    page.click(".pick[data-kind=label] summary")
    assert violations(page) == []
    page.set_viewport_size({"width": NARROW[0], "height": NARROW[1]})
    assert overhanging(page) == []
    assert violations(page) == []


ANEW = """() => {
    const main = document.querySelector("main");
    const source = new DOMParser().parseFromString(served, "text/html");
    main.replaceWith(source.querySelector("main"));
    reqcov.starts.forEach((start) => start());
}"""


def test_brought_up_to_date(at: At, site: Site) -> None:
    """When a live page has got another `main` everything is as it was: choices, line, an open list and its filter."""
    page = at(f"?{query({'route': ['GET /carts']})}#L10")
    text = (site.folder / site.page_of("file", "shop-cart.py")).read_text("utf-8")
    page.evaluate("text => { window.served = text; }", text)
    page.click(".pick[data-kind=build] summary")
    before = shown(page), panel(page), outline(page), page.inner_text("#choices")
    page.evaluate(ANEW)
    page.wait_for_selector("#told:not(:empty)")
    page.wait_for_selector(".options label")
    assert (shown(page), panel(page), outline(page), page.inner_text("#choices")) == before
    page.get_by_label("2.0").check()
    assert state(page) == {"route": ["GET /carts"], "build": ["2.0"]}
    # The store has moved on since the page was made: numbers of groups say nothing until there is a newer page.
    page.evaluate("document.documentElement.dataset.stamp = 'newer'")
    page.evaluate(ANEW)
    page.wait_for_function("reqcov.taken.requests !== undefined")
    assert page.locator("#choices").inner_text() == ""
    assert page.inner_text("#told") == ""
