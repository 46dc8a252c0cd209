"""A real Chromium to look at pages with, which minds whatever goes wrong in them."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

WIDE, NARROW = (1440, 900), (390, 844)
"""A screen on a desk, and one in a hand; CSS pixels."""

SIZES = {"wide": WIDE, "narrow": NARROW}
SCHEMES = ("light", "dark")

INSTALLED = shutil.which("chromium")
"""The distribution's own: Playwright's would have to be downloaded."""

ARGUMENTS = [
    "--no-sandbox",  # there is none for root
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]

PATIENCE = 20_000
"""Milliseconds that a page has for what is waited for."""


@contextlib.contextmanager
def started() -> Iterator[Browser]:
    """A Chromium, ended at the end."""
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=INSTALLED, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """A Chromium for the tests of pages, and no longer: until it ends, no other loop runs in its thread."""
    if INSTALLED is None:
        pytest.skip("there is no chromium: apt-get install chromium")
    with started() as browser:
        yield browser


Look = Callable[..., "Page"]
"""As `Window.open`."""


@pytest.fixture(scope="package")
def kept(browser: Browser) -> Iterator[dict[str, Window]]:
    """By site, a window for one test after the other: opening one takes as long as most tests do."""
    windows: dict[str, Window] = {}
    yield windows
    for window in windows.values():
        window.context.close()


@pytest.fixture
def look(browser: Browser, kept: dict[str, Window]) -> Iterator[Look]:
    """Opens pages; after the test, nothing may have gone wrong in any of them."""
    used: list[Window] = []

    def look(site: str, *place: Any, **options: Any) -> Page:
        window = kept.pop(site, None)
        if window is None:
            window = Window(browser, site, *place, **options)
        else:
            window.open(*place, **options)
        used.append(window)
        return window.page

    yield look
    wrong = []
    for window in used:
        window.rest()
        wrong += window.wrong
        if window.site.startswith("file:") and not window.wrong and window.site not in kept:
            kept[window.site] = window
        else:
            window.context.close()
    assert wrong == [], wrong  # said again, for pytest explains assertions of test modules only


class Window:
    """A browser that remembers nothing of other windows, with one page of a site, and what goes wrong in it."""

    def __init__(
        self, browser: Browser, site: str, name: str = "index.html", size: tuple[int, int] = WIDE, scheme: str = "light"
    ) -> None:
        """Open the page `name`, with a query and a fragment or without, of the site at the URL `site`.

        `site` ends with a slash; nothing that is not below it can be asked for.
        """
        self.wrong: list[str] = []
        self.site = site
        width, height = size
        self.context: BrowserContext = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme=scheme, reduced_motion="reduce", base_url=site
        )
        self.context.set_default_timeout(PATIENCE)
        self.context.on("console", lambda said: self._mind(said.type in ("error", "warning"), said.text))
        self.context.on("weberror", lambda raised: self._mind(True, str(raised.error)))
        self.context.on("dialog", lambda dialog: (self._mind(True, dialog.message), dialog.dismiss()))
        self.context.route(self._is_elsewhere, lambda route: (self._refuse(route.request.url), route.abort()))
        self.context.route_web_socket(self._is_elsewhere, lambda socket: (self._refuse(socket.url), socket.close()))
        self.page = self.context.new_page()
        self.page.goto(name)

    def open(self, name: str = "index.html", size: tuple[int, int] = WIDE, scheme: str = "light") -> None:
        """Show another page of the same site, as in a new window."""
        self.page.set_viewport_size({"width": size[0], "height": size[1]})
        self.page.emulate_media(color_scheme=scheme)
        self.page.goto("about:blank")  # where only the fragment differs, nothing would be loaded
        self.page.goto(name)

    def rest(self) -> None:
        """Wait until the page has come to rest: what is wrong is told a moment after it went wrong."""
        self.page.evaluate("new Promise((rest) => requestAnimationFrame(() => setTimeout(rest)))")

    def close(self) -> None:
        """Close it once the page has come to rest."""
        self.rest()
        self.context.close()

    def _mind(self, wrong: bool, what: str) -> None:
        if wrong:
            self.wrong.append(what)

    def _is_elsewhere(self, url: str) -> bool:
        return not url.startswith(self.site)

    def _refuse(self, url: str) -> None:
        self.wrong.append(f"{url} is not of {self.site}")


def violations(page: Page) -> list[str]:
    """What axe-core finds wrong with a page for people who can't see it, or not well, or use no mouse."""
    from axe_playwright_python.sync_playwright import Axe

    # Without what it would load once more: pages on disk may not be read by scripts.
    found = Axe().run(page, options={"resultTypes": ["violations"], "preload": False}).response["violations"]
    return [f"{each['id']}: {node['target']}: {node['failureSummary']}" for each in found for node in each["nodes"]]


def overhanging(page: Page) -> list[str]:
    """What makes a page wider than its window; scrolling boxes within it are none of that."""
    found: list[str] = page.evaluate(
        """() => {
            const width = document.documentElement.clientWidth;
            if (document.documentElement.scrollWidth <= width) return [];
            const wide = [...document.body.querySelectorAll("*")].filter(
                (each) => each.getBoundingClientRect().right > width + 0.5);
            return [`${document.documentElement.scrollWidth} > ${width}`, ...wide.slice(0, 20).map(
                (each) => `${each.tagName} ${each.id} ${each.className} ${each.textContent.slice(0, 40)}`)];
        }"""
    )
    return found
