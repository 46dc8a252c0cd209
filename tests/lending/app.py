"""The factory."""

from __future__ import annotations

from flask import Flask, Response


def create_app() -> Flask:
    from lending.web import pages

    app = Flask("lending")
    app.register_blueprint(pages)
    app.after_request(stamped)
    return configured(app)


def configured(app: Flask) -> Flask:
    app.config["TESTING"] = False
    return app


def stamped(response: Response) -> Response:
    response.headers["X-Library"] = "town"
    return response
