"""Answers as JSON, for machines; the shapes are told in docs/json.md."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime
from typing import Any

VERSION = 1
"""Changes when a value is renamed, removed or comes to mean something else; not when one is added."""


def as_json(answer: Any, *, compact: bool = False) -> str:
    """An answer, which is a dataclass, with its name and the version of its shape; `compact` where it is long."""
    head = {"answer": name_of(type(answer)), "version": VERSION}
    return json.dumps(head | asdict(answer), indent=None if compact else 2, default=_plain)


def name_of(answer: type) -> str:
    """What a kind of answer is called: `routes`."""
    return answer.__name__.lower()


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds")
    raise TypeError(f"{value!r} has no place in JSON")
