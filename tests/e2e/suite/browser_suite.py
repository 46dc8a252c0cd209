"""Tests that ask by a browser; `tests.e2e` runs them, by many workers at once."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.pages.browser import started

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

GROUPS = int(os.environ["E2E_GROUPS"])
TESTS = int(os.environ["E2E_BROWSER"])


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with started() as browser:
        yield browser


@pytest.fixture
def page(browser: Browser, reqcov_headers: dict[str, str]) -> Iterator[Page]:
    context = browser.new_context(base_url=os.environ["E2E_URL"], extra_http_headers=reqcov_headers)
    yield context.new_page()
    context.close()


@pytest.mark.parametrize(
    "number", [pytest.param(n, marks=pytest.mark.xdist_group(str(n % GROUPS))) for n in range(TESTS)]
)
def test_page(page: Page, number: int) -> None:
    """The page of each asks for something else, several things at once, and twice with those of other workers."""
    from playwright.sync_api import expect

    page.goto(f"/page/{number}")
    expect(page).to_have_title("shown", timeout=60_000)
    page.get_by_role("button").click()
    expect(page).to_have_title("ordered", timeout=60_000)
