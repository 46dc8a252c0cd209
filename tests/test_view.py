"""Which requests a choice takes, and what the view makes of them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reqcov.analysis.line import find
from reqcov.analysis.view import Chosen
from reqcov.cli.options import since
from reqcov.errors import ReqcovError
from reqcov.store.model import pack_labels
from reqcov.store.reading import Route
from tests.reading import add, hit, viewed

DJANGO = "^orders/(?P<id>[0-9]+)/$"

TEMPLATES = ["/orders", "/orders/{id}", DJANGO, "/a?b", "/files/[name]", "/files/n", "", "/files/<path:rest>"]


def routes(*templates: str, method: str = "GET") -> dict[int, Route]:
    return {number: Route("http", method, template, "") for number, template in enumerate(templates)}


def picked(*patterns: str) -> set[str]:
    return {route.template for route in Chosen(routes=patterns).pick(routes(*TEMPLATES)).values()}


@pytest.mark.parametrize("template", TEMPLATES[:-2])
def test_a_name_stands_for_itself_alone(template: str) -> None:
    """What is the name of a route is no pattern, whatever signs are in it, with its method or without."""
    assert picked(template) == picked(f"GET {template}") == {template}


@given(st.text(alphabet="*?[]!^-a/", min_size=1), st.lists(st.text(alphabet="*?[]!^-a/", min_size=1)))
def test_any_name_stands_for_itself_alone(name: str, others: list[str]) -> None:
    """The same for whatever a route may be called, among any others."""
    found = Chosen(routes=(name,)).pick(routes(name, *others))
    assert {route.template for route in found.values()} == {name}


def test_patterns() -> None:
    """`*` goes across slashes; methods may be left out; each of several patterns adds what fits it."""
    assert picked("/orders*") == {"/orders", "/orders/{id}"}
    assert picked("GET /files/*") == {"/files/[name]", "/files/n", "/files/<path:rest>"}
    assert picked("POST *") == set()
    assert picked("*") == picked() == set(TEMPLATES)
    assert picked("/orders", "/a*") == {"/orders", "/a?b"}
    assert picked("/files/?") == {"/files/n"}
    assert picked("/Orders") == set()


def test_what_matched_no_route_has_a_name() -> None:
    """The bucket of unmatched paths is asked for by the name under which it is shown."""
    assert picked("GET (unmatched)") == picked("(unmatched)") == picked("*unmatched*") == {""}


def test_jobs_have_no_method() -> None:
    """A job's name is all of its context."""
    jobs = {1: Route("job", "", "nightly", "")}
    assert Chosen(routes=("nightly",)).pick(jobs) == jobs == Chosen(routes=("night*",)).pick(jobs)


def test_labels_builds_and_days(tmp_path: Path) -> None:
    """Every condition must hold; the requests to other routes that fit otherwise are there for comparison."""
    store = tmp_path / "store"
    acme, other = pack_labels({"tenant": "acme", "plan": "pro"}), pack_labels({"tenant": "other"})
    add(store, [(hit("/a", labels=acme), 1), (hit("/a", labels=other), 2), (hit("/b", labels=acme), 4)], build="A")
    add(store, [(hit("/a", day=20_010), 8)], build="B", name="2")
    for chosen, requests, all_of_them in (
        ({}, 15, 15),
        ({"labels": (("tenant", "acme"),)}, 5, 5),
        ({"labels": (("tenant", "*"),)}, 7, 7),
        ({"labels": (("tenant", "acme"), ("plan", "p*"))}, 5, 5),
        ({"labels": (("tenant", "other"), ("plan", "*"))}, 0, 0),
        ({"routes": ("/a",), "labels": (("tenant", "acme"),)}, 1, 5),
        ({"builds": ("B",)}, 8, 8),
        ({"builds": ("A", "B")}, 15, 15),
        ({"builds": ("C*",)}, 0, 0),
        ({"since": date(2024, 10, 4)}, 15, 15),
        ({"since": date(2024, 10, 5)}, 8, 8),
        ({"since": date(2024, 10, 14)}, 8, 8),
        ({"since": date(2024, 10, 15)}, 0, 0),
        ({"routes": ("/b",), "builds": ("A",)}, 4, 7),
    ):
        with viewed(store, **chosen) as view:
            assert view.requests == requests, chosen
            assert view.all_requests == all_of_them, chosen


def test_since_is_a_day_or_an_age() -> None:
    """Days are UTC's; anything else is refused with a sentence."""
    today = datetime.now(UTC).date()
    assert since("2026-11-22") == date(2026, 11, 22)
    assert since("7d") in (today - timedelta(days=7), datetime.now(UTC).date() - timedelta(days=7))
    assert since("2w") == since("14d")


PATHS = ["shop/cart.py", "shop/views.py", "admin/views.py", "requests/api.py", "api.py"]


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("shop/cart.py", "shop/cart.py"),
        ("cart.py", "shop/cart.py"),
        ("admin/views.py", "admin/views.py"),
        ("./shop/cart.py", "shop/cart.py"),
        ("shop/../shop/cart.py", "shop/cart.py"),
        ("/project/shop/cart.py", "shop/cart.py"),
        ("../project/shop/cart.py", "shop/cart.py"),
        ("api.py", "api.py"),
        ("/env/lib/site-packages/requests/api.py", "requests/api.py"),
        ("/elsewhere/shop/views.py", "shop/views.py"),
    ],
)
def test_files_by_any_name(name: str, path: str) -> None:
    """A stored path, the end of one, a file below this folder, an installed package."""
    assert find(name, PATHS, Path("/project")) == path


def test_in_a_folder_below_the_project() -> None:
    """A file of this folder, though the project's root is above."""
    assert find("cart.py", PATHS, Path("/project/shop")) == "shop/cart.py"
    assert find("./cart.py", PATHS, Path("/project/shop")) == "shop/cart.py"
    assert find("./views.py", PATHS, Path("/project/shop")) == "shop/views.py"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("views.py", "'views.py' may be admin/views.py, shop/views.py; give more of the path."),
        ("shop/crat.py", "No measured file is called 'shop/crat.py'; did you mean shop/cart.py"),
        ("art.py", "No measured file is called 'art.py'; did you mean "),
        ("models/zebra.txt", "No measured file is called 'models/zebra.txt'; `reqcov report` lists them."),
    ],
)
def test_files_that_are_not_found(name: str, said: str) -> None:
    """Ambiguous and unknown names are refused with what may have been meant."""
    with pytest.raises(ReqcovError) as error:
        find(name, PATHS, Path("/project"))
    assert str(error.value).startswith(said)


def test_many_candidates_are_cut() -> None:
    """Of very many candidates only some are named."""
    paths = [f"app{number}/views.py" for number in range(9)]
    with pytest.raises(ReqcovError, match=r"app4/views\.py and 4 more; give more"):
        find("views.py", paths, Path("/project"))
