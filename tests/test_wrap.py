"""`wrap` and the two middlewares: what they take, what they refuse, and what they leave alone."""

from __future__ import annotations

import functools
import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import reqcov
from reqcov.wrapper import protocol
from tests.inprocess import KINDS, first_line, get, make_app

asgi_app, wsgi_app = make_app("asgi", lambda: b"served"), make_app("wsgi", lambda: b"served")


def double_callable(scope: Any) -> Any:
    return functools.partial(asgi_app, scope)


class DoubleCallableClass:
    def __init__(self, scope: Any) -> None:
        self.scope = scope

    async def __call__(self, receive: Any, send: Any) -> None:
        await asgi_app(self.scope, receive, send)


class ASGIObject:
    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await asgi_app(scope, receive, send)

    async def method(self, scope: Any, receive: Any, send: Any) -> None:
        await asgi_app(scope, receive, send)


class WSGIObject:
    def __call__(self, environ: Any, start_response: Any, *, timeout: float = 1.0) -> Any:
        return wsgi_app(environ, start_response)

    def method(self, environ: Any, start_response: Any) -> Any:
        return wsgi_app(environ, start_response)


class WSGIClass:
    """PEP 3333's own example of an app that is a class."""

    def __init__(self, environ: Any, start_response: Any) -> None:
        self.body = wsgi_app(environ, start_response)

    def __iter__(self) -> Any:
        yield from self.body


def decorated(app: Any) -> Any:
    """As decorators do it: a function of any arguments that says what it wraps."""

    @functools.wraps(app)
    def outer(*args: Any) -> Any:
        return app(*args)

    return outer


def configured(setting: str, environ: Any, start_response: Any) -> Any:
    return wsgi_app(environ, start_response)


async def configured_async(setting: str, scope: Any, receive: Any, send: Any) -> None:
    await asgi_app(scope, receive, send)


APPS = {
    "asgi": [
        asgi_app,
        double_callable,
        DoubleCallableClass,
        ASGIObject(),
        ASGIObject().method,
        functools.partial(configured_async, "x"),
    ],
    "wsgi": [
        wsgi_app,
        WSGIObject(),
        WSGIObject().method,
        WSGIClass,
        functools.partial(configured, "x"),
        decorated(wsgi_app),
    ],
}


@pytest.mark.parametrize(("kind", "app"), [(kind, app) for kind, apps in APPS.items() for app in apps])
def test_finds_out_what_it_was_given(kind: str, app: Any, make_recorder: Callable[..., reqcov.Recorder]) -> None:
    """Functions, methods, classes, objects, partials and decorated ones, of either kind, are served and recorded."""
    sink = reqcov.MemorySink()
    wrapped = reqcov.wrap(app, recorder=make_recorder(sinks=[sink]))
    assert type(wrapped) is getattr(reqcov, kind).CoverageMiddleware
    assert get(kind, wrapped, "/x").text == "served"
    assert [(record.context, record.status) for record in sink.records] == [("GET /x", 200)]


@pytest.mark.parametrize("app", [lambda *args: None, lambda a, b, c, d: None, lambda: None, print])
def test_refuses_what_could_be_either(app: Any) -> None:
    """Then the user has to say it, and is told how; and no recorder has been made."""
    with pytest.raises(reqcov.ConfigError) as raised:
        reqcov.wrap(app)
    assert "reqcov.wsgi.CoverageMiddleware(app) or reqcov.asgi.CoverageMiddleware(app)" in str(raised.value)


@pytest.mark.parametrize("app", [None, "shop:app", types.ModuleType("shop"), 3])
def test_refuses_what_is_no_app(app: Any) -> None:
    """A module or a name is a likely mistake, and gets its own message."""
    with pytest.raises(reqcov.ConfigError, match=r"can't be called, so it is no app"):
        reqcov.wrap(app)


def test_marks_of_asgiref_win() -> None:
    """An app that says what it is, is believed."""

    def single(*args: Any) -> Any: ...

    def double(*args: Any) -> Any: ...

    single._asgi_single_callable = True  # type: ignore[attr-defined]
    double._asgi_double_callable = True  # type: ignore[attr-defined]
    assert [protocol(single), protocol(double)] == ["asgi", "asgi"]


@pytest.mark.parametrize("kind", KINDS)
def test_disabled_hands_the_app_back(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same object comes back, whatever the options are, and nothing is installed (the autouse fixture looks)."""
    monkeypatch.setenv("REQCOV_DISABLED", "1")
    app = make_app(kind, lambda: b"")
    assert reqcov.wrap(app, source=["no_such_package"]) is app
    assert getattr(reqcov, kind).CoverageMiddleware(app, core="no such core") is app


@pytest.mark.parametrize("kind", KINDS)
def test_takes_the_options_of_a_recorder(kind: str) -> None:
    """What is no recorder's option is refused, what is one is used."""
    sink = reqcov.MemorySink()
    with pytest.raises(TypeError, match="sauce"):
        reqcov.wrap(make_app(kind, lambda: b""), sauce=["x"])

    def handler() -> bytes:
        return b"ran"

    for make in (reqcov.wrap, getattr(reqcov, kind).CoverageMiddleware):
        sink.records.clear()
        wrapped = make(make_app(kind, handler), include=[__file__], sinks=[sink])
        get(kind, wrapped)
        wrapped.recorder.close()
        assert [record.lines for record in sink.records] == [{__file__: {first_line(handler)}}]


@pytest.mark.parametrize("wrapper", [reqcov.wrap, reqcov.asgi.CoverageMiddleware, reqcov.wsgi.CoverageMiddleware])
def test_a_recorder_and_options_are_too_much(wrapper: Any, make_recorder: Callable[..., reqcov.Recorder]) -> None:
    """The options would change nothing, so they are refused."""
    with pytest.raises(reqcov.ConfigError, match="not both: source, sample would change nothing"):
        wrapper(asgi_app, recorder=make_recorder(), source=["shop"], sample=0)


def test_apps_share_a_recorder(make_recorder: Callable[..., reqcov.Recorder]) -> None:
    """One recorder serves apps of both kinds, jobs too, and counts them together."""
    sink = reqcov.MemorySink()
    recorder = make_recorder(sinks=[sink])
    for kind in KINDS:
        get(kind, reqcov.wrap(make_app(kind, lambda: b""), recorder=recorder), f"/{kind}")
    with recorder.record("nightly"):
        pass
    assert [record.context for record in sink.records] == ["GET /wsgi", "GET /asgi", "nightly"]
    assert recorder.stats().seen == 3


def script(kind: str, key: str) -> Callable[[Any], str | None]:
    """A `route` function that tells what it was asked about."""
    return lambda request: f"/by-hand{request[key]}" if request[key] != "/nothing" else None


@pytest.mark.parametrize(("kind", "key"), [("wsgi", "PATH_INFO"), ("asgi", "path")])
def test_route_option(kind: str, key: str, make_recorder: Callable[..., reqcov.Recorder]) -> None:
    """The user's function gets environ or scope and has the last word; None is no route."""
    sink = reqcov.MemorySink()
    app = reqcov.wrap(make_app(kind, lambda: b""), recorder=make_recorder(route=script(kind, key), sinks=[sink]))
    for path in ("/a/1", "/nothing"):
        get(kind, app, path)
    assert [record.context for record in sink.records] == ["GET /by-hand/a/1", "GET (unmatched)"]


@pytest.mark.parametrize("kind", KINDS)
def test_paths_without_templates(kind: str, make_recorder: Callable[..., reqcov.Recorder]) -> None:
    """Identifiers collapse, the query string is nowhere, and the path stays as it was."""
    sink = reqcov.MemorySink()
    app = reqcov.wrap(make_app(kind, lambda: b""), recorder=make_recorder(sinks=[sink]))
    get(kind, app, "/orders/17/lines?secret=1", method="POST")
    [record] = sink.records
    assert (record.context, record.path) == ("POST /orders/{id}/lines", "/orders/17/lines")
    assert "secret" not in repr(record.to_dict())


def not_found(kind: str) -> Any:
    """An app that knows no path."""
    if kind == "wsgi":

        def wsgi_not_found(environ: Any, start_response: Any) -> list[bytes]:
            start_response("404 Not Found", [("Content-Length", "0")])
            return []

        return wsgi_not_found

    async def asgi_not_found(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 404, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    return asgi_not_found


@pytest.mark.parametrize("kind", KINDS)
def test_what_matched_nothing_is_one_bucket_per_method(
    kind: str, make_recorder: Callable[..., reqcov.Recorder]
) -> None:
    """A scanner that is answered with 404 makes no templates up."""
    sink = reqcov.MemorySink()
    app = reqcov.wrap(not_found(kind), recorder=make_recorder(sinks=[sink]))
    for method, path in [("GET", "/wp-admin"), ("GET", "/.env"), ("POST", "/login.php")]:
        get(kind, app, path, method=method)
    assert {record.context for record in sink.records} == {"GET (unmatched)", "POST (unmatched)"}
    assert {record.route for record in sink.records} == {None}


def loaded_after(code: str, tmp_path: Path) -> set[str]:
    """The modules that are there after `code` has run in a new process."""
    done = subprocess.run(
        [sys.executable, "-c", f"import sys\n{code}\nprint('\\n'.join(sys.modules))"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return set(done.stdout.split())


FRAMEWORKS = {"flask", "django", "starlette", "fastapi", "werkzeug", "greenlet", "gevent", "httpx"}


def test_importing_reqcov_imports_next_to_nothing(tmp_path: Path) -> None:
    """No framework, and neither coverage.py nor asgiref, before something is used."""
    modules = loaded_after("import reqcov", tmp_path)
    assert "reqcov" in modules
    assert not modules & (FRAMEWORKS | {"coverage", "asgiref", "asyncio"})


def test_wrapping_loads_no_framework(tmp_path: Path) -> None:
    """A framework that is not loaded can't have made the app."""
    code = "import reqcov\ndef app(environ, start_response): ...\nreqcov.wrap(app).recorder.close()"
    assert not loaded_after(code, tmp_path) & FRAMEWORKS


@pytest.mark.parametrize(
    ("code", "allowed"),
    [
        ("import flask; app = flask.Flask('x')", {"flask", "werkzeug"}),
        ("import starlette.applications; app = starlette.applications.Starlette()", {"starlette"}),
        ("import fastapi; app = fastapi.FastAPI()", {"fastapi", "starlette", "httpx"}),
    ],
)
def test_wrapping_an_app_of_a_framework_loads_no_other(code: str, allowed: set[str], tmp_path: Path) -> None:
    """Only the adapter of the app's own framework is loaded."""
    modules = loaded_after(f"import reqcov\n{code}\nreqcov.wrap(app).recorder.close()", tmp_path)
    assert not modules & (FRAMEWORKS - allowed)
    adapters = {name for name in modules if name.startswith("reqcov.adapters.")}
    assert adapters <= {f"reqcov.adapters.{name}" for name in allowed}
    assert adapters


def test_public_names() -> None:
    """Everything that is promised is there, and nothing else is made up."""
    for name in reqcov.__all__:
        assert getattr(reqcov, name) is not None
    with pytest.raises(AttributeError, match="module 'reqcov' has no attribute 'Wrap'"):
        reqcov.Wrap  # type: ignore[attr-defined]
