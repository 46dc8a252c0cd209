"""The live pages follow their store: when they are made anew, and what there is to see where that can't be."""

from __future__ import annotations

import contextlib
import hashlib
import re
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

import reqcov.ui
from reqcov.analysis.view import Chosen
from reqcov.cli.options import view_of
from reqcov.errors import StoreBusy, StoreError
from reqcov.reports.html.site import Site
from reqcov.store.keeping import reset
from reqcov.store.reading import reading
from reqcov.ui import latest
from reqcov.ui.latest import Latest
from tests.live import filled, pages_of
from tests.stores import DAY, Project, Request, Server


def test_versions_that_no_request_was_recorded_of(tmp_path: Path) -> None:
    """What only unsampled requests ran of an older version is on pages that are made when the store is closed again."""
    store, project = tmp_path / "store.sqlite3", Project(tmp_path / "project")
    old = Server(project, "a", build="1")
    old.seen = dict.fromkeys(project.sources.values(), 0b1000)
    old.serve(store)
    changed = Project(tmp_path / "project")
    for source, file in list(changed.files.items()):
        Path(file).write_text(Path(file).read_text() + "# changed\n")
        fresh = source._replace(digest=hashlib.sha256(Path(file).read_bytes()).hexdigest())
        changed.sources[source.path] = fresh
        changed.files[fresh] = changed.files.pop(source)
    Server(changed, "b", build="2").serve(store, Request("/orders"))
    with pages_of(store) as client:
        for name in ("", "files.html", "data/code.js", "data/requests.js", "gaps.html", "dead.html", "dedupe.html"):
            assert client.get(f"/{name}").status_code == 200


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look at the store each time."""
    monkeypatch.setattr(latest, "PAUSE", 0.0)
    monkeypatch.setattr(latest, "SHARE", 0)


def test_now(tmp_path: Path) -> None:
    """It tells the stamp of the pages and the time of the latest request, and both change with the store."""
    store = tmp_path / "store.sqlite3"
    server = Server(Project(tmp_path / "project"))
    with pages_of(store) as client:
        before = client.get("/data/now.json").json()
        assert (before["stamp"], before["last_seen"]) == (None, None)
        server.serve(store, Request("/orders", when=20_000 * DAY + 0.5))
        now = client.get("/data/now.json").json()
        assert now["last_seen"] == "2024-10-04T00:00:00.500+00:00"
        assert datetime.fromisoformat(now["now"]).tzinfo is not None
        assert f'data-stamp="{now["stamp"]}"' in client.get("/").text
        assert client.get("/data/now.json").json()["stamp"] == now["stamp"]


@pytest.mark.usefixtures("eager")
def test_tests_that_ran_again(tmp_path: Path) -> None:
    """What tests cover now is seen though no request has come since."""
    store, told = filled(tmp_path), tmp_path / "tests.info"
    told.write_text("SF:elsewhere.py\nDA:1,1\nend_of_record\n")
    with pages_of(store, tests=[told]) as client:
        before = client.get("/data/now.json").json()["stamp"]
        assert f'data-stamp="{before}"' in client.get("/gaps.html").text
        assert "nothing of the files in the store" in client.get("/gaps.html").text
        told.write_text("".join(f"SF:{file}\nDA:1,1\nend_of_record\n" for file in (tmp_path / "project").rglob("*.py")))
        now = client.get("/data/now.json").json()["stamp"]
        assert now != before
        text = client.get("/gaps.html").text
        assert f'data-stamp="{now}"' in text
        assert "nothing of the files in the store" not in text
        told.unlink()
        assert "can&#39;t be read" in client.get("/gaps.html").text


def test_stamp(tmp_path: Path) -> None:
    """It changes with whatever is shown, and not because somebody has looked."""
    store = tmp_path / "store.sqlite3"
    server = Server(Project(tmp_path / "project"))

    def stamp() -> str:
        with reading(store) as reader:
            return reader.stamp()

    stamps = []
    for _ in range(2):
        server.serve(store, Request("/orders"))
        stamps.append(stamp())
    with view_of(store, Chosen()):
        pass  # what was parsed is kept in the store
    assert stamp() == stamps[-1]
    server.seen |= dict.fromkeys(server.seen, 2)
    server.serve(store)
    stamps.append(stamp())
    reset(store)
    stamps.append(stamp())
    assert len(set(stamps)) == 4


def test_pages_follow_the_store(tmp_path: Path, eager: None) -> None:
    """What was written since is on the page that is asked for next."""
    store = tmp_path / "store.sqlite3"
    server = Server(Project(tmp_path / "project"))
    with pages_of(store) as client:
        for _ in range(3):
            server.serve(store, Request(f"/n{server.writer.batch}"))
            page = client.get("/routes.html").text
            assert [f"GET /n{n}" in page for n in range(4)] == [n < server.writer.batch for n in range(4)]


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return filled(tmp_path)


def empty(store: Path) -> None:
    filled(store.parent)
    reset(store)


def damage(store: Path) -> None:
    store.write_bytes(b"no database " * 1000)


def foreign(store: Path) -> None:
    with contextlib.closing(sqlite3.connect(store)) as connection:
        connection.execute("CREATE TABLE other (thing)")


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda store: None, "There is no store at"),
        (empty, "No request has arrived yet in"),
        (damage, "move it away"),
        (foreign, "another program"),
        (lambda store: store.write_bytes(b""), "No request has arrived yet in"),
        (lambda store: store.mkdir(), "can't be opened"),
    ],
    ids=["missing", "empty", "damaged", "foreign", "no bytes", "a folder"],
)
def test_nothing_to_show(make: Any, says: str, tmp_path: Path) -> None:
    """Each page says in a sentence what to do, asks again by itself, and shows the store once there is one."""
    store = tmp_path / "store.sqlite3"
    make(store)
    with pages_of(store, actions=True) as client:
        for name in ("", "routes.html", "data/requests.js"):
            answer = client.get(f"/{name}")
            assert (answer.status_code, answer.headers["Refresh"]) == (503, "5")
            assert says in answer.text.replace("&#39;", "'")
            assert "Traceback" not in answer.text
        assert client.get("/store.html").status_code in (200, 503)
        assert client.get("/data/now.json").status_code == 200
        assert client.get("/assets/style.css").status_code == 200
        if store.is_dir():
            store.rmdir()
        store.unlink(missing_ok=True)
        filled(tmp_path)
        assert "orders" in client.get("/routes.html").text
        store.unlink()
        assert client.get("/data/now.json").json()["stamp"] is not None, "pages are not reloaded until there are others"


def test_fault_of_ours(store: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """The log has it, and the page has not."""

    def broken(self: Site, name: str) -> bytes:
        raise RuntimeError("secret of the code")

    monkeypatch.setattr(Site, "render", broken)
    with pages_of(store) as client:
        answer = client.get("/")
        assert client.get("/data/now.json").status_code == 200
    assert answer.status_code == 500
    assert "the server&#39;s log says why" in answer.text
    assert "secret" not in answer.text
    assert "Traceback" not in answer.text
    assert "secret of the code" in caplog.text


def test_hostile_contents(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A store whose rows are nonsense gives a page, not a traceback."""
    store = filled(tmp_path)
    with contextlib.closing(sqlite3.connect(store)) as connection, connection:
        connection.execute("UPDATE labels SET pairs = 'no JSON'")
        connection.execute("UPDATE footprint_lines SET lines = 4711")
    with pages_of(store) as client:
        answer = client.get("/")
    assert answer.status_code in (500, 503)
    assert "Traceback" not in answer.text


class OnePage:
    """A site of one moment."""

    def __init__(self, store: Path) -> None:
        self.stamp = latest.state(store).stamp or ""

    def render(self, name: str) -> bytes:
        return b""


def test_one_at_a_time(tmp_path: Path, eager: None) -> None:
    """While the pages are made for the first time all wait for them; later, the others get those of before."""
    store, server = tmp_path / "store.sqlite3", Server(Project(tmp_path / "project"))
    server.serve(store, Request("/orders"))
    entered, go, made = threading.Event(), threading.Event(), []

    def make(path: Path) -> OnePage:
        site = OnePage(path)
        entered.set()
        assert go.wait(30)
        made.append(site)
        return site

    kept = Latest(store, make)
    with ThreadPoolExecutor(4) as pool:
        first = [pool.submit(kept.site) for _ in range(4)]
        assert entered.wait(30)
        go.set()
        assert {id(each.result(30)) for each in first} == {id(made[0])}
        assert len(made) == 1
        entered.clear()
        go.clear()
        server.serve(store, Request("/health"))
        making = pool.submit(kept.site)
        assert entered.wait(30)
        assert kept.site() is made[0], "nobody waits"
        assert kept.state().stamp != made[0].stamp
        go.set()
        assert making.result(30) is made[1]
    assert kept.site() is made[1]
    assert len(made) == 2


def test_not_more_often_than_that(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For a while nobody looks at the store; meanwhile pages are told the stamp that they have, and not reloaded."""
    monkeypatch.setattr(latest, "PAUSE", 3600.0)
    store, server = tmp_path / "store.sqlite3", Server(Project(tmp_path / "project"))
    server.serve(store, Request("/orders"))
    kept = Latest(store, OnePage)
    site = kept.site()
    server.serve(store, Request("/orders"))
    assert kept.site() is site
    assert kept.state().stamp == site.stamp
    kept.renew()
    assert kept.state().stamp != site.stamp
    assert kept.site() is not site


def test_what_takes_long_is_left_alone_for_longer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four times as long as it took, if that is more than the usual."""
    clock = [1000.0]
    monkeypatch.setattr(latest.time, "monotonic", lambda: clock[0])
    store, server = tmp_path / "store.sqlite3", Server(Project(tmp_path / "project"))
    server.serve(store, Request("/orders"))

    def slow(path: Path) -> OnePage:
        clock[0] += 10
        return OnePage(path)

    kept = Latest(store, slow)
    site = kept.site()
    server.serve(store, Request("/orders"))
    clock[0] += 39.9
    assert kept.site() is site
    clock[0] += 0.2
    assert kept.site() is not site


def test_a_page_that_takes_long(tmp_path: Path, eager: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page that takes long to make is left alone for longer, as all of them are; others change nothing."""
    monkeypatch.setattr(latest, "SHARE", 4)
    clock = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    store, server = tmp_path / "store.sqlite3", Server(Project(tmp_path / "project"))
    server.serve(store, Request("/orders"))
    pages = reqcov.ui.app(store, insecure=True)
    render = Site.render

    def slowly(site: Site, name: str) -> bytes:
        clock[0] += 10 if name == "dedupe.html" else 0
        return render(site, name)

    monkeypatch.setattr(Site, "render", slowly)

    def stamp(name: str) -> str:
        environ: dict[str, Any] = {"REQUEST_METHOD": "GET", "PATH_INFO": f"/{name}", "HTTP_HOST": "127.0.0.1"}
        page = b"".join(pages(environ, lambda *_: None)).decode()
        return page.partition('data-stamp="')[2].partition('"')[0]

    before = stamp("dedupe.html")
    server.serve(store, Request("/orders"))
    clock[0] += 39.9
    assert stamp("files.html") == before
    clock[0] += 0.2
    after = stamp("files.html")
    assert after != before
    server.serve(store, Request("/orders"))
    assert stamp("files.html") != after


def test_unchanged_stores_are_not_read_again(tmp_path: Path, eager: None) -> None:
    """The same pages for the same stamp."""
    kept = Latest(filled(tmp_path), OnePage)
    assert kept.site() is kept.site()


def test_busy_store(tmp_path: Path, eager: None) -> None:
    """The pages of before stay; where there are none it is told, and any other trouble is told at once."""
    store, server = tmp_path / "store.sqlite3", Server(Project(tmp_path / "project"))
    server.serve(store, Request("/orders"))
    trouble: list[Exception] = [StoreBusy("busy")]

    def make(path: Path) -> OnePage:
        if trouble:
            raise trouble[0]
        return OnePage(path)

    kept = Latest(store, make)
    with pytest.raises(StoreBusy):
        kept.site()
    error = trouble.pop()
    site = kept.site()
    server.serve(store, Request("/orders"))
    trouble.append(error)
    assert kept.site() is site
    trouble[0] = StoreError("damaged")
    with pytest.raises(StoreError, match="damaged"):
        kept.site()
    trouble.clear()
    assert kept.site().stamp == kept.state().stamp


def test_while_a_server_writes(tmp_path: Path, eager: None) -> None:
    """Threads ask for pages while others write: each page is whole, and never older than the one before."""
    store, server = tmp_path / "store.sqlite3", Server(Project(tmp_path / "project"))
    server.serve(store, Request("/orders"))
    total, over = 60, threading.Event()

    def ask(client: httpx.Client) -> list[int]:
        counts = []
        while not over.is_set() or len(counts) < 3:
            page = client.get("/routes.html")
            assert page.status_code == 200
            [count] = re.findall(r'id="seen">([\d,]+) requests?,', page.text)
            counts.append(int(count.replace(",", "")))
        return counts

    with pages_of(store) as client, ThreadPoolExecutor(3) as pool:
        readers = [pool.submit(ask, client) for _ in range(3)]
        for _ in range(total - 1):
            server.serve(store, Request("/orders"))
        over.set()
        for reader in readers:
            counts = reader.result(60)
            assert counts == sorted(counts)
        assert "60 requests" in client.get("/routes.html").text
