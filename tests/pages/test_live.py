"""The live pages in a browser: the same as on disk under their strict policy, and up to date by themselves."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlencode

import pytest
from playwright.sync_api import expect

from reqcov.reports.text import printable
from reqcov.ui import app
from reqcov.ui.app import Pages
from tests.hostile_store import MARKUP, ODD
from tests.live import TOKEN
from tests.pages.browser import NARROW, WIDE, Look, overhanging, violations
from tests.pages.sites import Site
from tests.pages.test_hostile import read
from tests.pages.test_looks import KINDS, page_of
from tests.pages.test_numbers import figures


@pytest.mark.parametrize("kind", KINDS)
def test_kinds(visit: Look, shop: Site, live: str, kind: str) -> None:
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


ADDRESSES = (
    "?sort=<b>.<img src=x onerror=hacked=1>.asc",
    "routes.html?filter=<img src=x onerror=hacked=1>&sort=by-traffic.<b>.asc",
    "compare.html?left=route:<script>hacked=1</script>&right=__proto__:toString",
    "{file}?left=<script>hacked=1</script>&right=build:<img src=x onerror=hacked=1>&route=<b>#L1",
    "{file}?route=<img src=x onerror=hacked=1>&label=__proto__=<b>&status=<b>#L<b>",
    "search.html?q=<img src=x onerror=hacked=1>",
)
"""What somebody may send to somebody else."""


def test_hostile_addresses(visit: Look, hostile: Site, serve: Callable[[Pages], str]) -> None:
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
