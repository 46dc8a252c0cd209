"""httpbin, a Flask app of many small endpoints, measured as its own project."""

from __future__ import annotations

from typing import Any

from httpbin.core import app

from tests.calls import Request
from tests.oracle import App, gate


def make() -> Any:
    app.wsgi_app = gate.before_wsgi(app.wsgi_app)
    return app


JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
BASIC = {"Authorization": "Basic dTpw"}  # u:p

# `/` is left out: what it serves depends on flasgger, and not on every interpreter the same version is installed.
APP = App(
    protocol="wsgi",
    source=["httpbin"],
    make=make,
    warm_up=[Request("/html")],
    requests=[
        Request("/get", query="a=1&a=2&b=3"),
        Request("/anything/else", method="PUT", body="not json"),
        Request("/post", method="POST", body='{"a": [1, 2]}', headers=JSON),
        Request("/post", method="POST", body="a=1&b=2", headers=FORM),
        Request("/headers", headers={"Accept": "text/plain"}),
        Request("/user-agent", headers={"User-Agent": "oracle"}),
        Request("/gzip"),
        Request("/deflate"),
        Request("/redirect/3", status=302),
        Request("/absolute-redirect/1", status=302),
        Request("/redirect-to", query="url=/get&status_code=307", status=307),
        Request("/stream/3"),
        Request("/status/418", status=418),
        Request("/status/404", status=404),
        Request("/response-headers", query="X-A=1&X-A=2"),
        Request("/cookies/set", query="a=1", status=302),
        Request("/cookies", headers={"Cookie": "a=1"}),
        Request("/basic-auth/u/p", headers=BASIC),
        Request("/basic-auth/u/p", status=401),
        Request("/bearer", headers={"Authorization": "Bearer token"}),
        Request("/digest-auth/auth/u/p", status=401),
        Request("/drip", query="duration=0&numbytes=3&delay=0"),
        Request("/base64/aGVsbG8="),
        Request("/cache", headers={"If-None-Match": "x"}, status=304),
        Request("/etag/here", headers={"If-None-Match": '"here"'}, status=304),
        Request("/bytes/5", query="seed=1"),
        Request("/stream-bytes/20", query="seed=1&chunk_size=7"),
        Request("/range/20", headers={"Range": "bytes=3-7"}, status=206),
        Request("/links/3/1"),
        Request("/image", headers={"Accept": "image/png"}),
        Request("/image", headers={"Accept": "text/plain"}, status=406),
        Request("/xml"),
        Request("/nowhere", status=404),
    ],
)
