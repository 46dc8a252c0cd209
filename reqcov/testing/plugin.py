"""The pytest plugin: its options, and the headers of a test. Off until it is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from reqcov.testing.session import Labelling

ON, OFF = "on", "off"

labelling: pytest.StashKey[Labelling] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    """What may be said on the command line, and in pytest's configuration."""
    group = parser.getgroup("reqcov", "which code requests run, told apart by test")
    group.addoption(
        "--reqcov",
        nargs="?",
        const=ON,
        metavar="WHERE",
        help="Label requests with the test that makes them, and tell WHERE how tests end: the path or URL of a store, "
        "or the URL of live pages (with REQCOV_TOKEN). Without WHERE: the store that is configured, or nobody. "
        "'off' for not at all.",
    )
    group.addoption(
        "--reqcov-header",
        metavar="NAME",
        help="The header that `reqcov_headers` holds, where the server has labels=['test=NAME']; otherwise `baggage`.",
    )
    parser.addini("reqcov", "As --reqcov; paths are relative to this file.", default=OFF)
    parser.addini("reqcov_header", "As --reqcov-header.", default="")


def pytest_configure(config: pytest.Config) -> None:
    """Begin, where that is asked for. Raises pytest.UsageError for options that are unusable."""
    if (config.getoption("reqcov") or config.getini("reqcov")) != OFF:
        from reqcov.testing.session import begin  # nothing of reqcov is for those who don't ask for it

        begin(config)


@pytest.fixture
def reqcov_headers(request: pytest.FixtureRequest) -> dict[str, str]:
    """Headers that tell a server which test a request is part of; none where reqcov is off."""
    session = request.config.stash.get(labelling, None)
    return session.headers(request.node.nodeid) if session is not None else {}
