"""A Flask app that its development server serves in test_servers.py."""

from __future__ import annotations

import os

import flask

from reqcov.adapters.flask import ReqCov
from tests.served import recorder_of

app = flask.Flask(__name__)
ReqCov(app, recorder=recorder_of(__file__))


@app.route("/pid")
def pid() -> str:
    return str(os.getpid())


@app.route("/plain/<who>")
def plain(who: str) -> str:
    return flask.request.method
