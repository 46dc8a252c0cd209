"""Tells a store, or the live pages of a server, how tests go; several at once."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable
from functools import partial
from http.client import HTTPException
from typing import TypeAlias
from urllib.error import HTTPError
from urllib.request import HTTPRedirectHandler, Request, build_opener

from reqcov.errors import ConfigError, ReqcovError, StoreError
from reqcov.store.locate import store_path
from reqcov.store.model import Run
from reqcov.store.outcomes import keep

Tell: TypeAlias = Callable[[Iterable[tuple[str, Run]]], None]
"""Takes runs of tests by name; of none, whether it could. Raises ReqcovError where it can't."""

PAUSE = 1.0
"""Seconds between two batches for a store, at least: a test of a millisecond shall not take two because of it."""

RESPITE = 15.0
"""Seconds from an attempt that failed to the next one: who waits in vain shall not do so for every test."""

PATIENCE = 10.0
"""Seconds that live pages have to answer."""


class Telling:
    """Tells of tests, and raises nothing while they run."""

    def __init__(self, where: str) -> None:
        """`where` is the path or URL of a store, or the URL of live pages. Raises ConfigError for any other."""
        self._pause = PAUSE
        self._tell: Tell
        if where.lower().startswith(("http://", "https://")):
            self._tell, self._pause = LivePages(where, os.environ.get("REQCOV_TOKEN")), 0.0
        else:
            self._tell = partial(keep, store_path(where).absolute())
        self._next = time.monotonic()
        self.untold: dict[str, Run] = {}
        """By name, what was not told yet."""
        self.problem: str | None = None
        """Why not, where that was tried."""

    def check(self) -> None:
        """Raises ReqcovError where nothing can be told."""
        self._tell(())

    def tell(self, name: str, run: Run) -> None:
        """Tell how a test goes, now or soon."""
        self.untold[name] = run
        if time.monotonic() >= self._next:
            self.finish()

    def finish(self) -> None:
        """Tell what is left to tell."""
        if not self.untold:
            return
        try:
            self._tell(self.untold.items())
        except ReqcovError as error:
            self.problem = str(error)
            self._next = time.monotonic() + RESPITE
        else:
            self.problem = None
            self.untold.clear()
            self._next = time.monotonic() + self._pause


class LivePages:
    """The live pages at a URL, which tell their store; their clock says when a test began and ended."""

    def __init__(self, url: str, token: str | None) -> None:
        if "?" in url:  # as `reqcov serve` prints it; it is shown in pytest's output
            raise ConfigError("put the token into REQCOV_TOKEN, and leave the URL without it.")
        if token and not token.isprintable():  # http.client would show it in its error
            raise ConfigError("REQCOV_TOKEN can't be sent: it has line breaks, or other characters that nobody sees.")
        self._url = url.rstrip("/")
        self._headers = {"Content-Type": "application/json"}
        if token:
            self._headers["Authorization"] = f"Bearer {token}".encode().decode("latin-1")
        self._opener = build_opener(Straight)
        self._begun: dict[str, float] = {}

    def __call__(self, runs: Iterable[tuple[str, Run]]) -> None:
        """Tell of these tests. Raises StoreError where that fails; some may have been told of then."""
        told = list(runs)
        if not told:
            self._ask("tests", None)
        for name, run in told:
            if self._begun.get(name) != run.started:
                self._ask("tests", {"test": name})
                self._begun[name] = run.started
            if run.outcome is not None:
                self._ask("tests/end", {"test": name, "outcome": run.outcome})

    def _ask(self, page: str, value: dict[str, str] | None) -> None:
        """Send a value; None: only look whether there is such a page."""
        body = None if value is None else json.dumps(value).encode()
        try:
            with self._opener.open(Request(f"{self._url}/{page}", body, self._headers), timeout=PATIENCE) as answer:
                answer.read(1)
        except HTTPError as error:
            with error:
                said = _said(error.read(10_000))
            raise StoreError(
                f"{self._url}/{page} answers {error.code}, {said or error.reason}; it takes the URL of live pages "
                "made with test_runs=True, and their token in REQCOV_TOKEN."
            ) from error
        except (OSError, HTTPException, ValueError) as error:
            raise StoreError(f"{self._url} can't be reached: {error}; is it the URL of live pages?") from error


class Straight(HTTPRedirectHandler):
    """Follows no redirects: the token is for nobody else."""

    def redirect_request(self, *args: object) -> None:
        """None to follow."""


def _said(body: bytes) -> str:
    """The sentence in an answer of the live pages; empty in one of somebody else."""
    try:
        said = json.loads(body)["error"]
    except (ValueError, KeyError, TypeError):
        return ""
    return str(said).rstrip(".")
