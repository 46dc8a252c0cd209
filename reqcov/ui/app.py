"""The live pages as one WSGI app (PEP 3333)."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any

from reqcov.analysis.inputs.current import current_file
from reqcov.analysis.inputs.tested import find, tested
from reqcov.analysis.view import Chosen, View
from reqcov.config import excluded
from reqcov.cores.base import leave_out
from reqcov.errors import ConfigError, StoreError, logger
from reqcov.reports.html.site import ASSETS, Site
from reqcov.store.locate import store_path
from reqcov.store.reading import reading
from reqcov.types import Environ
from reqcov.ui.access import Access, Auth, access, known_hosts, refuse_host, refuse_other_sites
from reqcov.ui.actions import PAGE as ACTIONS
from reqcov.ui.actions import Actions
from reqcov.ui.exchange import HTML, JSON, Answer, Request, in_json, iso, redirect
from reqcov.ui.latest import Latest, stamp
from reqcov.ui.plain import plain
from reqcov.ui.runs import Tests

NOW = "data/now.json"
"""What pages ask for, to learn whether there is something new."""

OFF = "Tests are told of only where the pages are made with test_runs=True, or by `reqcov serve --test-runs`."

KINDS = {
    ".css": "text/css; charset=utf-8",
    ".html": HTML,
    ".js": "text/javascript; charset=utf-8",
    ".json": JSON,
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}


def app(
    store: str | os.PathLike[str],
    *,
    auth: Auth | None = None,
    token: str | None = None,
    insecure: bool = False,
    hosts: Iterable[str] | None = None,
    actions: bool = False,
    tests: Iterable[str | os.PathLike[str]] = (),
    test_runs: bool = False,
) -> Pages:
    """The live pages of a store, as a WSGI app to mount in a server. Give it one of `auth`, `token` and `insecure`.

    - `store`: path or URL; there need not be one yet.
    - `auth`: from the environ to True for those who may see the pages, else False.
    - `token`: at least 16 characters, that who wants to see the pages has to know.
    - `insecure`: let everybody see them.
    - `hosts`: names that the Host header may have; with `insecure` those of this machine, unless others are given.
    - `actions`: let those who see the pages also empty, prune and copy the store.
    - `tests`: files that tell what tests covered, as `reqcov gaps --tests` reads them: all pages then show the code of
      the current folder, as tests ran it.
    - `test_runs`: let them tell when tests begin, and how they end.

    Raises ConfigError where it is not told who may see the pages, or where an option is unusable, and ReqcovError where
    there is no such file as `tests` names.
    """
    if isinstance(tests, str | os.PathLike):
        raise ConfigError(f"tests must be a list of files; write tests=[{os.fspath(tests)!r}].")
    files = [file.absolute() for file in find(os.fspath(each) for each in tests)]
    return Pages(
        store_path(os.fspath(store)),
        access(auth, token, insecure),
        known_hosts(hosts, insecure),
        partial(make_site, exclude=excluded(), actions=actions, tests=files),
        files,
        actions=actions,
        test_runs=test_runs,
    )


class Pages:
    """Answers requests for the pages of one store. Its own requests are never recorded."""

    def __init__(
        self,
        store: Path,
        access: Access,
        hosts: frozenset[str] | None,
        make: Callable[[Path], Site],
        tests: Sequence[Path],
        *,
        actions: bool,
        test_runs: bool,
    ) -> None:
        self._latest = Latest(store, make, tests)
        self._access = access
        self._hosts = hosts
        self._assets = {f"assets/{each.name}": each for each in ASSETS.iterdir()}
        self._actions = Actions(store, self._latest) if actions else None
        self._tests = Tests(store) if test_runs else None

    def prepare(self) -> None:
        """Make the pages before they are asked for. Raises StoreError where there is nothing to make them of."""
        self._latest.site()

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> list[bytes]:
        """Serve one request."""
        leave_out()
        request = Request(environ)
        try:
            answer = self._answer(request)
        except Exception:
            logger.exception("reqcov: a live page could not be made")
            answer = plain(
                request, HTTPStatus.INTERNAL_SERVER_ERROR, "This page could not be made; the server's log says why."
            )
        return answer.send(request, start_response)

    def _answer(self, request: Request) -> Answer:
        if not request.path:  # links are relative to a folder
            return redirect(request.with_slash())
        refused = (
            refuse_host(request, self._hosts)
            or refuse_other_sites(request)
            or self._asset(request)  # in every copy of reqcov; the form to sign in looks like the pages, too
            or self._access.refuse(request)
        )
        if refused is not None:
            return refused
        if request.by_program:
            return self._tests.answer(request) if self._tests is not None else plain(request, HTTPStatus.NOT_FOUND, OFF)
        if self._actions is not None and request.name == ACTIONS:
            return self._actions.answer(request)
        if request.method not in ("GET", "HEAD"):
            return plain(request, HTTPStatus.METHOD_NOT_ALLOWED, "Pages can only be looked at.", ("Allow", "GET, HEAD"))
        return self._now() if request.name == NOW else self._page(request)

    def _asset(self, request: Request) -> Answer | None:
        asset = self._assets.get(request.name or "") if request.method in ("GET", "HEAD") else None
        return Answer(body=asset.read_bytes(), kind=kind(asset.name)) if asset is not None else None

    def _page(self, request: Request) -> Answer:
        name = request.name
        try:
            site = self._latest.site()
        except StoreError as error:
            return plain(request, HTTPStatus.SERVICE_UNAVAILABLE, str(error), again=True)
        started = time.monotonic()
        try:
            body = site.render(name or "")
        except KeyError:
            return plain(request, HTTPStatus.NOT_FOUND, "There is no such page, or it is no longer there.")
        self._latest.keep(time.monotonic() - started)
        return Answer(body=body, kind=kind(name or ""))

    def _now(self) -> Answer:
        state = self._latest.state()
        told = {"stamp": state.stamp, "last_seen": iso(state.last_seen), "now": iso(time.time())}
        return in_json(told)


def kind(name: str) -> str:
    """What a browser is to take it for."""
    return KINDS.get(Path(name).suffix, "application/octet-stream")


def make_site(store: Path, *, exclude: str, actions: bool, tests: Sequence[Path]) -> Site:
    """All pages of a store as it is now; with `tests`, of the code of the current folder.

    Raises StoreError where there is nothing to show.
    """
    with reading(store) as reader:
        view = View.of(reader, Chosen(), exclude=exclude, current=current_file if tests else None)
        if not view.hits:
            sampled = "was sampled" if any(view.codebase.seen.values()) else "has arrived"
            raise StoreError(f"No request {sampled} yet in {store}; send your server some.")
        view.codebase.complete()
        covered = partial(tested, tests, view.files, Path.cwd()) if tests else None
        return Site(view, stamp=stamp(reader, tests), live=True, actions=actions, tested=covered)
