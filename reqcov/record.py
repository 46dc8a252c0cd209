"""The finished value: what one request ran; and who takes it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from functools import partial
from typing import Any, Protocol, TypeAlias

from coverage.numbits import nums_to_numbits

from reqcov.types import Arcs, Lines, Source

UNMATCHED = "(unmatched)"

LABEL_LENGTH = 1_000
LABELS_AT_ONCE = 50
"""Characters of a label's key or value, and labels of one request; what is more is cut off."""


def footprint(lines: Lines, sources: Mapping[str, Source], arcs: Arcs | None = None) -> str:
    """Content address (hex) of what code ran: the same lines and arcs of the same sources give the same footprint.

    `sources` maps file names to what they stand for. Where a project lies does not matter, what its files say does.
    """
    rows = sorted(
        (*sources[name], nums_to_numbits(numbers).hex(), pack_arcs(arcs[name]) if arcs else "")
        for name, numbers in lines.items()
        if numbers
    )
    return hashlib.sha256(repr(rows).encode()).hexdigest()[:32]


def pack_arcs(pairs: Iterable[tuple[int, int]]) -> str:
    """Pairs of line numbers as one text, equal for equal sets: `-1>2 2>-1`."""
    return " ".join(f"{start}>{end}" for start, end in sorted(pairs))


def unpack_arcs(text: str) -> frozenset[tuple[int, int]]:
    """The pairs that `pack_arcs` made `text` of."""
    pairs = (pair.split(">") for pair in text.split())
    return frozenset((int(start), int(end)) for start, end in pairs)


Result: TypeAlias = tuple[Lines, Arcs | None, str]


class Reader(Protocol):
    """Whoever can tell what raw hits mean."""

    def read(self, hits: Any) -> Result:
        """Lines, arcs and footprint."""


class Executed:
    """The code that ran. Turning raw hits into lines is put off until somebody reads them."""

    __slots__ = ("_hits", "_reader", "_result")

    def __init__(self, reader: Reader | None, hits: Any, result: Result | None = None) -> None:
        self._reader = reader
        self._hits = hits
        self._result = result

    @property
    def hits(self) -> Any:
        """What the core noted, by code object or file: equal for what ran the same lines. None once it was read."""
        return self._hits

    @property
    def result(self) -> Result:
        """Lines, arcs (None unless branches were measured) and footprint."""
        reader, hits = self._reader, self._hits  # before the question: the threads of two sinks may read at once
        if self._result is None:
            assert reader is not None
            self._result = reader.read(hits)
            self._reader = self._hits = None
        return self._result

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Executed) and self.result == other.result

    __hash__ = None  # type: ignore[assignment]

    def __reduce__(self) -> tuple[Any, ...]:
        return Executed, (None, None, self.result)


@dataclass(frozen=True, kw_only=True, slots=True)
class RequestRecord:
    """One finished request or job, and the code that it ran."""

    id: str
    """32 hexadecimal digits."""
    protocol: str
    """`http`, `websocket` or `job`."""
    method: str | None
    """HTTP's own, in upper case; `WEBSOCKET` for a websocket; None for a job."""
    path: str | None
    """The concrete URL path, without the query string; None for a job."""
    route: str | None
    """The template, such as `/orders/{id}`; a job's name; None where no route matched."""
    endpoint: str | None
    """Dotted name of the view, where the framework tells it."""
    status: int | None
    """HTTP status; for a websocket 101 once accepted; None where there was no answer."""
    started_at: datetime
    """Aware, in UTC."""
    duration: float
    """Seconds, to the last byte of the body."""
    error: str | None
    """Qualified name of the exception that ended it."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """Keys and values that were given from outside."""
    complete: bool
    """False where the request was not sampled, or was cut short: then only lines new to the process were seen."""
    executed: Executed = field(repr=False)

    @property
    def lines(self) -> Lines:
        """Absolute file name to the line numbers that ran, as coverage.py would store them."""
        return self.executed.result[0]

    @property
    def arcs(self) -> Arcs | None:
        """Absolute file name to pairs of line numbers, or None unless branches were measured."""
        return self.executed.result[1]

    @property
    def footprint(self) -> str:
        """Content address of what ran; see `footprint`."""
        return self.executed.result[2]

    @property
    def context(self) -> str:
        """coverage.py's label for it: `GET /orders/{id}`."""
        route = self.route or UNMATCHED
        return f"{self.method} {route}" if self.method else route

    def to_dict(self) -> dict[str, Any]:
        """Everything, in types that JSON knows; `from_dict` reads it back without loss."""
        plain = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "executed"}
        lines, arcs, digest = self.executed.result
        return plain | {
            "started_at": self.started_at.isoformat(),
            "labels": dict(self.labels),
            "context": self.context,
            "footprint": digest,
            "lines": {name: sorted(numbers) for name, numbers in sorted(lines.items())},
            "arcs": None if arcs is None else {name: sorted(pairs) for name, pairs in sorted(arcs.items())},
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> RequestRecord:
        """The record that `to_dict` gave `values`, also after a way through JSON.

        Raises KeyError where a value is missing.
        """
        lines = {name: frozenset(numbers) for name, numbers in values["lines"].items()}
        arcs = values["arcs"]
        if arcs is not None:
            arcs = {name: frozenset((start, end) for start, end in pairs) for name, pairs in arcs.items()}
        given = {f.name: values[f.name] for f in fields(cls) if f.name not in ("executed", "started_at")}
        return cls(
            started_at=datetime.fromisoformat(values["started_at"]),
            executed=Executed(None, None, (lines, arcs, values["footprint"])),
            **given,
        )


OnRequest: TypeAlias = Callable[[RequestRecord], object]
"""A function or a coroutine function that is called with every finished record."""


class Sink(Protocol):
    """Whatever accepts records; inherit from it for the methods that have nothing to do.

    A sink is called by one thread at a time, most of the time by one of its own, unless it is `immediate`: then
    `accept` is called where the request ends, and must neither block nor be slow.
    """

    # Each `return` tells type checkers that the method has a body: without one, it would have to be written.

    immediate: bool = False

    interval: float = 0.0
    """Seconds between two flushes, at most; 0: whenever no further record waits."""

    def accept(self, record: RequestRecord) -> None:
        """Take one record. What it raises is counted as a failure of this sink, and goes no further."""

    def flush(self) -> None:
        """Write what was accepted. Where it raises, and there is an `interval`, it is called again after that."""
        return

    def close(self) -> None:
        """Let go of everything; called once, after the last `flush`."""
        return

    def hasten(self) -> None:
        """The process may end at any moment from now on, and `close` never be called: each `flush` may be the last."""
        return

    def before_fork(self) -> None:
        """On the thread that is about to fork: leave nothing half done, within a second."""
        return

    def after_fork_in_parent(self) -> None:
        """On the same thread, if `before_fork` was called: go on. Nothing else is called in between."""
        return

    def after_fork(self) -> None:
        """In a forked child: forget what was accepted and not flushed, for the parent still has it."""
        return


def qualified_name(thing: Any) -> str:
    """`shop.views.show` for a function, `ValueError` or `shop.errors.Gone` for a class."""
    while isinstance(thing, partial):
        thing = thing.func
    if not hasattr(thing, "__qualname__"):
        thing = type(thing)
    module: str = getattr(thing, "__module__", None) or "builtins"
    return thing.__qualname__ if module == "builtins" else f"{module}.{thing.__qualname__}"
