"""`reqcov serve`: the real command, as a process, asked over the network."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest

from reqcov.store.reading import reading
from tests.live import PATIENCE, TOKEN, filled
from tests.servers import interruptible
from tests.stores import Project, Request, Server, reqcov


class Serving(NamedTuple):
    """The command, once it has told where the pages are."""

    process: subprocess.Popen[str]
    said: list[str]
    url: str

    def end(self, sig: signal.Signals) -> tuple[int, str]:
        """Exit status, and what it said after all."""
        self.process.send_signal(sig)
        rest, _ = self.process.communicate(timeout=30)
        return self.process.returncode, rest


@contextlib.contextmanager
def serving(*words: str | Path, **environ: str) -> Iterator[Serving]:
    """The pages meanwhile, on a port that is free."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("REQCOV_")}
    with interruptible():
        process = subprocess.Popen(
            [sys.executable, "-m", "reqcov", "serve", "--port", "0", *map(str, words)],
            env={**own, "PYTHONUNBUFFERED": "1", **environ},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
    assert process.stdout is not None
    try:
        said = []
        for line in process.stdout:
            said.append(line.rstrip("\n"))
            if line.startswith("Ctrl-C"):
                break
        found = re.search(r"http://\S+", " ".join(said))
        assert found, said
        yield Serving(process, said, found[0])
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return filled(tmp_path)


@pytest.mark.parametrize("sig", [signal.SIGINT, signal.SIGTERM])
def test_pages_behind_a_token(sig: signal.Signals, store: Path) -> None:
    """The address that is printed leads to the pages, no other one does; and it ends quietly."""
    with serving("--store", store) as server, httpx.Client(follow_redirects=True, timeout=PATIENCE) as client:
        assert server.said == [f"Serving {store} at {server.url}", "Ctrl-C ends it."]
        bare, _, token = server.url.partition("?token=")
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/", bare)
        assert len(token) >= 32
        assert client.get(bare).status_code == 401
        assert client.get(bare + "store.html", headers={"Authorization": f"Bearer {token}"}).status_code == 404
        page = client.get(server.url)
        assert page.status_code == 200
        assert str(page.url) == bare
        assert "data-live" in page.text
        assert "store.html" not in page.text
        assert client.get(bare + "routes.html").status_code == 200
        assert server.end(sig) == (0, "")


def test_bodies_are_not_kept(store: Path) -> None:
    """What no form of ours can be is refused before it is read, whoever sends it."""
    with serving("--store", store) as pages:
        answer = httpx.post(pages.url.partition("?")[0], content=b"x" * 20_000, timeout=PATIENCE)
        assert answer.status_code == 413


def test_every_token_is_another(store: Path) -> None:
    """Unless one is given."""
    with serving("--store", store) as one, serving("--store", store) as two:
        assert one.url.partition("=")[2] != two.url.partition("=")[2]


@pytest.mark.parametrize("way", ["option", "variable"])
def test_token_that_was_given(way: str, store: Path) -> None:
    """By an option or, unseen by others, by a variable."""
    words, environ = (["--token", TOKEN], {}) if way == "option" else ([], {"REQCOV_TOKEN": TOKEN})
    with serving("--store", store, *words, **environ) as server:
        assert server.url.endswith("?token=correct%20horse%20battery")
        assert httpx.get(server.url, timeout=PATIENCE).status_code == 303


def test_insecure(store: Path) -> None:
    """Without a token, for this machine only: also by name."""
    with serving("--store", store, "--insecure") as server:
        assert "token" not in server.url
        assert httpx.get(server.url, timeout=PATIENCE).status_code == 200
        assert httpx.get(server.url, headers={"Host": "evil.example"}, timeout=PATIENCE).status_code == 421


def test_actions(store: Path) -> None:
    """Only where they are asked for is there a page with them."""
    with serving("--store", store, "--insecure", "--actions") as server:
        assert "store.html" in httpx.get(server.url, timeout=PATIENCE).text
        assert httpx.get(server.url + "store.html", timeout=PATIENCE).status_code == 200


def test_tests(tmp_path: Path) -> None:
    """Only where that is asked for may runners tell of tests, and not without the token; they make the store."""
    store, test = tmp_path / "store.sqlite3", {"test": "test_pay"}
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    for words, status in (["--test-runs"], 201), ([], 404):
        with serving("--store", store, "--token", TOKEN, *words) as server:
            url = server.url.partition("?")[0] + "tests"
            assert httpx.post(url, json=test, timeout=PATIENCE).status_code == 401
            assert httpx.post(url, json=test, headers=bearer, timeout=PATIENCE).status_code == status
    with reading(store) as reader:
        assert list(reader.tests()) == ["test_pay"]


def test_store_that_is_not_there_yet(tmp_path: Path) -> None:
    """It is told, and its pages are there as soon as it is."""
    with serving("--store", tmp_path / "store.sqlite3", "--insecure") as server:
        assert server.said[0].startswith(f"There is no store at {tmp_path}")
        answer = httpx.get(server.url, timeout=PATIENCE)
        assert (answer.status_code, answer.headers["Refresh"]) == (503, "5")
        Server(Project(tmp_path / "project")).serve(tmp_path / "store.sqlite3", Request("/orders"))
        assert httpx.get(server.url, timeout=PATIENCE).status_code == 200


@pytest.mark.parametrize("host", ["::1", "localhost", "0.0.0.0"])
def test_hosts(host: str, store: Path) -> None:
    """What is printed can be opened on this machine."""
    if host == "::1":
        with contextlib.closing(socket.socket(socket.AF_INET6)) as probe:
            try:
                probe.bind(("::1", 0))
            except OSError:
                pytest.skip("there is no IPv6 here")
    with serving("--store", store, "--host", host) as server:
        assert httpx.get(server.url, timeout=PATIENCE).status_code == 303


def test_port_in_use(store: Path) -> None:
    """One sentence."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = reqcov("serve", "--store", store, "--port", str(port))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"Error: Port {port} of 127.0.0.1 is in use; take another one with --port, or 0.\n"


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [
        (["--insecure", "--host", "0.0.0.0"], 2, "use a token"),
        (["--insecure", "--host", "cov.example"], 2, "use a token"),
        (["--insecure", "--token", TOKEN], 2, "leave out"),
        (["--token", "short"], 1, "at least 16"),
        (["--host", "no such host"], 1, "--host"),
        (["--host", "203.0.113.1"], 1, "can't be listened on"),
        (["--port", "65536"], 2, "65535"),
    ],
)
def test_what_can_not_be(words: list[str], status: int, says: str, store: Path) -> None:
    """Each is told in a sentence."""
    done = reqcov("serve", "--store", store, *words)
    assert (done.returncode, done.stdout) == (status, "")
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_damaged_store(tmp_path: Path) -> None:
    """What is wrong is told at once, and on every page; nothing else of it."""
    store = tmp_path / "store.sqlite3"
    store.write_bytes(b"no database " * 1000)
    with serving("--store", store, "--insecure") as server:
        assert "is damaged, or no SQLite file; move it away." in server.said[0]
        answer = httpx.get(server.url, timeout=PATIENCE)
        assert answer.status_code == 503
        assert "move it away" in answer.text
        assert server.end(signal.SIGTERM) == (0, "")
