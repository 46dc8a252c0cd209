"""The core for CPython 3.11, and for branches: one tracer a thread, switched on while requests run there.

A tracer asks at each entry of a measured function which recording the function runs in, so frames of interleaved
tasks, threads and generators each find their own. Threads that start while the core is open are traced from their
first frame on, for work that is handed to them later. Greenlets switch in the middle of frames; each gets a tracer
of its own, exchanged as they switch.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any
from weakref import WeakKeyDictionary

from reqcov.cores.base import Recording, Threads, current
from reqcov.cores.tracers import Hits, Tracer, Tracers
from reqcov.errors import Faults
from reqcov.types import Arcs, Lines

FOREIGN = "another trace function (a debugger, coverage.py) is installed; requests are served unmeasured meanwhile"


_gevent = sys.modules.get("gevent.monkey")
_ThreadLocal: Any = _gevent.get_original("threading", "local") if _gevent is not None else threading.local


class _Thread(_ThreadLocal):  # type: ignore[misc]
    """What this thread has installed; gevent's own `threading.local` would tell greenlets apart instead."""

    tracer: Tracer | None = None
    entered = 0
    """How many recordings are entered here."""
    stays = False
    """Whether the tracer has been there since the thread began, and stays until it ends."""
    greenlets: GreenletTracers | None = None


class SettraceCore:
    """Records lines or arcs with trace functions."""

    name = "settrace"

    def __init__(self, tracers: Tracers, faults: Faults, *, branch: bool) -> None:
        self._tracers = tracers
        self._faults = faults
        self._branch = branch
        self._here = _Thread()
        self._everywhere: WeakKeyDictionary[threading.Thread, Tracer] = WeakKeyDictionary()
        self._lock = threading.RLock()
        self._open = 0
        self._closed = False
        self._nobody: Hits = {}
        self.threads: Threads | None = self
        self._void: Hits = {}
        if threading.gettrace() is None:
            threading.settrace(self._thread_begins)

    def _target(self) -> Hits:
        recording = current.get()
        if recording is not None and recording.core is self:
            return recording.hits
        return self._nobody if self._open else self._void

    def _new_tracer(self) -> Tracer:
        return self._tracers.new(self._target)

    def _thread_begins(self, frame: FrameType, event: str, arg: Any) -> Any:
        """The first event of a new thread, which `threading` lets a trace function see."""
        sys.settrace(None)
        here = self._here
        if self._closed:
            return None
        if not in_greenlet():
            here.stays = True
            self._install(here)
        elif here.tracer is not None:
            here.tracer.start()
        return here.tracer(frame, event, arg) if here.tracer is not None else None

    def _install(self, here: _Thread) -> None:
        here.tracer = self._everywhere[threading.current_thread()] = self._new_tracer()
        here.tracer.start()
        here.greenlets = GreenletTracers.watch(here, self._new_tracer)

    def _uninstall(self, here: _Thread) -> None:
        if here.greenlets is not None:
            here.greenlets.close()
            here.greenlets = None
        if here.tracer is not None:
            if sys.gettrace() is here.tracer:
                sys.settrace(None)
            here.tracer.stop()
            here.tracer = None

    def begin(self, recording: Recording) -> None:
        """Count it, so that lines outside it are told from lines of an idle process."""
        recording.core = self
        if recording.sampled:
            with self._lock:
                self._open += 1

    def enter(self, recording: Recording) -> bool:
        """Trace this thread; False where somebody else does."""
        if not recording.sampled:
            return True
        here = self._here
        tracing = sys.gettrace()
        if tracing is None:
            self._uninstall(here)
            self._install(here)
        elif tracing is not here.tracer:
            self._faults.report(FOREIGN)
            return False
        here.entered += 1
        return True

    def leave(self, recording: Recording) -> None:
        """Stop tracing this thread once nothing is entered on it."""
        if not recording.sampled:
            return
        here = self._here
        if sys.gettrace() is not here.tracer and not self._closed:
            recording.undisturbed = False
            self._faults.report(FOREIGN)
        here.entered -= 1
        if not here.entered and not here.stays:
            self._uninstall(here)

    def end(self, recording: Recording) -> None:
        """Close `recording`."""
        recording.core = None
        if recording.sampled:
            with self._lock:
                self._open -= 1

    def read(self, hits: Hits) -> tuple[Lines, Arcs | None]:
        """The lines by file, and the arcs where branches are measured."""
        noted = {name: frozenset(some) for name, some in list(hits.items()) if some}
        if not self._branch:
            return noted, None
        arcs = {name: frozenset(map(self._tracers.arc, some)) for name, some in noted.items()}
        lines = {name: frozenset(n for pair in pairs for n in pair if n > 0) for name, pairs in arcs.items()}
        return lines, arcs

    def busy(self) -> bool:
        """Whether this thread holds the lock."""
        return bool(self._lock._is_owned())  # type: ignore[attr-defined]

    def outside(self) -> Lines:
        """What was seen to run in no recording: little, for threads are traced while they run recordings."""
        return self.read(self._nobody)[0]

    def unattributed(self) -> int:
        """How many distinct lines (or arcs) ran in no recording while some were open."""
        return sum(map(len, list(self._nobody.values())))

    def after_fork(self) -> None:
        """In a forked child: the parent's recordings are none of ours, nor are its threads."""
        self._lock = threading.RLock()
        self._open = 0

    def close(self) -> None:
        """Stop every tracer; those of other threads leave at the next event there."""
        self._closed = True
        if threading.gettrace() == self._thread_begins:
            threading.settrace(None)
        self._uninstall(self._here)
        for tracer in list(self._everywhere.values()):
            tracer.stop()


def in_greenlet() -> bool:
    """Whether this is no thread's own beginning, but a greenlet within one: gevent starts those in place of threads."""
    greenlet = sys.modules.get("greenlet")
    return greenlet is not None and greenlet.getcurrent().parent is not None


class GreenletTracers:
    """Gives each greenlet of a thread a tracer of its own, where greenlets are in use."""

    @classmethod
    def watch(cls, here: _Thread, new_tracer: Callable[[], Tracer]) -> GreenletTracers | None:
        """Follow the switches of this thread, if anybody has imported greenlet."""
        greenlet = sys.modules.get("greenlet")
        return cls(greenlet, here, new_tracer) if greenlet is not None else None

    def __init__(self, greenlet: Any, here: _Thread, new_tracer: Callable[[], Tracer]) -> None:
        self._greenlet = greenlet
        self._here = here
        self._new_tracer = new_tracer
        self._tracers: WeakKeyDictionary[Any, Tracer] = WeakKeyDictionary()
        assert here.tracer is not None
        self._tracers[greenlet.getcurrent()] = here.tracer
        self._before = greenlet.settrace(self._switched)

    def _switched(self, event: str, args: tuple[Any, Any]) -> None:
        if self._before is not None:
            self._before(event, args)
        here, (_, target) = self._here, args
        if sys.gettrace() is here.tracer or sys.gettrace() is None:
            tracer = self._tracers.get(target)
            if tracer is None:
                tracer = self._tracers[target] = self._new_tracer()
            here.tracer = tracer
            tracer.start()

    def close(self) -> None:
        """Follow no further."""
        self._greenlet.settrace(self._before)
        for tracer in self._tracers.values():
            tracer.stop()
