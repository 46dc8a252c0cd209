"""The shapes that are passed around."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

if TYPE_CHECKING:
    from reqcov.record import RequestRecord

Lines: TypeAlias = Mapping[str, frozenset[int]]
"""Absolute file name to the line numbers that ran."""

Arcs: TypeAlias = Mapping[str, frozenset[tuple[int, int]]]
"""Absolute file name to the pairs (from, to) of line numbers; a negative number enters or leaves a function."""

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
ASGIApp: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[Any]]

Environ: TypeAlias = dict[str, Any]

Route: TypeAlias = Callable[[Any], str | None]
"""From a scope or an environ to the route's template; None where no route matched."""

OnRequest: TypeAlias = "Callable[[RequestRecord], object]"
"""A function or a coroutine function that is called with every finished record."""


class Sink(Protocol):
    """Whatever accepts records; inherit from it for the methods that have nothing to do.

    A sink is driven by one thread of its own, unless it is `immediate`: then `accept` is called where the
    request ends, and must neither block nor be slow.
    """

    immediate: bool = False

    def accept(self, record: RequestRecord) -> None:
        """Take one record. What it raises is counted as a failure of this sink, and goes no further."""

    def flush(self) -> None:
        """Write what was accepted; called whenever no further record waits."""

    def close(self) -> None:
        """Let go of everything; called once, after the last `flush`."""

    def after_fork(self) -> None:
        """In a forked child: forget what was accepted and not flushed, for the parent still has it."""
