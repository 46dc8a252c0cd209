"""Tables sort and filter, and their state is in the address."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.pages.browser import Look
from tests.pages.sites import Site
from tests.reading import add, hit, run
from tests.stores import Project, Server

ROUTES = {"/a10": 1_200, "/A9": 1_200, "/b": 45_000, "/orders": 7, "/orders/{id}": 1_200, "/users/orders": 999, "/z": 3}
"""Requests of each, which people sort otherwise than strings are sorted."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """Of these routes."""
    folder = tmp_path_factory.mktemp("tables")
    store = folder / "reqcov.sqlite3"
    Server(Project(folder / "project")).serve(store)
    add(store, [(hit(route), count) for route, count in ROUTES.items()])
    assert run("html", "--store", store, "-o", folder / "html").status == 0
    return Site(store, folder / "html")


def column(table: Locator, name: str) -> list[str]:
    """What is in the rows that are shown, from top to bottom."""
    found: list[str] = table.evaluate(
        """(table, name) => {
            const said = (each) => each.textContent.trim();
            const place = [...table.tHead.rows[0].cells].findIndex((each) => said(each) === name);
            const rows = [...table.tBodies[0].rows].filter((each) => each.checkVisibility());
            return rows.map((row) => said(row.cells[place]));
        }""",
        name,
    )
    return found


def numbers(texts: Sequence[str]) -> list[float]:
    return [float(text.replace(",", "").rstrip("%")) for text in texts]


def press(page: Page, name: str, within: str = "table") -> None:
    page.locator(within).get_by_role("button", name=name, exact=True).click()


def query(page: Page) -> dict[str, list[str]]:
    return parse_qs(urlsplit(page.url).query)


def test_numbers(look: Look, shop: Site) -> None:
    """The greatest numbers come first, then the least; thousands and shares are numbers; one column is sorted by."""
    page = look(shop.url, "routes.html")
    table = page.locator("table")
    for name in ("Requests", "Share", "Lines", "Reach", "Behaviours"):
        for direction in ("descending", "ascending", "descending"):
            press(page, name)
            found = numbers(column(table, name))
            assert found == sorted(found, reverse=direction == "descending"), name
            assert len(set(found)) > 1
            assert page.locator("[aria-sort]").evaluate_all("all => all.map((each) => each.ariaSort)") == [direction]
            expect(page.locator("[aria-sort]")).to_have_text(name)


def test_finer_than_what_is_shown(look: Look, site: Site) -> None:
    """Shares sort by what they are, and not by how they are rounded."""
    page = look(site.url, "routes.html")
    table = page.locator("table")
    press(page, "Share")
    press(page, "Share")
    assert column(table, "Share")[:2] == ["0.1%", "0.1%"]
    assert column(table, "Route")[:2] == ["GET /z", "GET /orders"]


def test_text(look: Look, site: Site) -> None:
    """Text sorts as people sort it: capitals beside small letters, 9 before 10."""
    page = look(site.url, "routes.html")
    press(page, "Route")
    ordered = ["/A9", "/a10", "/b", "/orders", "/orders/{id}", "/users/orders", "/z"]
    assert column(page.locator("table"), "Route") == [f"GET {route}" for route in ordered]
    press(page, "Route")
    assert column(page.locator("table"), "Route") == [f"GET {route}" for route in reversed(ordered)]


def test_equal_rows_keep_their_order(look: Look, site: Site) -> None:
    """Rows that are equal stay in the order of the page, in both directions and whatever was sorted by before."""
    page = look(site.url, "routes.html")
    table = page.locator("table")
    equal = [route for route in column(table, "Route") if ROUTES.get(route.removeprefix("GET ")) == 1_200]
    assert len(equal) == 3
    for name in ("Requests", "Requests", "Route", "Route", "Requests", "Requests"):
        press(page, name)
        if name == "Requests":
            assert [route for route in column(table, "Route") if route in equal] == equal


def test_the_address_tells(look: Look, shop: Site) -> None:
    """Each table's order is in the address, beside those of others, and loading the address brings it back."""
    page = look(shop.url, "index.html?other=1#files")
    press(page, "Route", "#by-traffic")
    press(page, "Never", "#by-lines")
    press(page, "Only here", "#by-traffic")
    assert query(page) == {"other": ["1"], "sort": ["by-lines.never.desc", "by-traffic.only-here.desc"]}
    assert page.url.endswith("#files")
    ordered = [column(page.locator(table), "Never" if table == "#by-lines" else "Only here") for table in TABLES]
    rows = [page.locator(table).inner_text() for table in TABLES]
    page.reload()
    assert [page.locator(table).inner_text() for table in TABLES] == rows
    assert all(numbers(each) == sorted(numbers(each), reverse=True) for each in ordered)
    press(page, "Never", "#by-lines")
    assert query(page)["sort"] == ["by-traffic.only-here.desc", "by-lines.never.asc"]
    for odd in ("by-lines.nothing.desc", "by-lines", "", "nothing.never.desc"):
        page.goto(f"{shop.url}index.html?sort={odd}")
        assert page.locator("[aria-sort]").count() == 0


TABLES = ("#by-traffic", "#by-lines")


def test_filter(look: Look, site: Site) -> None:
    """A filter leaves the rows whose name has each of its words, says how many, and stays with the address."""
    page = look(site.url, "routes.html")
    box, status, table = page.get_by_label("Filter"), page.get_by_role("status"), page.locator("table")
    assert status.inner_text() == ""
    box.press_sequentially("ORDERS")
    assert sorted(column(table, "Route")) == ["GET /orders", "GET /orders/{id}", "GET /users/orders"]
    expect(status).to_have_text("3 of 7 shown")
    box.fill(" ord  users ")
    assert column(table, "Route") == ["GET /users/orders"]
    press(page, "Route")
    assert column(table, "Route") == ["GET /users/orders"]
    page.reload()
    expect(box).to_have_value(" ord  users ")
    expect(status).to_have_text("1 of 7 shown")
    assert column(table, "Route") == ["GET /users/orders"]
    box.fill("1,200")
    expect(status).to_have_text("0 of 7 shown")
    box.fill("")
    assert len(column(table, "Route")) == 7
    expect(status).to_have_text("")
    assert query(page) == {"sort": ["routes.route.asc"]}


def test_keyboard(look: Look, site: Site) -> None:
    """A column is sorted by from the keyboard, and the focus stays."""
    page = look(site.url, "routes.html")
    page.get_by_label("Filter").focus()
    for _ in range(4):
        page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Share")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("[aria-sort=descending]")).to_have_text("Share")
    page.keyboard.press("Space")
    expect(page.locator("[aria-sort=ascending]")).to_have_text("Share")
    expect(page.get_by_role("button", name="Share")).to_be_focused()


def test_without_scripts(look: Look, shop: Site) -> None:
    """Without scripts a table is there all the same, and there are no filter and no buttons that do nothing."""
    page = look(shop.url, "routes.html")
    rows = column(page.locator("table"), "Route")
    browser_ = page.context.browser
    assert browser_ is not None
    with browser_.new_context(java_script_enabled=False) as context:
        plain = context.new_page()
        plain.goto(f"{shop.url}routes.html")
        assert plain.locator("tbody th").all_inner_texts() == rows
        assert plain.locator("table button").count() == 0
        assert not plain.locator("input.filter").is_visible()
