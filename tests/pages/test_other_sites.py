"""What a page of somebody else can tell the live pages, in the browser of one who may: nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from reqcov.store.reading import reading
from reqcov.ui import app
from reqcov.ui.app import Pages
from tests.live import TOKEN, served

TELL = """\
async ([url, mode, kind]) => {
  const options = {method: "POST", credentials: "include", mode, headers: {"Content-Type": kind}};
  const answer = await fetch(url, {...options, body: JSON.stringify({test: `${mode} ${kind}`})}).catch(() => null);
  return answer && answer.status;
}
"""

SUBMIT = """\
(url) => {
  document.body.innerHTML = `<form method="post" enctype="text/plain"><input name='{"test": "'></form>`;
  document.forms[0].action = url;
  document.forms[0].elements[0].value = 'form"}';
  document.forms[0].submit();
}
"""


def somebody_else(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    start_response("200 OK", [("Content-Type", "text/html")])
    return [b"<body></body>"]


@pytest.fixture
def other_site() -> Iterator[str]:
    """On another port: cookies go there, and from there to us, for browsers take it for the same site."""
    with served(somebody_else) as port:
        yield f"http://127.0.0.1:{port}/"


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """Of a browser that has been nowhere."""
    context = browser.new_context()
    yield context.new_page()
    context.close()


def test_tests(page: Page, serve: Callable[[Pages], str], other_site: str, tmp_path: Path) -> None:
    """Its browser brings the cookie along, and can send no JSON; our own page can."""
    store = tmp_path / "store.sqlite3"
    site = serve(app(store, token=TOKEN, test_runs=True))
    page.goto(f"{site}?token={TOKEN}")
    page.goto(other_site)
    told = [
        page.evaluate(TELL, [f"{site}tests", mode, kind])
        for mode in ("cors", "no-cors")
        for kind in ("application/json", "text/plain", "application/x-www-form-urlencoded")
    ]
    assert told == [None] * 6
    with page.expect_navigation(), page.expect_response(f"{site}tests") as answered:
        page.evaluate(SUBMIT, f"{site}tests")
    assert "reqcov_" in answered.value.request.all_headers()["cookie"]
    assert answered.value.status == 403
    assert not store.exists()
    page.goto(f"{site}tests")
    assert page.evaluate(TELL, [f"{site}tests", "cors", "application/json"]) == 201
    with reading(store) as reader:
        assert list(reader.tests()) == ["cors application/json"]
