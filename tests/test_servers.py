"""Real servers as child processes, real clients: each request is answered as without reqcov, and recorded once."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import re
import signal
import socket
import struct
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest
import websockets.sync.client
from websockets.exceptions import InvalidStatus

from reqcov import RequestRecord
from tests import served, served_django, servers
from tests.servers import GUNICORN, HERE

NEVER = "60"
"""Seconds that records linger: what arrives in spite of it was delivered because the server shut down."""


@dataclass(frozen=True)
class Case:
    """How a server is started and ended, and what it can do."""

    app: str
    command: str
    signal: signal.Signals = signal.SIGTERM
    exit_code: int = 0
    side_by_side: bool = True
    """Whether two requests can be under way at once."""
    processes: int = 1


CASES = {
    "gunicorn sync": Case("wsgi", f"{GUNICORN} -w 2 tests.served:app", processes=2),
    "gunicorn gthread": Case("wsgi", f"{GUNICORN} --preload -k gthread --threads 4 -w 2 tests.served:make_wsgi()"),
    "gunicorn gevent": Case("wsgi", f"{GUNICORN} -k gevent tests.served:app"),
    "gunicorn gevent preload": Case("wsgi", f"{GUNICORN} --preload -k gevent tests.served:app"),
    "gunicorn asgi": Case("asgi", f"{GUNICORN} -k asgi tests.served:app"),
    "waitress": Case("wsgi", f"waitress --listen {HERE} tests.served:app", signal.SIGINT),
    "uvicorn": Case("asgi", "uvicorn --port {port} tests.served:app", exit_code=-signal.SIGTERM),
    "uvicorn interrupted": Case("asgi", "uvicorn --port {port} tests.served:app", signal.SIGINT),
    "uvicorn workers": Case("asgi", "uvicorn --workers 2 --port {port} --factory tests.served:make_asgi"),
    "hypercorn asgi": Case("asgi", f"hypercorn -b {HERE} tests.served:app"),
    "hypercorn wsgi": Case("wsgi", f"hypercorn -b {HERE} wsgi:tests.served:app", signal.SIGINT),
    "granian asgi": Case("asgi", "granian --interface asgi --port {port} --factory tests.served:make_asgi"),
    "granian wsgi": Case(
        "wsgi",
        "granian --interface wsgi --workers 2 --blocking-threads 4 --port {port} tests.served:app",
        signal.SIGINT,
    ),
    "runserver": Case("django", f"django runserver --noreload {HERE}", signal.SIGINT),
    "runserver without threads": Case(
        "django", f"django runserver --noreload --nothreading {HERE}", signal.SIGINT, side_by_side=False
    ),
    "uvicorn django": Case("django", "uvicorn --port {port} tests.served_django:asgi", signal.SIGINT),
}

ANSWERS: dict[str, tuple[int | None, str | None]] = {
    "plain": (200, None),
    "echo": (201, None),
    "stream": (200, None),
    "file": (200, None),
    "nothing": (204, None),
    "endless": (200, None),
    "fail": (None, "LookupError"),
    "late": (200, "LookupError"),
    "missing": (404, None),
    "left": (200, None),
    "right": (200, None),
    "coroutine": (200, None),
    "astream": (200, None),
    "closing": (200, None),
    "socket": (101, None),
    "refused": (403, None),
}
"""Status and error of the record, by the name of the view."""

RAW = {
    "wsgi": ("plain", "echo", "stream", "file", "nothing", "fail", "late", "missing"),
    "asgi": ("plain", "echo", "stream", "nothing", "fail", "late", "missing"),
    "django": ("plain", "coroutine", "stream", "closing", "astream", "file", "fail", "missing"),
}
"""What is asked with and without reqcov, and compared to the byte."""


@dataclass
class Conversation:
    """All that was said to one server, and what it left behind."""

    case: Case
    sent: list[str] = field(default_factory=list)
    """The paths of the requests that are to be recorded."""
    raw: dict[str, tuple[bytes, bytes]] = field(default_factory=dict)
    """By name of the view: every byte of the answer, with reqcov and without."""
    answers: list[httpx.Response] = field(default_factory=list)
    pairs: list[tuple[str, str]] = field(default_factory=list)
    """Process ids that served two requests which had to meet."""
    echoes: list[tuple[str, str]] = field(default_factory=list)
    exit_code: int | None = None
    records: list[RequestRecord] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)
    """The paths that the callback got."""
    ledger: list[str] = field(default_factory=list)
    """The paths that the sink with an interval wrote."""
    closed: int = 0
    """How often the body was closed that is to be closed, with reqcov and without together."""


def lines_of(*functions: Any) -> frozenset[int]:
    """The lines of the bodies, as the compiler has them."""
    codes = [function.__code__ for function in functions]
    return frozenset(line for code in codes for *_, line in code.co_lines() if line and line != code.co_firstlineno)


def expected_lines(app: str, view: str) -> dict[str, frozenset[int]]:
    """What a request for `view` runs, by file."""
    if app == "django":
        body = served_django.Body
        inner = {
            "stream": [served_django.chunks],
            "astream": [served_django.achunks],
            "closing": [body.__iter__, body.close],
        }
        views = [getattr(served_django, view), *inner.get(view, [])] if hasattr(served_django, view) else []
        return on_file(served_django, lines_of(*views))
    starts = [served.start] if app == "asgi" and view not in ("fail", "socket", "refused") else []
    return on_file(served, lines_of(getattr(served, f"{app}_bare"), getattr(served, f"{app}_{view}"), *starts))


def on_file(module: ModuleType, numbers: frozenset[int]) -> dict[str, frozenset[int]]:
    return {str(module.__file__): numbers} if numbers else {}


# -- the conversation ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=CASES)
def conversation(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Conversation:
    """A server of each kind is started, asked many things, and asked to end as soon as the last answer has come."""
    case = CASES[request.param]
    talk = Conversation(case)
    folder = tmp_path_factory.mktemp("server")
    with started(case, folder, NEVER) as server:
        client_goes_away(talk, server.port)
        raw_bytes(talk, server.port)
        requests_at_once(talk, server.port)
        if case.side_by_side:
            requests_that_meet(talk, server.port)
        if case.app == "asgi":
            websockets_at_once(talk, server.port)
            refused_websocket(talk, server.port)
        talk.exit_code = server.stop(case.signal)
        talk.records = records(folder)
        talk.seen = lines(folder / "seen")
        talk.ledger = lines(folder / "ledger")
        talk.closed = len(lines(folder / "closed"))
    return talk


def started(case: Case, folder: Path, linger: str) -> Any:
    environment = {"HOME": str(folder), "SERVED_FOLDER": str(folder), "SERVED_LINGER": linger}
    if case.app == "django":
        environment["DJANGO_SETTINGS_MODULE"] = "tests.served_django"
    elif "make_" not in case.command:
        environment["SERVED_APP"] = case.app
    return servers.running(case.command.split(), folder, environment)


def lines(file: Path) -> list[str]:
    return file.read_text("utf-8").splitlines() if file.exists() else []


def records(folder: Path) -> list[RequestRecord]:
    return [RequestRecord.from_dict(json.loads(line)) for line in lines(folder / "records")]


def client_goes_away(talk: Conversation, port: int) -> None:
    if talk.case.app == "django":
        return
    talk.sent.append("/endless/1")
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # closing resets
        connection.sendall(b"GET /endless/1 HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert connection.recv(1024)


def raw_bytes(talk: Conversation, port: int) -> None:
    for name in RAW[talk.case.app]:
        body = b"some content" if name == "echo" else b""
        lines = [f"{'POST' if body else 'GET'} /{name}/raw HTTP/1.1", "Host: localhost", "Connection: close"]
        lines += [f"Content-Length: {len(body)}"] * bool(body)
        wrapped, bare = (
            servers.exchange(port, "\r\n".join([*lines, *more, "", ""]).encode() + body)
            for more in ((), ("Bare: yes",))
        )
        talk.raw[name] = (wrapped, bare)
        talk.sent.append(f"/{name}/raw")
    head = b"HEAD /plain/head HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
    talk.raw["head"] = (servers.exchange(port, head + b"\r\n"), servers.exchange(port, head + b"Bare: yes\r\n\r\n"))
    talk.sent.append("/plain/head")


def requests_at_once(talk: Conversation, port: int) -> None:
    names = ["plain", "stream", "echo"] if talk.case.app != "django" else ["plain", "stream", "coroutine"]
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client, ThreadPoolExecutor(16) as pool:

        def ask(number: int) -> httpx.Response:
            name = names[number % len(names)]
            content = f"content of {number}" if name == "echo" else None
            return client.request("POST" if content else "GET", f"/{name}/{number}", content=content)

        talk.answers = list(pool.map(ask, range(48)))
    talk.sent += [answer.url.path for answer in talk.answers]


def requests_that_meet(talk: Conversation, port: int) -> None:
    for who in ("a", "b"):
        paths = [f"/left/{who}?who={who}", f"/right/{who}?who={who}"]
        with ThreadPoolExecutor(2) as pool:
            answers = list(pool.map(lambda path: httpx.get(f"http://127.0.0.1:{port}{path}", timeout=60), paths))
        assert [answer.status_code for answer in answers] == [200, 200]
        left, right = (answer.text for answer in answers)
        talk.pairs.append((left, right))
        talk.sent += [answer.url.path for answer in answers]


def websockets_at_once(talk: Conversation, port: int) -> None:
    paths = [f"/socket/{number}" for number in range(3)]
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(websocket(port, path)) for path in paths]
        for text in ("first", "second"):  # one message to each of them, then the next: all are open all the time
            for connection in sockets:
                connection.send(text)
            talk.echoes += [(text, str(connection.recv(timeout=30))) for connection in sockets]
    talk.sent += paths


def refused_websocket(talk: Conversation, port: int) -> None:
    with pytest.raises(InvalidStatus), websocket(port, "/refused/1"):
        pass
    talk.sent.append("/refused/1")


def websocket(port: int, path: str) -> Any:
    return websockets.sync.client.connect(f"ws://127.0.0.1:{port}{path}", open_timeout=30)


# -- what is asked of it ------------------------------------------------------------------------------------------


def view_of(path: str | None) -> str:
    return str(path).split("/")[1]


def test_each_request_is_recorded_once(conversation: Conversation) -> None:
    """Nothing is lost on a graceful shutdown, by however many processes, and nothing is recorded twice."""
    assert Counter(record.path for record in conversation.records) == Counter(conversation.sent)
    if "waitress" not in conversation.case.command:  # it does not wait for its threads: the last may be cut short
        assert all(record.complete for record in conversation.records)


def test_the_callback_gets_each_record(conversation: Conversation) -> None:
    """Before the process ends, however much it had put off."""
    assert sorted(conversation.seen) == sorted(conversation.sent)


def test_a_sink_with_an_interval_gets_each_record(conversation: Conversation) -> None:
    """It has written them all before the process ends, although its minute was not over."""
    assert sorted(conversation.ledger) == sorted(conversation.sent)


def test_each_record_has_the_lines_of_its_view(conversation: Conversation) -> None:
    """All of them and no other, although many requests ran at once."""
    for record in conversation.records:
        assert dict(record.lines) == expected_lines(conversation.case.app, view_of(record.path)), record.path


def test_each_record_tells_how_it_went(conversation: Conversation) -> None:
    """Status and error; Django makes an answer of an error itself, so there the status is known."""
    for record in conversation.records:
        status, error = ANSWERS[view_of(record.path)]
        if conversation.case.app == "django" and error:
            status = 500
        assert (record.status, record.error) == (status, error), record.path


def test_the_bytes_on_the_wire_are_the_same(conversation: Conversation) -> None:
    """Status line, headers, chunk sizes and body, with reqcov and without; only the date may differ."""
    for name, (wrapped, bare) in conversation.raw.items():
        assert without_date(wrapped) == without_date(bare), name
        assert bare, name


def test_a_body_is_closed_once(conversation: Conversation) -> None:
    """Django's adapter has the body in its hands, and leaves the closing of it to Django."""
    assert conversation.closed == (2 if conversation.case.app == "django" else 0)


def without_date(answer: bytes) -> bytes:
    return re.sub(rb"(?im)^date: .*\r\n", b"", answer)


def test_clients_get_their_own_answers(conversation: Conversation) -> None:
    """Requests at once: each client gets what it asked for."""
    for answer in conversation.answers:
        view, number = answer.url.path.split("/")[1:]
        expected = {
            "plain": "GET",
            "echo": f"content of {number}",
            "stream": "one,two," + "x" * 100_000,
            "coroutine": "from a coroutine",
        }
        assert answer.text == expected[view]
    assert all(answer == text.upper() for text, answer in conversation.echoes)


def test_requests_meet(conversation: Conversation) -> None:
    """Both were under way at once, in as many processes as there have to be; else meeting would have failed."""
    for pair in conversation.pairs:
        assert len(set(pair)) >= conversation.case.processes


def test_the_server_ends_as_usual(conversation: Conversation) -> None:
    """Its exit code is the one that it has without reqcov."""
    assert conversation.exit_code == conversation.case.exit_code


# -- however they end ---------------------------------------------------------------------------------------------


UVICORN = "uvicorn --lifespan off --port {port}"
FACTORY = f"{UVICORN} --factory tests.served:make_asgi"
"""Here the app is made once uvicorn has installed its handlers; elsewhere before."""
FLASK = "flask --app tests.served_flask run --port {port}"

ENDINGS = {
    "waitress": Case("wsgi", f"waitress --listen {HERE} tests.served:app", exit_code=-signal.SIGTERM),
    "flask": Case("flask", FLASK, exit_code=-signal.SIGTERM),
    "flask interrupted": Case("flask", FLASK, signal.SIGINT),
    "runserver": Case("django", f"django runserver --noreload {HERE}", exit_code=-signal.SIGTERM),
    "runserver interrupted": Case("django", f"django runserver --noreload {HERE}", signal.SIGINT),
    "uvicorn": Case("asgi", f"{UVICORN} tests.served:app", exit_code=-signal.SIGTERM),
    "uvicorn interrupted": Case("asgi", f"{UVICORN} tests.served:app", signal.SIGINT),
    "uvicorn factory": Case("asgi", FACTORY, exit_code=-signal.SIGTERM),
    "uvicorn factory interrupted": Case("asgi", FACTORY, signal.SIGINT),
    "gunicorn preload": Case("wsgi", f"{GUNICORN} --preload -w 2 tests.served:app"),
    "gevent": Case("wsgi", "tests.served_gevent {port}", exit_code=-signal.SIGTERM),
    "hypercorn": Case("wsgi", f"hypercorn -b {HERE} wsgi:tests.served:app"),
}
"""Servers without a lifespan, ended by each of both signals where that makes a difference."""

PLAIN = [f"/plain/{number}" for number in range(3)]


def ask(port: int, paths: list[str]) -> None:
    """Each on a connection of its own, to the end of that: no server closes it before the request has finished."""
    for path in paths:
        request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        assert servers.exchange(port, request.encode()).endswith(b"\r\nGET")


def delivered(folder: Path) -> list[list[str | None]]:
    """What each of the three sinks has got."""
    found = [record.path for record in records(folder)], lines(folder / "seen"), lines(folder / "ledger")
    return [sorted(paths) for paths in found]


@pytest.mark.parametrize("ending", ENDINGS)
def test_nothing_is_lost(ending: str, tmp_path: Path) -> None:
    """A server that does not know of us ends as it would without us, once all is delivered."""
    case = ENDINGS[ending]
    with started(case, tmp_path, NEVER) as server:
        ask(server.port, PLAIN)
        assert server.stop(case.signal) == case.exit_code
    assert delivered(tmp_path) == [PLAIN] * 3


UNDER_WAY = {
    "uvicorn": (ENDINGS["uvicorn"], "Shutting down"),
    "uvicorn factory": (ENDINGS["uvicorn factory"], "Shutting down"),
    "uvicorn factory interrupted": (ENDINGS["uvicorn factory interrupted"], "Shutting down"),
    "gunicorn sync": (Case("wsgi", f"{GUNICORN} tests.served:app"), "Handling signal: term"),
    "gunicorn gevent": (CASES["gunicorn gevent"], "Handling signal: term"),
}
"""Servers that let requests finish, and what they print when they have been asked to end."""


@pytest.mark.parametrize("ending", UNDER_WAY)
def test_a_request_that_is_under_way(ending: str, tmp_path: Path) -> None:
    """It is answered after the signal, and its record arrives although the process dies of the signal at once."""
    case, notice = UNDER_WAY[ending]
    with started(case, tmp_path, NEVER) as server, ThreadPoolExecutor(1) as pool:
        ask(server.port, PLAIN)
        answer = pool.submit(httpx.get, f"http://127.0.0.1:{server.port}/left/1?who=w", timeout=60)
        servers.wait_for((tmp_path / "left w").exists)
        server.process.send_signal(case.signal)
        servers.wait_for(lambda: notice in server.output)
        servers.meet(tmp_path, "right w", "left w")
        servers.meet(tmp_path, "right again w", "left again w")
        assert answer.result().status_code == 200
        assert server.process.wait(30) == case.exit_code
    assert delivered(tmp_path) == [["/left/1", *PLAIN]] * 3


def test_a_server_that_ends_by_itself(tmp_path: Path) -> None:
    """After so many requests, as uvicorn may be told to."""
    with started(Case("asgi", f"{UVICORN} --limit-max-requests 3 tests.served:app"), tmp_path, NEVER) as server:
        ask(server.port, PLAIN)
        assert server.process.wait(30) == 0
    assert delivered(tmp_path) == [PLAIN] * 3


def test_workers_that_are_replaced(tmp_path: Path) -> None:
    """After so many requests each, as gunicorn may be told to: each delivers its own before it ends."""
    case = Case("wsgi", f"{GUNICORN} --max-requests 2 tests.served:app")
    paths = [f"/plain/{number}" for number in range(5)]
    with started(case, tmp_path, NEVER) as server:
        ask(server.port, paths)
        servers.wait_for(lambda: delivered(tmp_path) == [paths[:4]] * 3)
        assert server.stop() == 0
    assert delivered(tmp_path) == [paths] * 3


RELOADING = {
    "uvicorn": ("asgi", f"{UVICORN} --reload --reload-dir {{folder}} tests.served:app"),
    "flask": ("flask", f"{FLASK} --reload --extra-files {{folder}}/watched.py"),
}


@pytest.mark.parametrize("name", RELOADING)
def test_reload(name: str, tmp_path: Path) -> None:
    """A worker that ends because a file changed delivers what it has, and so does the next one."""
    app, command = RELOADING[name]
    watched = tmp_path / "watched.py"
    watched.touch()
    changes = itertools.count(watched.stat().st_mtime_ns, 10**9)

    def changed_and_reloaded() -> bool:
        os.utime(watched, ns=(now := next(changes), now))
        return delivered(tmp_path) == [PLAIN] * 3

    with started(Case(app, command.replace("{folder}", str(tmp_path))), tmp_path, NEVER) as server:
        ask(server.port, PLAIN)
        servers.wait_for(changed_and_reloaded)
        ask(server.port, ["/plain/3"])
        if name == "uvicorn":
            assert server.stop() == 0
        else:  # the parent would kill its child -9
            pid = httpx.get(f"http://127.0.0.1:{server.port}/pid", timeout=30).text
            os.kill(int(pid), signal.SIGTERM)
            assert server.process.wait(30) == 0
    more = ["/pid"] if name == "flask" else []
    assert delivered(tmp_path) == [[*more, *PLAIN, "/plain/3"]] * 3


# -- the callback -------------------------------------------------------------------------------------------------


@pytest.fixture(params=["uvicorn", "gunicorn sync", "gunicorn gthread"])
def live(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[servers.Server]:
    """A server that delivers records as usual, with a gate that its callback hangs at."""
    os.mkfifo(tmp_path / "gate")
    with started(CASES[request.param], tmp_path, "0.05") as server:
        yield server


def test_a_callback_that_hangs_delays_no_response(live: servers.Server) -> None:
    """Its own response has gone out, and so do all that come later; once it ends, it gets every record."""
    with httpx.Client(base_url=f"http://127.0.0.1:{live.port}", timeout=30) as client:
        assert client.get("/plain/gate").text == "GET"
        with os.fdopen(servers.wait_for(lambda: opened(live.folder / "gate")), "wb"):
            for number in range(20):
                assert client.get(f"/plain/{number}").text == "GET"
            servers.wait_for(lambda: len(lines(live.folder / "records")) == 21)
            assert "/plain/gate" not in lines(live.folder / "seen")
    servers.wait_for(lambda: len(lines(live.folder / "seen")) == 21)
    live.stop()


def opened(gate: Path) -> int | None:
    """The writing end of the gate, once somebody waits at the other end."""
    try:
        return os.open(gate, os.O_WRONLY | os.O_NONBLOCK)
    except OSError:
        return None


FORKS = """
import multiprocessing
from tests import served

if __name__ == "__main__":
    child = multiprocessing.get_context("fork").Process(target=served.app, args=(
        {"REQUEST_METHOD": "GET", "PATH_INFO": "/plain/1"}, lambda status, headers: None))
    child.start()
    child.join()
"""


def test_a_child_of_multiprocessing_delivers_before_it_ends(tmp_path: Path) -> None:
    """A child that was forked with the app in it skips what Python runs at exit, and delivers all the same."""
    environment = {"SERVED_FOLDER": str(tmp_path), "SERVED_LINGER": NEVER, "SERVED_APP": "wsgi"}
    subprocess.run(
        [sys.executable, "-c", FORKS], cwd=servers.ROOT, env=os.environ | environment, check=True, timeout=60
    )
    assert [record.path for record in records(tmp_path)] == ["/plain/1"]
