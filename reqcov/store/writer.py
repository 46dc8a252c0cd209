"""Counts the requests of one process by what they ran, and writes that to a store now and then."""

from __future__ import annotations

import json
import os
import platform
import secrets
import socket
import time
import uuid
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, Protocol

from coverage.numbits import nums_to_numbits

from reqcov.errors import StoreError
from reqcov.record import RequestRecord, Sink, pack_arcs
from reqcov.store.model import (
    MAX_FOOTPRINTS,
    MAX_PIECES,
    MAX_ROUTES,
    MAX_WAITING,
    METHODS,
    OTHER,
    UNREAD,
    Batch,
    Behaviour,
    HitKey,
    Piece,
    Tally,
    Writer,
    from_numbits,
    pack_labels,
    storable,
)
from reqcov.store.sqlite import PATIENCE, SQLiteStore
from reqcov.types import Lines, Source

INTERVAL = 1.0
"""Seconds between two batches, at most: what a process that is killed loses."""

LAST_PATIENCE = 1.5
"""Seconds to wait while somebody else writes, once the process ends: there may be no next time."""

LATEST = 200
"""Routes of which the latest request is at hand, to compare the next one with."""

DAY = 86_400


class Measured(Protocol):
    """The files that are measured in this process."""

    @property
    def sources(self) -> Mapping[str, Source]:
        """By absolute file name, those that are known so far."""

    def meet_imported(self) -> None:
        """Take the modules into `sources` that were imported since."""


class StoreSink(Sink):
    """Counts requests by behaviour, and writes the counts to the store at `path`.

    A request that runs what the one before it on the same route ran costs one comparison; one that runs anything else
    that is known costs comparing the lines of each function with those that it ran before.
    """

    interval = INTERVAL

    def __init__(
        self,
        path: Path,
        *,
        build: str,
        sample: float,
        core: str,
        files: Measured,
        stats: Callable[[], Mapping[str, Any]],
        outside: Callable[[], Lines],
    ) -> None:
        self._path = path
        self._build = storable(build)
        self._sample = sample
        self._core = core
        self._files = files
        self._stats = stats
        self._outside = outside
        self._last: dict[Any, tuple[frozenset[int], int]] = {}
        self._pieces: dict[tuple[Any, frozenset[int]], int] = {}
        self._latest: dict[tuple[str, str], tuple[Any, str]] = {}
        self._known: dict[int, str] = {}
        self._behaviours: dict[str, Behaviour] = {}
        self._shared: dict[Piece, Piece] = {}
        self._seen: dict[Source, int] = {}
        self._outside_lines: Lines = {}
        self._outside_seen: dict[Source, int] = {}
        self._endpoints: dict[tuple[str, str, str], str] = {}
        self._begin()

    def _begin(self) -> None:
        """Be a writer of which the store knows nothing."""
        self._store = SQLiteStore(self._path)
        self._id = uuid.uuid4().hex
        self._started = time.time()
        self._batch: Batch | None = None
        self._hits: dict[HitKey, Tally] = {}
        self._news = self._ending = False
        self._number = self._requests = self._peak = self._lost = 0

    def before_fork(self) -> None:
        """Write what waits."""
        if self._batch or self._hits:
            self._write()

    def after_fork(self) -> None:
        """What waits is the parent's."""
        self._begin()

    def accept(self, record: RequestRecord) -> None:
        """Count one request."""
        if record.complete:
            self._count(record, self._footprint(record), 1 / self._sample)
        else:
            self._see(record)
            if self._sample == 1:  # else those that were sampled stand for it
                self._count(record, UNREAD, 1)

    def _count(self, record: RequestRecord, footprint: str, weight: float) -> None:
        when = record.started_at.timestamp()
        method = record.method or ""
        if method and method not in METHODS:
            method = OTHER
        route = storable(record.route or "")
        if record.endpoint and len(self._endpoints) < MAX_ROUTES:
            self._endpoints[record.protocol, method, route] = record.endpoint
        status = (record.status or 0) // 100
        labels = pack_labels(record.labels)
        key = HitKey(record.protocol, method, route, status, labels, footprint, int(when // DAY))
        tally = self._hits.get(key)
        if tally is not None:
            tally.add(weight, when)
        elif len(self._hits) < MAX_WAITING:
            self._hits[key] = Tally(1, weight, when, when)
        else:
            self._lost += 1

    def _footprint(self, record: RequestRecord) -> str:
        hits = record.executed.hits
        if hits is None:  # another sink has read it
            hits = record.lines if record.arcs is None else record.arcs
        place = record.method or "", record.route or ""
        latest = self._latest.get(place)
        if latest is not None and latest[0] == hits:
            return latest[1]
        address = self._known_or_learned(record, hits)
        if latest is not None or len(self._latest) < LATEST:
            self._latest[place] = hits, address
        return address

    def _known_or_learned(self, record: RequestRecord, hits: Mapping[Any, Collection[Any]]) -> str:
        signature = 0
        for where, some in list(hits.items()):
            piece = self._piece(where, some)
            if piece is None:
                self._see(record)
                return OTHER
            signature ^= piece
        found = self._known.get(signature)
        if found is None:
            self._see(record)
            if len(self._known) >= MAX_FOOTPRINTS:
                return OTHER
            found = self._known[signature] = self._learn(record)
        return found

    def _piece(self, where: Any, some: Collection[Any]) -> int | None:
        """A random number for what ran of one function or file; None where there are too many to remember."""
        last = self._last.get(where)
        if last is not None and last[0] == some:
            return last[1]
        numbers = frozenset(some)
        piece = self._pieces.get((where, numbers))
        if piece is None:
            if len(self._pieces) >= MAX_PIECES:
                return None
            piece = self._pieces[where, numbers] = secrets.randbits(64)
        self._last[where] = numbers, piece
        return piece

    def _learn(self, record: RequestRecord) -> str:
        """Remember a behaviour; returns its address."""
        address = record.footprint
        if address not in self._behaviours:
            arcs = record.arcs or {}
            pieces = [
                Piece(self._files.sources[name], nums_to_numbits(numbers), pack_arcs(arcs.get(name, ())))
                for name, numbers in record.lines.items()
                if numbers
            ]
            self._behaviours[address] = Behaviour(
                address, tuple(self._shared.setdefault(piece, piece) for piece in pieces)
            )
        return address

    def _see(self, record: RequestRecord) -> None:
        for name, numbers in record.lines.items():
            source = self._files.sources[name]
            before = self._seen.get(source, 0)
            self._seen[source] = before | from_numbits(nums_to_numbits(numbers))
            self._news = self._news or self._seen[source] != before

    def flush(self) -> None:
        """Write what was counted. Raises StoreError where that fails; it is kept for the next time."""
        self._write()

    def hasten(self) -> None:
        """From now on, tell the store with each batch that this process ends."""
        if not self._ending:
            self._ending, self._news = True, bool(self._number or self._news)

    def close(self) -> None:
        """Tell the store that this process ends. Raises StoreError where it can't be told, or what waits is lost."""
        if not self._number and not self._hits:
            return
        self._news = self._ending = True
        try:
            self._write()
        except StoreError as error:
            waiting = [*self._hits.values(), *(self._batch.hits.values() if self._batch else ())]
            raise StoreError(f"{sum(tally.count for tally in waiting)} requests are lost: {error}") from error

    def _write(self) -> None:
        patience = LAST_PATIENCE if self._ending else PATIENCE
        if self._batch is not None:
            self._store.write(self._batch, patience)  # again: perhaps it was written, and only the answer was lost
            self._batch = None
        if self._hits or self._news:
            self._batch = self._next_batch()
            self._hits, self._news = {}, False
            self._number, self._requests, self._peak = (
                self._batch.writer.batch,
                self._batch.writer.requests,
                self._batch.writer.peak,
            )
            self._store.write(self._batch, patience)
            self._batch = None

    def _next_batch(self) -> Batch:
        self._files.meet_imported()
        requests = sum(tally.count for tally in self._hits.values())
        writer = Writer(
            id=self._id,
            host=socket.gethostname(),
            pid=os.getpid(),
            born=born(os.getpid()),
            build=self._build,
            core=self._core,
            python=platform.python_version(),
            interval=self.interval,
            sample=self._sample,
            started=self._started,
            last_write=time.time(),
            batch=self._number + 1,
            requests=self._requests + requests,
            peak=max(self._peak, requests),
            lost=self._lost,
            ended=time.time() if self._ending else None,
            stats=json.dumps(self._stats()),
        )
        return Batch(
            writer=writer,
            hits=self._hits,
            behaviours=self._behaviours,
            endpoints=self._endpoints,
            sources={source: name for name, source in list(self._files.sources.items())},
            seen=self._seen,
            outside=self._seen_outside(),
        )

    def _seen_outside(self) -> dict[Source, int]:
        lines = self._outside()
        if lines is not self._outside_lines:
            self._outside_lines = lines
            self._outside_seen = {
                self._files.sources[name]: from_numbits(nums_to_numbits(numbers)) for name, numbers in lines.items()
            }
        return self._outside_seen


def born(pid: int) -> str:
    """When a process of this machine began, as the system counts; empty where it is dead, or that can't be told."""
    try:
        state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return fields[18] if state not in "ZX" else ""
    except (OSError, IndexError, ValueError):
        return ""
