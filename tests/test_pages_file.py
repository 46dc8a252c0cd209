"""The page of a file in use: its lines, and who runs them, by the mouse and by the keyboard; states have addresses."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Page, expect

from reqcov.reports.text import percent
from reqcov.store.reading import Hit
from tests.browser import Look, browser, look  # noqa: F401
from tests.reading import viewed
from tests.sites import Site, shop  # noqa: F401
from tests.test_pages_numbers import expected, exported, told

PRICES = "shop/prices.py"


def opened(look: Look, site: Site, query: dict[str, Any] | None = None, fragment: str = "") -> Page:  # noqa: F811
    """The page of `PRICES` in this state."""
    name = site.page_of("file", "shop-prices.py")
    page = look(site.url, f"{name}?{urlencode(query or {}, doseq=True)}{fragment}")
    return ready(page)


def ready(page: Page) -> Page:
    page.wait_for_selector(".file[data-ready]")
    return page


def line_of(site: Site, text: str) -> int:
    """The number of the only line with this text."""
    lines = (site.store.parent / PRICES).read_text("utf-8").splitlines()
    (number,) = [number for number, line in enumerate(lines, 1) if text in line]
    return number


def who(page: Page) -> list[tuple[str, ...]]:
    """Route, labels, requests and share of each row that tells who runs the line."""
    rows: list[list[str]] = page.eval_on_selector_all(
        "#who-rows tbody tr",
        """all => all.map((row) => [
            row.querySelector("th a").textContent,
            [...row.querySelectorAll(".choose bdi")].slice(1).map((each) => each.textContent).join(", "),
            row.cells[1].textContent, row.cells[2].textContent,
            ...[...row.querySelectorAll("time")].map((each) => each.textContent),
        ])""",
    )
    return [tuple(row) for row in rows]


def said_by_line(site: Site, number: int, *arguments: object) -> list[tuple[str, ...]]:
    """The same, as `reqcov line` tells it."""
    minute = "{:%Y-%m-%d %H:%M}".format
    return [
        (
            row["route"],
            ", ".join(f"{key}={value}" for key, value in row["labels"].items()),
            f"{row['requests']:,}",
            percent(row["share"]),
            minute(datetime.fromisoformat(row["first_seen"]).astimezone(UTC)),
            minute(datetime.fromisoformat(row["last_seen"]).astimezone(UTC)),
        )
        for row in site.ask("line", f"{PRICES}:{number}", *arguments)["routes"]
    ]


def test_click_tells_who_runs_a_line(look: Look, shop: Site) -> None:  # noqa: F811
    """A click on a line tells what `reqcov line` tells; the address has the line, and loading it tells the same."""
    page = opened(look, shop)
    for text in ("found -= rebate(found)", "amounts = [", "return amount // 20", "rates = {"):
        number = line_of(shop, text)
        page.click(f"#L{number} code")
        assert page.url.endswith(f"#L{number}")
        rows = who(page)
        assert rows == said_by_line(shop, number), text
        page.reload()
        assert who(ready(page)) == rows
    assert rows == []
    expect(page.locator("#who-told")).to_contain_text("No request has run it")
    page.go_back()
    assert who(page) == said_by_line(shop, line_of(shop, "return amount // 20")) != []


CHOICES = {
    "a route": {"route": ["GET /carts/{id:int}"]},
    "two routes": {"route": ["GET /carts/{id:int}", "POST /carts/{id:int}/checkout"]},
    "a label": {"label": ["tenant=globex"]},
    "labels and a route": {"label": ["tenant=globex", "test=pay"], "route": ["GET /carts/{id:int}"]},
}


@pytest.mark.parametrize("choice", CHOICES)
def test_choices_are_those_of_the_commands(look: Look, shop: Site, choice: str) -> None:  # noqa: F811
    """With routes and labels chosen, each line and who runs it are what the commands tell with the same options."""
    chosen = CHOICES[choice]
    options = [word for kind, names in chosen.items() for name in names for word in (f"--{kind}", name)]
    number = line_of(shop, "amounts = [")
    page = opened(look, shop, chosen, f"#L{number}")
    said, lines = expected(exported(shop, *options), PRICES), told(page)
    assert {number: lines[number] for number in said} == said != expected(exported(shop), PRICES)
    assert who(page) == said_by_line(shop, number, *options)


KEPT: dict[str, tuple[dict[str, str], Callable[[Hit], bool]]] = {
    "an older build": ({"build": "2026.1"}, lambda hit: hit.build == "2026.1"),
    "a newer build": ({"build": "2026.2"}, lambda hit: hit.build == "2026.2"),
    "a status": ({"status": "5xx"}, lambda hit: hit.status == 5),
    "a build and a status": (
        {"build": "2026.2", "status": "2xx"},
        lambda hit: (hit.build, hit.status) == ("2026.2", 2),
    ),
}


@pytest.mark.parametrize("choice", KEPT)
def test_builds_and_statuses_are_counted(look: Look, shop: Site, choice: str) -> None:  # noqa: F811
    """With builds and classes of status chosen, the lines of the newest version are told with their requests only."""
    query, kept = KEPT[choice]
    with viewed(shop.store) as view:
        hits = [hit for hit in view.hits if kept(hit)]
        requests = sum(hit.requests for hit in hits)
        by_line = view.requests_by_line(hits).get(PRICES, {})
        functions = view.files[PRICES].code.in_functions
    lines = told(opened(look, shop, query))
    found = {number: said for number, (said, _) in lines.items() if functions >> number & 1}
    assert found == {number: percent(by_line[number] / requests) if number in by_line else "never" for number in found}
    assert len(found) == functions.bit_count()
    assert bool(by_line) == (choice != "a status")


def test_choosing_by_the_mouse(look: Look, shop: Site) -> None:  # noqa: F811
    """A route that is chosen is in the address, and what is shown follows; loading that address shows it again."""
    page = opened(look, shop)
    before = told(page)
    page.click("summary:has-text('Routes')")
    page.check("label:has-text('POST /carts/{id:int}/checkout') input")
    page.keyboard.press("Escape")
    assert "route=POST+%2Fcarts%2F%7Bid%3Aint%7D%2Fcheckout" in page.url
    after = told(page)
    assert after != before
    chip = page.locator("button.chip")
    expect(chip).to_contain_text("POST /carts/{id:int}/checkout")
    page.reload()
    assert told(ready(page)) == after
    chip.click()
    assert "route=" not in page.url
    assert told(page) == before


def test_keys_move_between_lines(look: Look, shop: Site) -> None:  # noqa: F811
    """Tab comes to the lines, arrows move between them, Enter tells who runs one, and Escape closes that again."""
    page = opened(look, shop)
    for _ in range(30):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.closest('.source .l') !== null"):
            break
    focused = "document.activeElement.closest('.l')?.id"
    assert page.evaluate(focused) == "L1"
    number = line_of(shop, "amounts = [")
    for _ in range(number - 1):
        page.keyboard.press("ArrowDown")
    assert page.evaluate(focused) == f"L{number}"
    page.keyboard.press("Enter")
    assert page.url.endswith(f"#L{number}")
    assert who(page) == said_by_line(shop, number) != []
    page.keyboard.press("ArrowUp")
    assert page.evaluate(focused) == f"L{number - 1}"
    page.keyboard.press("Escape")
    assert "#" not in page.url
    assert who(page) == []
    page.keyboard.press("n")
    first = page.evaluate(focused)
    assert page.text_content(f"#{first} b") == "never"


def test_keys_are_listed(look: Look, shop: Site) -> None:  # noqa: F811
    """`?` lists the keys, Escape closes the list, and `/` comes to the search."""
    page = opened(look, shop)
    page.keyboard.press("?")
    expect(page.locator("dialog")).to_contain_text("Who runs the line")
    page.keyboard.press("Escape")
    expect(page.locator("dialog")).to_have_count(0)
    page.keyboard.press("/")
    expect(page.locator("#search")).to_be_focused()
