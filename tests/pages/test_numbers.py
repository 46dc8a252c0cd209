"""The numbers on the pages are those that the commands tell."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from playwright.sync_api import Page

from reqcov.reports.text import percent, plural
from tests.pages.browser import Look
from tests.pages.sites import Site
from tests.reading import run


def tables(page: Page, within: str = "body") -> list[dict[str, str]]:
    """The rows of all tables in an element, by the names of their columns."""
    found: list[dict[str, str]] = page.eval_on_selector_all(
        f"{within} table",
        """tables => tables.flatMap((table) => {
            const said = (each) => each.textContent.trim().replace(/\\s+/g, " ");
            const names = [...table.tHead.rows[0].cells].map(said);
            return [...table.tBodies[0].rows].map((row) =>
                Object.fromEntries([...row.cells].map((cell, place) => [names[place], said(cell)])));
        })""",
    )
    return found


def figures(page: Page) -> list[str]:
    return page.eval_on_selector_all(".figure", "all => all.map((each) => each.textContent.trim())")


def minute(moment: str) -> str:
    return f"{datetime.fromisoformat(moment):%Y-%m-%d %H:%M}"


def statuses(counts: dict[str, int]) -> str:
    return " ".join(f"{name} {count:,}" for name, count in counts.items())


def route_cells(row: dict[str, Any]) -> dict[str, str]:
    return {
        "Route": row["route"],
        "Requests": f"{row['requests']:,}",
        "Share": percent(row["share"]),
        "Lines": f"{row['lines']:,}",
        "Reach": percent(row["reach"]),
        "Only here": f"{row['only_here']:,}",
        "Behaviours": f"{row['behaviours']:,}",
        "Statuses": statuses(row["statuses"]),
        "Last seen": minute(row["last_seen"]),
    }


def file_cells(row: dict[str, Any]) -> dict[str, str]:
    return {
        "File": row["path"],
        "Statements": f"{row['statements']:,}",
        "Ran": f"{row['statements'] - row['missed']:,}",
        "Never": f"{row['missed']:,}",
        "Cover": percent(row["cover"]),
        "At import": f"{row['import_time']:,}",
    }


def test_overview(look: Look, shop: Site) -> None:
    """The first page says what `routes`, `report` and `doctor` say."""
    page = look(shop.url)
    routes, report = shop.ask("routes"), shop.ask("report")
    assert figures(page) == [
        f"{routes['requests']:,} requests",
        f"{len(routes['routes'])} routes",
        f"{percent(report['cover'])} of {report['statements']} function statements ran",
        f"{report['missed']} statements never ran",
        f"{len(report['files'])} files",
    ]
    assert tables(page, "[aria-labelledby=routes]") == list(map(route_cells, routes["routes"]))
    files = tables(page, "[aria-labelledby=files]")
    assert sorted(files, key=lambda row: row["File"]) == list(map(file_cells, report["files"]))
    assert [int(row["Ran"]) for row in files] == sorted((int(row["Ran"]) for row in files), reverse=True)
    for row in tables(page, "[aria-labelledby=builds]"):
        asked = shop.ask("routes", "--build", row["Build"])
        assert row["Requests"] == f"{asked['requests']:,}"
        assert row["Share"] == percent(asked["requests"] / routes["requests"])
        assert row["Routes"] == str(len(asked["routes"]))


def test_routes(look: Look, shop: Site) -> None:
    """The page of routes says what `routes` says."""
    assert tables(look(shop.url, "routes.html")) == list(map(route_cells, shop.ask("routes")["routes"]))


def test_files(look: Look, shop: Site) -> None:
    """The page of files says what `report` says."""
    assert tables(look(shop.url, "files.html")) == list(map(file_cells, shop.ask("report")["files"]))


def test_each_route(look: Look, shop: Site) -> None:
    """The page of a route says what `show` says: its functions with their lines, and its behaviours."""
    page = look(shop.url, "routes.html")
    links = page.eval_on_selector_all("tbody th a", "all => all.map((each) => [each.textContent, each.href])")
    assert len(links) == len(shop.ask("routes")["routes"])
    for route, link in links:
        page.goto(link)
        shown = shop.ask("show", route)
        assert figures(page) == [
            f"{shown['requests']:,} requests, {percent(shown['share'])} of all",
            f"{shown['lines']} lines, {percent(shown['reach'])} of what requests could run",
            f"{len(shown['files'])} files",
            f"{len(shown['behaviours'])} behaviours",
        ]
        files = page.eval_on_selector_all(".part > summary", "all => all.map((each) => each.textContent.trim())")
        ranked = sorted(shown["files"], key=lambda file: (-file["lines"], file["path"]))
        dropped = [f", {file['dropped']} dropped" if file["dropped"] else "" for file in ranked]
        assert files == [
            f"{file['path']} {file['lines']} of {plural(file['statements'], 'line')}{more}"
            for file, more in zip(ranked, dropped, strict=True)
        ]
        assert tables(page, "[aria-labelledby=map]") == [
            {
                "Function": row["name"],
                "Requests": f"{row['requests']:,}",
                "Share": percent(row["requests"] / shown["requests"]),
                "Ran": row["ranges"],
                "Some": ", ".join(f"{part['ranges']} ({part['requests']:,})" for part in row["partly"]),
                "Never": row["missing_ranges"],
            }
            for file in ranked
            for row in file["functions"]
        ]
        rows = tables(page, "[aria-labelledby=behaviours]")
        assert [{name: row[name] for name in row if name != "Where"} for row in rows] == [
            {
                "Behaviour": row["footprint"][:12],
                "Requests": f"{row['requests']:,}",
                "Share": percent(row["share"]),
                "Lines": str(row["lines"]),
                "More": str(row["more"]),
                "Fewer": str(row["fewer"]),
                "Last seen": minute(row["last_seen"]),
            }
            for row in shown["behaviours"]
        ]


def told(page: Page) -> dict[int, tuple[str, str]]:
    """By the number of a line what stands beside it, and how hot it is."""
    rows = page.eval_on_selector_all(
        ".source > div",
        """all => all.map((each) => [
            each.querySelector("a").textContent, each.querySelector("b").textContent,
            [...each.classList].filter((name) => /^h\\d$/.test(name)).join(),
        ])""",
    )
    return {int(number): (said, heat) for number, said, heat in rows}


def exported(site: Site, *arguments: object) -> dict[str, Any]:
    """What `export json` says."""
    file = site.folder.parent / "export.json"
    answered = run("export", "json", "-o", file, "--store", site.store, *arguments)
    assert answered.status == 0, answered.err
    found: dict[str, Any] = json.loads(file.read_text("utf-8"))
    return found


def expected(export: dict[str, Any], path: str) -> dict[int, tuple[str, str]]:
    """By line what must stand beside it, and how hot it must be: everything that `export json` tells of the file."""
    (file,) = [file for file in export["files"] if file["path"] == path]
    found = dict.fromkeys(file["import_time"], ("import", ""))
    found |= dict.fromkeys(file["excluded"], ("excl.", ""))
    for line in file["lines"]:
        share = line["requests"] / export["requests"]
        heat = 1 + sum(share >= bound for bound in (0.001, 0.01, 0.1, 0.5))
        found[line["line"]] = (percent(share), f"h{heat}") if line["requests"] else ("never", "")
    return found


def test_each_file(look: Look, shop: Site) -> None:
    """The page of a file says beside each line what `export json` says of it."""
    page = look(shop.url, "files.html")
    export = exported(shop)
    links = page.eval_on_selector_all("tbody th a", "all => all.map((each) => [each.textContent, each.href])")
    assert len(links) == len(export["files"])
    for path, link in links:
        page.goto(link)
        lines = told(page)
        said = expected(export, path)
        assert {number: lines[number] for number in said} == said, path
        assert {said for number, (said, _) in lines.items() if number not in expected(export, path)} <= {""}
    assert {said for file in export["files"] for said, _ in expected(export, file["path"]).values()} > {
        "never",
        "import",
        "excl.",
    }
