"""Flask: views, a class-based view, hooks, streamed bodies, error pages; installed as an extension."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flask import Blueprint, Flask, Response, abort, jsonify, request, stream_with_context
from flask.views import MethodView

import reqcov
from reqcov.adapters.flask import ReqCov
from tests.apps.shapes import SHAPES, branches, shout
from tests.calls import Request
from tests.oracle import App, gate

nested = Blueprint("nested", __name__, url_prefix="/nested")


@nested.get("/<int:n>")
@shout
def nested_view(n: int) -> str:
    return branches(n)


@nested.before_request
def before_nested() -> None:
    if request.args.get("deny"):
        gate.wait()
        abort(403)


class Thing(MethodView):
    def get(self, n: int) -> Any:
        gate.wait()
        return jsonify(n=n, squares=[i * i for i in range(n)])

    def post(self, n: int) -> Any:
        data = request.get_json()
        gate.wait()
        if "name" not in data:
            return {"error": "no name"}, 400
        return {"name": data["name"], "n": n}, 201


def lines(n: int) -> Iterator[str]:
    yield "begin"
    gate.wait()
    for i in range(n):
        if i % 2:
            yield f"{request.path} {i}"
    try:
        yield "end"
    finally:
        n = 0


def make() -> Flask:
    app = Flask(__name__)
    app.register_blueprint(nested)
    app.add_url_rule("/things/<int:n>", view_func=Thing.as_view("thing"))
    app.add_url_rule("/lambda/<int:n>", "lambda", lambda n: gate.wait() or str(n))

    @app.before_request
    def begin() -> None:
        if request.method == "POST":
            request.environ["begun"] = True

    @app.after_request
    def end(response: Response) -> Response:
        if response.status_code >= 400:
            response.headers["X-Sorry"] = "yes"
        return response

    @app.teardown_request
    def down(error: BaseException | None) -> None:
        if error is not None:
            request.environ["failed"] = error

    @app.get("/warm")
    def warm() -> str:
        return "warm"

    @app.get("/shapes/<name>/<int:n>")
    def shape(name: str, n: int) -> str:
        return repr(SHAPES[name](n))

    @app.get("/streamed/<int:n>")
    def streamed(n: int) -> Response:
        return Response(stream_with_context(lines(n)), mimetype="text/plain")

    @app.get("/broken/<int:n>")
    def broken(n: int) -> str:
        gate.wait()
        raise LookupError(n)

    @app.errorhandler(404)
    def missing(error: Exception) -> tuple[str, int]:
        gate.wait()
        return "nothing here", 404

    @app.errorhandler(ZeroDivisionError)
    def divided(error: Exception) -> tuple[str, int]:
        return "never divide", 418

    @app.get("/divide/<int:n>")
    def divide(n: int) -> str:
        gate.wait()
        return str(1 // (n - 1))

    return app


def install(app: Flask, recorder: reqcov.Recorder) -> Flask:
    ReqCov(app, recorder=recorder)
    return app


JSON = {"Content-Type": "application/json"}

APP = App(
    protocol="wsgi",
    source=["tests.apps"],
    make=make,
    install=install,
    warm_up=[Request("/warm")],
    requests=[
        *(Request(f"/shapes/{name}/{n}") for name, n in zip(SHAPES, [4, 5, 3, 6] * 4, strict=False)),
        Request("/nested/3"),
        Request("/nested/7"),
        Request("/nested/3", query="deny=1", status=403),
        Request("/things/3"),
        Request("/things/3", method="POST", body='{"name": "a"}', headers=JSON, status=201),
        Request("/things/3", method="POST", body="{}", headers=JSON, status=400),
        Request("/lambda/3"),
        Request("/streamed/0"),
        Request("/streamed/4"),
        Request("/broken/1", status=500),
        Request("/divide/1", status=418),
        Request("/divide/2"),
        Request("/nowhere", status=404),
    ],
)
