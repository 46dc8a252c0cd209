"""Two sides are compared by the lines that the commands tell of each."""

from __future__ import annotations

import ast
import json
from collections import defaultdict
from itertools import groupby
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from playwright.sync_api import Page, Route, expect

from reqcov.reports.text import printable
from tests.hostile_store import MARKUP, ODD
from tests.pages.browser import Look
from tests.pages.sites import Site
from tests.reading import run
from tests.shop_store import ROOT

OLD, NEW = "build:2026.1", "build:2026.2"
CART, CHECKOUT = "route:GET /carts/{id:int}", "route:POST /carts/{id:int}/checkout"

READ = """async () => {
    const said = (each) => each.textContent.trim().replace(/\\s+/g, " ");
    const opened = [...document.querySelectorAll("#compared details:not([open])")].map((each) =>
        new Promise((resolve) => { each.addEventListener("toggle", resolve); each.open = true; }));
    await Promise.all(opened);
    const cells = (row) => [...row.cells].map(said);
    return {
        figures: [...document.querySelectorAll("#compared .figure")].map(said),
        files: [...document.querySelectorAll(".compared > tbody > tr")].map((row) => ({
            path: row.querySelector("summary").textContent,
            counts: cells(row).slice(1),
            widths: [...row.querySelectorAll(".bar rect")].map(
                (each) => [each.getAttribute("class"), Number(each.getAttribute("width"))]),
            functions: [...row.querySelectorAll("details tbody tr")].map(cells),
            links: [...row.querySelectorAll("details tbody a")].map((each) => each.href),
        })),
        alike: [...document.querySelectorAll("#compared .part li")].map(said),
        note: [...document.querySelectorAll("#compared .dropped")].map(said),
    };
}"""


class Oracle:
    """What commands say of the lines of a store."""

    def __init__(self, site: Site) -> None:
        self.site = site
        file = site.folder.parent / "compared.json"
        assert run("export", "json", "-o", file, "--store", site.store).status == 0
        self.statements = {
            each["path"]: sorted([*each["import_time"], *(line["line"] for line in each["lines"])])
            for each in json.loads(file.read_text("utf-8"))["files"]
        }
        self.functions: dict[str, list[dict[str, Any]]] = {
            each["path"]: each["functions"] for each in site.ask("show", "*")["files"]
        }

    def ran(self, side: str) -> dict[str, set[int]]:
        """By path the lines of a side, in the files as they ran last."""
        kind, _, name = side.partition(":")
        asked = {"route": [name], "label": ["*", "--label", name], "build": ["*", "--build", name]}[kind]
        files = self.site.ask("show", *asked)["files"]
        if side == OLD:
            return {each["path"]: self._carried(each) for each in files}
        return {each["path"]: {line for row in each["functions"] for line in row["lines"]} for each in files}

    def _carried(self, file: dict[str, Any]) -> set[int]:
        """Of lines that ran of the shop's first build, those in functions that are the same now, where they are now."""
        path = file["path"]
        old = (ROOT / "tests" / path).read_text("utf-8").splitlines()
        new = (self.site.store.parent / path).read_text("utf-8").splitlines()
        firsts = {
            each.name: min(one.lineno for one in (each, *each.decorator_list))
            for each in ast.walk(ast.parse("\n".join(new)))
            if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)
        }
        found: set[int] = set()
        for row in file["functions"]:
            first = row["first"]
            by = firsts[row["name"].rpartition(".")[2]] - first if path in ("shop/prices.py", "shop/mail.py") else 0
            if old[first - 1 : row["last"]] == new[first - 1 + by : row["last"] + by]:
                found |= {line + by for line in row["lines"]}
        return found

    def function_rows(self, path: str, ends: dict[int, int]) -> list[list[str]]:
        """Name, and lines as people join them, of each function of which anything ran."""
        rows = []
        for function in self.functions[path]:
            own = {line: end for line, end in ends.items() if line in function["lines"]}
            around = [line for line in self.statements[path] if function["first"] <= line <= function["last"]]
            if own:
                found: dict[int, list[str]] = defaultdict(list)
                for end, lines in groupby(around, own.get):
                    run = list(lines)
                    found[-1 if end is None else end].append(f"{run[0]}-{run[-1]}" if run[1:] else f"{run[0]}")
                rows.append([printable(function["name"]), *(", ".join(found[end]) for end in (0, 1, 2))])
        return rows


class Pair(NamedTuple):
    left: str
    right: str

    @property
    def page(self) -> str:
        return "compare.html?" + urlencode({"left": printable(self.left), "right": printable(self.right)})


def read(page: Page) -> dict[str, Any]:
    """All that the page says, once it says something."""
    page.locator("#compared > *").first.wait_for()
    found: dict[str, Any] = page.evaluate(READ)
    return found


def agree(site: Site, page: Page, pair: Pair) -> dict[str, Any]:
    """The page says what set operations on the commands' lines come to."""
    oracle, found = Oracle(site), read(page)
    left, right = map(oracle.ran, pair)
    files: dict[str, dict[int, int]] = {}  # 0 only left, 1 both, 2 only right
    for path in sorted(left.keys() | right.keys()):
        one, other = left.get(path, set()), right.get(path, set())
        files[path] = {line: 1 if line in one & other else 0 if line in one else 2 for line in one | other}
    everything = [end for lines in files.values() for end in lines.values()]
    assert found["figures"] == [
        f"{everything.count(0)} lines only left",
        f"{everything.count(1)} lines both",
        f"{everything.count(2)} lines only right",
    ]
    differing = {path: lines for path, lines in files.items() if {0, 2} & set(lines.values())}
    assert [each["path"] for each in found["files"]] == list(map(printable, differing))
    for (path, lines), row in zip(differing.items(), found["files"], strict=True):
        counts = [list(lines.values()).count(end) for end in (0, 1, 2)]
        assert row["counts"] == list(map(str, counts)), path
        names = ("left", "both", "right")
        assert row["widths"] == [[name, count] for name, count in zip(names, counts, strict=True) if count]
        assert row["functions"] == oracle.function_rows(path, lines), path
    alike = {path: len(lines) for path, lines in files.items() if lines and path not in differing}
    assert found["alike"] == [f"{printable(path)} {n} line{'s' if n > 1 else ''}" for path, n in alike.items()]
    return found


PAIRS = {
    "routes": Pair(CART, CHECKOUT),
    "routes that share nothing": Pair("route:GET (unmatched)", "route:ship-orders"),
    "builds": Pair(OLD, NEW),
    "labels": Pair("label:tenant=acme", "label:test=pay"),
    "a route and a label": Pair(CART, "label:tenant=globex"),
    "a build and a route": Pair(OLD, CHECKOUT),
}


@pytest.mark.parametrize("kind", PAIRS)
def test_lines(look: Look, shop: Site, kind: str) -> None:
    """Lines only left, only right and of both: in all, by file, and by function as people write them."""
    agree(shop, look(shop.url, PAIRS[kind].page), PAIRS[kind])


def test_gaps(look: Look, hostile: Site) -> None:
    """Lines are joined across what is no statement, and not across statements that neither side ran."""
    pair = Pair(f"route:POST {MARKUP[1]}", f"route:POST {MARKUP[2]}")
    found = agree(hostile, look(hostile.url, pair.page), pair)
    assert {ranges for file in found["files"] for row in file["functions"] for ranges in row[1:]} >= {"2, 4", "2-3"}


def test_hostile_names(look: Look, hostile: Site) -> None:
    """All names can be chosen and are text, and no file is lost for what it is called."""
    names = [printable(each) for each in (*MARKUP, *ODD)]
    pair = Pair(f"route:GET /{MARKUP[0]}", f"route:POST {MARKUP[0]}")
    page = look(hostile.url, pair.page)
    found = agree(hostile, page, pair)
    assert {"__proto__", *(f"shop/{name}.py" for name in names)} <= {each["path"] for each in found["files"]} | {
        each.rpartition(" ")[0].rpartition(" ")[0] for each in found["alike"]
    }
    groups: dict[str, list[str]] = page.eval_on_selector_all(
        "#left optgroup",
        "all => Object.fromEntries(all.map((each) => [each.label, [...each.children].map((one) => one.textContent)]))",
    )
    assert sorted(groups["Builds"]) == sorted(names)
    assert {f"GET /{name}" for name in names} | {f"POST {name}" for name in names[1:]} <= set(groups["Routes"])
    assert {f"tenant={name}" for name in names} <= set(groups["Labels"])
    assert page.evaluate("typeof hacked") == "undefined"


def state(page: Page) -> dict[str, list[str]]:
    return parse_qs(urlsplit(page.url).query)


def test_choosing(look: Look, shop: Site) -> None:
    """From the page of a route: choose the other side by keyboard, swap, and load the address again."""
    page = look(shop.url, shop.page_of("route", "get-carts-id-int"))
    page.get_by_role("link", name="compare with another route").click()
    right = page.get_by_label("Right", exact=True)
    expect(right).to_be_focused()
    expect(right).to_have_value("")
    expect(page.get_by_label("Left", exact=True)).to_have_value(CART)
    expect(page.get_by_role("status")).to_contain_text("Choose two sides")
    page.keyboard.type("POST /carts")
    expect(right).to_have_value(CHECKOUT)
    agree(shop, page, PAIRS["routes"])
    assert state(page) == {"left": [CART], "right": [CHECKOUT]}
    assert page.title() == "GET /carts/{id:int} | POST /carts/{id:int}/checkout · reqcov"
    left = shop.ask("show", CART.partition(":")[2])
    assert page.inner_text("#left-requests") == f"route, {left['requests']:,} requests"
    page.get_by_role("button", name="Swap left and right").press("Enter")
    expect(right).to_have_value(CART)
    swapped = Pair(CHECKOUT, CART)
    expect(page.locator("#compared .figure.left b")).to_have_text(str(len(only(shop, *swapped))))
    agree(shop, page, swapped)
    assert state(page) == {"left": [CHECKOUT], "right": [CART]}
    page.reload()
    agree(shop, page, swapped)


def test_the_last_choice_counts(look: Look, shop: Site) -> None:
    """What arrives late of a side that is no longer chosen is not shown."""
    page = look(shop.url, f"compare.html?{urlencode({'left': CART})}")
    expect(page.locator("#left-requests")).not_to_be_empty()
    held: list[Route] = []
    page.route("**/route-post-carts-*.js", lambda route: held.append(route))
    page.get_by_label("Right", exact=True).select_option(CHECKOUT)
    pair = Pair(CART, "route:GET /search")
    page.get_by_label("Right", exact=True).select_option(pair.right)
    before = agree(shop, page, pair)
    held[0].continue_()
    page.wait_for_function("Object.keys(reqcov.taken).some((name) => name.includes('/route-post-carts-'))")
    assert read(page) == before
    expect(page.locator("#right-requests")).to_contain_text(f"{shop.ask('show', 'GET /search')['requests']:,} ")
    page.unroute_all()


def only(site: Site, side: str, other: str) -> set[tuple[str, int]]:
    oracle = Oracle(site)
    one, two = ({(path, line) for path, lines in oracle.ran(each).items() for line in lines} for each in (side, other))
    return one - two


def test_links_lead_to_the_files(look: Look, shop: Site) -> None:
    """A function leads to its first line in the page of its file, with the same two sides."""
    page = look(shop.url, PAIRS["routes"].page)
    read(page)
    (row,) = [each for each in Oracle(shop).functions["shop/cart.py"] if each["name"] == "Cart.total"]
    page.get_by_role("link", name="Cart.total").click()
    page.wait_for_url(f"**/file/shop-cart.py-*#L{row['first']}")
    assert state(page) == {"left": [CART], "right": [CHECKOUT]}


def test_same_on_both_sides(look: Look, shop: Site) -> None:
    """Sides that ran the same are said to have."""
    page = look(shop.url, Pair(CART, CART).page)
    found = read(page)
    lines = sum(map(len, Oracle(shop).ran(CART).values()))
    assert page.get_by_role("status").inner_text().startswith(f"Both ran the same: {lines} lines in ")
    assert found["figures"] == ["0 lines only left", f"{lines} lines both", "0 lines only right"]
    assert page.locator(".compared").count() == 0


def test_what_was_dropped(look: Look, shop: Site) -> None:
    """Of an older build it is said how many lines are left out, for their functions have changed."""
    found = read(look(shop.url, PAIRS["builds"].page))
    old = shop.ask("show", "*", "--build", "2026.1")
    ran = {each["path"]: {line for row in each["functions"] for line in row["lines"]} for each in old["files"]}
    left = Oracle(shop).ran(OLD)
    lost = {path: len(lines) - len(left[path]) for path, lines in ran.items() if len(lines) != len(left[path])}
    assert lost
    (note,) = found["note"]
    assert note.startswith(f"{sum(lost.values())} lines in {len(lost)} files that requests of build 2026.1 ran ")
    assert read(look(shop.url, Pair(NEW, "label:test=none").page.replace("test%3Dnone", "test%3Dpay")))["note"] != [
        note
    ]


@pytest.mark.parametrize("end", ["left", "right"])
def test_a_side_that_is_gone(look: Look, shop: Site, end: str) -> None:
    """An old link to what is no longer there gets one sentence, and the other side stays chosen."""
    sides = {"left": CART, "right": CART} | {end: "route:GET /gone"}
    page = look(shop.url, f"compare.html?{urlencode(sides)}")
    expect(page.get_by_role("status")).to_have_text(
        "There is no route GET /gone here, or no longer: choose another one."
    )
    assert page.locator("#compared > *").count() == 0
    expect(page.locator(f"#{end} option:checked")).to_have_text("Choose…")
    other = "right" if end == "left" else "left"
    expect(page.locator(f"#{other}")).to_have_value(CART)
    page.locator(f"#{end}").select_option(CHECKOUT)
    agree(shop, page, Pair(**({other: CART} | {end: CHECKOUT})))


def test_sorting_and_opening(look: Look, shop: Site) -> None:
    """The files sort by their numbers; what is open stays with its file, also when the sides are swapped."""
    page = look(shop.url, PAIRS["routes"].page)
    page.locator(".compared summary").nth(1).click()
    opened = page.locator(".compared tr:has(details[open]) summary")
    path = opened.inner_text()
    page.get_by_role("button", name="Only right").click()
    numbers = [int(row["counts"][2]) for row in read(page)["files"]]
    assert numbers == sorted(numbers, reverse=True) != numbers[::-1]
    page.locator(".compared details").evaluate_all("all => all.forEach((each) => (each.open = false))")
    page.locator(".compared summary", has_text=path).click()
    page.get_by_role("button", name="Swap").click()
    page.wait_for_function("document.querySelector('#left').value.startsWith('route:POST')")
    expect(opened).to_have_text([path])
    expect(page.locator(".compared details[open] tbody tr")).not_to_have_count(0)
