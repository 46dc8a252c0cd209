"""The protocol by which test runners say that a test begins, and how it ended."""

from __future__ import annotations

import json
from http import HTTPStatus
from pathlib import Path
from typing import Any, cast

from reqcov import baggage
from reqcov.errors import ConfigError, StoreBusy, StoreError
from reqcov.store.model import TEST, Outcome, Run
from reqcov.store.outcomes import begin, check, end
from reqcov.store.reading import reading
from reqcov.ui.access import same_origin
from reqcov.ui.exchange import LONGEST_BODY, TESTS, Answer, Request, in_json, iso
from reqcov.ui.plain import plain

END = f"{TESTS}/end"

SOON = ("Retry-After", "1")


class Refused(Exception):
    """What was sent can't be obeyed; the text says why."""

    def __init__(self, status: HTTPStatus, text: str, *headers: tuple[str, str]) -> None:
        super().__init__(text)
        self.status = status
        self.headers = headers


class Tests:
    """Tells the store what runners tell. Nothing is kept here, so any worker may answer."""

    def __init__(self, store: Path) -> None:
        self._store = store

    def answer(self, request: Request) -> Answer:
        """Do what is asked, or say in one sentence why not."""
        try:
            return self._answer(request)
        except Refused as refused:
            return plain(request, refused.status, str(refused), *refused.headers)
        except ConfigError as error:
            return plain(request, HTTPStatus.BAD_REQUEST, str(error))
        except StoreBusy as error:
            return plain(request, HTTPStatus.SERVICE_UNAVAILABLE, str(error), SOON)
        except StoreError as error:
            return plain(request, HTTPStatus.CONFLICT, str(error))

    def _answer(self, request: Request) -> Answer:
        if request.name not in (TESTS, END):
            raise Refused(
                HTTPStatus.NOT_FOUND, f"Tests begin at /{TESTS} and end at /{END}; there is nothing else here."
            )
        if request.name == END:
            if request.method != "POST":
                raise Refused(HTTPStatus.METHOD_NOT_ALLOWED, "How a test ended is told by POST.", ("Allow", "POST"))
            return self._end(*sent(request, "test", "outcome"))
        if request.method == "POST":
            return self._begin(*sent(request, "test"))
        if request.method not in ("GET", "HEAD"):
            allow = ("Allow", "GET, HEAD, POST")
            raise Refused(HTTPStatus.METHOD_NOT_ALLOWED, "A test begins by POST; GET lists them.", allow)
        return self._list()

    def _begin(self, name: str) -> Answer:
        check(name, None)
        member = baggage.member(TEST, name)
        if len(member) > baggage.LIMIT:
            text = (
                f"The name has {len(member):,} characters as a header has to have it; at most {baggage.LIMIT:,} can be."
            )
            raise Refused(HTTPStatus.BAD_REQUEST, text)
        begin(self._store, name)
        return in_json({"headers": {baggage.HEADER: member}}, HTTPStatus.CREATED)

    def _end(self, name: str, outcome: str) -> Answer:
        return in_json(as_told(name, end(self._store, name, cast(Outcome, outcome))))  # who writes it looks at it

    def _list(self) -> Answer:
        if not self._store.exists():
            return in_json({"tests": []})
        with reading(self._store) as reader:
            return in_json({"tests": [as_told(name, run) for name, run in reader.tests().items()]})


def as_told(name: str, run: Run) -> dict[str, str | None]:
    """A run, for runners."""
    return {"test": name, "outcome": run.outcome, "started": iso(run.started), "ended": iso(run.ended)}


def sent(request: Request, *names: str) -> list[str]:
    """The values of the object that was sent as JSON, which has these names. Raises Refused for all else.

    Pages of other sites can't send JSON without asking first, and are told nothing then.
    """
    if not same_origin(request):
        raise Refused(HTTPStatus.FORBIDDEN, "This was sent from another site; tests are told of by the test runner.")
    if request.content_type != "application/json":
        raise Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Send JSON, with Content-Type: application/json.")
    body = request.body()
    if body is None:
        raise Refused(HTTPStatus.LENGTH_REQUIRED, "Say how long the body is, by Content-Length.")
    if len(body) > LONGEST_BODY:
        raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"Send no more than {LONGEST_BODY:,} bytes.")
    try:
        value: Any = json.loads(body.decode())
    except (ValueError, RecursionError):  # the latter where it is nested deeply
        value = None
    if not isinstance(value, dict) or value.keys() != set(names) or not all(type(value[name]) is str for name in names):
        example = json.dumps(dict.fromkeys(names, "..."))
        raise Refused(HTTPStatus.BAD_REQUEST, f"Send an object with nothing but texts of these names: {example}.")
    return [value[name] for name in names]
