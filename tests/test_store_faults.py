"""What befalls a store under a running server: every request is answered, the loss is counted, the log has one line."""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import pytest

from reqcov.errors import StoreError
from reqcov.store.reading import reading
from tests import servers
from tests.served_store import STORE
from tests.servers import Server

HERE = "127.0.0.1:{port}"
UVICORN = "uvicorn --port {port} --factory tests.served_store:quick_asgi"
WAITRESS = f"waitress --listen {HERE} --call tests.served_store:quick_wsgi"

IS_ROOT = os.geteuid() == 0

Fault = Callable[[Server], AbstractContextManager[None]]


@contextlib.contextmanager
def disk_full(server: Server) -> Iterator[None]:
    """No byte is left on the file system of the store."""
    filler = store_of(server).with_name("filler")
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(b"x" * 1024):
            pass
    yield
    filler.unlink()


@contextlib.contextmanager
def files_limited(server: Server) -> Iterator[None]:
    """No file of the server may grow beyond two pages."""
    usual = resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (8192, resource.RLIM_INFINITY))
    yield
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, usual)


@contextlib.contextmanager
def read_only(server: Server) -> Iterator[None]:
    """Nothing may be written to the folder, nor to the file."""
    store = store_of(server)
    if IS_ROOT:
        subprocess.run(["mount", "-o", "remount,ro", store.parent], check=True)
    else:
        store.chmod(0o444)
        store.parent.chmod(0o555)
    yield
    if IS_ROOT:
        subprocess.run(["mount", "-o", "remount,rw", store.parent], check=True)
    else:
        store.parent.chmod(0o755)
        store.chmod(0o644)


@contextlib.contextmanager
def no_folder(server: Server) -> Iterator[None]:
    """There is a file where the folder was; then the folder is back."""
    folder = store_of(server).parent
    folder.rename(folder.with_name("aside"))
    folder.write_text("in the way")
    yield
    folder.unlink()
    folder.with_name("aside").rename(folder)


@contextlib.contextmanager
def in_its_place(server: Server, content: bytes) -> Iterator[None]:
    """Another file has its name; then somebody moves that away, unchanged."""
    store = store_of(server)
    other = store.with_name("other")
    other.write_bytes(content)
    delete(store)
    other.rename(store)
    yield
    assert store.read_bytes() == content
    delete(store)


def garbage(server: Server) -> AbstractContextManager[None]:
    """It is no SQLite file."""
    return in_its_place(server, b"no SQLite file" * 1000)


def damaged(server: Server) -> AbstractContextManager[None]:
    """All of it but its first page is turned over."""
    content = store_of(server).read_bytes()
    return in_its_place(server, content[:4096] + bytes(255 - byte for byte in content[4096:]))


def foreign(server: Server) -> AbstractContextManager[None]:
    """It is another program's."""
    file = server.folder / "foreign"
    with contextlib.closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE TABLE theirs (precious)")
    return in_its_place(server, file.read_bytes())


def newer(server: Server) -> AbstractContextManager[None]:
    """It is a later reqcov's."""
    file = server.folder / "newer"
    file.write_bytes(store_of(server).read_bytes())
    with contextlib.closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA user_version = 99")
    return in_its_place(server, file.read_bytes())


@dataclass(frozen=True)
class Case:
    """What happens, what the log says of it, and what it costs."""

    fault: Fault
    says: str
    command: str = WAITRESS
    loses: bool = False
    """Whether what was written before goes with the file."""
    mounted: bool = False
    """Whether the store is to be on a small file system of its own."""


CASES = {
    "disk full": Case(disk_full, "the disk is full", UVICORN, mounted=True),
    "files limited": Case(files_limited, "can't be"),
    "read-only": Case(read_only, "can't be opened or written", mounted=IS_ROOT),
    "no folder": Case(no_folder, "can't be opened or written", UVICORN),
    "garbage": Case(garbage, "no SQLite file", loses=True),
    "damaged": Case(damaged, "is damaged", loses=True),
    "foreign": Case(foreign, "another program", loses=True),
    "newer": Case(newer, "newer reqcov", loses=True),
}


def store_of(server: Server) -> Path:
    return server.folder / STORE


def delete(store: Path) -> None:
    for file in store.parent.glob(f"{store.name}*"):
        file.unlink()


@contextlib.contextmanager
def running(command: str, folder: Path) -> Iterator[Server]:
    with servers.running(command.split(), folder, {"SERVED_FOLDER": str(folder)}) as server:
        yield server


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    """A file system of its own on `folder`, with 400 KB."""
    if not IS_ROOT:
        pytest.skip("only root can mount a small file system")
    folder.mkdir()
    mount = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", folder], capture_output=True)
    if mount.returncode:
        pytest.skip(f"here not even root can mount a small file system: {mount.stderr.decode()}")
    try:
        yield
    finally:
        subprocess.run(["umount", folder], check=True)


def ask(server: Server, *names: str) -> None:
    """Each is answered as if nothing had happened."""
    for name in names:
        request = f"GET /{name} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        assert servers.exchange(server.port, request.encode()).endswith(f"/{name}".encode())


def counted(store: Path) -> tuple[int, int, int]:
    """Requests in the store; those that its writers wrote, and that they lost. Nothing while it can't be read."""
    with contextlib.suppress(StoreError), reading(store) as reader:
        writers = reader.writers()
        return (
            sum(hit.recorded for hit in reader.hits()),
            sum(writer.requests for writer in writers),
            sum(writer.lost for writer in writers),
        )
    return 0, 0, 0


def complaints(server: Server) -> list[str]:
    return [line for line in server.output.splitlines() if "reqcov: " in line]


@pytest.mark.parametrize("name", CASES)
def test_writing_fails_for_a_while(name: str, tmp_path: Path) -> None:
    """One line in the log says why; when the cause has gone, all that was counted meanwhile is written."""
    case = CASES[name]
    with small_disk((tmp_path / STORE).parent) if case.mounted else contextlib.nullcontext():
        with running(case.command, tmp_path) as server:
            store = store_of(server)
            ask(server, "left/1", "left/2", "right/3")
            servers.wait_for(lambda: counted(store)[0] == 3)
            with case.fault(server):
                ask(server, "left/4")
                servers.wait_for(lambda: complaints(server))
                ask(server, *(f"{side}/{number}" for number in range(20) for side in ("left", "right")))
            ask(server, "right/5")
            lost = 3 if case.loses else 0
            servers.wait_for(lambda: counted(store)[0] == 45 - lost)
            server.stop()
        assert counted(store) == (45 - lost, 45, lost)
        first, *others = complaints(server)
        assert case.says in first
        assert "StoreSink failed to flush" in first
        assert [line.endswith("what it held is gone") for line in others] == [True] * case.loses
        assert "Traceback" not in server.output


def removed(server: Server) -> None:
    delete(store_of(server))


def removed_with_its_folder(server: Server) -> None:
    shutil.rmtree(store_of(server).parent)


def replaced(server: Server) -> None:
    """By the store of somebody else."""
    other = server.folder / "another"
    other.mkdir()
    with running(WAITRESS, other) as another:
        ask(another, "left/1", "left/2")
        another.stop()
    delete(store_of(server))
    (other / STORE).rename(store_of(server))


@pytest.mark.parametrize(
    ("happens", "theirs"),
    [
        pytest.param(removed, 0, id="removed"),
        pytest.param(removed_with_its_folder, 0, id="with its folder"),
        pytest.param(replaced, 2, id="replaced"),
    ],
)
@pytest.mark.parametrize("command", [UVICORN, WAITRESS], ids=["uvicorn", "waitress"])
def test_another_file(happens: Callable[[Server], None], theirs: int, command: str, tmp_path: Path) -> None:
    """What was written to the file that is gone counts as lost, and the log says so; what comes later is written."""
    with running(command, tmp_path) as server:
        ask(server, "left/1", "left/2", "right/3")
        servers.wait_for(lambda: counted(store_of(server))[0] == 3)
        happens(server)
        ask(server, "left/4", "left/5")
        servers.wait_for(lambda: counted(store_of(server))[0] == theirs + 2)
        server.stop()
    assert counted(store_of(server)) == (theirs + 2, theirs + 5, 3)
    [line] = complaints(server)
    assert line.endswith("was deleted or replaced; what it held is gone")


def test_somebody_else_writes_for_long(tmp_path: Path) -> None:
    """That is no fault: nothing is logged, and nothing lost."""
    with running(WAITRESS, tmp_path) as server:
        ask(server, "left/1")
        servers.wait_for(lambda: counted(store_of(server))[0] == 1)
        with contextlib.closing(sqlite3.connect(store_of(server), isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            ask(server, *(f"left/{number}" for number in range(300)))
            connection.execute("ROLLBACK")
        server.stop()
    assert counted(store_of(server)) == (301, 301, 0)
    assert complaints(server) == []
