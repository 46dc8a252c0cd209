"""Functions that several parties run by turns, line by line, and each party's own account of what it ran.

Every line of `SHARED` hands over to the next party, so no two lines of one party ever follow each other without a line
of each other party in between. Where the parties take different branches, a line that is lost, or noted for somebody
else, shows.
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Coroutine, Iterable, Set
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any

import httpx

import reqcov
from reqcov.cores import tracers
from reqcov.cores.tracers import PythonTracers

PATIENCE = 30.0
"""Seconds after which a party that is never handed the turn gives up; reached only by a broken test."""

_KINDS = {
    "plain": ("def", "turn.block()", "STEP; {}"),
    "coroutine": ("async def", "(await turn.wait())", "STEP; await {}"),
    "chunks": ("def", "(yield turn.chunk())", "STEP; yield from {}"),
    "blocking_chunks": ("def", "(yield turn.block())", "STEP; yield from {}"),
    "async_chunks": ("async def", "(yield await turn.wait())", "async for _ in {}: STEP"),
}
"""Kind of function to how it is defined, how each of its lines hands over, and how it calls another of its kind."""

_SHARED = """\
DEFINE NAME(turn):
    STEP
    if [STEP] and turn.name == "a":
        first = [STEP]
        first.append(STEP)
    else:
        second = STEP
    while [STEP] and turn.rounds:
        turn.rounds.pop(); STEP
    CALL
    turn.done()

DEFINE inner_NAME(turn):
    if [STEP] and turn.name != "a":
        STEP
    STEP

"""


def _shared(name: str, define: str, step: str, call: str) -> str:
    call = call.format(f"inner_{name}(turn)")
    return _SHARED.replace("CALL", call).replace("DEFINE", define).replace("NAME", name).replace("STEP", step)


SHARED = "".join(_shared(name, *kind) for name, kind in _KINDS.items())


def load(path: Path, source: str) -> ModuleType:
    """A module that is kept out of `sys.modules`, from a file that is written for it."""
    path.write_text(source, "utf-8")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Party:
    """One of those that run the shared functions; its methods are called by each line of them."""

    def __init__(self, stage: Stage, name: str, rounds: int) -> None:
        self.name = name
        self.rounds = [None] * rounds
        self.lines: set[int] = set()
        """Every line it ran, once it is done: what a recording of it must hold."""
        self.arcs: set[tuple[int, int]] = set()
        """Every pair of lines that followed each other, with the ways in and out of functions."""
        self._trail: dict[FrameType, list[int]] = {}
        self._stage = stage

    def _note(self, frame: FrameType) -> None:
        self._trail.setdefault(frame, []).append(frame.f_lineno)

    def block(self) -> bytes:
        """Hand over, and keep this thread (or greenlet) until it is our turn again."""
        self._note(sys._getframe(1))
        self._stage.hand_over(self)
        self._stage.block(self)
        return b"."

    def wait(self) -> Coroutine[Any, Any, bytes]:
        """Hand over, and let the event loop run others until it is our turn again."""
        self._note(sys._getframe(1))
        return self._wait()

    async def _wait(self) -> bytes:
        self._stage.hand_over(self)
        await self._stage.wait(self)
        return b"."

    def chunk(self) -> bytes:
        """Hand over to whoever pulls."""
        self._note(sys._getframe(1))
        return b"."

    def done(self) -> None:
        """From here on the others take turns without us."""
        self._note(sys._getframe(1))
        for frame, lines in self._trail.items():
            self.lines.update(lines)
            edge = -frame.f_code.co_firstlineno
            self.arcs.update(pairwise([edge, *lines, edge]))
        self._trail.clear()
        self._stage.hand_over(self)
        self._stage.leave(self)


class Stage:
    """A recorder, the shared functions, and the parties that run them."""

    def __init__(self, folder: Path, core: str, names: Iterable[str] = "ab", **options: Any) -> None:
        self.path = folder / "shared.py"
        self.shared = load(self.path, SHARED)
        self.parties = {name: Party(self, name, rounds=1 + 2 * n) for n, name in enumerate(names)}
        self.sink = reqcov.MemorySink()
        self.branch = core == "settrace"
        self.recorder = reqcov.Recorder(source=[str(folder)], core=core, branch=self.branch, sinks=self.sink, **options)
        self.block: Callable[[Party], None] = self._block_thread
        """How a party that may not suspend waits for its turn."""
        self._present = list(self.parties.values())
        self._next = self._present[0]
        self._changed = threading.Condition()

    def party(self, path: str) -> Party:
        """The party that asks for `path`: `/a` is for `a`."""
        return self.parties[path.strip("/")]

    def hand_over(self, party: Party) -> None:
        """Let the party after this one run its next line."""
        with self._changed:
            after = self._present.index(party) + 1
            self._next = self._present[after % len(self._present)]
            self._changed.notify_all()

    def leave(self, party: Party) -> None:
        """Take no more turns."""
        with self._changed:
            self._present.remove(party)

    def may_go(self, party: Party) -> bool:
        """Whether it is this party's turn."""
        return self._next is party

    def _block_thread(self, party: Party) -> None:
        with self._changed:
            if not self._changed.wait_for(lambda: self.may_go(party), PATIENCE):
                raise TimeoutError(f"{party.name} was never handed the turn")

    async def wait(self, party: Party) -> None:
        """Let the event loop run others until it is the party's turn."""
        async with asyncio.timeout(PATIENCE):
            while not self.may_go(party):
                await asyncio.sleep(0)

    def by_threads(self, serve: Callable[[str], object]) -> None:
        """Have each party's request served in a thread of its own."""
        with ThreadPoolExecutor(len(self.parties)) as pool:
            list(pool.map(serve, (f"/{name}" for name in self.parties)))

    def by_tasks(self, serve: Callable[[str], Coroutine[Any, Any, object]]) -> None:
        """Have each party's request served in a task of its own, on one event loop."""

        async def serve_all() -> None:
            await asyncio.gather(*(serve(f"/{name}") for name in self.parties))

        asyncio.run(serve_all())

    def get_by_threads(self, app: Any) -> None:
        """Have each party's request served by a WSGI app, in a thread of its own."""

        def get(path: str) -> None:
            with httpx.Client(transport=httpx.WSGITransport(app), base_url="http://test") as client:
                client.get(path).raise_for_status()

        self.by_threads(get)

    def get_by_tasks(self, app: Any) -> None:
        """Have each party's request served by an ASGI app, in a task of its own."""

        async def get(path: str) -> None:
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(transport=transport, base_url="http://test", timeout=PATIENCE) as client:
                (await client.get(path)).raise_for_status()

        self.by_tasks(get)

    def check(self) -> None:
        """Every party was recorded once, with exactly what it ran, and nothing was left over or went wrong."""
        records = {(record.path or record.route or "").strip("/"): record for record in self.sink.records}
        assert len(self.sink.records) == len(records)
        assert set(records) == set(self.parties)
        for name, party in self.parties.items():
            record = records[name]
            assert record.complete
            assert set(record.lines) == {str(self.path)}
            same(f"lines of {name}", record.lines[str(self.path)], party.lines)
            if self.branch:
                assert record.arcs is not None
                same(f"arcs of {name}", record.arcs[str(self.path)], party.arcs)
        stats = self.recorder.stats()
        assert (stats.unattributed, stats.faults) == (0, {})


def same(what: str, recorded: Set[Any], ran: Set[Any]) -> None:
    """Fail, and say how, where a recording holds other things than ran."""
    assert recorded == ran, f"{what}: lost {sorted(ran - recorded)}, not its own {sorted(recorded - ran)}"


def run_staged(script: str, folder: Path, core: str) -> None:
    """Run `script` in a process of its own, where `staged()` gives a stage with the core of the running test."""
    made = "python" if tracers.choose is PythonTracers else core
    root = Path(__file__).resolve().parent.parent
    environ = os.environ | {"PYTHONPATH": str(root)}
    command = [sys.executable, "-W", "error", "-c", script, str(folder), made]
    done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, timeout=90)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("checked\n"), done.stdout + done.stderr


def staged() -> Stage:
    """The stage that `run_staged` asks for."""
    _, folder, core = sys.argv
    if core == "python":
        tracers.choose = PythonTracers
        core = "settrace"
    return Stage(Path(folder), core)
