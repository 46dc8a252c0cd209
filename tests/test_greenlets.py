"""Two requests by turns in greenlets: those of gevent, raw ones, and those in which SQLAlchemy awaits."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Iterator
from pathlib import Path

import greenlet
import pytest
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.util import await_only
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

import reqcov
from tests.stepping import Party, Stage, load, run_staged


@pytest.fixture
def stage(tmp_path: Path, core: str) -> Iterator[Stage]:
    """Two parties, on each core."""
    stage = Stage(tmp_path, core)
    with stage.recorder:
        yield stage


GEVENT = """
from gevent import monkey
monkey.patch_all()
import sys
import threading
import gevent
import gevent.pywsgi
import httpx
import reqcov
from tests.stepping import staged

stage = staged()

def app(environ, start_response):
    thread = threading.Thread(target=int)  # a greenlet, here
    thread.start()
    thread.join()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return stage.shared.KIND(stage.party(environ["PATH_INFO"])) or [b"done"]

server = gevent.pywsgi.WSGIServer(("127.0.0.1", 0), reqcov.wrap(app, recorder=stage.recorder), log=None)
server.start()

def get(path):
    with httpx.Client(base_url=f"http://127.0.0.1:{server.server_port}", trust_env=False, timeout=30) as client:
        client.get(path).raise_for_status()

gevent.joinall([gevent.spawn(get, f"/{name}") for name in stage.parties], raise_error=True)
server.stop()
stage.check()
assert sys.gettrace() is None, "traced on while no request is open"
stage.recorder.close()
print("checked")
"""


@pytest.mark.parametrize("kind", ["plain", "blocking_chunks"])
def test_gevent(tmp_path: Path, core: str, kind: str) -> None:
    """Requests to gevent's server, in one thread where each wait switches to another greenlet."""
    run_staged(GEVENT.replace("KIND", kind), tmp_path, core)


def test_raw_greenlets(stage: Stage) -> None:
    """Greenlets that switch to each other directly, in the middle of a request."""

    def serve(name: str) -> None:
        with stage.recorder.record(name):
            stage.shared.plain(stage.party(name))

    greenlets = {name: greenlet.greenlet(serve) for name in stage.parties}

    def switch(party: Party) -> None:
        while not stage.may_go(party):
            following = next(name for name, other in stage.parties.items() if stage.may_go(other))
            greenlets[following].switch(following)

    stage.block = switch
    for name, each in greenlets.items():
        while not each.dead:
            each.switch(name)
    stage.check()


def test_sqlalchemy_bridge(stage: Stage, tmp_path: Path) -> None:
    """Plain functions that await the database from within greenlets, on one event loop."""
    engine = create_async_engine(f"sqlite+aiosqlite:///{tmp_path}/shop.db")

    def work(connection: Connection, party: Party) -> None:
        connection.execute(text("select 1")).all()
        stage.shared.plain(party)
        connection.execute(text("select 2")).all()

    async def endpoint(request: Request) -> Response:
        async with engine.connect() as connection:
            await connection.run_sync(work, stage.party(request.url.path))
        return PlainTextResponse("done")

    stage.block = lambda party: await_only(stage.wait(party))
    stage.get_by_tasks(reqcov.wrap(Starlette(routes=[Route("/{party}", endpoint)]), recorder=stage.recorder))
    asyncio.run(engine.dispose())
    stage.check()


@pytest.mark.parametrize("given", [True, False])
def test_greenlet_started_by_a_request(stage: Stage, tmp_path: Path, given: bool) -> None:
    """A raw greenlet begins with an empty context: what it runs is the request's only where it is given the context."""
    code = load(tmp_path / "code.py", "def work():\n    return 2\n")
    with stage.recorder.record("job"):
        child = greenlet.greenlet(code.work)
        if given:
            child.gr_context = contextvars.copy_context()
        child.switch()
    [record] = stage.sink.records
    assert record.lines == ({code.__file__: {2}} if given else {})
    assert (stage.recorder.stats().unattributed > 0) is not given
