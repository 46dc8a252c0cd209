"""The protocol for test runners: real runners tell a real server, however the live pages are mounted there."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import sqlite3
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import httpx
import pytest

import reqcov
import reqcov.ui
from reqcov.store import outcomes
from reqcov.store.model import LABEL_LENGTH, Run, unpack_labels
from reqcov.store.reading import reading
from reqcov.ui.exchange import LONGEST_BODY
from tests.adapters.test_django import no_recorder_of_the_process  # noqa: F401
from tests.live import PATIENCE, TOKEN, pages_of, served
from tests.servers import exchange, wait_for
from tests.test_live_not_recorded import WAYS

JSON = {"Content-Type": "application/json"}


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Where a store will be."""
    return tmp_path / ".reqcov" / "reqcov.sqlite3"


@pytest.fixture
def runner(store: Path) -> Iterator[httpx.Client]:
    with pages_of(store, test_runs=True) as client:
        yield client


def begin(client: httpx.Client, test: str) -> dict[str, str]:
    """Returns the headers that its requests should carry."""
    answer = client.post("tests", json={"test": test})
    assert answer.status_code == 201, answer.text
    assert list(answer.json()) == ["headers"]
    headers: dict[str, str] = answer.json()["headers"]
    return headers


def end(client: httpx.Client, test: str, outcome: str) -> dict[str, str]:
    answer = client.post("tests/end", json={"test": test, "outcome": outcome})
    assert answer.status_code == 200, answer.text
    told: dict[str, str] = answer.json()
    return told


def kept(store: Path) -> dict[str, Run]:
    """The runs that the store knows."""
    if not store.exists():
        return {}
    with reading(store) as reader:
        return reader.tests()


def error_of(answer: httpx.Response) -> str:
    """The one sentence that it says."""
    assert answer.headers["Content-Type"] == "application/json"
    assert list(answer.json()) == ["error"], answer.text
    error: str = answer.json()["error"]
    assert error.endswith(".")
    return error


def test_from_the_beginning_to_the_end(store: Path, runner: httpx.Client) -> None:
    """What is told is kept, and is told again to who asks; of a test that has not ended there is no outcome."""
    assert runner.get("tests").json() == {"tests": []}
    assert not store.exists()
    assert begin(runner, "cart → pay") == {"baggage": "reqcov.test=cart%20%E2%86%92%20pay"}
    assert begin(runner, "another") == {"baggage": "reqcov.test=another"}
    assert [(name, run.outcome, run.ended) for name, run in kept(store).items()] == [
        ("another", None, None),
        ("cart → pay", None, None),
    ]
    told = end(runner, "cart → pay", "failed")
    run = kept(store)["cart → pay"]
    assert list(told) == ["test", "outcome", "started", "ended"]
    assert (told["test"], told["outcome"], run.outcome) == ("cart → pay", "failed", "failed")
    for moment, exactly in ((told["started"], run.started), (told["ended"], run.ended)):
        assert exactly is not None
        assert abs(datetime.fromisoformat(moment).timestamp() - exactly) <= 0.001
    listed = runner.get("tests")
    assert listed.headers["Content-Type"] == "application/json"
    other, first = listed.json()["tests"]
    assert first == told
    assert (other["test"], other["outcome"], other["ended"]) == ("another", None, None)
    begin(runner, "cart → pay")
    assert kept(store)["cart → pay"].outcome is None, "it runs again"


def test_ends_that_nobody_awaits(store: Path, runner: httpx.Client) -> None:
    """A test that ends without having begun is kept; of two outcomes the later one is right."""
    for outcome in ("passed", "failed", "skipped"):
        end(runner, "a", outcome)
        assert {name: run.outcome for name, run in kept(store).items()} == {"a": outcome}


NAMES = [
    "tests/test_cart.py::test_pay[a b-1+2=3]",
    'a,b;c="d"\\%2C%',
    " blank ",
    "\t\n\r\0\x7f",
    "naïve → 支払い \U0001f600",
    "x" * LABEL_LENGTH,
    "é" * LABEL_LENGTH,
]


@pytest.mark.parametrize("kind", ["wsgi", "asgi"])
def test_requests_that_carry_the_headers(kind: str, store: Path, make_recorder: Callable[..., reqcov.Recorder]) -> None:
    """They are of that very test, whatever it is called; those of no test are of none."""
    _, build, path, _ = WAYS[f"{kind} outside"]
    recorder = make_recorder(source=["tests"], labels=["test"], store=store)
    app = build(reqcov.ui.app(store, insecure=True, test_runs=True), recorder)
    with served(app, kind) as port, httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE) as client:
        for name in NAMES:
            headers = client.post("/reqcov/tests", json={"test": name}).json()["headers"]
            assert client.get(path, headers=headers).status_code == 200
        assert client.get(path).status_code == 200
    wait_for(lambda: recorder.flush() and recorder.stats().recorded == len(NAMES) + 1)
    with reading(store) as reader:
        carried = [unpack_labels(hit.labels) for hit in reader.hits()]
        assert set(reader.tests()) == set(NAMES)
    assert sorted(map(str, carried)) == sorted(map(str, [{}, *({"test": name} for name in NAMES)]))


CLIENTS = 8


@pytest.mark.parametrize("kind", ["wsgi", "asgi"])
def test_several_at_once(kind: str, store: Path) -> None:
    """Eight runners tell of four tests each, by turns, and they make the store; no outcome is another's."""
    pages = reqcov.ui.app(store, token=TOKEN, test_runs=True)
    ready = threading.Barrier(CLIENTS)
    outcome_of = {
        (who, test): ("passed", "failed", "skipped")[(who + test) % 3] for who in range(CLIENTS) for test in (1, 2, 3)
    }
    bearer = {"Authorization": f"Bearer {TOKEN}"}

    with served(reqcov.ui.as_asgi(pages) if kind == "asgi" else pages, kind) as port:

        def run(who: int) -> None:
            url = f"http://127.0.0.1:{port}/"
            with httpx.Client(base_url=url, timeout=PATIENCE, headers=bearer) as client:
                ready.wait(30)
                for test in range(4):
                    begin(client, f"{who}/{test}")
                    if test > 1:
                        end(client, f"{who}/{test - 1}", outcome_of[who, test - 1])
                end(client, f"{who}/3", outcome_of[who, 3])

        with ThreadPoolExecutor(CLIENTS) as pool:
            list(pool.map(run, range(CLIENTS)))
        listed = httpx.get(f"http://127.0.0.1:{port}/tests", headers=bearer, timeout=PATIENCE).json()["tests"]
    right = {f"{who}/{test}": outcome_of.get((who, test)) for who in range(CLIENTS) for test in range(4)}
    assert {name: run.outcome for name, run in kept(store).items()} == right
    assert {run["test"]: run["outcome"] for run in listed} == right


BAD = HTTPStatus.BAD_REQUEST
BEGIN, END = "/tests", "/tests/end"
LONG = json.dumps({"test": "x" * LONGEST_BODY})

REFUSED: list[tuple[str, str, Any, dict[str, str], int, str]] = [
    ("POST", BEGIN, "", {}, 415, "Content-Type: application/json"),
    ("POST", BEGIN, '{"test": "a"}', {"Content-Type": "text/plain"}, 415, "Content-Type: application/json"),
    ("POST", BEGIN, '{"test": "a"}', {"Content-Type": "application/json-patch"}, 415, "application/json"),
    ("POST", BEGIN, "test=a", {"Content-Type": "application/x-www-form-urlencoded"}, 415, "application/json"),
    ("POST", END, "x", {"Content-Type": "multipart/form-data; boundary=x"}, 415, "application/json"),
    (
        "POST",
        BEGIN,
        '{"test": "a"',
        JSON,
        BAD,
        'Send an object with nothing but texts of these names: {"test": "..."}.',
    ),
    ("POST", BEGIN, b'{"test": "\xff"}', JSON, BAD, "Send an object"),
    ("POST", BEGIN, "[" * 10_000, JSON, BAD, "Send an object"),
    ("POST", BEGIN, '"test"', JSON, BAD, "Send an object"),
    ("POST", BEGIN, '["test"]', JSON, BAD, "Send an object"),
    ("POST", BEGIN, "{}", JSON, BAD, "Send an object"),
    ("POST", BEGIN, '{"test": 1}', JSON, BAD, "Send an object"),
    ("POST", BEGIN, '{"test": null}', JSON, BAD, "Send an object"),
    ("POST", BEGIN, '{"test": ["a"]}', JSON, BAD, "Send an object"),
    ("POST", BEGIN, '{"test": "a", "outcome": "passed"}', JSON, BAD, "Send an object"),
    ("POST", END, '{"test": "a"}', JSON, BAD, '{"test": "...", "outcome": "..."}'),
    ("POST", END, '{"test": "a", "outcome": null}', JSON, BAD, "Send an object"),
    ("POST", END, '{"test": "a", "outcome": "broken"}', JSON, BAD, "passed, failed, skipped"),
    ("POST", BEGIN, '{"test": ""}', JSON, BAD, "1 to 1,000 characters"),
    ("POST", BEGIN, json.dumps({"test": "x" * 1001}), JSON, BAD, "1 to 1,000 characters, not 1,001"),
    ("POST", END, json.dumps({"test": "x" * 1001, "outcome": "passed"}), JSON, BAD, "not 1,001"),
    ("POST", BEGIN, '{"test": "\\ud800"}', JSON, BAD, "no UTF-8"),
    ("POST", BEGIN, json.dumps({"test": "支" * 1000}), JSON, BAD, "9,012 characters"),
    ("POST", BEGIN, LONG, JSON, 413, "no more than 16,384 bytes"),
    ("POST", END, LONG, JSON, 413, "no more than 16,384 bytes"),
    ("PUT", BEGIN, '{"test": "a"}', JSON, 405, "POST"),
    ("DELETE", BEGIN, "", {}, 405, "POST"),
    ("OPTIONS", BEGIN, "", {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}, 405, "POST"),
    ("GET", END, "", {}, 405, "POST"),
    ("PATCH", END, '{"test": "a", "outcome": "passed"}', JSON, 405, "POST"),
    ("GET", "/tests/", "", {}, 404, "/tests/end"),
    ("POST", "/tests/a", '{"test": "a"}', JSON, 404, "/tests/end"),
    ("POST", BEGIN, '{"test": "a"}', {**JSON, "Sec-Fetch-Site": "cross-site"}, 403, "site"),
    ("POST", BEGIN, '{"test": "a"}', {**JSON, "Sec-Fetch-Site": "same-site"}, 403, "site"),
    ("POST", BEGIN, '{"test": "a"}', {**JSON, "Origin": "https://evil.example"}, 403, "site"),
    ("POST", END, '{"test": "a", "outcome": "passed"}', {**JSON, "Origin": "null"}, 403, "site"),
    ("GET", BEGIN, "", {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors"}, 403, "site"),
    ("POST", BEGIN, '{"test": "a"}', {**JSON, "Host": "evil.example"}, 421, "localhost"),
]
"""Method, path, body, headers, status, and what is said."""

OF_EACH_STATUS = list({each[4]: each for each in REFUSED}.values())


@pytest.mark.parametrize("way", WAYS)
def test_what_is_refused(way: str, store: Path, make_recorder: Callable[..., reqcov.Recorder]) -> None:
    """In each way of mounting: it is said in a sentence why, nothing is kept, and nothing of it is recorded."""
    kind, build, _, _ = WAYS[way]
    recorder = make_recorder(include=[__file__], sinks=[reqcov.MemorySink()])
    app = build(reqcov.ui.app(store, insecure=True, test_runs=True), recorder)
    with served(app, kind) as port, httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE) as client:
        some = (
            REFUSED if way in ("wsgi outside", "asgi outside") else OF_EACH_STATUS
        )  # the others differ in how they mount
        for method, path, body, headers, status, says in some:
            answer = client.request(method, f"/reqcov{path}", content=body, headers=headers)
            assert answer.status_code == status, (method, path, body, headers, answer.text)
            assert says in error_of(answer), (method, path, body, headers)
            assert ("Allow" in answer.headers) is (status == 405)
            assert "Access-Control-Allow-Origin" not in answer.headers
        assert not store.exists()
        url = "/reqcov/tests"
        answer = client.post(url, content=b'{"test": "a"}', headers={"Content-Type": "Application/JSON; charset=utf-8"})
        assert answer.status_code == 201
        assert client.post(f"{url}/end", json={"test": "b", "outcome": "passed"}).status_code == 200
        assert client.post(url, content=iter([b'{"test":', b' "c"}']), headers=JSON).status_code == 201, "in chunks"
        answer = client.post(url, content=iter([LONG.encode(), b'"}']), headers=JSON)
        assert answer.status_code == 413
        assert "16,384" in error_of(answer)
        assert [run["test"] for run in client.get(url).json()["tests"]] == ["a", "b", "c"]
    assert {name: run.outcome for name, run in kept(store).items()} == {"a": None, "b": "passed", "c": None}
    assert recorder.stats().seen == 0


class Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""


@contextlib.contextmanager
def by_wsgiref(store: Path) -> Iterator[int]:
    """The port of a server that gives the app the connection itself to read from; it answers once."""
    with make_server(
        "127.0.0.1", 0, reqcov.ui.app(store, insecure=True, test_runs=True), handler_class=Quiet
    ) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        try:
            yield server.server_port
        finally:
            thread.join(60)


def test_a_body_that_may_have_no_end(store: Path) -> None:
    """It is not waited for by servers that don't take chunks apart."""
    with by_wsgiref(store) as port:
        url = f"http://127.0.0.1:{port}/tests"
        answer = httpx.post(url, content=iter([b'{"test": "a"}']), headers=JSON, timeout=PATIENCE)
    assert answer.status_code == 411
    assert "Content-Length" in error_of(answer)


def test_a_body_that_is_too_long(store: Path) -> None:
    """Nobody waits for all of it, nor keeps it."""
    head = (
        f"POST /tests HTTP/1.0\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {10**9}\r\n\r\n"
    )
    with by_wsgiref(store) as port:
        answer = exchange(port, head.encode() + b" " * (LONGEST_BODY + 1))
    assert answer.startswith(b"HTTP/1.0 413 ")
    assert b"no more than 16,384 bytes" in answer


def test_unless_it_is_asked_for(store: Path) -> None:
    """There is no such thing, and it is said how there would be."""
    with pages_of(store) as client:
        for answer in (
            client.get("tests"),
            client.post("tests", json={"test": "a"}),
            client.post("tests/end", json={"test": "a", "outcome": "passed"}),
        ):
            assert answer.status_code == 404
            assert "test_runs=True" in error_of(answer)
    assert not store.exists()


def test_behind_a_token(store: Path) -> None:
    """It needs no cookie. Who brings a cookie only is let in as one of our pages, and not as a page of another site."""
    with pages_of(store, insecure=False, token=TOKEN, test_runs=True) as client:
        for headers in ({}, {"Authorization": f"Bearer {TOKEN}x"}, {"Authorization": f"Basic {TOKEN}"}):
            for method in ("GET", "POST"):
                answer = client.request(method, "tests", json={"test": "a"}, headers=headers)
                assert answer.status_code == 401
                assert answer.headers["WWW-Authenticate"] == 'Bearer realm="reqcov"'
                assert "token" in error_of(answer)
        assert not store.exists()
        bearer = {"Authorization": f"Bearer {TOKEN}"}
        answer = client.post("tests", json={"test": "by bearer"}, headers=bearer)
        assert (answer.status_code, "Set-Cookie" in answer.headers) == (201, False)
        client.get("/", params={"token": TOKEN})
        assert client.cookies
        own = {"Sec-Fetch-Site": "same-origin", "Origin": str(client.base_url).rstrip("/")}
        assert client.post("tests", json={"test": "by cookie"}, headers=own).status_code == 201
        body = json.dumps({"test": "b"})
        for site in ("cross-site", "same-site"):
            for kind in ("application/json", "text/plain", "application/x-www-form-urlencoded"):
                headers = {"Content-Type": kind, "Sec-Fetch-Site": site, "Sec-Fetch-Mode": "no-cors"}
                assert client.post("tests", content=body, headers=headers).status_code == 403
        old = {"Content-Type": "application/json", "Origin": "https://evil.example"}  # a browser that says no more
        assert client.post("tests", content=body, headers=old).status_code == 403
        assert client.post("tests", content=body, headers={"Content-Type": "text/plain"}).status_code == 415
    assert set(kept(store)) == {"by bearer", "by cookie"}


def test_behind_a_function(store: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The user's own decides, and its faults are told to runners as JSON, too."""

    def auth(environ: dict[str, Any]) -> Any:
        return {"yes": True, "no": False}.get(environ.get("HTTP_X_WHO", ""))

    with pages_of(store, insecure=False, auth=auth, test_runs=True) as client:
        answers = {who: client.post("tests", json={"test": who}, headers={"X-Who": who}) for who in ("yes", "no", "?")}
    assert {who: answer.status_code for who, answer in answers.items()} == {"yes": 201, "no": 403, "?": 500}
    assert "not allowed" in error_of(answers["no"])
    assert "log" in error_of(answers["?"])
    assert "auth must return True or False" in caplog.text
    assert set(kept(store)) == {"yes"}


def test_while_the_store_is_busy(store: Path, runner: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runners are told to try again, and when."""
    monkeypatch.setattr(outcomes, "COMMAND_PATIENCE", 0.05)
    begin(runner, "a")
    with contextlib.closing(sqlite3.connect(store, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        for answer in (
            runner.post("tests", json={"test": "b"}),
            runner.post("tests/end", json={"test": "a", "outcome": "passed"}),
        ):
            assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
            assert "try again" in error_of(answer)
        assert runner.get("tests").status_code == 200, "who only looks need not wait"
    end(runner, "a", "passed")
    assert {name: run.outcome for name, run in kept(store).items()} == {"a": "passed"}


def test_too_many(store: Path, runner: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the store can't hold is refused; what it holds goes on."""
    monkeypatch.setattr(outcomes, "MAX_LABELS", 1)
    begin(runner, "a")
    answer = runner.post("tests", json={"test": "b"})
    assert answer.status_code == 409
    assert "more than 1 tests" in error_of(answer)
    end(runner, "a", "passed")
    assert set(kept(store)) == {"a"}


def test_damaged_store(store: Path, runner: httpx.Client) -> None:
    """It is said what is wrong."""
    store.parent.mkdir()
    store.write_bytes(b"no database " * 1000)
    for answer in (runner.post("tests", json={"test": "a"}), runner.get("tests")):
        assert answer.status_code == 409
        assert "move it away" in error_of(answer)


DOCS = Path(__file__).parent.parent / "docs" / "tests.md"


def shop(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    start_response("200 OK", [("Content-Type", "application/json")])
    return [b'{"price": 7}' if environ["PATH_INFO"] == "/prices/mug" else b"{}"]


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_the_example_in_javascript(store: Path, make_recorder: Callable[..., reqcov.Recorder]) -> None:
    """It is a test runner, whose test passes, and fails where another price is awaited."""
    found = re.search(r"```js\n(.*?)```", DOCS.read_text("utf-8"), re.DOTALL)
    assert found is not None
    recorder = make_recorder(include=[__file__], labels=["test"], store=store)
    app = reqcov.wrap(shop, recorder=recorder)
    app = reqcov.ui.mount(app, "/reqcov", reqcov.ui.app(store, token=TOKEN, test_runs=True))
    for price, outcome in ("7", "passed"), ("8", "failed"):
        with served(app) as port:
            script = found[1].replace("8000", str(port)).replace("price !== 7", f"price !== {price}")
            command = ["node", "--input-type=module", "--eval", script]
            done = subprocess.run(command, env={**os.environ, "REQCOV_TOKEN": TOKEN}, capture_output=True, timeout=60)
        assert (done.returncode == 0) is (outcome == "passed"), done.stderr
        assert {name: run.outcome for name, run in kept(store).items()} == {"prices > mug": outcome}
    recorder.flush()
    with reading(store) as reader:
        assert {hit.labels: hit.recorded for hit in reader.hits()} == {'{"test": "prices > mug"}': 2}
