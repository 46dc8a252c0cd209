"""A browser, the pages of some stores, and a store that grows while its pages are looked at."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from reqcov.ui import app, latest
from reqcov.ui.app import Pages
from tests.live import served
from tests.pages.browser import Look, browser, kept, look  # noqa: F401
from tests.pages.cart_site import at, site  # noqa: F401
from tests.pages.sites import Site, hostile, shop  # noqa: F401


@pytest.fixture
def store(shop: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:  # noqa: F811
    """The shop's, to be written to; pages are looked for at every request."""
    monkeypatch.setattr(latest, "PAUSE", 0.0)
    monkeypatch.setattr(latest, "SHARE", 0)
    return Path(shutil.copy(shop.store, tmp_path))


@pytest.fixture
def serve() -> Iterator[Callable[[Pages], str]]:
    """From pages to the URL at which they are."""
    with contextlib.ExitStack() as servers:
        yield lambda pages: f"http://127.0.0.1:{servers.enter_context(served(pages))}/"


@pytest.fixture
def visit(serve: Callable[[Pages], str], look: Look) -> Look:  # noqa: F811
    """Opens live pages; they are closed before their server is."""
    return look


@pytest.fixture
def live(serve: Callable[[Pages], str], store: Path) -> str:
    """The URL of a server that everybody may ask."""
    return serve(app(store, insecure=True, actions=True))
