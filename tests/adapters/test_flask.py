"""The adapter for Flask."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import flask
import pytest
from flask.views import MethodView
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.test import Client

import reqcov
from reqcov.adapters.flask import ReqCov
from tests.adapters.contract import AdapterContract, Visit, lines_of
from tests.inprocess import get


def home() -> str:
    return "home"


def item(number: int) -> str:
    return f"item {number}"


def order(name: str) -> str:
    return f"order {name}"


def line(name: str, number: int) -> str:
    return f"line {number} of {name}"


def fails() -> str:
    raise LookupError("no such thing")


def gone() -> str:
    flask.abort(410)


def chunks() -> Iterator[str]:
    yield "one "
    yield "two"


def stream() -> flask.Response:
    return flask.Response(flask.stream_with_context(chunks()))


class Basket(MethodView):
    def get(self, number: int) -> str:
        return f"basket {number}"

    def post(self, number: int) -> str:
        return "filled"


async def coroutine() -> str:
    return "from a coroutine"


def make_site() -> flask.Flask:
    app = flask.Flask(__name__, static_folder=str(Path(__file__).parent), static_url_path="/files")
    app.add_url_rule("/", view_func=home)
    app.add_url_rule("/items/<int:number>", view_func=item)
    app.add_url_rule("/fails", view_func=fails)
    app.add_url_rule("/gone", view_func=gone)
    app.add_url_rule("/stream", view_func=stream)
    app.add_url_rule("/coroutine", view_func=coroutine)
    app.add_url_rule("/basket/<int:number>", view_func=Basket.as_view("basket"))
    shop = flask.Blueprint("shop", __name__, url_prefix="/shop")
    orders = flask.Blueprint("orders", __name__, url_prefix="/orders/<name>")
    orders.add_url_rule("/", view_func=order)
    orders.add_url_rule("/lines/<int:number>", view_func=line)
    shop.register_blueprint(orders)
    app.register_blueprint(shop)
    return app


class TestFlask(AdapterContract):
    kind = "wsgi"
    visits = [  # noqa: RUF012
        Visit("GET", "/", 200, "/", "home", (home,)),
        Visit("HEAD", "/", 200, "/", "home", (home,)),
        Visit("GET", "/items/7", 200, "/items/<int:number>", "item", (item,)),
        Visit("GET", "/items/seven", 404, None),
        Visit("POST", "/items/7", 405, None),
        Visit("GET", "/missing", 404, None),
        Visit("GET", "/shop/orders/a/", 200, "/shop/orders/<name>/", "order", (order,)),
        Visit("GET", "/shop/orders/a/lines/3", 200, "/shop/orders/<name>/lines/<int:number>", "line", (line,)),
        Visit("GET", "/fails", 500, "/fails", "fails", (fails,), "LookupError"),
        Visit("GET", "/gone", 410, "/gone", "gone", (gone,)),
        Visit("GET", "/stream", 200, "/stream", "stream", (stream, chunks)),
        Visit("GET", "/coroutine", 200, "/coroutine", "coroutine", (coroutine,)),
        Visit("GET", "/basket/1", 200, "/basket/<int:number>", "Basket", (Basket.get,)),
        Visit("POST", "/basket/1", 200, "/basket/<int:number>", "Basket", (Basket.post,)),
        Visit("GET", "/files/test_flask.py", 200, "/files/<path:filename>", "make_site.<locals>.<lambda>"),
    ]

    def bare(self) -> flask.Flask:
        return make_site()

    def install(self, app: flask.Flask, **options: Any) -> flask.Flask:
        ReqCov(app, **options)
        return app

    def close(self, app: Any) -> None:
        recorder = app.extensions["reqcov"].recorder if isinstance(app, flask.Flask) else app.recorder
        recorder.close()

    def check_untouched(self, app: flask.Flask) -> None:
        assert "wsgi_app" not in vars(app)
        assert "reqcov" not in app.extensions

    def file(self) -> str:
        return __file__

    def site(self, name: str) -> str:
        return "flask.app.Flask.__init__.<locals>.<lambda>" if "lambda" in name else super().site(name)


@pytest.fixture
def sink() -> reqcov.MemorySink:
    return reqcov.MemorySink()


@pytest.fixture
def recorder(sink: reqcov.MemorySink, make_recorder: Callable[..., reqcov.Recorder]) -> reqcov.Recorder:
    return make_recorder(include=[__file__], sinks=[sink])


def test_init_app_and_a_factory(recorder: reqcov.Recorder, sink: reqcov.MemorySink) -> None:
    """One extension serves any number of apps that are made later."""
    extension = ReqCov(recorder=recorder)
    apps = [make_site(), make_site()]
    for app in apps:
        extension.init_app(app)
        assert app.extensions["reqcov"] is extension
        assert get("wsgi", app, "/").text == "home"
    assert [record.route for record in sink.records] == ["/", "/"]


def test_the_test_client(recorder: reqcov.Recorder, sink: reqcov.MemorySink) -> None:
    """Flask's own client goes through the extension."""
    app = make_site()
    ReqCov(app, recorder=recorder)
    with app.test_client().get("/items/7") as response:
        assert response.text == "item 7"
    [record] = sink.records
    assert (record.context, record.lines) == ("GET /items/<int:number>", {__file__: lines_of(item)})


def test_the_test_client_of_a_testing_app(recorder: reqcov.Recorder, sink: reqcov.MemorySink) -> None:
    """In testing mode exceptions reach the client, and are recorded."""
    app = make_site()
    app.testing = True
    ReqCov(app, recorder=recorder)
    with pytest.raises(LookupError):
        app.test_client().get("/fails")
    assert [(record.route, record.error, record.status) for record in sink.records] == [("/fails", "LookupError", None)]


def test_before_request_that_answers(recorder: reqcov.Recorder, sink: reqcov.MemorySink) -> None:
    """Where a hook answers in place of the view, route and endpoint are still those that matched."""
    app = make_site()

    @app.before_request
    def closed() -> str:
        return "closed"

    ReqCov(app, recorder=recorder)
    assert get("wsgi", app, "/items/7").text == "closed"
    [record] = sink.records
    assert (record.route, record.endpoint) == ("/items/<int:number>", f"{__name__}.item")
    assert record.lines == {__file__: lines_of(closed)}


def test_mounted_under_a_prefix(recorder: reqcov.Recorder, sink: reqcov.MemorySink) -> None:
    """The prefix is part of template and path."""
    app = make_site()
    ReqCov(app, recorder=recorder)
    site = DispatcherMiddleware(flask.Flask("front"), {"/büro".encode().decode("latin-1"): app})
    with Client(site).get("/büro/items/7") as response:
        assert response.text == "item 7"
    assert [(record.route, record.path) for record in sink.records] == [("/büro/items/<int:number>", "/büro/items/7")]


def test_a_view_that_answers_to_any_name(recorder: reqcov.Recorder, sink: reqcov.MemorySink) -> None:
    """A mock has whatever attribute it is asked for; looking for its name comes to an end all the same."""
    app = make_site()
    view = Mock(return_value="mocked", methods=["GET"], required_methods=())
    app.add_url_rule("/mock", endpoint="mock", view_func=view)
    ReqCov(app, recorder=recorder)
    assert get("wsgi", app, "/mock").text == "mocked"
    assert [record.route for record in sink.records] == ["/mock"]


def test_signals_of_an_app_that_is_not_recorded(recorder: reqcov.Recorder, sink: reqcov.MemorySink) -> None:
    """An app beside a recorded one leaves no trace."""
    ReqCov(make_site(), recorder=recorder)
    assert get("wsgi", make_site(), "/").text == "home"
    assert sink.records == []
