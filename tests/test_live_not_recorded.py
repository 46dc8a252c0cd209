"""Requests to the live pages are not recorded, however they are mounted; those to the app around them are."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import fastapi
import flask
import httpx
import pytest
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from starlette.applications import Starlette
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route
from werkzeug.middleware.dispatcher import DispatcherMiddleware

import reqcov
import reqcov.ui
from reqcov.adapters import fastapi as for_fastapi
from reqcov.adapters import flask as for_flask
from reqcov.adapters import starlette as for_starlette
from reqcov.cores.base import current, leave_out
from reqcov.store.reading import reading
from tests.adapters import django_site
from tests.adapters.test_django import install, no_recorder_of_the_process  # noqa: F401
from tests.live import PATIENCE, served
from tests.servers import wait_for
from tests.singly import run_in

Pages = Any
App = Any


def own(who: str) -> str:
    body = f"own {who}"
    return body


def wsgi_app(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    body = own("wsgi").encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]


async def asgi_app(scope: Any, receive: Any, send: Any) -> None:
    assert scope["type"] != "http" or not scope["path"].startswith("/reqcov")
    if scope["type"] == "lifespan":
        while (message := await receive())["type"] == "lifespan.startup":
            await send({"type": "lifespan.startup.complete"})
        await send({"type": message["type"] + ".complete"})
        return
    body = own("asgi").encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": body})


def flask_app() -> flask.Flask:
    app = flask.Flask(__name__)
    app.add_url_rule("/orders/<int:number>", "orders", lambda number: own("flask"))
    return app


def starlette_endpoint(request: Request) -> Response:
    return PlainTextResponse(own("starlette"))


def starlette_app(*more: Any) -> Starlette:
    return Starlette(routes=[Route("/orders/{number}", starlette_endpoint), *more])


def fastapi_app() -> fastapi.FastAPI:
    api = fastapi.FastAPI()
    api.add_api_route("/orders/{number}", lambda number: own("fastapi"))
    return api


def flask_outside(pages: Pages, recorder: reqcov.Recorder) -> App:
    app = flask_app()
    for_flask.ReqCov(app, recorder=recorder)
    app.wsgi_app = reqcov.ui.mount(app.wsgi_app, "/reqcov", pages)  # type: ignore[method-assign]
    return app


def flask_inside(pages: Pages, recorder: reqcov.Recorder) -> App:
    app = flask_app()
    app.wsgi_app = DispatcherMiddleware(app.wsgi_app, {"/reqcov": pages})  # type: ignore[method-assign]
    for_flask.ReqCov(app, recorder=recorder)
    return app


def starlette_inside(pages: Pages, recorder: reqcov.Recorder) -> App:
    app = starlette_app(Mount("/reqcov", reqcov.ui.as_asgi(pages)))
    app.add_middleware(BaseHTTPMiddleware, dispatch=lambda request, following: following(request))
    app.add_middleware(for_starlette.CoverageMiddleware, recorder=recorder)
    return app


def starlette_outside(pages: Pages, recorder: reqcov.Recorder) -> App:
    app = starlette_app()
    app.add_middleware(for_starlette.CoverageMiddleware, recorder=recorder)
    return reqcov.ui.mount(app, "/reqcov", pages)


def fastapi_inside(pages: Pages, recorder: reqcov.Recorder) -> App:
    api = fastapi_app()
    api.mount("/reqcov", reqcov.ui.as_asgi(pages))
    api.add_middleware(for_fastapi.CoverageMiddleware, recorder=recorder)
    return api


def fastapi_outside(pages: Pages, recorder: reqcov.Recorder) -> App:
    api = fastapi_app()
    api.add_middleware(for_fastapi.CoverageMiddleware, recorder=recorder)
    return reqcov.ui.mount(api, "/reqcov", pages)


def wrapped(app: App) -> Callable[[Pages, reqcov.Recorder], App]:
    """The pages outside of recording."""
    return lambda pages, recorder: reqcov.ui.mount(reqcov.wrap(app, recorder=recorder), "/reqcov", pages)


def wrapping(app: App) -> Callable[[Pages, reqcov.Recorder], App]:
    """The pages inside."""
    return lambda pages, recorder: reqcov.wrap(reqcov.ui.mount(app, "/reqcov", pages), recorder=recorder)


def django_outside(handler: Any) -> Callable[[Pages, reqcov.Recorder], App]:
    return lambda pages, recorder: reqcov.ui.mount(install(handler(), recorder=recorder), "/reqcov", pages)


def django_inside(handler: Any) -> Callable[[Pages, reqcov.Recorder], App]:
    return lambda pages, recorder: reqcov.wrap(reqcov.ui.mount(handler(), "/reqcov", pages), recorder=recorder)


WAYS: dict[str, tuple[str, Callable[[Pages, reqcov.Recorder], App], str, str]] = {
    "wsgi outside": ("wsgi", wrapped(wsgi_app), "/orders/1", "/orders/{id}"),
    "wsgi inside": ("wsgi", wrapping(wsgi_app), "/orders/1", "/orders/{id}"),
    "asgi outside": ("asgi", wrapped(asgi_app), "/orders/1", "/orders/{id}"),
    "asgi inside": ("asgi", wrapping(asgi_app), "/orders/1", "/orders/{id}"),
    "flask outside": ("wsgi", flask_outside, "/orders/1", "/orders/<int:number>"),
    "flask inside": ("wsgi", flask_inside, "/orders/1", "/orders/<int:number>"),
    "starlette outside": ("asgi", starlette_outside, "/orders/1", "/orders/{number}"),
    "starlette inside": ("asgi", starlette_inside, "/orders/1", "/orders/{number}"),
    "fastapi outside": ("asgi", fastapi_outside, "/orders/1", "/orders/{number}"),
    "fastapi inside": ("asgi", fastapi_inside, "/orders/1", "/orders/{number}"),
    "django wsgi outside": ("wsgi", django_outside(WSGIHandler), "/items/1/", "/items/<int:number>/"),
    "django wsgi inside": ("wsgi", django_inside(WSGIHandler), "/items/1/", "/items/{id}/"),
    "django asgi outside": ("asgi", django_outside(ASGIHandler), "/items/1/", "/items/<int:number>/"),
    "django asgi inside": ("asgi", django_inside(ASGIHandler), "/items/1/", "/items/{id}/"),
}
"""Kind of server, app, a path of its own and the route of that."""


def kept(store: Path) -> float:
    """How many requests the store has."""
    if not store.exists():
        return 0
    with reading(store) as reader:
        return reader.requests()


@pytest.mark.parametrize("way", WAYS)
def test_only_the_app_is_recorded(way: str, tmp_path: Path, make_recorder: Callable[..., reqcov.Recorder]) -> None:
    """By turns with the pages, under a real server: neither a sink nor the store gets any request to these."""
    kind, build, path, route = WAYS[way]
    store, sink = tmp_path / "store.sqlite3", reqcov.MemorySink()
    include = [__file__, django_site.__file__, str(Path(reqcov.ui.__file__).parent / "*")]
    recorder = make_recorder(include=include, sinks=[sink], store=store)
    app = build(reqcov.ui.app(store, insecure=True), recorder)
    with served(app, kind) as port, httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE) as client:
        assert client.get("/reqcov/").status_code == 503, "there is no store yet"
        assert client.get(path).status_code == 200
        wait_for(lambda: recorder.flush() and kept(store) == 1)  # requests end when the answer has been sent
        pages = ["/reqcov/", "/reqcov/routes.html", "/reqcov/data/now.json", "/reqcov/assets/style.css"]
        answers = {page: client.get(page).status_code for page in pages}
        assert answers == dict.fromkeys(pages, 200)
        assert client.get("/reqcov/no-such-page.html").status_code == 404
        assert client.post("/reqcov/").status_code == 405
        assert client.get(path).status_code == 200
    wait_for(lambda: recorder.flush() and kept(store) == 2)
    assert [(record.path, record.route) for record in sink.records] == [(path, route)] * 2
    assert all(record.complete and record.lines for record in sink.records)
    assert not any("ui" in Path(name).parts for record in sink.records for name in record.lines)
    stats = recorder.stats()
    assert (stats.seen, stats.recorded, stats.faults) == (2, 2, {})
    with reading(store) as reader:
        assert {each.template for each in reader.routes().values()} == {route}


CODE = """\
def around(inner):
    before = 2
    inner()
    return before
"""


def test_what_they_ran_is_still_new(tmp_path: Path, core: str, make_recorder: Callable[..., reqcov.Recorder]) -> None:
    """Code of the app that requests to the pages ran first, middleware say, is told by a request not sampled, too."""
    (tmp_path / "around_pages.py").write_text(CODE)
    spec = importlib.util.spec_from_file_location("around_pages", tmp_path / "around_pages.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    sink = reqcov.MemorySink()
    recorder = make_recorder(source=[str(tmp_path)], core=core, sinks=[sink], sample=0.0)
    for inner in (leave_out, lambda: None):
        recording = recorder.start("http", "GET", "/")
        run_in(recorder, recording, partial(module.around, inner))
        assert recording is not None
        recorder.finish(recording)
    if recorder.stats().core == "settrace":
        assert sink.records == [], "this core takes no notice of requests that are not sampled"
        return
    [record] = sink.records
    assert list(record.lines.values()) == [frozenset({2, 3, 4})]


def test_jobs_are_recorded(make_recorder: Callable[..., reqcov.Recorder]) -> None:
    """Pages that are made for no request, in a job, leave that alone."""
    sink = reqcov.MemorySink()
    recorder = make_recorder(include=[__file__], sinks=[sink])
    with recorder.record("nightly"):
        leave_out()
        own("job")
    assert [record.context for record in sink.records] == ["nightly"]


def test_outside_of_any_recording() -> None:
    """There is nothing to leave out."""
    assert current.get() is None
    leave_out()
