"""The pages of the shop and of the hostile store, made once in a process of tests; import the fixtures."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests import hostile_store, shop_store
from tests.reading import run


@dataclass(frozen=True)
class Site:
    """The pages of a store."""

    store: Path
    folder: Path

    @property
    def url(self) -> str:
        """With `/` at its end."""
        return f"{self.folder.as_uri()}/"

    @property
    def names(self) -> list[str]:
        """Of all pages."""
        return sorted(str(each.relative_to(self.folder)) for each in self.folder.glob("**/*.html"))

    def page_of(self, kind: str, name: str) -> str:
        """The page of kind `route` or `file` whose name begins like this."""
        (found,) = [
            each for each in self.names if re.fullmatch(rf"{kind}/{re.escape(name)}-[0-9a-f]{{10}}\.html", each)
        ]
        return found

    def ask(self, *arguments: object) -> Any:
        """What a command says."""
        answered = run(*arguments, "--store", self.store, "--format", "json")
        assert answered.status == 0, answered.err
        return answered.json


def _site(tmp_path_factory: pytest.TempPathFactory, fill: Callable[[Path], Path]) -> Site:
    folder = tmp_path_factory.mktemp("site")
    store = fill(folder)
    answered = run("html", "--store", store, "-o", folder / "html")
    assert answered.status == 0, answered.err
    return Site(store, folder / "html")


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """A shop's, on disk."""
    return _site(tmp_path_factory, shop_store.made)


@pytest.fixture(scope="session")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """On disk, what tries to be more than text."""
    return _site(tmp_path_factory, hostile_store.fill)
