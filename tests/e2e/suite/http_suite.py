"""Tests that ask by httpx; `tests.e2e` runs them, by many workers at once."""

from __future__ import annotations

import os
from collections.abc import Iterator

import httpx
import pytest

GROUPS = int(os.environ["E2E_GROUPS"])
TESTS = int(os.environ["E2E_HTTP"])


@pytest.fixture
def client(reqcov_headers: dict[str, str]) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=os.environ["E2E_URL"], headers=reqcov_headers, timeout=60) as client:
        yield client


@pytest.mark.parametrize(
    "number", [pytest.param(n, marks=pytest.mark.xdist_group(str(n % GROUPS))) for n in range(TESTS)]
)
def test_shop(client: httpx.Client, number: int) -> None:
    """Each asks for something else, twice together with those that other workers run."""
    assert client.get(f"/items/{number}").status_code == 200
    views = [f"/items/{number}", f"/search?q={number}", f"/list/{number % 8 + 2}", f"/feed/{number % 6 + 2}"]
    view = views[number % len(views)]
    assert client.get(view, params={"meet": 1} | ({"q": number} if "?" in view else {})).status_code == 200
    assert client.get(views[(number + 1) % 4]).status_code == 200
    amount = (0, 1, 3, -1, 5)[number % 5]
    ordered = client.post(f"/orders/{number}", json={"amount": amount}, params={"meet": 1})
    assert ordered.status_code == (422 if amount < 0 else 200)
    assert client.get(f"/broken/{number}").status_code == (409 if number % 2 else 500)
