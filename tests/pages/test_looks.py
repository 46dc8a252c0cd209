"""How the pages look: on a desk and in a hand, by day and by night, to those who can't see them."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page

from tests.pages.browser import NARROW, WIDE, Look, overhanging, violations
from tests.pages.sites import Site

KINDS = {
    "overview": "index.html",
    "routes": "routes.html",
    "files": "files.html",
    "compare": "compare.html",
    "search": "search.html?q=a",
    "route": ("route", "post-carts-id-int-checkout"),
    "file": ("file", "shop-prices.py"),
    "who runs a line": ("file", "shop-prices.py", "#L25"),
}

HOSTILE = {
    **{kind: page for kind, page in KINDS.items() if isinstance(page, str)},
    "route": ("route", "get-script-hacked-1-alert-1-script"),
    "file": ("file", "text-quoted.py", "#L3"),
    "long lines": ("file", "text-long.py", "#L2"),
    "no text": ("file", "text-edited.py"),
}


def page_of(site: Site, page: str | tuple[str, ...]) -> str:
    """The name of a page, with the fragment that is asked for."""
    return page if isinstance(page, str) else site.page_of(*page[:2]) + "".join(page[2:])


def in_order(page: Page, *looks: tuple[tuple[int, int], str]) -> None:
    """In these sizes and colour schemes nothing hangs over, and nothing keeps anybody out."""
    page.wait_for_function("!document.querySelector('.file:not([data-ready]), #found:empty')")
    for (width, height), scheme in looks:
        page.set_viewport_size({"width": width, "height": height})
        page.emulate_media(color_scheme=scheme)
        assert overhanging(page) == []
        assert violations(page) == []


@pytest.mark.parametrize("kind", KINDS)
def test_pages(look: Look, shop: Site, kind: str) -> None:
    """Each kind of page, on every screen: nothing to be scrolled sideways, nothing that axe-core minds."""
    # Colours do not depend on the size, nor the rest on the colours.
    in_order(look(shop.url, page_of(shop, KINDS[kind])), (WIDE, "light"), (NARROW, "dark"))


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_pages(look: Look, hostile: Site, kind: str) -> None:
    """The same where names and lines are as long as they please."""
    in_order(look(hostile.url, page_of(hostile, HOSTILE[kind])), (NARROW, "light"))
