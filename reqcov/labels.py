"""Labels: what is given to a recording from outside, to tell requests apart by."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from reqcov import baggage
from reqcov.cores.base import Recording, current
from reqcov.errors import Faults
from reqcov.record import LABEL_LENGTH, LABELS_AT_ONCE
from reqcov.types import Environ, Scope

HeaderOf: TypeAlias = Callable[[Any, str], str | None]
"""From a request and the name of a header, in lower case, to its value; None where there is none."""

ambient: dict[str, str] = {}
"""What each recording of this process begins with: the test that is running, where it runs in the server's process."""

_faults = Faults()


def label(key: str, value: object) -> None:
    """Add a label to the request or job that is being recorded here; outside of one, nothing happens.

    A label given before under this key is replaced. Keys and values are cut after 1,000 characters, and a recording
    takes 50 labels; `=` in a key becomes `_`. Raises nothing.
    """
    recording = current.get()
    if recording is None:
        return
    try:
        add(recording, {str(key): str(value)})
    except Exception as error:
        _faults.report("a label could not be added", error)


def add(recording: Recording, labels: Mapping[str, str]) -> None:
    """Give a recording these labels, as many as it takes."""
    known = dict(recording.labels)
    for key, value in labels.items():
        key = key[:LABEL_LENGTH].replace("=", "_")
        if key in known or len(known) < LABELS_AT_ONCE:
            known[key] = value[:LABEL_LENGTH]
    recording.labels = known  # at once: a record may be made of it on another thread


class Carried:
    """Takes from the headers of a request the labels that it may carry; they are never interpreted."""

    def __init__(self, allowed: Mapping[str, str | None]) -> None:
        """`allowed`: keys, and the header that each is the value of; None for a member of `baggage`."""
        self._headers = {key: header for key, header in allowed.items() if header is not None}
        self._members = [key for key, header in allowed.items() if header is None]

    def __call__(self, header_of: HeaderOf, request: Any) -> dict[str, str]:
        """The labels of `request`, by key; an empty value is none, as of a variable that nobody has set."""
        found = {}
        if self._members:
            members = baggage.labels(header_of(request, baggage.HEADER) or "")
            found = {key: members[key] for key in self._members if key in members}
        for key, header in self._headers.items():
            value = header_of(request, header)
            if value is not None:
                found[key] = value
        return {key: value for key, value in found.items() if value.strip()}


def in_scope(scope: Scope, name: str) -> str | None:
    """A header of an ASGI request; several of the same name are joined (RFC 9110)."""
    wanted = name.encode("latin-1")
    values = [value for key, value in scope.get("headers", ()) if key.lower() == wanted]
    return b",".join(values).decode("utf-8", "replace") if values else None


def in_environ(environ: Environ, name: str) -> str | None:
    """A header of a WSGI request, or of Django's `META`."""
    value = environ.get("HTTP_" + name.upper().replace("-", "_"))
    return None if value is None else value.encode("latin-1", "replace").decode("utf-8", "replace")
