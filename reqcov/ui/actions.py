"""What those who see the pages may do to the store, where that is allowed: empty it, prune it, copy it."""

from __future__ import annotations

import hmac
import re
import secrets
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from http import HTTPStatus
from pathlib import Path

from reqcov.errors import StoreError
from reqcov.reports.text import plural, size
from reqcov.store.keeping import prune, reset, shrink, snapshot, snapshots
from reqcov.store.reading import reading
from reqcov.ui.access import same_origin
from reqcov.ui.exchange import Answer, Request, redirect
from reqcov.ui.latest import Latest
from reqcov.ui.plain import plain, templates

PAGE = "store.html"

COOKIE = "reqcov_form"

DONE = {
    "reset": "The store is empty now.",
    "prune": "What was older is forgotten.",
    "snapshot": "The copy is kept.",
}
"""By the name of an action, what the page says afterwards."""


class Actions:
    """The page with the forms, and what they do."""

    def __init__(self, store: Path, latest: Latest) -> None:
        self._store = store
        self._latest = latest

    def answer(self, request: Request) -> Answer:
        """The page, or what a form on it asks for."""
        if request.method in ("GET", "HEAD"):
            return self._page(request)
        if request.method != "POST":
            return plain(
                request, HTTPStatus.METHOD_NOT_ALLOWED, "That can't be done here.", ("Allow", "GET, HEAD, POST")
            )
        form = request.form()
        if not same_origin(request) or not is_ours(request, form):
            return plain(
                request,
                HTTPStatus.FORBIDDEN,
                "This form did not come from these pages, or is too old: nothing was done. Load the page again.",
            )
        try:
            done = self._do(form)
        except StoreError as error:
            return plain(request, HTTPStatus.CONFLICT, str(error))
        if done is None:
            return plain(request, HTTPStatus.BAD_REQUEST, "The form was not filled in; nothing was done.")
        self._latest.renew()
        return redirect(f"./{PAGE}?done={done}")

    def _do(self, form: dict[str, str]) -> str | None:
        """The name of what was done; None where the form does not say what to do."""
        action = form.get("action")
        if action == "reset" and form.get("sure") == "yes":
            reset(self._store)
        elif action == "prune" and re.fullmatch(r"\d{1,5}", form.get("days", ""), re.ASCII):
            first = datetime.now(UTC).date() - timedelta(days=int(form["days"]))
            prune(self._store, (first - date(1970, 1, 1)).days)
        elif action == "snapshot" and form.get("name"):
            snapshot(self._store, form["name"])
        else:
            return None
        if action != "snapshot":
            with suppress(StoreError):  # what is free in the file is used again
                shrink(self._store)
        return action

    def _page(self, request: Request) -> Answer:
        known = request.cookie(COOKIE)
        proof = known if is_proof(known) else secrets.token_hex()
        try:
            with reading(self._store) as reader:
                requests, bytes_ = plural(round(reader.requests()), "request"), size(reader.size())
            copies = [(each.name, plural(round(each.requests), "request")) for each in snapshots(self._store)]
        except StoreError as error:
            return plain(request, HTTPStatus.SERVICE_UNAVAILABLE, str(error), again=True)
        done = DONE.get((request.asked("done") or b"").decode("ascii", "replace"), "")
        body = templates().get_template("store.html").render(
            title="Store", root=request.root, text=f"The store holds {requests} in {bytes_}.",
            done=done, proof=proof, requests=requests, copies=copies,
        )  # fmt: skip
        return Answer(body=body.encode(), headers=(request.set_cookie(COOKIE, proof, "Strict"),))


def is_proof(value: str) -> bool:
    """Whether a cookie may be one of ours: others may have put something there."""
    return re.fullmatch(r"[0-9a-f]{64}", value) is not None


def is_ours(request: Request, form: dict[str, str]) -> bool:
    """Whether who sent a form could read our page: only that tells what is in the cookie."""
    cookie, field = request.cookie(COOKIE), form.get("proof", "")
    return is_proof(cookie) and hmac.compare_digest(cookie.encode(), field.encode())
