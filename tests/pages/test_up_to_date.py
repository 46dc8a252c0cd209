"""Live pages keep up with their store, and disturb nobody who is at something."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Browser, Page, expect

from reqcov.ui import app
from reqcov.ui.app import Pages
from tests.live import TOKEN
from tests.pages.arrivals import arrive
from tests.pages.browser import Look, Window
from tests.pages.sites import Site
from tests.reading import run

NEW = "main:not([data-old])"
"""The content, once the page has been brought up to date."""

ORDER = ("route", "get-orders-id-int")


def ask(page: Page) -> None:
    """The page asks whether there is anything new, unless it is about to."""
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")


def look_now(page: Page) -> None:
    """The page has asked whether there is anything new, and has done what it does about it."""
    for _ in range(2):  # it does not ask again before it is done
        with page.expect_response("**/data/now.json"):
            ask(page)


def mark(page: Page) -> None:
    page.evaluate("document.getElementById('main').dataset.old = ''")


def is_new(page: Page) -> bool:
    return page.locator(NEW).count() == 1


def brought_up_to_date(page: Page, store: Path, route: str = "/orders/{id:int}") -> None:
    """There is a new request to a route, and the page shows it."""
    mark(page)
    arrive(store, route, like=route)
    ask(page)
    page.wait_for_selector(NEW)


def test_what_is_new_is_shown(visit: Look, shop: Site, store: Path, live: str) -> None:
    """By itself, in the page, the title and the footer; where nothing is new the page is left alone."""
    page = visit(live, shop.page_of(*ORDER))
    mark(page)
    look_now(page)
    assert not is_new(page)
    requests = shop.ask("show", "GET /orders/{id:int}")["requests"]
    expect(page.locator(".figure").first).to_contain_text(f"{requests:,} requests")
    total = shop.ask("routes")["requests"]
    expect(page.locator("footer")).to_contain_text(f"{total:,} requests")
    stamp = page.evaluate("document.documentElement.dataset.stamp")
    page.evaluate("document.title = 'another'")
    arrive(store, "/orders/{id:int}", 5)
    page.wait_for_selector(NEW)
    expect(page.locator(".figure").first).to_contain_text(f"{requests + 5:,} requests")
    expect(page.locator("footer")).to_contain_text(f"{total + 5:,} requests")
    expect(page).to_have_title("GET /orders/{id:int} · reqcov")
    assert page.evaluate("document.documentElement.dataset.stamp") != stamp
    mark(page)
    look_now(page)
    assert not is_new(page)


def test_where_somebody_is(visit: Look, shop: Site, store: Path, live: str) -> None:
    """What is open stays open, what is closed stays closed, and nobody is moved."""
    page = visit(live, shop.page_of(*ORDER))
    page.set_viewport_size({"width": 600, "height": 300})
    parts = page.locator("details.part > summary")
    names = parts.locator("bdi").all_inner_texts()
    parts.nth(0).click()
    parts.nth(len(names) - 1).press("Space")
    page.evaluate("scrollTo(0, 200)")
    before = place(page)
    assert before["at"] == 200
    assert before["focus"] == f"SUMMARY {parts.nth(len(names) - 1).inner_text()}"
    assert len(set(before["open"])) == 2
    brought_up_to_date(page, store)
    assert place(page) == before


def place(page: Page) -> dict[str, Any]:
    found: dict[str, Any] = page.evaluate(
        """() => ({
            at: scrollY,
            focus: `${document.activeElement.tagName} ${document.activeElement.innerText ?? ""}`,
            open: [...document.querySelectorAll("main details")].map((each) => each.open),
        })"""
    )
    return found


def test_half_typed(visit: Look, store: Path, live: str) -> None:
    """Who is typing goes on typing where the caret was."""
    page = visit(live, "routes.html")
    box = page.get_by_label("Filter")
    box.press_sequentially("oders")
    for _ in range(4):
        page.keyboard.press("ArrowLeft")
    brought_up_to_date(page, store)
    expect(box).to_be_focused()
    page.keyboard.type("r")
    expect(box).to_have_value("orders")
    expect(page.locator(".shown")).to_contain_text("shown")
    page.get_by_role("searchbox", name="Search").fill("half")
    brought_up_to_date(page, store)
    expect(page.get_by_role("searchbox", name="Search")).to_have_value("half")
    expect(page.get_by_role("searchbox", name="Search")).to_be_focused()


def test_two_sides(visit: Look, shop: Site, store: Path, live: str) -> None:
    """The numbers of a comparison are the new ones, and what is open and has the focus in it stays so."""
    sides = {"left": "route:GET /carts/{id:int}", "right": "route:GET /search"}
    page = visit(live, f"compare.html?{urlencode(sides)}")
    page.set_viewport_size({"width": 800, "height": 300})
    page.locator(".compared summary", has_text="shop/cart.py").click()
    link = page.locator(".compared details[open] a").last
    link.focus()
    before = place(page)
    assert before["at"] > 0
    requests = shop.ask("show", "GET /carts/{id:int}")["requests"]
    brought_up_to_date(page, store, "/carts/{id:int}")
    expect(page.locator("#left-requests")).to_have_text(f"route, {requests + 1:,} requests")
    assert place(page) == before
    expect(link).to_be_focused()


def test_a_search(visit: Look, store: Path, live: str) -> None:
    """What is found is found anew, once and by one script."""
    page = visit(live, "search.html?q=brand")
    expect(page.locator("#said")).to_contain_text("Nothing is called")
    mark(page)
    arrive(store, "/brand-new")
    ask(page)
    page.wait_for_selector(NEW)
    expect(page.locator("#found a")).to_have_text("GET /brand-new")
    page.get_by_role("searchbox").press("ArrowDown")
    expect(page.locator("#found a")).to_be_focused()
    brought_up_to_date(page, store)
    expect(page.locator("#found a")).to_be_focused()


@pytest.mark.parametrize("what", ["selected text", "a dialog", "a list"])
def test_nobody_is_disturbed(visit: Look, store: Path, live: str, what: str) -> None:
    """While text is selected, or a dialog or a list to choose from is open, the page waits, and then catches up."""
    page = visit(live, "compare.html")
    mark(page)
    if what == "a dialog":
        page.keyboard.press("?")
        expect(page.get_by_role("dialog")).to_be_visible()
    elif what == "a list":
        page.get_by_label("Left", exact=True).click()
    else:
        page.evaluate("getSelection().selectAllChildren(document.querySelector('h1'))")
    arrive(store, "/brand-new")
    look_now(page)
    assert not is_new(page)
    if what == "selected text":
        assert page.evaluate("String(getSelection())") == "Compare"
        page.evaluate("getSelection().removeAllRanges()")
    else:
        page.keyboard.press("Escape")
    ask(page)
    page.wait_for_selector(NEW)


def test_hidden(visit: Look, store: Path, live: str) -> None:
    """A page that nobody sees asks for nothing; once it is seen again it asks at once."""
    page = visit(live)
    page.clock.install()
    page.reload()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    look_now(page)
    with page.expect_request("**/data/now.json"):
        page.clock.run_for(10_000)
    page.evaluate("Object.defineProperty(document, 'hidden', { configurable: true, get: () => true })")
    page.clock.run_for(10_000)
    fetched(page, "index.html")  # what was asked for before is answered
    asked.clear()
    page.clock.run_for(60_000)
    fetched(page, "routes.html")
    assert asked == [f"{live}routes.html"]
    mark(page)
    arrive(store, "/brand-new")
    page.evaluate("delete document.hidden")
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    page.wait_for_selector(NEW)


def fetched(page: Page, name: str) -> None:
    with page.expect_response(f"**/{name}"):
        page.evaluate(f"fetch('{name}')")


@pytest.fixture
def window(browser: Browser) -> Iterator[Callable[..., Window]]:
    """Opens pages in which something is to go wrong."""
    opened: list[Window] = []

    def window(*place: Any) -> Window:
        opened.append(Window(browser, *place))
        return opened[-1]

    yield window
    for each in opened:
        each.close()


AGE = re.compile(r", (\d+) (s|min|h|days) ago")


def age(page: Page) -> tuple[int, str]:
    told = AGE.fullmatch(page.inner_text("#age"))
    assert told
    return int(told[1]), told[2]


def test_age(window: Callable[..., Window], store: Path, live: str) -> None:
    """How long ago the last request came is told by the server's clock, and counts on, also while that is away."""
    page = window(live).page
    page.clock.install(time=datetime.now(UTC) + timedelta(days=400))
    arrive(store, "/brand-new")
    page.reload()
    expect(page.locator("#age")).to_have_text(re.compile(r", \d+ s ago"))
    seconds, _ = age(page)
    assert seconds < 60
    page.context.set_offline(True)
    page.clock.run_for(20_000)
    later, unit = age(page)
    assert (unit, later - seconds) in {("s", 20), ("s", 21)}
    page.clock.fast_forward(7_200_000)
    page.clock.run_for(1_000)
    assert age(page) == (2, "h")


def test_age_of_a_folder(window: Callable[..., Window], shop: Site) -> None:
    """On disk it is told by the clock of who reads it."""
    page = window(shop.url).page
    newest = datetime.fromisoformat(str(page.get_attribute("#newest", "datetime")))
    for later, told in (
        (timedelta(seconds=-30), (0, "s")),
        (timedelta(seconds=119), (119, "s")),
        (timedelta(minutes=119), (119, "min")),
        (timedelta(hours=47), (47, "h")),
        (timedelta(days=3, hours=23), (3, "days")),
    ):
        page.clock.set_fixed_time(newest + later)
        page.reload()
        assert age(page) == told


def test_the_server_is_away(window: Callable[..., Window], store: Path, live: str) -> None:
    """Where the server can't be reached this is said and all stays as it was; the page recovers by itself."""
    opened = window(live)
    page, trouble = opened.page, opened.page.locator("#trouble")
    look_now(page)
    expect(trouble).to_be_empty()
    mark(page)
    page.context.set_offline(True)
    arrive(store, "/brand-new")
    expect(trouble).to_contain_text("be reached")
    assert not is_new(page)
    page.context.set_offline(False)
    page.wait_for_selector(NEW)
    expect(trouble).to_be_empty()
    assert {each.partition(": ")[0] for each in opened.wrong} == {"Failed to load resource"}


def test_signed_out(window: Callable[..., Window], serve: Callable[[Pages], str], store: Path) -> None:
    """Who is no longer known is told so, and goes on once they are."""
    site = serve(app(store, token=TOKEN))
    page = window(site, f"?token={TOKEN}").page
    look_now(page)
    page.context.clear_cookies()
    look_now(page)
    expect(page.locator("#trouble")).to_contain_text("you are signed out")
    assert page.request.get(f"{site}?token={TOKEN}").ok
    look_now(page)
    expect(page.locator("#trouble")).to_be_empty()


def test_a_page_that_is_gone(window: Callable[..., Window], shop: Site, store: Path, live: str) -> None:
    """Where there is nothing left to show, the server's own words are shown."""
    page = window(live, shop.page_of(*ORDER)).page
    look_now(page)
    assert run("reset", "--yes", "--store", store).status == 0
    ask(page)
    expect(page.locator("main")).to_contain_text("send your server some")
