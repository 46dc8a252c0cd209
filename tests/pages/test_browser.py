"""The browser of the tests minds what goes wrong in a page, so that a page in which it minds nothing is in order."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.pages.browser import NARROW, Window, overhanging, violations

POLICY = """<meta http-equiv="Content-Security-Policy" content="default-src 'none'">"""

WRONG = {
    "a warning": "<script>console.warn('careful')</script>",
    "an error": "<script>nothing.there</script>",
    "a promise": "<script>Promise.reject(new Error('no'))</script>",
    "a dialog": "<script>alert(1)</script>",
    "an image of another machine": "<img src='http://example.com/x.png'>",
    "a style of another machine": "<link rel='stylesheet' href='//example.com/x.css'>",
    "a file that is not of the site": "<img src='../x.png'>",
    "a file that is not there": "<script src='x.js'></script>",
    "a socket": "<script>new WebSocket('ws://example.com/')</script>",
    "a page of another machine": "<iframe src='http://example.com/'></iframe>",
    "an inline script": f"{POLICY}<script>hacked = 1</script>",
    "an inline style": f"{POLICY}<p style='color: red'></p>",
}


def written(folder: Path, page: str) -> str:
    """A site of this page."""
    (folder / "index.html").write_text(f"<!doctype html><html lang='en'><title>A page</title>{page}")
    return f"{folder.as_uri()}/"


@pytest.mark.parametrize("what", WRONG)
def test_minds_what_goes_wrong(browser: Browser, tmp_path: Path, what: str) -> None:
    """Each of these is noticed."""
    window = Window(browser, written(tmp_path, WRONG[what]))
    window.close()
    assert window.wrong


def test_minds_nothing_else(browser: Browser, tmp_path: Path) -> None:
    """A page with a script of its own, and something on the console that is no warning, is in order."""
    (tmp_path / "x.js").write_text("console.log('hello'); document.title = 'changed'")
    window = Window(browser, written(tmp_path, "<h1>A</h1><script src='x.js'></script>"), "index.html?a=b#c")
    assert window.page.title() == "changed"
    window.close()
    assert window.wrong == []


def test_sees_what_hangs_over(browser: Browser, tmp_path: Path) -> None:
    """What makes a page wider than its window is told, but not what can be scrolled within it."""
    within = "<div style='overflow: auto'><div style='width: 999px'>b</div></div>"
    window = Window(browser, written(tmp_path, within), size=NARROW)
    assert overhanging(window.page) == []
    window = Window(browser, written(tmp_path, f"{within}<div id='wide' style='width: 391px'>b</div>"), size=NARROW)
    assert "DIV wide" in " ".join(overhanging(window.page))


def test_sees_what_is_not_accessible(browser: Browser, tmp_path: Path) -> None:
    """axe-core is there, and finds text that is too pale in one colour scheme only."""
    style = "<style>p { color: #999 } @media (prefers-color-scheme: dark) { body { background: #000 } }</style>"
    site = written(tmp_path, f"{style}<main><h1>A</h1><p>pale</p></main>")
    assert [each.split(":")[0] for each in violations(Window(browser, site).page)] == ["color-contrast"]
    assert violations(Window(browser, site, scheme="dark").page) == []
