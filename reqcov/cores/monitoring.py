"""The core for CPython 3.12 and newer: line events (PEP 669), disarmed as soon as they have nothing to tell.

One invariant holds it up: *a line is disarmed only while every open complete recording either holds it, or has yet to
enter its function through a line that is armed.* With no recording open any line may be disarmed at its first hit, so
an idle process runs at full speed; with one open, a line costs one callback; and when a recording begins, or enters a
function, what was disarmed there is armed again.

A recording has entered a function once it holds a line of it. The entry of a function is the first line of its body:
that one is disarmed only while every open recording holds it. Bodies that are suspended and resumed (generators,
coroutines) may go on in another recording than they began in, and a job may begin in the middle of a function; neither
passes the entry, so they are taken to have entered already.

Three things make that right when threads interleave anywhere the interpreter lets them:

- A callback reads the epoch first and compares it last, with nothing between the comparison and the return that could
  let another thread run. A recording that begins, or enters, publishes that, then changes the epoch, then re-arms.
- A code object is noted as disarmed just before the comparison, so whoever comes after it finds the note. From the note
  on the interpreter has no occasion to switch threads.
- Re-arming switches a code object's events off and on within one call into C, so no thread runs it while they are off.

All three lean on the global interpreter lock; where there is none, nothing is ever disarmed.
"""

from __future__ import annotations

import dis
import inspect
import sys
import threading
from collections import deque
from collections.abc import Callable
from itertools import repeat
from types import CodeType

from reqcov.cores.base import Recording, Threads, current
from reqcov.cores.files import Files, is_function
from reqcov.errors import Faults
from reqcov.types import Arcs, Lines

# The debugger's and coverage.py's own ids (0 and 1) are left to them: they may start later than we do.
TOOL_IDS = (3, 4, 5, 2)

Hits = dict[int, set[int]]

SUSPENDED = inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ITERABLE_COROUTINE | inspect.CO_ASYNC_GENERATOR


class EnteredEverywhere(Hits):
    """The hits of a recording that may run a function without passing its entry."""

    def get(self, key: int, default: object = None) -> set[int]:  # noqa: ARG002
        """What it holds of a function: nothing, but never None."""
        return super().get(key) or set()


def free_tool_id() -> int | None:
    """An id of `sys.monitoring` that nobody uses, or None."""
    return next((tool for tool in TOOL_IDS if sys.monitoring.get_tool(tool) is None), None)


class MonitoringCore:
    """Records lines through events that are local to the code objects of measured files."""

    name = "monitoring"
    threads: Threads | None = None

    def __init__(self, files: Files, faults: Faults) -> None:
        tool = free_tool_id()
        assert tool is not None
        self._files = files
        self._faults = faults
        self._tool = tool
        self._lock = threading.RLock()
        self._codes: dict[int, tuple[CodeType, str, int]] = {}
        # A code object's id to the code object itself (kept alive: ids are keys), its file, the events it wants.
        self._entries: dict[int, int] = {}
        # A code object's id to the line of its entry; none for bodies that are suspended and resumed.
        self._first_offsets: dict[int, int] = {}
        self._disarmed: dict[int, CodeType] = {}
        self._open: tuple[Hits, ...] = ()
        self._beginning = False
        # While a recording begins, a code object may be disarmed and not noted as that.
        self._epoch = object()
        self._nobody: Hits = {}
        self._idle: Hits = {}
        # What ran in no recording, while some were open and while none was.
        self._outside: tuple[int, Lines] = 0, {}
        # How many lines that are, and which.
        self._may_disarm = getattr(sys, "_is_gil_enabled", lambda: True)()
        self._install()

    def _install(self) -> None:
        events = sys.monitoring.events
        on_line = self._line_callback()
        sys.monitoring.use_tool_id(self._tool, "reqcov")
        sys.monitoring.register_callback(self._tool, events.PY_START, self._start_callback())
        sys.monitoring.register_callback(self._tool, events.LINE, on_line)
        sys.monitoring.register_callback(self._tool, events.INSTRUCTION, self._instruction_callback(on_line))
        sys.monitoring.set_events(self._tool, events.PY_START)

    def _start_callback(self) -> Callable[[CodeType, int], object]:
        """Meets each code object of the process once, and arms those that are measured."""
        disable, events = sys.monitoring.DISABLE, sys.monitoring.events

        def on_start(code: CodeType, offset: int) -> object:  # noqa: ARG001
            known = self._codes.get(id(code))
            if known is not None:  # by another thread, perhaps, that has yet to switch its events on
                sys.monitoring.set_local_events(self._tool, code, known[2])
                return disable
            if not is_function(code):
                return disable
            try:
                name = self._files.measured(code, sys._getframe(1))
                if name is not None:
                    wanted = events.LINE
                    first, line = beginning_of_body(code)
                    if line == code.co_firstlineno and sys.version_info >= (3, 13):
                        # Once armed, such a line fires no line event from 3.13 on.
                        self._first_offsets[id(code)] = first
                        wanted |= events.INSTRUCTION
                    if not code.co_flags & SUSPENDED:
                        self._entries[id(code)] = line
                    self._codes[id(code)] = (code, name, wanted)
                    sys.monitoring.set_local_events(self._tool, code, wanted)
            except Exception as error:
                self._faults.report("a function could not be prepared for measuring", error)
                return None  # met again the next time
            return disable

        return on_start

    def _line_callback(self) -> Callable[[CodeType, int], object]:
        """Runs for every armed line: as little as can be."""
        disable, recording_here, disarmed = sys.monitoring.DISABLE, current.get, self._disarmed
        nobody, idle = self._nobody, self._idle
        may_disarm, entries = self._may_disarm, self._entries

        def on_line(code: CodeType, line: int) -> object:
            epoch = self._epoch  # first: see the module's docstring
            key = id(code)
            others = self._open
            recording = recording_here()
            if recording is not None and recording.core is self:
                hits = recording.hits
            elif others:
                hits = nobody
            else:
                hits = idle
            try:
                hits[key].add(line)
            except KeyError:
                hits.setdefault(key, set()).add(line)
                if recording is not None and hits is recording.hits and recording.sampled:
                    epoch = self._epoch = object()
                    others = self._open
                    if key in disarmed or self._beginning:
                        self._arm([code])
            for other in others:
                if other is not hits:
                    lines = other.get(key)
                    if lines is None:
                        if entries.get(key, line) == line:
                            return None
                    elif line not in lines:
                        return None
            disarmed[key] = code
            if epoch is self._epoch and may_disarm:  # last, and no call from here on
                return disable
            return None

        return on_line

    def _instruction_callback(self, on_line: Callable[[CodeType, int], object]) -> Callable[[CodeType, int], object]:
        """Stands in for the line event of a body that begins on its `def` or `lambda` line."""
        disable, first_offsets = sys.monitoring.DISABLE, self._first_offsets

        def on_instruction(code: CodeType, offset: int) -> object:
            if offset == first_offsets[id(code)]:
                return on_line(code, code.co_firstlineno)
            return disable

        return on_instruction

    def begin(self, recording: Recording) -> None:
        """Arm again whatever an earlier recording has disarmed."""
        if recording.protocol == "job":
            recording.hits = EnteredEverywhere()
        recording.core = self
        if not recording.sampled:
            return
        with self._lock:
            self._open = (*self._open, recording.hits)
            self._epoch = object()
            self._beginning = True
            codes = []
            while self._disarmed:
                codes.append(self._disarmed.popitem()[1])
            self._arm(codes)
            self._beginning = False

    def _arm(self, codes: list[CodeType]) -> None:
        """Have every line of `codes` fire again: their events go off and on, with no thread in between."""
        twice = [code for code in codes for _ in range(2)]
        events = [wanted for code in codes for wanted in (0, self._codes[id(code)][2])]
        deque(map(sys.monitoring.set_local_events, repeat(self._tool), twice, events), maxlen=0)

    def end(self, recording: Recording) -> None:
        """Close `recording`; what it does not hold no longer keeps lines armed."""
        recording.core = None
        hits = recording.hits
        if recording.sampled:
            with self._lock:
                self._open = tuple(other for other in self._open if other is not hits)
        if recording.left_out and hits:  # what it has disarmed is yet to be told by others, sampled or not
            self._epoch = object()
            self._arm([self._codes[key][0] for key in list(hits)])

    def read(self, hits: Hits) -> tuple[Lines, Arcs | None]:
        """The lines by file; arcs are not for this core."""
        lines: dict[str, set[int]] = {}
        for key, numbers in list(hits.items()):  # a task that outlives its request may still be at it
            lines.setdefault(self._codes[key][1], set()).update(numbers)
        return {name: frozenset(numbers) for name, numbers in lines.items()}, None

    def busy(self) -> bool:
        """Whether this thread holds the lock."""
        return bool(self._lock._is_owned())  # type: ignore[attr-defined]

    def outside(self) -> Lines:
        """What was seen to run in no recording."""
        count = self.unattributed() + _count(self._idle)
        if count != self._outside[0]:
            busy, idle = self.read(self._nobody)[0], self.read(self._idle)[0]
            nothing: frozenset[int] = frozenset()
            both = {name: busy.get(name, nothing) | idle.get(name, nothing) for name in busy.keys() | idle.keys()}
            self._outside = count, both
        return self._outside[1]

    def unattributed(self) -> int:
        """How many distinct lines ran in no recording while some were open."""
        return _count(self._nobody)

    def after_fork(self) -> None:
        """In a forked child: the parent's recordings are none of ours."""
        self._lock = threading.RLock()
        self._open = ()
        self._epoch = object()
        self._beginning = False
        # The thread of a recording that was beginning is gone, and what it was about to arm is noted nowhere.
        self._arm([code for code, _, _ in list(self._codes.values())])

    def close(self) -> None:
        """Give the tool id back; every event goes with it."""
        if sys.monitoring.get_tool(self._tool) != "reqcov":
            return
        sys.monitoring.set_events(self._tool, 0)
        for code, _, _ in list(self._codes.values()):
            sys.monitoring.set_local_events(self._tool, code, 0)
        for event in (sys.monitoring.events.PY_START, sys.monitoring.events.LINE, sys.monitoring.events.INSTRUCTION):
            sys.monitoring.register_callback(self._tool, event, None)
        sys.monitoring.free_tool_id(self._tool)


def _count(hits: Hits) -> int:
    """How many lines these are, while others may add to them."""
    return sum(map(len, list(hits.values())))


def beginning_of_body(code: CodeType) -> tuple[int, int]:
    """Offset and line of the first instruction of a function's body: the one behind the first RESUME."""
    resumed = False
    for instruction in dis.get_instructions(code):
        line = instruction.positions.lineno if instruction.positions else None
        if resumed and line is not None:
            return instruction.offset, line
        resumed = resumed or instruction.opname == "RESUME"
    return -1, code.co_firstlineno
