"""The pages of a store as it is now, made anew once there is something new."""

from __future__ import annotations

import threading
import time
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from reqcov.errors import StoreBusy, StoreError
from reqcov.store.reading import StoreReader, reading

PAUSE = 2.0
"""Seconds for which pages are taken for the latest."""

SHARE = 4
"""Pages that take long to make are left alone for so many times that time: the server has other work to do."""


class Site(Protocol):
    """All pages of one moment."""

    @property
    def stamp(self) -> str:
        """Of what they were made of."""

    def render(self, name: str) -> bytes:
        """One of them. Raises KeyError where there is none of that name."""


class State(NamedTuple):
    """What a store holds, in short."""

    stamp: str | None
    """Another one as soon as it holds something else; None where it can't be read."""
    last_seen: float | None
    """When its latest request came, in seconds since the epoch; None where there is none."""


def state(store: Path, tests: Sequence[Path] = ()) -> State:
    """Look, without reading much. Raises StoreError where there is no store, or none that can be read."""
    with reading(store) as reader:
        return State(stamp(reader, tests), reader.last_seen())


def stamp(reader: StoreReader, tests: Sequence[Path]) -> str:
    """Another one whenever the store holds something else, or one of the files was written that tell of tests."""
    if not tests:
        return reader.stamp()
    return f"{reader.stamp()}-{zlib.crc32(repr([_written(file) for file in tests]).encode()):08x}"


def _written(file: Path) -> tuple[int, int] | None:
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size


class Latest:
    """Keeps the site of a store. Any number of threads may ask for it; one at a time makes it."""

    def __init__(self, store: Path, make: Callable[[Path], Site], tests: Sequence[Path] = ()) -> None:
        """`tests`: files that pages are made of besides the store."""
        self._store = store
        self._tests = tests
        self._make = make
        self._making = threading.Lock()
        self._site: Site | None = None
        self._due = 0.0
        """When to look whether anything has changed, by the monotonic clock."""

    def site(self) -> Site:
        """The pages; those of before while others are being made, or the store is too busy to be read.

        Raises StoreError where there is nothing to make pages of.
        """
        site = self._site
        if site is not None and time.monotonic() < self._due:
            return site
        if not self._making.acquire(blocking=site is None):
            return site  # type: ignore[return-value]
        try:
            return self._site_now()
        finally:
            self._making.release()

    def _site_now(self) -> Site:
        site = self._site
        started = time.monotonic()
        try:
            if site is None or state(self._store, self._tests).stamp != site.stamp:
                site = self._make(self._store)
        except StoreBusy:
            if site is None:
                raise
        self._site = site
        self._due = time.monotonic() + max(PAUSE, SHARE * (time.monotonic() - started))
        return site

    def state(self) -> State:
        """Of the store, with the stamp that pages would have which are asked for now."""
        try:
            now = state(self._store, self._tests)
        except StoreBusy:
            now = State(self._site.stamp if self._site else None, None)
        except StoreError:
            now = State(None, None)
        site = self._site
        return now._replace(stamp=site.stamp) if site is not None and time.monotonic() < self._due else now

    def keep(self, seconds: float) -> None:
        """One of the pages took so long to make: leave them alone for a while, as if all had taken longer."""
        if SHARE * seconds > PAUSE:
            self._due = max(self._due, time.monotonic() + SHARE * seconds)

    def renew(self) -> None:
        """Look at the store again when pages are asked for the next time."""
        self._due = 0.0
