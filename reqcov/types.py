"""The shapes that are passed around."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, NamedTuple, TypeAlias

Lines: TypeAlias = Mapping[str, frozenset[int]]
"""Absolute file name to the line numbers that ran."""

Arcs: TypeAlias = Mapping[str, frozenset[tuple[int, int]]]
"""Absolute file name to the pairs (from, to) of line numbers; a negative number enters or leaves a function."""


class Source(NamedTuple):
    """One version of one source file."""

    path: str
    """Where it lies in its project, with `/`: the same on every machine."""
    digest: str
    """SHA-256 of its content, hexadecimal."""


Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
ASGIApp: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[Any]]

Environ: TypeAlias = dict[str, Any]

Route: TypeAlias = Callable[[Any], str | None]
"""From a scope or an environ to the route's template; None where no route matched."""
