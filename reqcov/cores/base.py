"""What the recorder and the cores share: the recording, where it lives, and what a core must do."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from time import perf_counter
from types import MappingProxyType
from typing import Any, Protocol

from reqcov.record import qualified_name
from reqcov.types import Arcs, Lines


class Recording:
    """One request or job being measured. The recorder owns it; the core fills `hits`."""

    # Defaults live in the class: a request sets what it knows, and every attribute that it sets costs it time.
    core: Core | None = None
    """The core that fills it; None before it began and after it ended."""
    route: str | None = None
    endpoint: str | None = None
    status: int | None = None
    error: str | None = None
    stopped: float | None = None
    """When the last byte went out, by the clock of `started`."""
    undisturbed = True
    """False once something has kept the core from seeing every line."""
    labels: Mapping[str, str] = MappingProxyType({})
    left_out = False
    """Whether no record is to be made of it."""

    def __init__(self, protocol: str, method: str | None, path: str | None, sampled: bool) -> None:
        self.protocol = protocol
        self.method = method
        self.path = path
        self.sampled = sampled
        self.started = perf_counter()
        self.hits: dict[Any, set[Any]] = {}
        """Per code object or file, what ran; the core alone knows the encoding."""

    @property
    def complete(self) -> bool:
        """Whether every line was seen."""
        return self.sampled and self.undisturbed

    def fail(self, error: BaseException) -> None:
        """`error` is what ended it, or what its answer was made of."""
        self.error = qualified_name(type(error))

    def stop_clock(self) -> None:
        """The last byte of the body has gone out; the first call counts."""
        if self.stopped is None:
            self.stopped = perf_counter()


current: ContextVar[Recording | None] = ContextVar("reqcov_recording", default=None)
"""The recording that what runs now belongs to. A finished one may be left over in a task that outlived its request."""


def part_of_request() -> bool:
    """Whether a request is being recorded already: an instrumented app inside another is recorded once.

    One that has been answered has no more parts: servers begin the next request of a connection in its context, where
    the client was quicker with that than the app with its end.
    """
    recording = current.get()
    return (
        recording is not None
        and recording.core is not None
        and recording.stopped is None
        and recording.protocol != "job"
    )


def leave_out() -> None:
    """The request that is served now, if it is being recorded, shall not be: nobody gets a record of it."""
    recording = current.get()
    if recording is not None and recording.protocol != "job":
        recording.left_out = True


class Threads(Protocol):
    """Follows recordings from thread to thread."""

    def enter(self, recording: Recording) -> bool:
        """On this thread, code of `recording` runs from now on; False where it can't be measured."""

    def leave(self, recording: Recording) -> None:
        """On this thread, the code of `recording`, entered before, has run."""


class Core(Protocol):
    """A measuring engine. Any number of recordings may be open; each thread runs the code of one at a time."""

    name: str

    def begin(self, recording: Recording) -> None:
        """Be ready for `recording` before any of its code runs."""

    @property
    def threads(self) -> Threads | None:
        """What is to be told on which thread a recording runs, where the context variable is not enough."""

    def end(self, recording: Recording) -> None:
        """Take no more for `recording`; where that is left out, what it ran is as if nobody had run it."""

    def read(self, hits: dict[Any, set[Any]]) -> tuple[Lines, Arcs | None]:
        """The lines and arcs that are meant by the hits of an ended recording."""

    def busy(self) -> bool:
        """Whether this thread is in the middle of `begin` or `end`: a finalizer must not call them then."""

    def outside(self) -> Lines:
        """What was seen to run in no recording; the same object as the last time where that is no more."""

    def unattributed(self) -> int:
        """How many distinct lines ran in no recording while some were open."""

    def after_fork(self) -> None:
        """In a forked child: forget the parent's open recordings."""

    def close(self) -> None:
        """Leave nothing installed."""
