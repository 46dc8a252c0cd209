"""Real servers with a store: however they end, it holds all that they answered."""

from __future__ import annotations

import itertools
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import pytest

from reqcov.store.reading import reading
from tests import servers
from tests.load import killing
from tests.served_store import STORE
from tests.servers import GUNICORN, HERE, Server
from tests.test_store_faults import ask, complaints, counted

WSGI, ASGI = "tests.served_store:patient_wsgi()", "--factory tests.served_store:patient_asgi"


@dataclass(frozen=True)
class Case:
    """How a server is started and ended."""

    command: str
    signal: signal.Signals = signal.SIGTERM
    may_write_before: bool = False
    """Whether processes end while the server goes on."""
    exit_code: int = 0


CASES = {
    "gunicorn": Case(f"{GUNICORN} --workers 2 {WSGI}"),
    "gunicorn interrupted": Case(f"{GUNICORN} --workers 2 {WSGI}", signal.SIGINT),
    "gunicorn quits": Case(f"{GUNICORN} --workers 2 {WSGI}", signal.SIGQUIT),
    "gunicorn preload": Case(f"{GUNICORN} --workers 2 --preload {WSGI}"),
    "gunicorn max-requests": Case(f"{GUNICORN} --workers 2 --max-requests 10 {WSGI}", may_write_before=True),
    "uvicorn": Case(f"uvicorn --port {{port}} {ASGI}", exit_code=-signal.SIGTERM),
    "uvicorn interrupted": Case(f"uvicorn --port {{port}} {ASGI}", signal.SIGINT),
    "uvicorn workers": Case(f"uvicorn --workers 2 --port {{port}} {ASGI}"),
    "waitress": Case(f"waitress --listen {HERE} --call tests.served_store:patient_wsgi", exit_code=-signal.SIGTERM),
    "waitress interrupted": Case(f"waitress --listen {HERE} --call tests.served_store:patient_wsgi", signal.SIGINT),
    "granian": Case(f"granian --interface asgi --port {{port}} {ASGI}"),
    "granian wsgi": Case("granian --interface wsgi --port {port} --factory tests.served_store:patient_wsgi"),
}

PATHS = [f"{side}/{number}" for number in range(25) for side in ("left", "right")]


def running(command: str, folder: Path) -> AbstractContextManager[Server]:
    return servers.running(command.split(), folder, {"SERVED_FOLDER": str(folder)})


def answered(folder: Path) -> int:
    """Requests, by the app's own log."""
    return len((folder / "log").read_text().splitlines())


def kept(folder: Path) -> tuple[int, int, int]:
    return counted(folder / STORE)


@pytest.mark.parametrize("name", CASES)
def test_however_it_ends(name: str, tmp_path: Path) -> None:
    """Nobody wrote before the end, and then everybody wrote all that was answered, and that they end."""
    case = CASES[name]
    with running(case.command, tmp_path) as server:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda path: ask(server, path), PATHS))
        assert case.may_write_before or not (tmp_path / STORE).exists()
        assert server.stop(case.signal) == case.exit_code
    assert answered(tmp_path) == len(PATHS)
    assert kept(tmp_path) == (len(PATHS), len(PATHS), 0)
    with reading(tmp_path / STORE) as store:
        writers = store.writers()
    assert {writer.pid for writer in writers} == {pid for pid, _ in killing.noted(tmp_path / "log")}
    assert all(writer.ended for writer in writers)
    assert complaints(server) == []


def test_limit_of_requests(tmp_path: Path) -> None:
    """uvicorn ends by itself after so many."""
    with running(f"uvicorn --limit-max-requests 20 --port {{port}} {ASGI}", tmp_path) as server:
        ask(server, *PATHS[:20])
        assert server.process.wait(30) == 0
    assert kept(tmp_path) == (20, 20, 0)


RELOADING = {
    "uvicorn": "uvicorn --reload --reload-dir {folder} --port {port} " + ASGI,
    "gunicorn": f"{GUNICORN} --reload --reload-extra-file {{folder}}/watched.py {WSGI}",
}


@pytest.mark.parametrize("name", RELOADING)
def test_reload(name: str, tmp_path: Path) -> None:
    """The process before the change and the one after it write what they answered."""
    watched = tmp_path / "watched.py"
    watched.touch()
    changes = itertools.count(watched.stat().st_mtime_ns, 10**9)

    def changed_and_reloaded() -> bool:
        os.utime(watched, ns=(now := next(changes), now))
        return kept(tmp_path) == (20, 20, 0)

    with running(RELOADING[name].replace("{folder}", str(tmp_path)), tmp_path) as server:
        ask(server, *PATHS[:20])
        servers.wait_for(changed_and_reloaded)
        ask(server, *PATHS[20:])
        server.stop()
    assert kept(tmp_path) == (len(PATHS), len(PATHS), 0)
