"""WSGI without a framework: bodies that are lists, generators and objects with `close()`, and errors in all of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.apps.shapes import SHAPES
from tests.calls import Request
from tests.oracle import App, gate


class Body:
    """An iterable with a length and a `close()`."""

    def __init__(self, n: int) -> None:
        self.n = n
        self.closed = False

    def __len__(self) -> int:
        return self.n

    def __iter__(self) -> Iterator[bytes]:
        for i in range(self.n):
            yield str(i).encode()

    def close(self) -> None:
        if self.n > 2:
            self.n = 0
        self.closed = True


def streamed(n: int) -> Iterator[bytes]:
    yield b"first"
    gate.wait()
    for i in range(n):
        if i % 2:
            yield b"odd"
        else:
            yield b"even"
    if n > 3:
        raise ValueError("in the middle of the body")


def app(environ: dict[str, Any], start_response: Any) -> Any:
    _, kind, *rest = environ["PATH_INFO"].split("/")
    n = int(rest[-1]) if rest else 0
    if kind == "warm":
        start_response("200 OK", [])
        return []
    if kind == "shapes":
        text = repr(SHAPES[rest[0]](n))
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [text.encode()]
    if kind == "streamed":
        write = start_response("200 OK", [])
        if n % 2:
            write(b"written")
        return streamed(n)
    gate.wait()
    if kind == "body":
        start_response("200 OK", [])
        return Body(n)
    if kind == "echo":
        text = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
        start_response("201 Created", [])
        return (text.upper(), b"end")
    if kind == "broken":
        raise LookupError(kind)
    start_response("404 Not Found", [])
    return [b"nothing here"]


APP = App(
    protocol="wsgi",
    source=["tests.apps"],
    make=lambda: app,
    warm_up=[Request("/warm")],
    requests=[
        *(Request(f"/shapes/{name}/{n}") for name in SHAPES for n in (3, 6)),
        Request("/streamed/2"),
        Request("/streamed/5", status=None),
        Request("/body/3"),
        Request("/echo/1", method="POST", body="hello", status=201),
        Request("/broken/1", status=None),
        Request("/nowhere/1", status=404),
    ],
)
