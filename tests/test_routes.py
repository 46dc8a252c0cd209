"""Templates made up from paths."""

from __future__ import annotations

import re
from uuid import UUID

from hypothesis import example, given
from hypothesis import strategies as st

from reqcov.routes import LENGTH, LIMIT, OTHER, MadeUpRoutes, collapse

words = st.from_regex(r"[a-z]{1,11}([-_.][a-z]{1,8})?", fullmatch=True)
plain = words | st.sampled_from(["v2", "deadbeefcafe", "defaced", "17.json", "17-green-ties", "a1b2c3", "3d", "{id}"])
hashes = st.text("0123456789abcdef", min_size=12, max_size=64).filter(lambda text: re.search(r"\d", text))
identifiers = st.integers(0).map(str) | st.uuids().map(str) | hashes
identifiers = identifiers | identifiers.map(str.upper)


@given(identifiers)
@example("0")
@example(str(UUID(int=0)))
@example("da39a3ee5e6b4b0d3255bfef95601890afd80709")
def test_identifiers_collapse(identifier: str) -> None:
    """Numbers, UUIDs and hashes, in capitals or not, give way to one placeholder."""
    assert collapse(f"/orders/{identifier}/lines") == "/orders/{id}/lines"


@given(plain)
def test_words_stay(word: str) -> None:
    """What a person has named is no identifier, not even with a digit in it or made of the letters a to f."""
    assert collapse(f"/{word}/") == f"/{word}/"


@given(st.lists(plain | identifiers | st.just(""), max_size=6))
def test_collapse_keeps_the_shape(parts: list[str]) -> None:
    """As many segments as before, each unchanged or the placeholder; and there is nothing left to collapse."""
    path = "/" + "/".join(parts)
    template = collapse(path)
    assert all(new in (old, "{id}") for old, new in zip(path.split("/"), template.split("/"), strict=True))
    assert collapse(template) == template


@given(st.text())
def test_collapse_takes_any_path(path: str) -> None:
    """Scanners send anything; a template comes out, and never an empty one."""
    assert collapse(path)


def test_a_process_makes_up_at_most_so_many_templates() -> None:
    """After the limit new ones share a bucket, and the known ones keep their names."""
    routes = MadeUpRoutes()
    made = {routes(f"/page-{'x' * n}") for n in range(LIMIT)}
    assert len(made) == LIMIT == 500
    assert OTHER not in made
    assert routes("/one-too-many") == OTHER
    assert routes("/page-x") == "/page-x"


def test_no_template_is_longer_than_people_can_read() -> None:
    """A path may have as many letters as a server takes, 65,536 with some; a name of so many would be no use."""
    routes = MadeUpRoutes()
    assert routes("/" + "x" * (LENGTH - 1)) == "/" + "x" * (LENGTH - 1)
    assert routes("/" + "x" * LENGTH) == OTHER


def test_many_identifiers_are_one_template() -> None:
    """Identifiers do not use the limit up."""
    routes = MadeUpRoutes()
    assert {routes(f"/orders/{n}") for n in range(LIMIT + 1)} == {"/orders/{id}"}
