"""The pages of gaps, dead and dedupe say what the commands say, on disk and live, to everybody."""

from __future__ import annotations

import contextlib
import shutil
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from reqcov.analysis.dedupe import Dedupe
from reqcov.analysis.view import View
from reqcov.errors import ConfigError
from reqcov.reports.html import answers
from reqcov.reports.text import percent, plural, printable
from reqcov.store import outcomes
from reqcov.store.model import HitKey, pack_labels
from reqcov.store.reading import reading
from reqcov.ui import app
from reqcov.ui.app import Pages
from tests import hostile_store
from tests.live import pages_of
from tests.pages.browser import NARROW, WIDE, Look, overhanging, violations
from tests.pages.sites import Site
from tests.pages.test_hostile import read
from tests.pages.test_numbers import figures, minute, tables
from tests.pages.test_page_tables import column, press, query
from tests.reading import add, hit, run

PAGES = ("gaps.html", "dead.html", "dedupe.html")

HERE = "# Only in this folder.\n"

UNUSED = ("dead", "not imported", "changed")


def add_tests(store: Path, names: Iterable[str]) -> None:
    """Requests of tests: each runs what one or two kinds of those before do; some tests do not end well."""
    with reading(store) as reader:
        routes, footprints = reader.routes(), reader.footprints()
        kinds = sorted({(routes[each.route].context, each.footprint) for each in reader.hits()})
        day = max(each.day for each in reader.hits())
        templates = {route.context: route for route in routes.values()}
    found: list[tuple[HitKey, int]] = []
    names = list(names)
    for number, name in enumerate(names):
        for context, footprint in {kinds[number % len(kinds)], kinds[number * number % len(kinds)]}:
            route = templates[context]
            labels = pack_labels({"test": name})
            own = {"protocol": route.protocol, "method": route.method, "labels": labels, "day": day}
            found.append((hit(route.template, footprints[footprint][0], **own), 1 + number % 3))
    add(store, found, name="tests")
    for name in names[:-2]:
        outcomes.end(store, name, "passed")
    outcomes.end(store, names[-2], "failed")
    outcomes.end(store, "pay", "skipped")
    outcomes.begin(store, names[-1])


def covered(file: Path, lines: dict[str, Iterable[int]]) -> Path:
    """An lcov tracefile that tells of these lines."""
    of_files = (["SF:" + path, *(f"DA:{line},1" for line in own), "end_of_record"] for path, own in lines.items())
    file.write_text("".join(f"{line}\n" for line in chain.from_iterable(of_files)), "utf-8")
    return file


@pytest.fixture(scope="module")
def asked(shop: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The shop's with tests, of which some add nothing, with a module that nobody imports, in the current folder."""
    folder = tmp_path_factory.mktemp("asked")
    store = Path(shutil.copy(shop.store, folder))
    shutil.copytree(shop.store.parent / "shop", folder / "shop")
    with (folder / "shop" / "search.py").open("a") as file:
        file.write(HERE)
    (folder / "shop" / "unused.py").write_text("def nobody():\n    return 1\n")
    add_tests(store, (f"tests/test_shop.py::test_{number}" for number in range(30)))
    every = sorted(path.relative_to(folder).as_posix() for path in (folder / "shop").glob("*.py"))
    covered(
        folder / "tests.info", {path: range(1 + number % 3, 60, 2) for number, path in enumerate(every) if number != 3}
    )
    with contextlib.chdir(folder):
        assert run("html", "--store", store, "--tests", "tests.info", "-o", folder / "html").status == 0
        yield Site(store, folder / "html")


@pytest.fixture(scope="module")
def hostile_asked(hostile: Site, tmp_path_factory: pytest.TempPathFactory) -> Site:
    """The hostile store's, with tests that are called so, and without what would be too long to look at."""
    folder = tmp_path_factory.mktemp("hostile")
    store = Path(shutil.copy(hostile.store, folder))
    (folder / "shop").mkdir()  # where names are too long for a file system
    add_tests(store, (*hostile_store.MARKUP, *hostile_store.ODD))
    paths = [path for path in hostile_store.texts() if path.startswith("text/") or path in hostile_store.PATHS]
    tests = covered(folder / "tests.info", {path: range(1, 20) for path in paths})
    with contextlib.chdir(folder):
        answered = run("html", "--store", store, "--tests", tests, "-o", folder / "html")
    assert answered.status == 0, answered.err
    return Site(store, folder / "html")


def gap_cells(row: dict[str, Any]) -> dict[str, str]:
    return {
        "File": row["path"],
        "Function": row["function"],
        "Requests": f"{row['requests']:,}",
        "Share": percent(row["share"]),
        "Lines": row["ranges"],
        "Routes": ", ".join(f"{each['route']} {each['requests']:,}" for each in row["routes"][:3])
        + (f" and {len(row['routes']) - 3} more" if len(row["routes"]) > 3 else ""),
        "Last seen": minute(row["last_seen"]),
    }


def summaries(page: Page) -> None:
    """Leave of what can be opened its title only."""
    page.evaluate("document.querySelectorAll('td > details > :not(summary)').forEach((each) => each.remove())")


def gaps(site: Site) -> Any:
    return site.ask("gaps", "--tests", "tests.info")


def test_gaps(look: Look, asked: Site) -> None:
    """The page of gaps says what `gaps` says, and shows the lines; the file's page marks the very same ones."""
    page, said = look(asked.url, "gaps.html"), gaps(asked)
    assert figures(page) == [
        f"{len(said['gaps'])} gaps, of {said['lines']} lines",
        f"{percent(said['share'])} of {said['ran']} function statements that requests ran are tested",
        f"{percent(said['weighted'])} by requests: each line as often as they ran it",
    ]
    shown = page.eval_on_selector_all(
        "td > details",
        """all => all.map((each) => [...each.querySelectorAll('.l')].map((line) =>
            [line.firstChild.href, line.lastChild.textContent]))""",
    )
    first = page.eval_on_selector_all("tbody th a", "all => all.map((each) => each.href)")
    for row, lines, link in zip(said["gaps"], shown, first, strict=True):
        text = (asked.store.parent / row["path"]).read_text().splitlines()
        by_number = {int(href.rpartition("#L")[2]): line for href, line in lines}
        assert by_number == {number: text[number - 1] for number in by_number}
        assert set(row["lines"]) <= by_number.keys()
        assert link == lines[0][0]
    summaries(page)
    assert tables(page) == list(map(gap_cells, said["gaps"]))
    pages = {row["path"]: link.partition("#")[0] for row, link in zip(said["gaps"], first, strict=True)}
    for path, link in pages.items():
        page.goto(link)
        marked = page.eval_on_selector_all(".l > u", "all => all.map((each) => each.textContent)")
        wanted = {number for row in said["gaps"] if row["path"] == path for number in row["lines"]}
        assert {number for number, mark in enumerate(marked, 1) if mark == "no test"} == wanted
        assert set(marked) == {"", "no test"}
    page.locator(".l > a").nth(min(wanted) - 1).focus()
    assert "no test" in page.evaluate("document.activeElement.ariaLabel")


def dead_cells(file: dict[str, Any], row: dict[str, Any]) -> dict[str, str]:
    more = row["whole_class"] and file["unused"] != file["statements"]
    return {
        "Function": row["function"] + (f" and {row['inner']} in it" if row["inner"] else ""),
        "Line": str(row["first"]),
        "Verdict": row["verdict"],
        "Statements": f"{row['statements']:,}",
        "Why": row["reason"] + (f"; nor did anything else in {row['whole_class']}" if more else ""),
        "Watched since": minute(row["watched_since"]) if row["watched_since"] else "",
        "Requests": f"{row['requests']:,}" if row["watched_since"] else "",
    }


def test_dead(look: Look, asked: Site) -> None:
    """The page of dead functions says what `dead` says, with what nobody imported; each leads to its source."""
    page, said = look(asked.url, "dead.html"), asked.ask("dead")
    rows = [(file, row) for file in said["files"] for row in file["rows"]]
    unused = [row for _, row in rows if row["verdict"] in UNUSED]
    assert figures(page) == [
        f"{sum(1 + row['inner'] for row in unused)} of {said['functions']} functions unused",
        f"{percent(said['unused'] / said['statements'])} of {said['statements']} function statements, {said['unused']}",
        f"{said['requests']:,} requests, {percent(said['sampled'])} recorded completely",
        f"{len(said['builds'])} builds",
    ]
    assert {row["verdict"] for _, row in rows} >= {"dead", "not imported", "job"}
    assert tables(page) == [dead_cells(*each) for each in rows]
    assert page.locator(".part bdi").all_inner_texts() == [file["path"] for file in said["files"]]
    words = page.locator("main > p").nth(1).inner_text()
    assert f"Watched from {minute(said['watched_since'])} to {minute(said['until'])} UTC" in words
    assert page.locator("td .verdict.unused").all_inner_texts() == [row["verdict"] for row in unused]
    links = page.eval_on_selector_all("tbody th a", "all => all.map((each) => [each.textContent, each.href])")
    assert len(links) == sum(file["imported"] for file, _ in rows)
    page.goto(links[-1][1])
    expect(page.locator("#who-title")).to_contain_text(links[-1][0])


def test_dedupe(look: Look, asked: Site) -> None:
    """The page of tests that add nothing says what `dedupe` says: which are kept in turn, which not, and why."""
    page, said = look(asked.url, "dedupe.html"), asked.ask("dedupe")
    assert said["of"] == "tests"
    assert len(said["kept"]) > 3
    assert len(said["redundant"]) > 3
    assert len(said["aside"]) == 3
    assert figures(page) == [
        f"{said['after']} of {said['before']} tests kept",
        f"{len(said['redundant'])} add nothing",
        "3 set aside",
        f"{said['total']} lines, all of them kept",
        f"{said['requests_after']:,} of {said['requests']:,} requests are those of the kept",
    ]
    assert "Nothing was deleted" in page.locator("main > p").first.inner_text()
    lost = page.eval_on_selector_all(
        "#kept tr", "all => all.slice(1).map((row) => [...row.querySelectorAll('li')].map((each) => each.textContent))"
    )
    assert lost == [
        [f"{each['path']} {each['name']} {each['ranges']}" for each in row["functions"][:10]]
        + [f"and {plural(len(row['functions']) - 10, 'more function')}"] * (len(row["functions"]) > 10)
        for row in said["kept"]
    ]
    summaries(page)
    kept = [
        {
            "Test": row["name"],
            "Order": str(order),
            "Requests": f"{row['requests']:,}",
            "Lines": str(row["size"]),
            "Adds": str(row["adds"]),
            "All": percent(row["share"]),
            "Alone": str(row["alone"]),
            "Unique": str(row["unique"]),
        }
        for order, row in enumerate(said["kept"], 1)
    ]
    shown = tables(page, "[aria-labelledby=are-kept]")
    assert [{name: row[name] for name in row if name != "Would be lost"} for row in shown] == kept
    assert tables(page, "[aria-labelledby=add-nothing]") == [
        {
            "Test": row["name"],
            "Requests": f"{row['requests']:,}",
            "Lines": str(row["size"]),
            "Covered by": ", ".join(row["covered_by"][:3])
            + (f" and {len(row['covered_by']) - 3} more" if len(row["covered_by"]) > 3 else ""),
        }
        for row in said["redundant"]
    ]
    assert tables(page, "[aria-labelledby=set-aside]") == [
        {"Test": row["name"], "Because": row["reason"]} for row in said["aside"]
    ]


@pytest.mark.parametrize("name", PAGES)
def test_looks(look: Look, asked: Site, hostile_asked: Site, name: str) -> None:
    """On every screen, by day and by night, with everything open, and with whatever names."""
    for site, looks in ((asked, ((WIDE, "light"), (NARROW, "dark"))), (hostile_asked, ((NARROW, "light"),))):
        page = look(site.url, name)
        page.evaluate(
            "[...document.querySelectorAll('td > details')].slice(0, 5).forEach((each) => { each.open = true; })"
        )
        for (width, height), scheme in looks:
            page.set_viewport_size({"width": width, "height": height})
            page.emulate_media(color_scheme=scheme)
            assert overhanging(page) == []
            assert violations(page) == []


def test_hostile(look: Look, hostile_asked: Site) -> None:
    """What a store holds is text on these pages, too, and all of it is there."""
    names = set(map(printable, (*hostile_store.MARKUP, *hostile_store.ODD)))
    page = look(hostile_asked.url, "dedupe.html")
    assert {" ".join(each.split()) for each in read(page)["rows"]} == {" ".join(each.split()) for each in names}
    page.goto(f"{hostile_asked.url}gaps.html")
    with contextlib.chdir(hostile_asked.store.parent):
        said, dead = gaps(hostile_asked), hostile_asked.ask("dead")
    assert said["gaps"]
    assert read(page)["rows"] == [printable(row["path"]).strip() for row in said["gaps"]][: answers.MANY_GAPS]
    page.goto(f"{hostile_asked.url}dead.html")
    assert read(page)["rows"] == [printable(row["function"]) for file in dead["files"] for row in file["rows"]]
    parts = page.eval_on_selector_all(".part > summary > bdi", "all => all.map((each) => each.textContent)")
    assert parts == [printable(file["path"]) for file in dead["files"]]


def test_by_the_keyboard(look: Look, asked: Site) -> None:
    """Tables are filtered and sorted, and lines opened, by the keyboard; files without a row that fits go, too."""
    page, said = look(asked.url, "gaps.html"), gaps(asked)
    page.get_by_label("Filter").focus()
    page.keyboard.type("prices.py total")
    assert len(column(page.locator("#gaps"), "Function")) == sum(
        (row["path"], row["function"]) == ("shop/prices.py", "total") for row in said["gaps"]
    )
    page.get_by_label("Filter").fill("GET /search")
    expect(page.get_by_role("status").first).to_contain_text(f"of {len(said['gaps'])} shown")
    press(page, "File", "#gaps")
    assert query(page) == {"filter": ["GET /search"], "sort": ["gaps.file.asc"]}
    page.reload()
    summary = page.locator("#gaps tr:not([hidden]) summary").first
    summary.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#gaps tr:not([hidden]) details").first.locator(".l").first).to_be_visible()
    page.goto(f"{asked.url}dead.html?filter=not imported")
    assert page.locator(".part:not([hidden]) > summary > bdi").all_inner_texts() == ["shop/unused.py"]
    page.goto(f"{asked.url}dead.html?filter=cart")
    assert column(page.locator(".part:not([hidden]) table"), "Function") == ["Cart.add", "Cart.remove"]
    page.goto(f"{asked.url}dedupe.html?filter=test_29")
    expect(page.get_by_role("status").first).to_contain_text("1 of 31 shown")


def test_live(visit: Look, asked: Site, serve: Callable[[Pages], str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The live pages say the same as those on disk, but for what nobody imported; which they admit."""
    monkeypatch.chdir(asked.store.parent)
    url = serve(app(asked.store, insecure=True, tests=["tests.info"]))
    for name in PAGES:
        live, disk = (tables(visit(site, name)) for site in (url, asked.url))
        assert [row for row in disk if row.get("Verdict") != "not imported"] == live
        assert live
    assert HERE.strip() in visit(url, asked.page_of("file", "shop-search.py")).locator(".source").inner_text()
    page = visit(url, "dead.html")
    assert "do not know the project" in page.locator("main").inner_text()


@pytest.mark.parametrize("command", ["html", "serve"])
def test_tests_that_are_not_there(asked: Site, tmp_path: Path, command: str) -> None:
    """Files of tests that are not there, or are given as one name, are refused in one sentence."""
    options = ["-o", tmp_path / "html"] if command == "html" else ["--port", 0, "--insecure"]
    answered = run(command, "--store", asked.store, "--tests", "nowhere.info", *options)
    assert answered.status == 1
    assert answered.err.startswith("Error: There is no file nowhere.info;")
    assert answered.err.count("\n") == 1
    with pytest.raises(ConfigError, match=r"write tests=\['tests.info'\]"):
        app(asked.store, insecure=True, tests="tests.info")


def test_what_can_not_be_told(shop: Site, asked: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no answer a sentence says why, and what to do; lists that are too long say how long they are."""
    assert "<code>--tests .coverage</code>" in (shop.folder / "gaps.html").read_text("utf-8")
    monkeypatch.chdir(asked.store.parent)
    assert run("html", "--store", asked.store, "-o", tmp_path / "some", "--route", "GET /search").status == 0
    assert "without --route and --label" in (tmp_path / "some" / "dead.html").read_text("utf-8")
    covered(tmp_path / "other.info", {"other.py": [1]})
    with pages_of(asked.store, tests=[tmp_path / "other.info"]) as client:
        assert "tell nothing of the files in the store" in client.get("/gaps.html").text.replace("tells", "tell")
        assert client.get("/").status_code == 200
    said, dead, dedupe = gaps(asked), asked.ask("dead"), asked.ask("dedupe")
    for name, most in (("MANY_GAPS", 3), ("MANY_DEAD", 3), ("MANY_TESTS", 3)):
        monkeypatch.setattr(answers, name, most)
    with pages_of(asked.store, tests=["tests.info"]) as client:
        text = client.get("/gaps.html").text
        assert text.count("<details id=") == 3
        rest = said["gaps"][3:]
        assert (
            f"and {len(rest)} gaps more with fewer requests, of {sum(len(row['lines']) for row in rest)} lines" in text
        )
        rows = [row for file in dead["files"] if file["imported"] for row in file["rows"]]
        text = client.get("/dead.html").text
        assert f"and {len(rows) - 3} functions more, of {sum(row['statements'] for row in rows[3:])} statements" in text
        assert text.count('<th scope="row">') == 3
        assert f"3 of {len(dedupe['redundant'])} are listed" in client.get("/dedupe.html").text
    monkeypatch.setattr(answers, "MOST_CELLS", 30 * 98)
    with pages_of(asked.store) as client:
        assert "31 tests and " in client.get("/dedupe.html").text


def test_others_do_not_wait(asked: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """While an answer is found, who asks for it too is told so after a moment, and other pages are there."""
    find, asked_for, go_on = answers.dedupe, threading.Event(), threading.Event()

    def slowly(view: View) -> Dedupe:
        asked_for.set()
        assert go_on.wait(60)
        return find(view)

    monkeypatch.setattr(answers, "dedupe", slowly)
    monkeypatch.setattr(answers, "PATIENCE", 0.01)
    with pages_of(asked.store) as client, ThreadPoolExecutor() as threads:
        first = threads.submit(client.get, "/dedupe.html")
        try:
            assert asked_for.wait(60)
            assert answers.NOT_YET in client.get("/dedupe.html").text
            assert answers.NOT_YET not in client.get("/dead.html").text
        finally:
            go_on.set()
        assert answers.NOT_YET not in first.result().text
        assert client.get("/dedupe.html").text == first.result().text


def test_found_when_asked_for(asked: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other live pages do not wait for the answers, and each is found once."""
    found = []
    for name in ("gaps", "dead", "dedupe"):
        find = getattr(answers, name)
        monkeypatch.setattr(answers, name, lambda *a, _n=name, _f=find, **k: (found.append(_n), _f(*a, **k))[1])
    monkeypatch.chdir(asked.store.parent)
    with pages_of(asked.store, tests=["tests.info"]) as client:
        for name in ("", "files.html", "routes.html", "compare.html", "data/code.js"):
            assert client.get(f"/{name}").status_code == 200
        assert found == []
        for name in (*PAGES, *PAGES, client.get("/files.html").text.partition('href="file/')[2].partition('"')[0]):
            assert client.get(f"/{name}").status_code in (200, 404)
        assert found == ["gaps", "dead", "dedupe"]
