"""What `sys.settrace` is given: coverage.py's C tracer where it proves itself, a trace function in Python where not.

The C tracer is no public API of coverage.py. Everything that is assumed about it is in `CTracers`, and `choose` lets
it trace a known function before it is trusted.
"""

from __future__ import annotations

import dis
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any, Protocol, TypeAlias

from reqcov.cores.files import Files, is_function
from reqcov.errors import Faults

Hits: TypeAlias = dict[Any, set[Any]]
Target: TypeAlias = Callable[[], Hits]
"""Tells where what runs now is to be noted down: file name to line numbers, or to arcs as the tracer packs them."""


class Tracer(Protocol):
    """A trace function that can be switched on and off on the thread it runs on."""

    def start(self) -> Any:
        """Trace the thread that runs now."""

    def stop(self) -> None:
        """Trace no more; from another thread too."""

    def __call__(self, frame: FrameType, event: str, arg: Any) -> Any:
        """Take one event."""


class Tracers(Protocol):
    """Makes tracers, and reads what they noted down."""

    def new(self, target: Target) -> Tracer:
        """A tracer that is not started yet."""

    def arc(self, noted: Any) -> tuple[int, int]:
        """The pair of line numbers that was noted down."""


class CTracers:
    """coverage.py's C tracer, told at each entry of a measured function where its hits belong.

    It calls `lock_data` before it looks a measured file up in its `data`, and for no other file: the one moment at
    which its `data` can be exchanged at no cost to library code. Raises AttributeError or ImportError where the
    tracer is missing or of another make.
    """

    def __init__(self, files: Files, faults: Faults, branch: bool) -> None:
        from coverage import tracer

        self._make, self._disposition = tracer.CTracer, tracer.CFileDisposition
        self._files, self._faults, self._branch = files, faults, branch
        self._dispositions: dict[str, Any] = {}
        self._void: Hits = {}
        self.arc_bits = 28

    def new(self, target: Target) -> Tracer:
        """A tracer that is not started yet."""
        tracer: Any = self._make()
        measured, void, faults = self._files.measured, self._void, self._faults

        def lock_data() -> None:
            try:
                frame = sys._getframe(1)
                code = frame.f_code
                hits = target() if is_function(code) else void
                name = measured(code, frame)
                if name not in hits:
                    hits.setdefault(name, set())
                tracer.data = hits
            except Exception as error:
                tracer.data = void
                faults.report("the tracer could not tell the request", error)

        tracer.data = void
        tracer.lock_data = lock_data
        tracer.unlock_data = int  # something that can be called and does nothing
        tracer.trace_arcs = self._branch
        tracer.should_trace = self._should_trace
        tracer.should_trace_cache = self._dispositions
        tracer.file_tracers = {}
        for unused in ("check_include", "warn", "concur_id_func", "should_start_context", "switch_context"):
            setattr(tracer, unused, None)
        tracer.disable_plugin = None
        return tracer  # type: ignore[no-any-return]

    def _should_trace(self, filename: str, frame: FrameType) -> Any:
        disposition = self._disposition()
        disposition.original_filename = filename
        disposition.file_tracer = None
        disposition.has_dynamic_filename = False
        try:
            disposition.source_filename = self._files.measured(frame.f_code, frame)
        except Exception as error:
            disposition.source_filename = None
            self._faults.report("a file could not be prepared for measuring", error)
        disposition.trace = disposition.source_filename is not None
        return disposition

    def arc(self, noted: int) -> tuple[int, int]:
        """The two line numbers that the tracer packed into one integer: 28 bits each since coverage.py 7.13."""
        bits = self.arc_bits
        mask = (1 << bits) - 1
        start, end = noted & mask, noted >> bits & mask
        return (-start if noted >> 2 * bits & 1 else start, -end if noted >> 2 * bits & 2 else end)


class PythonTracers:
    """A trace function in Python; slower in loops, and free of anything private."""

    def __init__(self, files: Files, faults: Faults, branch: bool) -> None:
        self._files, self._faults, self._branch = files, faults, branch

    def new(self, target: Target) -> Tracer:
        """A tracer that is not started yet."""
        return _PythonTracer(self._files, self._faults, _note_arcs if self._branch else _note_lines, target)

    def arc(self, noted: tuple[int, int]) -> tuple[int, int]:
        """Arcs are noted as they are."""
        return noted


class _PythonTracer:
    def __init__(
        self, files: Files, faults: Faults, note: Callable[[FrameType, set[Any]], Any], target: Target
    ) -> None:
        self._files, self._faults, self._note, self._target = files, faults, note, target
        self._started = False

    def start(self) -> None:
        self._started = True
        sys.settrace(self)

    def stop(self) -> None:
        """From another thread too: then the tracer leaves its own thread at the next call there."""
        self._started = False

    def __call__(self, frame: FrameType, event: str, arg: Any) -> Any:  # noqa: ARG002
        if not self._started:
            sys.settrace(None)
            return None
        try:
            name = self._files.measured(frame.f_code, frame)
            if name is None or not is_function(frame.f_code):
                return None
            hits = self._target()
            return self._note(frame, hits.setdefault(name, set()))
        except Exception as error:
            self._faults.report("the tracer could not tell the request", error)
            return None


def _note_lines(frame: FrameType, numbers: set[int]) -> Any:  # noqa: ARG001
    def local(frame: FrameType, event: str, arg: Any) -> Any:  # noqa: ARG001
        if event == "line":
            numbers.add(frame.f_lineno)
        return local

    return local


_RESUME = dis.opmap["RESUME"]


def _note_arcs(frame: FrameType, arcs: set[tuple[int, int]]) -> Any:
    code = frame.f_code
    fresh = code.co_code[frame.f_lasti + 1] == 0  # the argument of RESUME tells a call from a resumption
    last = -code.co_firstlineno if fresh else frame.f_lineno

    def local(frame: FrameType, event: str, arg: Any) -> Any:  # noqa: ARG001
        nonlocal last
        if event == "line":
            arcs.add((last, frame.f_lineno))
            last = frame.f_lineno
        elif event == "return" and not suspends(frame):
            arcs.add((last, -code.co_firstlineno))
        return local

    return local


_TO_NEXT = 0 if sys.version_info[:2] == (3, 13) else 2
"""On 3.13 a suspended frame already points at the RESUME (python/cpython#113728)."""


def suspends(frame: FrameType) -> bool:
    """Whether a frame that gives control back will be resumed: its next instruction is a RESUME."""
    following = frame.f_lasti + _TO_NEXT
    instructions = frame.f_code.co_code
    return following < len(instructions) and instructions[following] == _RESUME


_PROVING_GROUND = """\
def proof(turns):
    for turn in range(turns):
        if turn:
            yield turn
    return
"""
_PROOF = {(-1, 2), (2, 3), (3, 2), (3, 4), (4, 2), (2, 5), (5, -1)}


def choose(files: Files, faults: Faults, branch: bool) -> Tracers:
    """The C tracer if it traces a known function rightly on this interpreter, else the one in Python."""
    try:
        for bits in (28, 20):
            tracers = CTracers(_ProvingFiles(), faults, True)  # type: ignore[arg-type]
            tracers.arc_bits = bits
            if _proof(tracers) == _PROOF:
                proven = CTracers(files, faults, branch)
                proven.arc_bits = bits
                return proven
    except Exception as error:
        reason: Exception | None = error
    else:
        reason = None
    faults.report("coverage.py's C tracer is missing or works otherwise than expected; a slower one is used", reason)
    return PythonTracers(files, faults, branch)


class _ProvingFiles:
    def measured(self, code: Any, frame: Any) -> str | None:  # noqa: ARG002
        return "proof" if code.co_filename == "<reqcov proof>" else None


def _proof(tracers: Tracers) -> set[tuple[int, int]]:
    """What the tracer makes of the proving ground, on a thread of its own: this one may be traced already."""
    namespace: dict[str, Any] = {}
    exec(compile(_PROVING_GROUND, "<reqcov proof>", "exec"), namespace)
    hits: Hits = {}

    def run() -> None:
        before = sys.gettrace()
        tracer = tracers.new(lambda: hits)
        tracer.start()
        try:
            list(namespace["proof"](2))
        finally:
            tracer.stop()
            sys.settrace(before)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return {tracers.arc(noted) for noted in hits.get("proof", ())}
