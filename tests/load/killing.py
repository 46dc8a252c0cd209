"""gunicorn under load, a worker killed now and then, and a reader all the while: `python -m tests.load.killing`."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from reqcov.store.model import Writer
from reqcov.store.reading import reading
from tests import servers
from tests.served_store import STORE

GUNICORN = "gunicorn --no-control-socket -b 127.0.0.1:{{port}} --workers {workers} tests.served_store:wsgi()"

CLIENTS = 4


@dataclass
class Outcome:
    """What came of it."""

    log: dict[int, list[float]] = field(default_factory=lambda: defaultdict(list))
    """When each process answered, by its id, by the monotonic clock."""
    killed: dict[int, float] = field(default_factory=dict)
    """When each of these processes was killed."""
    writers: dict[int, Writer] = field(default_factory=dict)
    """What each process said of itself in the store."""
    counted: int = 0
    """Requests in the store."""
    answers: int = 0
    """That clients got."""
    refused: int = 0
    """Connections that broke before the answer: a process was killed."""
    polls: list[int] = field(default_factory=list)
    """Requests in the store each time that it was read."""
    complaints: list[str] = field(default_factory=list)
    """What readers printed as errors."""
    output: str = ""
    """Of the server."""
    vanished: dict[int, int] = field(default_factory=dict)
    """Processes that `doctor` says vanished, and how many requests it says each may have lost."""

    @property
    def logged(self) -> int:
        """Requests that were answered."""
        return sum(map(len, self.log.values()))

    def lost(self, pid: int) -> list[float]:
        """When a process answered the requests that the store knows nothing of: its last ones."""
        written = self.writers[pid].requests if pid in self.writers else 0
        assert written <= len(self.log[pid])
        return sorted(self.log[pid])[written:]

    @property
    def oldest_lost(self) -> float:
        """Seconds from the first request that was lost to the kill, at most."""
        return max((self.killed[pid] - min(self.lost(pid)) for pid in self.killed if self.lost(pid)), default=0.0)


def run(folder: Path, seconds: float, *, every: float | None, workers: int = 4) -> Outcome:
    """Load a server for so long, and kill a worker every so many seconds; None: kill none."""
    outcome = Outcome()
    over = threading.Event()
    command = GUNICORN.format(workers=workers).split()
    with servers.running(command, folder, {"SERVED_FOLDER": str(folder)}) as server, ThreadPoolExecutor() as pool:
        servers.exchange(server.port, request("/left/0"))
        servers.wait_for((folder / STORE).exists)
        clients = [pool.submit(ask, server.port, over) for _ in range(CLIENTS)]
        reader = pool.submit(poll, folder / STORE, over, outcome)
        try:
            kill(folder / "log", seconds, every, outcome)
        finally:
            over.set()
        for client in clients:
            answered, broken = client.result()
            outcome.answers += answered
            outcome.refused += broken
        reader.result()
        server.stop()
        outcome.output = server.output
    for pid, moment in noted(folder / "log"):
        outcome.log[pid].append(moment)
    with reading(folder / STORE) as store:
        outcome.counted = sum(hit.recorded for hit in store.hits())
        outcome.writers = {writer.pid: writer for writer in store.writers()}
    doctor = json.loads(subprocess.run(command_of("doctor", folder / STORE), capture_output=True).stdout)
    outcome.vanished = {row["pid"]: row["peak"] for row in doctor["writers"] if row["state"] == "vanished"}
    return outcome


def command_of(name: str, store: Path) -> list[str]:
    """A command of reqcov that prints JSON."""
    return [sys.executable, "-m", "reqcov", name, "--format", "json", "--store", str(store)]


def request(path: str) -> bytes:
    """One that asks for the connection to be closed."""
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()


def ask(port: int, over: threading.Event) -> tuple[int, int]:
    """How many answers came, and how many did not."""
    answers = refused = 0
    while not over.is_set():
        path = f"/{'left' if answers % 3 else 'right'}/{answers}"
        try:
            answered = servers.exchange(port, request(path)).endswith(path.encode())
        except OSError:
            answered = False
        answers += answered
        refused += not answered
    return answers, refused


def poll(store: Path, over: threading.Event, outcome: Outcome) -> None:
    """Read the store, as a person would, as often as that goes."""
    command = command_of("routes", store)
    while not over.is_set():
        read = subprocess.run(command, capture_output=True, text=True, cwd=store.parent, timeout=60)
        if read.returncode or read.stderr:
            outcome.complaints.append(read.stderr or f"status {read.returncode}")
        else:
            outcome.polls.append(json.loads(read.stdout)["requests"])


def kill(log: Path, seconds: float, every: float | None, outcome: Outcome) -> None:
    """Kill a process that answers, now and then, until the time is over."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        time.sleep(min(left, every or left))
        if every is not None and left > every:
            pid = random.choice([pid for pid, _ in noted(log)[-50:] if pid not in outcome.killed])
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                outcome.killed[pid] = time.monotonic()


def noted(log: Path) -> list[tuple[int, float]]:
    """Process and moment of each request that was answered."""
    lines = (line.split() for line in log.read_text().splitlines())
    return [(int(pid), float(moment)) for pid, moment, _ in lines]


@click.command()
@click.option("--seconds", default=60.0, show_default=True)
@click.option("--every", default=3.0, show_default=True, help="Seconds between two kills; 0 for none.")
@click.option("--workers", default=4, show_default=True)
def main(seconds: float, every: float, workers: int) -> None:
    """Compare what the store counted with what the server answered."""
    with tempfile.TemporaryDirectory() as folder:
        outcome = run(Path(folder), seconds, every=every or None, workers=workers)
    table = Table("killed process", "answered", "in the store", "lost", "largest batch", "age of the first lost, s")
    for pid, moment in outcome.killed.items():
        lost = outcome.lost(pid)
        age = f"{moment - lost[0]:.2f}" if lost else ""
        answered = len(outcome.log[pid])
        peak = str(outcome.writers[pid].peak) if pid in outcome.writers else ""
        table.add_row(str(pid), str(answered), str(answered - len(lost)), str(len(lost)), peak, age)
    console = Console()
    console.print(table)
    alive = outcome.log.keys() - outcome.killed.keys()
    unlike = [pid for pid in alive if outcome.lost(pid)]
    not_ended = [pid for pid in alive if outcome.writers[pid].ended is None]
    lost = outcome.logged - outcome.counted
    console.print(
        f"answered {outcome.logged:,} (clients got {outcome.answers:,}, {outcome.refused} connections broke), "
        f"in the store {outcome.counted:,}, lost {lost:,} in {len(outcome.killed)} kills\n"
        f"doctor names {len(outcome.vanished.keys() & outcome.killed.keys())} of those that were killed, "
        f"and {len(outcome.vanished.keys() - outcome.killed.keys())} others\n"
        f"{len(alive)} processes ended by themselves, {len(unlike)} of them lost anything, "
        f"{len(not_ended)} did not say that they ended\n"
        f"{len(outcome.polls)} looks at the store, {len(outcome.complaints)} of them failed; the server's log "
        f"{'complains' if 'reqcov:' in outcome.output or 'lock' in outcome.output else 'is silent of us'}"
    )


if __name__ == "__main__":
    main()
