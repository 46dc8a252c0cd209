"""A file with lines of all kinds, requests counted by hand, and what its page says of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from playwright.sync_api import Page

from reqcov.analysis.source.code import parse
from reqcov.analysis.source.masks import numbers, of
from reqcov.reports.text import percent
from tests import hostile_store
from tests.pages.browser import Look
from tests.pages.sites import Site
from tests.reading import run
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
    *times(1, "/rare", RARE, status=0, weight=1 / 3),
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
    "either value": {"label": ["test=a=b&c", "test=none"]},
    "no such value": {"label": ["tenant=acme", "test=none"]},
}

CODE = parse(CART)


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
def at(look: Look, site: Site) -> Callable[..., Page]:
    """Opens the page of the file at a state."""

    def at(state: str = "", **options: Any) -> Page:
        page = look(site.url, site.page_of("file", "shop-cart.py") + state, **options)
        page.wait_for_selector("#told:not(:empty)")
        return page

    return at


At = Callable[..., Page]


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


def address(page: Page) -> str:
    """As the page has it; Playwright hears of changes a moment later."""
    found: str = page.evaluate("location.href")
    return found


def state(page: Page) -> dict[str, list[str]]:
    return parse_qs(urlsplit(address(page)).query)


def focused(page: Page) -> str:
    found: str = page.evaluate("document.activeElement.textContent")
    return found
