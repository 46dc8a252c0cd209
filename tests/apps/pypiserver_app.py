"""pypiserver with the bottle that it brings along, measured as its own project."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pypiserver

import reqcov
from tests.calls import Request
from tests.oracle import App, gate

FOLDER = Path("packages")
FOLDER.mkdir()
for name in ("alpha-1.0.tar.gz", "alpha-1.1.tar.gz", "beta-2.0-py3-none-any.whl", "notes.txt"):
    (FOLDER / name).write_bytes(name.encode())


def make() -> Any:
    return pypiserver.app(roots=[FOLDER.resolve()], password_file=".", authenticate=[], disable_fallback=True)


def install(app: Any, recorder: reqcov.Recorder) -> Any:
    return reqcov.wrap(gate.before_wsgi(app), recorder=recorder)


FORM = {"Content-Type": "application/x-www-form-urlencoded"}
MULTIPART = {"Content-Type": "multipart/form-data; boundary=border"}
SEARCH = (
    "<methodCall><methodName>search</methodName><params><param><value><struct><member><name>name</name><value>"
    "<string>alpha</string></value></member></struct></value></param></params></methodCall>"
)


def upload(name: str) -> str:
    return (
        '--border\r\nContent-Disposition: form-data; name=":action"\r\n\r\nfile_upload\r\n'
        f'--border\r\nContent-Disposition: form-data; name="content"; filename="{name}"\r\n\r\ncontent\r\n'
        "--border--\r\n"
    )


REQUESTS = [
    Request("/"),
    Request("/simple", status=301),
    Request("/simple/"),
    Request("/simple/alpha/"),
    Request("/simple/Alpha/", status=301),
    Request("/simple/gamma/", status=404),
    Request("/packages/"),
    Request("/packages/alpha-1.0.tar.gz"),
    Request("/packages/alpha-1.0.tar.gz", method="HEAD"),
    Request("/packages/alpha-1.0.tar.gz", headers={"Range": "bytes=2-4"}, status=206),
    Request("/packages/gamma-1.0.tar.gz", status=404),
    Request("/alpha/json"),
    Request("/gamma/json", status=404),
    Request("/beta", status=303),
    Request("/favicon.ico", status=404),
    Request("/RPC2", method="POST", body=SEARCH),
    Request("/RPC2", method="POST", body="no xml", status=400),
    Request("/", method="POST", body=":action=verify", headers=FORM),
    Request("/", method="POST", body=":action=remove_pkg&name=gamma&version=1", headers=FORM, status=404),
    Request("/", method="POST", body="nothing=", headers=FORM, status=400),
    Request("/", method="POST", body=upload("alpha-1.0.tar.gz"), headers=MULTIPART, status=409),
    Request("/", method="POST", body=upload("../alpha-1.0.tar.gz"), headers=MULTIPART, status=400),
    Request("/simple/alpha/", method="PATCH", status=405),
    Request("/no/where/at/all", status=404),
]

APP = App(
    protocol="wsgi",
    source=["pypiserver"],
    make=make,
    install=install,
    # Bottle compiles templates and routes when they are first used, and keeps them: every kind of request goes first.
    warm_up=REQUESTS,
    requests=REQUESTS,
)
