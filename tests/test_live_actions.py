"""What the live pages let people do to the store, where that is allowed, and who can't have it done."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

import reqcov
import reqcov.ui
from reqcov.store.keeping import snapshots
from reqcov.store.reading import reading
from tests import servers
from tests.live import PATIENCE, TOKEN, filled, pages_of
from tests.servers import GUNICORN


@pytest.fixture
def acting(tmp_path: Path) -> Iterator[httpx.Client]:
    with pages_of(filled(tmp_path), actions=True) as client:
        yield client


def proof(client: httpx.Client) -> str:
    """What is written into the forms for this client."""
    found = set(re.findall(r'name="proof" value="(\w+)"', client.get("/store.html").text))
    assert len(found) == 1
    return found.pop()


def requests_in(folder: Path) -> float:
    with reading(folder / "store.sqlite3") as reader:
        return reader.requests()


def test_without_actions(tmp_path: Path) -> None:
    """There is no such page, and no word of it on the others."""
    with pages_of(filled(tmp_path)) as client:
        assert client.get("/store.html").status_code == 404
        assert client.post("/store.html", data={"action": "reset", "sure": "yes"}).status_code == 405
        for name in ("", "routes.html", "files.html"):
            assert "store.html" not in client.get(f"/{name}").text


def test_reset(acting: httpx.Client, tmp_path: Path) -> None:
    """It needs a tick, and leaves a store without requests."""
    assert "store.html" in acting.get("/").text
    form = {"proof": proof(acting), "action": "reset"}
    assert acting.post("/store.html", data=form).status_code == 400
    assert requests_in(tmp_path) == 2
    answer = acting.post("/store.html", data={**form, "sure": "yes"})
    assert (answer.status_code, answer.headers["Location"]) == (303, "./store.html?done=reset")
    assert requests_in(tmp_path) == 0
    after = acting.get("/store.html?done=reset")
    assert "The store is empty now." in after.text
    assert "0 requests" in after.text
    assert acting.get("/").status_code == 503, "at once"


def test_prune(acting: httpx.Client, tmp_path: Path) -> None:
    """Requests of earlier days go; what is no number of days does nothing."""
    form = {"proof": proof(acting), "action": "prune"}
    for days in ("", "x", "-1", "1.5", "٣", "1" * 9):
        assert acting.post("/store.html", data={**form, "days": days}).status_code == 400
    assert acting.post("/store.html", data={**form, "days": "36500"}).status_code == 303
    assert requests_in(tmp_path) == 2
    assert acting.post("/store.html", data={**form, "days": "1"}).status_code == 303
    assert requests_in(tmp_path) == 0


def test_snapshot(acting: httpx.Client, tmp_path: Path) -> None:
    """It is listed; a name that is taken, or leads elsewhere, is refused in a sentence."""
    form = {"proof": proof(acting), "action": "snapshot"}
    assert acting.post("/store.html", data={**form, "name": "monday"}).status_code == 303
    assert "monday: 2 requests" in acting.get("/store.html").text
    for name in ("monday", "../monday", "/tmp/monday", "a\x00b", "a/b", "..", "<b>"):
        assert acting.post("/store.html", data={**form, "name": name}).status_code == 409
    assert acting.post("/store.html", data={**form, "name": ""}).status_code == 400
    assert [each.name for each in snapshots(tmp_path / "store.sqlite3")] == ["monday"]
    assert sorted(path.name for path in tmp_path.iterdir() if "monday" in path.name) == []


def test_other_actions(acting: httpx.Client, tmp_path: Path) -> None:
    """What no form offers does nothing."""
    for action in ("", "delete", "reset ", "Reset"):
        assert (
            acting.post("/store.html", data={"proof": proof(acting), "action": action, "sure": "yes"}).status_code
            == 400
        )
    assert acting.put("/store.html").status_code == 405
    assert (
        acting.get("/store.html", params={"action": "reset", "sure": "yes", "proof": proof(acting)}).status_code == 200
    )
    assert requests_in(tmp_path) == 2


FORM = {"action": "reset", "sure": "yes"}


def test_forms_of_others(acting: httpx.Client, tmp_path: Path) -> None:
    """Without what is in the cookie, with somebody else's, or from another place: nothing is done."""
    mine = proof(acting)
    with httpx.Client(base_url=acting.base_url, timeout=PATIENCE) as other:
        theirs = proof(other)
    assert theirs != mine
    origin = str(acting.base_url).rstrip("/")
    tries: list[tuple[dict[str, str], dict[str, str]]] = [
        ({}, {}),
        ({"proof": ""}, {}),
        ({"proof": theirs}, {}),
        ({"proof": mine[:-1]}, {}),
        ({"proof": mine + "0"}, {}),
        ({"proof": mine.upper() + "é"}, {}),
        ({"proof": mine}, {"Origin": "https://evil.example"}),
        ({"proof": mine}, {"Origin": "null"}),
        ({"proof": mine}, {"Origin": origin.replace("127.0.0.1", "localhost")}),
        ({"proof": mine}, {"Origin": origin + "0"}),
        ({"proof": mine}, {"Sec-Fetch-Site": "cross-site"}),
        ({"proof": mine}, {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}),
        ({"proof": mine}, {"Sec-Fetch-Site": "nonsense"}),
        ({"proof": mine}, {"Content-Type": "text/plain"}),
        ({"proof": mine}, {"Content-Type": "multipart/form-data; boundary=x"}),
    ]
    for fields, headers in tries:
        answer = acting.post("/store.html", data={**FORM, **fields}, headers=headers)
        assert answer.status_code == 403, (fields, headers)
    acting.cookies.clear()
    assert acting.post("/store.html", data={**FORM, "proof": mine}).status_code == 403, "without the cookie"
    for planted in ("", "x", "0" * 63, "é" * 64):
        cookie = {"Cookie": f"reqcov_form={planted}".encode()}
        answer = acting.post("/store.html", data={**FORM, "proof": planted}, headers=cookie)  # type: ignore[arg-type]
        assert answer.status_code == 403, "with one that is none"
    assert requests_in(tmp_path) == 2
    good = {"Origin": origin, "Sec-Fetch-Site": "same-origin"}
    assert acting.post("/store.html", data={**FORM, "proof": proof(acting)}, headers=good).status_code == 303


def test_cookie_of_the_forms(acting: httpx.Client) -> None:
    """No script sees it, no other site sends it along, and it stays the same while somebody has the page open."""
    answer = acting.get("/store.html")
    assert answer.headers["Set-Cookie"].split("; ")[1:] == ["Path=/", "HttpOnly", "SameSite=Strict"]
    assert proof(acting) == proof(acting)


def test_actions_behind_a_token(tmp_path: Path) -> None:
    """Who is not in does nothing, whatever the form holds."""
    with pages_of(filled(tmp_path), insecure=False, token=TOKEN, actions=True) as client:
        client.get("/", params={"token": TOKEN})
        form = {**FORM, "proof": proof(client)}
        with httpx.Client(base_url=client.base_url, timeout=PATIENCE) as other:
            cookie = {"Cookie": f"reqcov_form={client.cookies['reqcov_form']}"}
            assert other.get("/store.html").status_code == 401
            assert other.post("/store.html", data=form, headers=cookie).status_code == 401
        assert requests_in(tmp_path) == 2
        assert client.post("/store.html", data=form).status_code == 303
        assert requests_in(tmp_path) == 0


def made() -> Any:
    """For gunicorn."""
    return reqcov.ui.app(os.environ["LIVE_STORE"], token=TOKEN, actions=True)


def test_several_workers(tmp_path: Path) -> None:
    """Each knows the cookies and the forms that another one has made."""
    store = filled(tmp_path)
    command = f"{GUNICORN} --workers 3 tests.test_live_actions:made()".split()
    with servers.running(command, tmp_path, {"LIVE_STORE": str(store)}) as server:
        url = f"http://127.0.0.1:{server.port}/"
        with httpx.Client(base_url=url, timeout=PATIENCE) as first:
            first.get("/", params={"token": TOKEN})
            value = proof(first)
            cookies = {"Cookie": "; ".join(f"{name}={value}" for name, value in first.cookies.items())}
        for number in range(12):  # each over a connection of its own
            assert httpx.get(url, headers=cookies, timeout=PATIENCE).status_code == 200
            form = {"proof": value, "action": "snapshot", "name": f"copy{number}"}
            assert httpx.post(url + "store.html", data=form, headers=cookies, timeout=PATIENCE).status_code == 303
            assert httpx.get(url, timeout=PATIENCE).status_code == 401
        assert json.loads(httpx.get(url + "data/now.json", headers=cookies, timeout=PATIENCE).text)["stamp"]
    assert len(snapshots(store)) == 12
