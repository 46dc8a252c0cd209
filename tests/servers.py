"""Starts real servers as child processes, and ends them."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

ROOT = Path(__file__).parent.parent

HERE = "127.0.0.1:{port}"
GUNICORN = f"gunicorn --no-control-socket --graceful-timeout 5 -b {HERE}"
"""A worker that gets SIGTERM while it is being forked takes no notice; gunicorn kills it after the graceful time."""

ATTEMPTS = 600
PAUSE = 0.05
"""At most so many attempts with so many seconds in between, for everything that is waited for here."""


@dataclass
class Server:
    """A server that runs, and the folder that it works with."""

    process: subprocess.Popen[bytes]
    port: int
    folder: Path

    @property
    def output(self) -> str:
        """What it wrote to its standard output and error so far."""
        return (self.folder / "output").read_text("utf-8", "replace")

    def stop(self, sig: signal.Signals = signal.SIGTERM) -> int:
        """Ask it to end, and wait for it; returns its exit code. Raises AssertionError if it does not end."""
        self.process.send_signal(sig)
        try:
            return self.process.wait(ATTEMPTS * PAUSE)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.process.args!r} did not end:\n{self.output}") from None


@contextlib.contextmanager
def running(arguments: list[str], folder: Path, environment: Mapping[str, str]) -> Iterator[Server]:
    """`python -m arguments`, `{port}` in them filled in, from the moment it accepts connections; killed at the end."""
    port = free_port()
    command = [sys.executable, "-m", *(argument.format(port=port) for argument in arguments)]
    with (folder / "output").open("wb") as output, interruptible():
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **environment},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    server = Server(process, port, folder)
    try:
        wait_until_it_answers(server)
        yield server
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def free_port() -> int:
    """A port of the loopback interface that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """A child that starts meanwhile heeds SIGINT, even where we were started to ignore it, as by a shell's `&`."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def wait_until_it_answers(server: Server) -> None:
    """Return once the port accepts a connection. Raises AssertionError if it never does."""
    for _ in range(ATTEMPTS):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", server.port), timeout=PAUSE):
            return
        if server.process.poll() is not None:
            break
        time.sleep(PAUSE)
    raise AssertionError(f"{server.process.args!r} does not listen:\n{server.output}")


def meet(folder: Path, me: str, other: str) -> None:
    """Return once `other` is here too, on whatever thread, greenlet or process. Raises AssertionError otherwise."""
    (folder / me).touch()
    wait_for((folder / other).exists)


def wait_for(ask: Callable[[], T]) -> T:
    """The first answer that is not false. Raises AssertionError where none comes."""
    for _ in range(ATTEMPTS):
        if answer := ask():
            return answer
        time.sleep(PAUSE)
    raise AssertionError("waited in vain")


def exchange(port: int, request: bytes) -> bytes:
    """Every byte of the answer to the bytes of one request, up to the end of the connection."""
    with socket.create_connection(("127.0.0.1", port), timeout=ATTEMPTS * PAUSE) as connection:
        connection.sendall(request)
        answer = b""
        while chunk := connection.recv(65536):
            answer += chunk
        return answer
