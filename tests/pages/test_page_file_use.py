"""The page of a file by the mouse, by the keyboard, in a hand, and when it is brought up to date."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page

from tests import hostile_store
from tests.pages.browser import NARROW, Look, overhanging, violations
from tests.pages.cart_site import (
    CART,
    LINES,
    PATH,
    SMALL,
    At,
    address,
    counted,
    focused,
    hot,
    outline,
    panel,
    query,
    shown,
    state,
)
from tests.pages.sites import Site
from tests.reading import run
from tests.stores import Request, Server


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
    again = at(address(page)[address(page).index("?") :])
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
    assert address(page).endswith("#L1")
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


@pytest.mark.parametrize("side", ["__proto__:many", "toString:x", "route", "routes", "x:GET /carts", "", ":"])
def test_sides_that_are_not_there(at: At, side: str) -> None:
    """What is no side at all is shown as such, and ran nothing."""
    page = at(f"?{query({'left': [side], 'right': ['build:1.0']})}")
    assert page.locator("#sides li").first.inner_text().endswith("is not there, no requests")
    assert {told.split()[-1] for told in shown(page).values()} == {"R", "never"}


def test_filter(look: Look, site: Site, tmp_path_factory: pytest.TempPathFactory) -> None:
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
    listed = page.locator(".options label:visible bdi").all_text_contents()
    assert listed == [f"GET /r{number}" for number in (59, *range(590, 600))]
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
    assert address(page).endswith(f"#L{statement}")
    assert page.evaluate("document.activeElement.getAttribute('aria-label')").startswith(f"{statement}, ")
    assert page.locator(".source a[tabindex='0']").all_inner_texts() == [str(statement)]
    page.keyboard.press("Escape")
    assert "#" not in address(page)
    assert panel(page)["told"] == "Choose a line to see who runs it."
    page.keyboard.press("/")
    page.keyboard.type("jn?")
    assert page.input_value("#search") == "jn?"
    assert page.locator("dialog").count() == 0


def test_neighbours_are_one_place(at: At) -> None:
    """The key for the next line that never ran goes to the first of those that stand together."""
    page = at(f"?{query({'route': ['GET /quick']})}")
    found = []
    for _ in range(8):
        page.keyboard.press("n")
        found.append(int(focused(page)))
    assert found == [8, 13, 16, 18, 25, 35, 41, 45]


def test_a_click_does_not_move_the_page(at: At) -> None:
    """Nor does one on the number of a line, which is a link."""
    page = at(size=(1440, 400))
    page.locator("#L20 a").scroll_into_view_if_needed()
    page.evaluate("scrollBy(0, 60)")
    before = page.evaluate("scrollY")
    page.click("#L20 a")
    assert page.locator(".l.chosen").get_attribute("id") == "L20"
    assert page.evaluate("scrollY") == before


def test_keys_are_listed(at: At) -> None:
    """`?`, or the button at the foot of the page, lists the keys; none of them works meanwhile, and Escape closes."""
    page = at("#L10")
    page.keyboard.press("?")
    listed = page.locator("dialog th").all_inner_texts()
    assert {"/", "?", "j", "p N", "f", "Esc", "↓"} <= set(listed)
    page.keyboard.press("n")
    page.keyboard.press("Escape")
    page.wait_for_selector("dialog", state="detached")
    assert address(page).endswith("#L10")
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
    "sides": "?left=build:1.0&right=route:GET+/nowhere&status=2xx&status=5xx#L10",
}


@pytest.mark.parametrize("name", STATES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_looks(at: At, name: str, scheme: str) -> None:
    """With everything open there is nothing to be scrolled sideways and nothing that axe-core minds, on all screens."""
    page = at(STATES[name], scheme=scheme)
    page.click(".pick[data-kind=label] summary")
    assert violations(page) == []
    assert page.locator("#who table").count() == 1
    assert page.evaluate(
        "(({ scrollWidth, clientWidth }) => scrollWidth <= clientWidth)(document.querySelector('aside'))"
    )
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
    page.wait_for_selector(".options label")
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
