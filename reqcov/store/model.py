"""What a store keeps: behaviours, how often each was seen, and by whom that was written."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

from reqcov.record import LABEL_LENGTH, LABELS_AT_ONCE
from reqcov.types import Source

MAX_ROUTES = 2_000
MAX_LABELS = 50_000
MAX_FOOTPRINTS = 50_000
"""Distinct routes, sets of labels and footprints that one store holds; what comes on top shares `OTHER`.

Tests are told apart by labels, and large suites have tens of thousands of them.
"""

MAX_PIECES = 10 * MAX_FOOTPRINTS
MAX_WAITING = 50_000
"""What a process remembers at most: sets of lines of one function, and distinct counts that wait to be written."""

OTHER = "(other)"
"""Stands for each route, method, label value and footprint that is too many."""

TEST = "test"
"""The label whose values are the names of tests."""

Outcome: TypeAlias = Literal["passed", "failed", "skipped"]

UNREAD = "(unread)"
"""The footprint of a request that was counted though not all of its lines were seen."""

METHODS = frozenset({"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE", "WEBSOCKET"})
"""RFC 9110, RFC 5789 and our own; anybody can send another one, so these share `OTHER`."""


class Piece(NamedTuple):
    """What ran of one source."""

    source: Source
    numbits: bytes
    """Line numbers, as coverage.py packs them."""
    arcs: str
    """Pairs of line numbers, as `reqcov.record.pack_arcs` packs them; empty unless branches were measured."""


class Behaviour(NamedTuple):
    """Code that ran together, in at least one request."""

    address: str
    """Its footprint."""
    pieces: tuple[Piece, ...]


class HitKey(NamedTuple):
    """What is told apart when requests are counted."""

    protocol: str
    method: str
    """Empty for a job."""
    route: str
    """Empty where no route matched."""
    status: int
    """The hundreds of the HTTP status; 0 where there was no answer."""
    labels: str
    """As `pack_labels` packs them."""
    footprint: str
    day: int
    """Since 1970-01-01, in UTC."""


@dataclass(slots=True)
class Tally:
    """How often, and when."""

    count: int
    """Requests that were recorded."""
    weight: float
    """Requests that these stand for: more, where not every one is sampled."""
    first: float
    last: float
    """Seconds since the epoch."""

    def add(self, weight: float, when: float) -> None:
        """One more."""
        self.count += 1
        self.weight += weight
        self.first = min(self.first, when)
        self.last = max(self.last, when)

    def __iadd__(self, other: Tally) -> Tally:
        self.count += other.count
        self.weight += other.weight
        self.first = min(self.first, other.first)
        self.last = max(self.last, other.last)
        return self


@dataclass(frozen=True, kw_only=True)
class Writer:
    """A process that writes, as it was when it last did."""

    id: str
    host: str
    pid: int
    born: str
    """When the process began, as the system counts; tells it from a later one of the same pid. Empty: not known."""
    build: str
    core: str
    python: str
    interval: float
    """Seconds between two batches, at most."""
    sample: float
    started: float
    last_write: float
    batch: int
    """The number of its latest batch."""
    requests: int
    """Recorded requests that it wrote."""
    peak: int
    """The most of them in one batch."""
    lost: int
    """Recorded requests that it knows it could not keep."""
    ended: float | None
    """When it said that it ends; None while it lives, or where it was killed."""
    stats: str
    """`Recorder.stats()` as JSON."""


@dataclass(frozen=True, kw_only=True)
class Batch:
    """What one process has to write. All but `hits` is all that it knows; a store takes from it what it lacks."""

    writer: Writer
    hits: Mapping[HitKey, Tally]
    behaviours: Mapping[str, Behaviour]
    """By address, each one that `hits` names."""
    endpoints: Mapping[tuple[str, str, str], str]
    """Protocol, method and route to the name of the view."""
    sources: Mapping[Source, str]
    """Every measured source that is imported, and the file that it was read from."""
    seen: Mapping[Source, int]
    """What ran of each source in any request, complete or not: bit n is line n."""
    outside: Mapping[Source, int]
    """What ran of it outside of all requests and jobs."""


class Run(NamedTuple):
    """One run of a test."""

    outcome: Outcome | None
    """None where it has not ended, or nobody told how: it is inconclusive."""
    started: float
    ended: float | None
    """Seconds since the epoch."""


def storable(text: str) -> str:
    """`text`, with `?` for what has no UTF-8: parts of bytes that somebody decoded regardless."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def from_numbits(numbits: bytes) -> int:
    """The lines that coverage.py packed into `numbits`: bit n is line n."""
    return int.from_bytes(numbits, "little")


def to_numbits(mask: int) -> bytes:
    """The same lines as coverage.py packs them."""
    return mask.to_bytes((mask.bit_length() + 7) // 8, "little")


def pack_labels(labels: Mapping[str, str]) -> str:
    """Labels as one text, equal for equal labels; what is too long is cut."""
    if not labels:
        return ""
    some = sorted(labels.items())[:LABELS_AT_ONCE]
    cut = {storable(key[:LABEL_LENGTH]): storable(value[:LABEL_LENGTH]) for key, value in some}
    return json.dumps(cut, sort_keys=True, ensure_ascii=False)


def unpack_labels(text: str) -> dict[str, str]:
    """The labels that `pack_labels` made `text` of."""
    labels: dict[str, str] = json.loads(text) if text else {}
    return labels
