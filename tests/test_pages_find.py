"""Finding one's way through the pages: search, tables, comparing two sides; states have addresses."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Page, expect

from reqcov.store.model import unpack_labels
from reqcov.store.reading import Hit
from tests.browser import Look, browser, look, violations  # noqa: F401
from tests.reading import viewed
from tests.sites import Site, shop  # noqa: F401
from tests.test_pages_numbers import figures, tables


def found(page: Page) -> list[tuple[str, str]]:
    """What a search has found: names, and what is said of them."""
    page.wait_for_selector("#found li")
    rows: list[list[str]] = page.eval_on_selector_all(
        "#found li",
        "all => all.map((each) => [each.querySelector('a').textContent, each.querySelector('.note').textContent])",
    )
    return [(name, said) for name, said in rows]


def test_search_by_the_keyboard(look: Look, shop: Site) -> None:  # noqa: F811
    """From any page, `/` and a part of a name find functions, files and routes; arrows and Enter go there."""
    page = look(shop.url, shop.page_of("route", "get-search"))
    page.keyboard.press("/")
    page.keyboard.type("refund")
    page.keyboard.press("Enter")
    page.wait_for_url("**/search.html?q=refund")
    rows = found(page)
    refunds = shop.ask("show", "POST /orders/{id:int}/refund")["requests"]
    assert [name for name, _ in rows] == ["POST /orders/{id:int}/refund", "refund", "Order.refund"]
    assert rows[0][1] == f"{refunds:,} requests"
    assert "shop/orders.py" in rows[2][1]
    assert "3 of 3 ran" in rows[2][1]
    page.reload()
    assert found(page) == rows
    for _ in range(3):
        page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_url("**/file/shop-orders.py-*.html#L*")
    assert "def refund" in page.text_content(page.url[page.url.index("#") :])


def test_search_says_what_never_ran(look: Look, shop: Site) -> None:  # noqa: F811
    """Files and functions that no request ran are marked; what is not there is said to be not there."""
    page = look(shop.url, "search.html?q=legacy")
    assert found(page) == [("shop/legacy.py", "never ran")]
    page.fill("#search", "tape")
    expect(page.locator("#found li")).to_contain_text(["import_from_tape"])
    assert page.url.endswith("?q=tape")
    page.fill("#search", "nothing like this")
    expect(page.locator("#said")).to_contain_text("nothing like this")
    assert page.locator("#found li").count() == 0


def column(page: Page, name: str) -> list[str]:
    return [row[name] for row in tables(page)]


def test_tables_are_sorted(look: Look, shop: Site) -> None:  # noqa: F811
    """A click on the name of a column sorts by it, one more the other way round; the address knows."""
    page = look(shop.url, "routes.html")
    before = column(page, "Route")
    lines = sorted((row["lines"] for row in shop.ask("routes")["routes"]), reverse=True)
    page.click("th button:has-text('Lines')")
    assert list(map(int, column(page, "Lines"))) == lines
    page.keyboard.press("Enter")  # the button still has the focus
    assert list(map(int, column(page, "Lines"))) == lines[::-1]
    routes = column(page, "Route")
    page.reload()
    assert column(page, "Route") == routes != before
    expect(page.locator("th[aria-sort=ascending]")).to_have_text("Lines")
    page.click("th button:has-text('Route')")
    assert column(page, "Route") == sorted(before)
    page.click("th button:has-text('Share')")
    shares = [float(share.rstrip("%")) for share in column(page, "Share")]
    assert shares == sorted(shares, reverse=True)


def test_routes_are_filtered(look: Look, shop: Site) -> None:  # noqa: F811
    """What is typed above a table leaves the rows that have it; the address knows."""
    page = look(shop.url, "routes.html")
    page.fill("input.filter", "orders get")
    shown = page.locator("tbody tr:visible")
    wanted = {
        row["route"] for row in shop.ask("routes")["routes"] if "GET" in row["route"] and "orders" in row["route"]
    }
    expect(shown).to_have_count(len(wanted))
    assert len(wanted) == 2
    page.reload()
    expect(shown).to_have_count(2)
    assert {row.text_content() for row in shown.locator("th a").all()} == wanted


def ran_by(site: Site, kind: str, name: str) -> set[tuple[str, int]]:
    """Path and line of each function statement that one side ran, on the newest version of each file."""
    with viewed(site.store) as view:

        def fits(hit: Hit) -> bool:
            labels = [f"{key}={value}" for key, value in unpack_labels(hit.labels).items()]
            return name in {"route": [view.routes[hit.route].context], "build": [hit.build], "label": labels}[kind]

        ran = view.codebase.ran(hit.footprint for hit in view.hits if fits(hit))
        return {(path, line) for path, mask in ran.items() for line in range(mask.bit_length()) if mask >> line & 1}


SIDES = {
    "routes": (("route", "GET /carts/{id:int}"), ("route", "POST /carts/{id:int}/checkout")),
    "builds": (("build", "2026.1"), ("build", "2026.2")),
    "a label and a route": (("label", "test=pay"), ("route", "GET /search")),
}


@pytest.mark.parametrize("sides", SIDES)
def test_two_sides_are_compared(look: Look, shop: Site, sides: str) -> None:  # noqa: F811
    """Two routes, builds or labels that are chosen: how many lines each ran alone, in all and of each file."""
    left, right = (ran_by(shop, *side) for side in SIDES[sides])
    values = [":".join(side) for side in SIDES[sides]]
    page = look(shop.url, "compare.html")
    page.select_option("#left", values[0])
    page.select_option("#right", values[1])
    compared(page, left, right)
    assert page.url.endswith(f"?{urlencode({'left': values[0], 'right': values[1]})}")
    assert violations(page) == []
    page.reload()
    compared(page, left, right)
    page.click("#swap")
    compared(page, right, left)


def compared(page: Page, left: set[tuple[str, int]], right: set[tuple[str, int]]) -> None:
    """The page says so."""
    page.wait_for_selector("#compared .figure")
    expect(page.locator("#compared .figure.left b")).to_have_text(str(len(left - right)))
    assert figures(page) == [
        f"{len(left - right)} lines only left",
        f"{len(left & right)} lines both",
        f"{len(right - left)} lines only right",
    ]
    assert len(left - right) + len(right - left) > 0
    rows = {row["File"]: [row["Only left"], row["Both"], row["Only right"]] for row in tables(page, "#compared")}
    counts: dict[str, Any] = {}
    for path in {path for path, _ in left ^ right}:
        alone, both, other = (
            sum(each == path for each, _ in some) for some in (left - right, left & right, right - left)
        )
        counts[path] = [str(alone), str(both), str(other)]
    assert rows == counts


def test_compared_files_are_shown_side_by_side(look: Look, shop: Site) -> None:  # noqa: F811
    """A file of two sides has its lines told apart: only left, only right, both, and neither."""
    left, right = (ran_by(shop, *side) for side in SIDES["routes"])
    query = urlencode({"left": "route:GET /carts/{id:int}", "right": "route:POST /carts/{id:int}/checkout"})
    page = look(shop.url, f"{shop.page_of('file', 'shop-stock.py')}?{query}")
    page.wait_for_selector(".file[data-ready]")
    lines = page.eval_on_selector_all(".source .l", "all => all.map((each) => [...each.classList])")
    for number, names in enumerate(lines, 1):
        where = ("shop/stock.py", number)
        said = {"left", "right", "both", "never"} & set(names)
        if where in left | right:
            assert said == {"both" if where in left & right else "left" if where in left else "right"}, number
        else:
            assert said <= {"never"}, number
    assert {name for names in lines for name in names} >= {"right", "never"}
