"""What a store holds is shown as text, whatever it is: nothing of it is run, and nothing of it is lost."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Page

from reqcov.reports.text import printable
from tests.hostile_store import MARKUP, NOT_KEPT, ODD, texts
from tests.pages.browser import Look
from tests.pages.sites import Site

READ = """() => ({
    title: document.title,
    heading: document.querySelector("h1").textContent,
    rows: [...document.querySelectorAll("tbody th:first-child")].map((each) => each.textContent.trim()),
    links: [...document.querySelectorAll("tbody th:first-child a")].map((each) => [each.textContent, each.href]),
    endpoints: [...document.querySelectorAll(".endpoint code")].map((each) => each.textContent),
    lines: [...document.querySelectorAll(".source code")].map((each) => each.textContent),
    harmful: [
        ...document.querySelectorAll("script:not([src]):not([type='application/json']), [onerror], [onmouseover]"),
        ...document.querySelectorAll("main :is(img, iframe, object, embed, style, base, meta, link, b b)"),
        ...(typeof hacked === "undefined" ? [] : ["hacked"]),
    ].map(String),
})"""
"""What can be read on a page; and what is harmful: elements that no page of ours has, and the trace of a script."""


def read(page: Page) -> dict[str, Any]:
    found: dict[str, Any] = page.evaluate(READ)
    assert found["harmful"] == [], page.url
    return found


def shown(line: str) -> str:
    """A line of a source, with escapes for what can't be seen."""
    return "".join(each if each == "\t" else printable(each) for each in line)


def title(name: str) -> str:
    """Of the page of what has this name; browsers put spaces together."""
    return f"{' '.join(printable(name).split())} · reqcov"


def test_every_file(look: Look, hostile: Site) -> None:
    """Each file is listed by its name, and has a page of its own, with its name, its title and its lines."""
    page = look(hostile.url, "files.html")
    links = dict(read(page)["links"])
    paths = {row["path"] for row in hostile.ask("report")["files"]}
    assert paths == texts().keys() | {NOT_KEPT}
    assert links.keys() == set(map(printable, paths))
    assert len(set(links.values())) == len(paths)
    for path in paths:
        page.goto(links[printable(path)])
        found = read(page)
        assert (found["heading"], found["title"]) == (printable(path), title(path))
        assert found["lines"] == (list(map(shown, texts()[path][1])) if path != NOT_KEPT else [""]), path


def test_every_route(look: Look, hostile: Site) -> None:
    """Each route is listed by its name, and has a page of its own; those of every second one have name and endpoint."""
    page = look(hostile.url, "routes.html")
    links = dict(read(page)["links"])
    routes = {row["route"]: row["endpoint"] for row in hostile.ask("routes")["routes"]}
    assert links.keys() == set(map(printable, routes))
    assert len(set(links.values())) == len(routes)
    for route, endpoint in list(routes.items())[::2]:
        page.goto(links[printable(route)])
        found = read(page)
        assert (found["heading"], found["title"]) == (printable(route), title(route))
        assert found["endpoints"] == [printable(endpoint)]


def test_overview(look: Look, hostile: Site) -> None:
    """Routes, files and builds on the first page are text."""
    found = read(look(hostile.url))
    names = (*MARKUP, *ODD)
    assert {f"GET /{printable(name)}" for name in names[:10]} <= set(found["rows"])
    assert {printable(name).strip() for name in names} <= set(found["rows"])
