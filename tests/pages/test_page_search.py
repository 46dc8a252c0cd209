"""The search finds what has a name, the best first."""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from playwright.sync_api import Page, expect

from reqcov.reports.text import plural, printable
from tests.hostile_store import MARKUP, ODD, texts
from tests.pages.browser import Look
from tests.pages.sites import Site
from tests.reading import add, hit, run, viewed
from tests.stores import Project, Request, Server

MANY = 50
"""Of a kind that are listed."""

READ = """() => {
    const said = (each) => each.textContent.trim().replace(/\\s+/g, " ");
    return Object.fromEntries([...document.querySelectorAll("#found section")].map((each) => [
        said(each.querySelector("h2")),
        [...each.querySelectorAll("li")].map((one) => [said(one.querySelector("a")), said(one.querySelector("span"))]),
    ]));
}"""


class Named(NamedTuple):
    """Something to be found, and what is said of it."""

    name: str
    about: str


def share(ran: int, statements: int) -> str:
    return "never ran" if statements and not ran else f"{ran} of {statements} ran" if statements else "no statements"


def everything(site: Site) -> dict[str, list[Named]]:
    """By kind, in the order in which the page is to show what fits equally well."""
    file = site.folder.parent / "searched.json"
    assert run("export", "json", "-o", file, "--store", site.store).status == 0
    with viewed(site.store) as view:
        functions_of = {path: file.code.functions for path, file in view.files.items()}
    functions = []
    for each in json.loads(file.read_text("utf-8"))["files"]:
        ran = {line["line"] for line in each["lines"] if line["requests"]}
        told = {
            (row["name"], row["first"]): share(len(ran & set(row["statements"])), len(row["statements"]))
            for row in each["functions"]
        }
        for function in functions_of[each["path"]]:  # those without statements are not exported
            about = told.get((function.name, function.first), share(0, 0))
            lines = f"{function.first}-{function.last}" if function.first < function.last else f"{function.first}"
            functions.append(Named(printable(function.name), f"{printable(each['path'])} {lines} · {about}"))
    return {
        "Routes": [
            Named(printable(row["route"]), plural(row["requests"], "request")) for row in site.ask("routes")["routes"]
        ],
        "Files": [
            Named(printable(row["path"]), share(row["statements"] - row["missed"], row["statements"]))
            for row in site.ask("report")["files"]
        ],
        "Functions": functions,
    }


def rank(name: str, query: str) -> int | None:
    """How well a name fits, 0 the best; None where it does not."""

    def of(text: str) -> int | None:
        word = re.search(rf"(?<![^\W_]){re.escape(text)}", name)
        return 0 if name == text else 1 if name.startswith(text) else 2 if word else 3 if text in name else None

    name, query = name.lower(), query.strip().lower()
    ranks = [of(word) for word in query.split()]
    found = [
        each for each in (of(query), None if None in ranks else max(filter(None, ranks), default=0)) if each is not None
    ]
    return min(found, default=None)


def expected(site: Site, query: str) -> dict[str, list[Named]]:
    found = {}
    for kind, all_ in everything(site).items():
        ranked = sorted(
            (fits, place) for place, each in enumerate(all_) if (fits := rank(each.name, query)) is not None
        )
        if ranked:
            found[f"{kind} {len(ranked):,}"] = [all_[place] for _, place in ranked]
    return found


def found(page: Page) -> dict[str, list[Named]]:
    read: dict[str, Any] = page.evaluate(READ)
    return {title: [Named(*each) for each in rows] for title, rows in read.items()}


def state(page: Page) -> dict[str, list[str]]:
    return parse_qs(urlsplit(page.url).query)


@pytest.mark.parametrize(
    "query", ["Cart.total", "cart total", "TOTAL", "c", "shop/cart.py", "get /carts/{id:int}", " py ", "e t", "int"]
)
def test_finds(look: Look, shop: Site, query: str) -> None:
    """Files, functions and routes by parts of their names, whole names and beginnings first, and what ran of each."""
    page = look(shop.url, f"search.html?{urlencode({'q': query})}")
    wanted = expected(shop, query)
    expect(page.get_by_role("status")).to_have_text(f"{sum(map(len, wanted.values()))} found.")
    assert found(page) == wanted
    assert list(found(page)) == list(wanted)
    assert page.get_by_role("searchbox").input_value() == query


def test_while_typing(look: Look, shop: Site) -> None:
    """From any page the box leads to the search; results follow each letter, and so does the address."""
    page = look(shop.url, shop.page_of("route", "get-search"))
    box = page.get_by_role("searchbox")
    box.fill("pri")
    box.press("Enter")
    page.wait_for_url(f"{shop.url}search.html?q=pri")
    expect(box).to_be_focused()
    expect(page.locator("#found a").first).to_be_visible()
    assert found(page) == expected(shop, "pri")
    for query in ("price", "prices", "prices p"):
        box.press_sequentially(query[len(box.input_value()) :])
        assert found(page) == expected(shop, query)
        assert state(page) == {"q": [query]}
    page.reload()
    expect(page.locator("#found a").first).to_be_visible()
    assert found(page) == expected(shop, "prices p")
    box.fill("")
    every = everything(shop)
    counts = f"{len(every['Routes'])} routes, {len(every['Files'])} files, {len(every['Functions'])} functions"
    expect(page.get_by_role("status")).to_contain_text(counts)
    assert found(page) == {}
    assert state(page) == {}


def test_nothing(look: Look, shop: Site) -> None:
    """Where nothing fits, that is said, and what to try."""
    page = look(shop.url, "search.html?q=cart+<b>zebra")
    expect(page.get_by_role("status")).to_contain_text("Nothing is called “cart <b>zebra”. Try ")
    assert found(page) == {}


def test_links(look: Look, shop: Site) -> None:
    """Routes and files lead to their pages, functions to their first line."""
    page = look(shop.url, "search.html?q=cart")
    for name, address in {
        "GET /carts/{id:int}": shop.page_of("route", "get-carts-id-int"),
        "shop/cart.py": shop.page_of("file", "shop-cart.py"),
        "Cart.total": f"{shop.page_of('file', 'shop-cart.py')}#L26",
    }.items():
        link = page.get_by_role("link", name=name, exact=True)
        assert link.evaluate("each => each.href") == shop.url + address
    (row,) = [each for each in everything(shop)["Functions"] if each.name == "Cart.total"]
    assert row.about.startswith("shop/cart.py 26-")


def test_keyboard(look: Look, shop: Site) -> None:
    """Arrows lead through what was found and back to the box; Enter opens; from the box, the best one."""
    page = look(shop.url, "search.html?q=total")
    names = page.locator("#found a")
    expect(names.first).to_be_visible()
    count = names.count()
    assert count > 1
    box = page.get_by_role("searchbox")
    page.keyboard.press("ArrowUp")
    expect(box).to_be_focused()
    for place in [*range(count), count - 1]:
        page.keyboard.press("ArrowDown")
        expect(names.nth(place)).to_be_focused()
    for place in reversed(range(count - 1)):
        page.keyboard.press("ArrowUp")
        expect(names.nth(place)).to_be_focused()
    page.keyboard.press("ArrowUp")
    expect(box).to_be_focused()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    second = names.nth(1).evaluate("each => each.href")
    page.keyboard.press("Enter")
    page.wait_for_url(second)
    page.go_back()
    first = names.first.evaluate("each => each.href")
    box.press("Enter")
    page.wait_for_url(first)


def test_hostile_names(look: Look, hostile: Site) -> None:
    """Whatever has a name is found by it, as text."""
    page = look(hostile.url, "search.html")
    box, all_ = page.get_by_role("searchbox"), everything(hostile)
    for name in ("__proto__", "constructor", *(printable(each).strip() for each in (*MARKUP, *ODD))):
        box.fill(name)
        wanted = {
            title: [Named(*map(spaced, each)) for each in rows] for title, rows in expected(hostile, name).items()
        }
        assert wanted, name
        assert found(page) == wanted, name
    assert len(all_["Files"]) == len(texts()) + 1
    assert page.evaluate("typeof hacked") == "undefined"


def spaced(text: str) -> str:
    return " ".join(text.split())


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """60 routes and 60 files."""
    folder = tmp_path_factory.mktemp("search")
    store = folder / "reqcov.sqlite3"
    names = [f"shop/m{number:02}.py" for number in range(60)]
    ran = tuple((name, frozenset({2})) for name in names)
    Server(Project(folder / "project", names)).serve(store, Request("/m", ran))
    add(store, [(hit(f"/m{number}"), 100 + number) for number in range(59)])
    assert run("html", "--store", store, "-o", folder / "html").status == 0
    return Site(store, folder / "html")


def test_many(look: Look, large: Site) -> None:
    """Of each kind the best are listed, routes by traffic, and how many more there are is said."""
    page = look(large.url, "search.html?q=m")
    wanted = expected(large, "m")
    expect(page.get_by_role("status")).to_have_text("120 found.")
    assert found(page) == {title: rows[:MANY] for title, rows in wanted.items()}
    assert next(iter(found(page)["Routes 60"])).name == "GET /m58"
    assert page.locator("#found section > p").all_inner_texts() == ["and 10 more: type more of the name"] * 2
    page.get_by_role("searchbox").fill("f0")
    expect(page.locator("#found section > p")).to_have_text("and 10 more: type more of the name")


def test_without_scripts(look: Look, shop: Site) -> None:
    """Without scripts the page says that the search needs them."""
    browser_ = look(shop.url).context.browser
    assert browser_ is not None
    with browser_.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(f"{shop.url}search.html")
        assert "takes scripts" in page.inner_text("main")
