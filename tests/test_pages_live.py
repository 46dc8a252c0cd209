"""The live pages in a browser: the same as on disk under their strict policy, and up to date by themselves."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest
from playwright.sync_api import expect

from reqcov.reports.text import printable
from reqcov.store.model import HitKey
from reqcov.store.reading import reading
from reqcov.ui import app, latest
from reqcov.ui.app import Pages
from tests.browser import NARROW, WIDE, Look, browser, look, overhanging, violations  # noqa: F401
from tests.hostile_store import MARKUP, ODD
from tests.live import TOKEN, served
from tests.reading import add
from tests.sites import Site, hostile, shop  # noqa: F401
from tests.test_pages_file import ready, who
from tests.test_pages_hostile import read
from tests.test_pages_looks import KINDS, page_of
from tests.test_pages_numbers import figures, tables, told


@pytest.fixture
def store(shop: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:  # noqa: F811
    """The shop's, to be written to; pages are looked for at every request."""
    monkeypatch.setattr(latest, "PAUSE", 0.0)
    monkeypatch.setattr(latest, "SHARE", 0)
    return Path(shutil.copy(shop.store, tmp_path))


@pytest.fixture
def serve() -> Iterator[Callable[[Pages], str]]:
    """From pages to the URL at which they are."""
    with contextlib.ExitStack() as servers:
        yield lambda pages: f"http://127.0.0.1:{servers.enter_context(served(pages))}/"


@pytest.fixture
def visit(serve: Callable[[Pages], str], look: Look) -> Look:  # noqa: F811
    """Opens live pages; they are closed before their server is."""
    return look


@pytest.fixture
def live(serve: Callable[[Pages], str], store: Path) -> str:
    """The URL of a server that everybody may ask."""
    return serve(app(store, insecure=True, actions=True))


def arrive(store: Path, route: str, count: int = 1, *, like: str = "/orders/{id:int}") -> None:
    """Requests to a route came just now, and ran the same as those to another one."""
    with reading(store) as reader:
        ids = {key for key, each in reader.routes().items() if each.template == like}
        footprint = next(hit.footprint for hit in reader.hits() if hit.route in ids and hit.status == 2)
        address, _ = reader.footprints()[footprint]
    now = time.time()
    hit = HitKey("http", "GET", route, 2, "", address, int(now // 86_400))
    add(store, [(hit, count)], name=f"{route} {now}", build="2026.2", last_write=now)


@pytest.mark.parametrize("kind", KINDS)
def test_kinds(visit: Look, shop: Site, live: str, kind: str) -> None:  # noqa: F811
    """Each kind of page is shown, on every screen, with nothing that its policy forbids."""
    page = visit(live, page_of(shop, KINDS[kind]), size=NARROW, scheme="dark")
    assert page.locator("h1").inner_text()
    assert page.evaluate("getComputedStyle(document.body).margin") == "0px"  # there are styles
    assert overhanging(page) == []
    page.set_viewport_size({"width": WIDE[0], "height": WIDE[1]})
    page.emulate_media(color_scheme="light")
    assert overhanging(page) == []
    expect(page.locator("#age")).to_contain_text("ago")


def test_only_for_those_who_know_the_token(visit: Look, serve: Callable[[Pages], str], store: Path) -> None:
    """Who has the address with the token is let in, and known from then on; also where something can be done."""
    site = serve(app(store, token=TOKEN, actions=True))
    page = visit(site, f"?token={TOKEN}")
    assert page.url == site
    assert figures(page)
    page.goto("store.html")
    for width, height in (WIDE, NARROW):
        page.set_viewport_size({"width": width, "height": height})
        assert overhanging(page) == []
    assert violations(page) == []


def test_the_overview_keeps_up(visit: Look, store: Path, live: str) -> None:
    """A request that comes while the page is open appears, with nothing done; what was open and sorted stays so."""
    page = visit(live, "?sort=by-traffic.route.asc")
    before = tables(page, "[aria-labelledby=routes]")
    assert [row["Route"] for row in before] == sorted(row["Route"] for row in before)
    arrive(store, "/brand-new", 3)
    expect(page.locator("[aria-labelledby=routes] tbody")).to_contain_text("GET /brand-new")
    after = tables(page, "[aria-labelledby=routes]")
    assert [row["Route"] for row in after] == sorted({"GET /brand-new", *(row["Route"] for row in before)})
    (row,) = [row for row in after if row["Route"] == "GET /brand-new"]
    assert row["Requests"] == "3"
    assert page.url == f"{live}?sort=by-traffic.route.asc"


def test_a_file_keeps_up(visit: Look, shop: Site, store: Path, live: str) -> None:  # noqa: F811
    """A line that nobody had run is shown to be run once somebody does, and who; the chosen line stays chosen."""
    lines = (shop.store.parent / "shop/orders.py").read_text("utf-8").splitlines()
    number = next(number for number, line in enumerate(lines, 1) if 'self.state = "refunded"' in line)
    page = ready(visit(live, f"{shop.page_of('file', 'shop-orders.py')}#L{number}"))
    before = who(page)
    assert "/refunds/now" not in str(before)
    arrive(store, "/refunds/now", 2_000, like="/orders/{id:int}/refund")
    expect(page.locator("#who-rows")).to_contain_text("GET /refunds/now")
    assert {row[:3] for row in who(page)} >= {("GET /refunds/now", "", "2,000")}
    assert page.url.endswith(f"#L{number}")
    beside = told(page)[number]
    page.reload()
    assert told(ready(page))[number] == beside


ADDRESSES = (
    "?sort=<b>.<img src=x onerror=hacked=1>.asc",
    "routes.html?filter=<img src=x onerror=hacked=1>&sort=by-traffic.<b>.asc",
    "compare.html?left=route:<script>hacked=1</script>&right=__proto__:toString",
    "{file}?left=<script>hacked=1</script>&right=build:<img src=x onerror=hacked=1>&route=<b>#L1",
    "{file}?route=<img src=x onerror=hacked=1>&label=__proto__=<b>&status=<b>#L<b>",
    "search.html?q=<img src=x onerror=hacked=1>",
)
"""What somebody may send to somebody else."""


def test_hostile_addresses(visit: Look, hostile: Site, serve: Callable[[Pages], str]) -> None:  # noqa: F811
    """Addresses are text, too: nothing of them is run, whether or not there is what they name."""
    page = visit(serve(app(hostile.store, insecure=True)))
    for address in ADDRESSES:
        page.goto(address.format(file=hostile.page_of("file", "text-quoted.py")))
        page.wait_for_load_state("networkidle")
        assert read(page)["heading"]
    for name in (*MARKUP, *ODD)[::3]:
        page.goto(f"search.html?{urlencode({'q': printable(name)})}")
        page.wait_for_selector("#found li")
        assert printable(name) in "".join(page.locator("#found a").all_text_contents())
        assert read(page)["heading"] == "Search"
