"""Where records can go: a function, memory, a file of JSON lines, a coverage.py data file."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import os
import shutil
import threading
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import Future, wait
from inspect import iscoroutinefunction
from pathlib import Path
from typing import Any

from coverage import CoverageData

from reqcov.record import OnRequest, RequestRecord, Sink
from reqcov.types import Arcs, Lines

try:
    import fcntl
except ImportError:  # Windows has none: there, let one process write one file
    fcntl = None  # type: ignore[assignment]


GRACE = 0.5
"""Seconds that a flush waits for coroutines which still run; one that hangs must not hold up the next records."""


class CallbackSink(Sink):
    """Calls a function with each record; a coroutine function runs on an event loop of the sink's own.

    Coroutines run side by side.
    """

    def __init__(self, function: OnRequest) -> None:
        self._function = function
        self._is_async = iscoroutinefunction(function) or iscoroutinefunction(getattr(function, "__call__", None))  # noqa: B004
        self.after_fork()

    def after_fork(self) -> None:
        """The event loop's thread is the parent's."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._running: set[Future[None]] = set()

    def accept(self, record: RequestRecord) -> None:
        """Call the function."""
        if self._is_async:
            self._running.add(asyncio.run_coroutine_threadsafe(self._call(record), self._started_loop()))
        else:
            self._function(record)

    async def _call(self, record: RequestRecord) -> None:
        try:
            await self._function(record)  # type: ignore[misc]
        except SystemExit as error:  # it would end the event loop, and all that runs there
            raise RuntimeError("on_request called sys.exit()") from error

    def _started_loop(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            started: Future[asyncio.AbstractEventLoop] = Future()
            self._thread = threading.Thread(
                target=lambda: asyncio.run(self._live(started)), name="reqcov on_request", daemon=True
            )
            self._thread.start()
            self._loop = started.result()
        return self._loop

    async def _live(self, started: Future[asyncio.AbstractEventLoop]) -> None:
        self._stop = asyncio.Event()
        started.set_result(asyncio.get_running_loop())
        await self._stop.wait()

    def flush(self) -> None:
        """Wait a moment for coroutines. Raises what one of them raised."""
        done, self._running = wait(self._running, GRACE)
        for future in done:
            future.result()

    def close(self) -> None:
        """Cancel what still runs, and end the event loop."""
        if self._loop is not None and self._thread is not None:
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(GRACE)


class MemorySink(Sink):
    """Keeps every record in `records`, from the moment the request ends; for tests and for the prompt."""

    immediate = True

    def __init__(self) -> None:
        self.records: list[RequestRecord] = []

    def accept(self, record: RequestRecord) -> None:
        """Append the record."""
        self.records.append(record)


class JsonLinesSink(Sink):
    """Appends each record to a file, as one line of JSON (`RequestRecord.to_dict`).

    Several processes may append to one file. The file is opened for each batch, so it may be rotated, and a full
    file system or a missing folder costs the records of that time, no more.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)
        self.after_fork()

    def after_fork(self) -> None:
        """Nothing waits here."""
        self._waiting: list[str] = []

    def accept(self, record: RequestRecord) -> None:
        """Turn the record into a line."""
        self._waiting.append(json.dumps(record.to_dict(), separators=(",", ":")) + "\n")

    def flush(self) -> None:
        """Append what waits. Raises OSError where it can't be written."""
        content, self._waiting = "".join(self._waiting).encode(), []
        if content:
            with _locked(self._path), self._path.open("ab", buffering=0) as file:
                end = file.tell() if file.seekable() else 0
                try:
                    if file.write(content) < len(content):
                        raise OSError(errno.ENOSPC, "There was room for a part only", str(self._path))
                except OSError:
                    with contextlib.suppress(OSError):
                        file.truncate(end)  # half a line would spoil the next one too
                    raise


class CoverageDataSink(Sink):
    """Collects what ran in one coverage.py data file, whose contexts are `RequestRecord.context`.

    `coverage html --show-contexts` on it shows who ran each line. Several processes may write to one file.
    """

    def __init__(self, path: str | os.PathLike[str] = ".coverage") -> None:
        self._path = Path(path)
        self.after_fork()

    def after_fork(self) -> None:
        """Nothing waits here."""
        self._waiting: dict[str, tuple[dict[str, set[int]], dict[str, set[tuple[int, int]]]]] = {}

    def accept(self, record: RequestRecord) -> None:
        """Merge the record with the others of its context."""
        lines, arcs = self._waiting.setdefault(record.context, (defaultdict(set), defaultdict(set)))
        if record.arcs is None:
            _merge(lines, record.lines)
        else:
            _merge(arcs, record.arcs)

    def flush(self) -> None:
        """Add what waits to the file. Raises OSError or CoverageException where that fails."""
        waiting, self._waiting = self._waiting, {}
        if not waiting:
            return
        target = self._path.resolve()
        with _locked(target), _replacement(target) as copy:
            data = CoverageData(basename=str(copy))
            try:
                data.read()
                for context, (lines, arcs) in waiting.items():
                    data.set_context(context)
                    if lines:
                        data.add_lines(lines)
                    if arcs:
                        data.add_arcs(arcs)
            finally:
                if hasattr(data, "close"):  # before coverage.py 7.11 nothing stays open
                    data.close()


def _merge(into: dict[str, set[Any]], more: Lines | Arcs) -> None:
    for name, numbers in more.items():
        into[name].update(numbers)


@contextlib.contextmanager
def _replacement(path: Path) -> Iterator[Path]:
    """A copy of the file at `path` that takes its place if all goes well.

    coverage.py writes without a journal: on a full file system it would ruin what it has written before.
    """
    copy = path.with_name(f".{path.name}.part")  # no name that `coverage combine` would take for data
    try:
        if path.exists():
            shutil.copy(path, copy)
        yield copy
        copy.replace(path)
    finally:
        copy.unlink(missing_ok=True)


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Only one process at a time goes on from here, for files of one folder."""
    if fcntl is None:
        yield
        return
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)
