"""What is asked of the live pages, and what they answer."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from urllib.parse import parse_qsl, quote, unquote_to_bytes

from reqcov.types import Environ

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)

ALWAYS = (
    ("Content-Security-Policy", POLICY),
    ("X-Frame-Options", "DENY"),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
)
"""Headers of every answer, whatever was asked."""

LONGEST_BODY = 16_384
"""Bytes; no form of ours is longer, nor the name of a test, however it is written."""

TESTS = "tests"
"""What programs ask for that run tests, and what is below that."""

HTML = "text/html; charset=utf-8"
JSON = "application/json"


class Request:
    """One request."""

    def __init__(self, environ: Environ) -> None:
        prefix, path = environ.get("SCRIPT_NAME", ""), environ.get("PATH_INFO", "")
        self.environ = environ
        self.method: str = environ["REQUEST_METHOD"]
        self.prefix: str = quote(prefix.rstrip("/"), encoding="latin-1")
        """The part of the URL below which the pages are mounted."""
        self.path: str = path or ("" if prefix else "/")
        """Below that; empty where the slash behind the prefix is missing."""
        self.query: str = environ.get("QUERY_STRING", "")

    @property
    def name(self) -> str | None:
        """Of the page that is asked for; None where it can't be one."""
        try:
            path = self.path.encode("latin-1").decode("utf-8")
        except UnicodeError:
            return None
        return (path[1:] or "index.html") if path.startswith("/") else None

    @property
    def root(self) -> str:
        """Relative URL of the first page."""
        return "../" * (self.path.count("/") - 1) or "./"

    @property
    def by_program(self) -> bool:
        """Whether it is answered in JSON, whatever comes of it."""
        return f"{self.path}/".startswith(f"/{TESTS}/")

    @property
    def content_type(self) -> str:
        """Of the body, without parameters; empty where it was not told."""
        kind: str = self.environ.get("CONTENT_TYPE", "")
        return kind.partition(";")[0].strip().lower()

    def header(self, name: str) -> str | None:
        """The value of a header; None where it was not sent."""
        value: str | None = self.environ.get("HTTP_" + name.upper().replace("-", "_"))
        return value

    def cookie(self, name: str) -> str:
        """The value of a cookie; empty where it was not sent."""
        for pair in (self.header("Cookie") or "").split(";"):
            key, _, value = pair.strip().partition("=")
            if key == name:
                return value
        return ""

    def set_cookie(self, name: str, value: str, same_site: str) -> tuple[str, str]:
        """The header for a cookie that no script sees, and that lasts until the browser is closed."""
        secure = "; Secure" if self.environ.get("wsgi.url_scheme") == "https" else ""
        path = self.prefix or "/"
        return "Set-Cookie", f"{name}={value}; Path={path}; HttpOnly; SameSite={same_site}{secure}"

    def asked(self, name: str) -> bytes | None:
        """The value of the first parameter of that name in the query."""
        for pair in self.query.split("&"):
            key, equals, value = pair.partition("=")
            if key == name and equals:
                return unquote_to_bytes(value.replace("+", " "))
        return None

    def without(self, name: str) -> str:
        """A relative URL of the same page, with the same query but for that parameter."""
        rest = "&".join(pair for pair in self.query.split("&") if pair and pair.partition("=")[0] != name)
        return relative(quote(self.path.rpartition("/")[2], encoding="latin-1"), rest)

    def with_slash(self) -> str:
        """A relative URL of the folder that the pages are mounted as, with the same query."""
        return relative(self.prefix.rpartition("/")[2] + "/", self.query)

    def body(self) -> bytes | None:
        """What was sent along, and of what is too long one byte more than may be; None where it may have no end."""
        length: str = self.environ.get("CONTENT_LENGTH") or ""
        if not length.isdecimal() and not self.environ.get("wsgi.input_terminated"):
            return None
        size = min(int(length), LONGEST_BODY + 1) if length.isdecimal() else LONGEST_BODY + 1
        body: bytes = self.environ["wsgi.input"].read(size)
        return body

    def form(self) -> dict[str, str]:
        """The fields of a form; none where there is no form, or one that can't be ours."""
        body = self.body() if self.content_type == "application/x-www-form-urlencoded" else None
        if body is None or len(body) > LONGEST_BODY:
            return {}
        try:
            return dict(parse_qsl(body.decode("ascii"), errors="strict", keep_blank_values=True))
        except ValueError:
            return {}


def relative(last: str, query: str) -> str:
    """The URL beside the one that was asked for, with `last` as its last part; it leads to no other server."""
    return f"./{last}" + (f"?{quote(query, safe=SAFE, encoding='latin-1')}" if query else "")


SAFE = "=&%+,;:/?@!$'()*~"
"""What a query may hold as it is."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What is sent back."""

    status: HTTPStatus = HTTPStatus.OK
    body: bytes = b""
    kind: str = HTML
    headers: tuple[tuple[str, str], ...] = ()

    def send(self, request: Request, start_response: Callable[..., object]) -> list[bytes]:
        """Send it, or only that nothing has changed where the browser has it already."""
        status, headers = self.status, [*ALWAYS, *self.headers]
        if status is HTTPStatus.OK and request.method in ("GET", "HEAD"):
            tag = f'"{hashlib.sha256(self.body).hexdigest()[:32]}"'
            headers += [("Cache-Control", "private, no-cache"), ("ETag", tag)]
            if fits(request.header("If-None-Match") or "", tag):
                start_response(line(HTTPStatus.NOT_MODIFIED), headers)
                return []
        else:
            headers.append(("Cache-Control", "no-store"))
        headers += [("Content-Type", self.kind), ("Content-Length", str(len(self.body)))]
        start_response(line(status), headers)
        return [] if request.method == "HEAD" else [self.body]


def line(status: HTTPStatus) -> str:
    """As WSGI has it."""
    return f"{status.value} {status.phrase}"


def fits(known: str, tag: str) -> bool:
    """Whether `tag` is among the tags of an If-None-Match header."""
    return known.strip() == "*" or tag in (each.strip().removeprefix("W/") for each in known.split(","))


def redirect(url: str, *headers: tuple[str, str]) -> Answer:
    """Go and ask for `url`, relative to what was asked for."""
    return Answer(status=HTTPStatus.SEE_OTHER, headers=(("Location", url), *headers))


def in_json(value: object, status: HTTPStatus = HTTPStatus.OK, *headers: tuple[str, str]) -> Answer:
    """What programs are told."""
    return Answer(status=status, body=json.dumps(value).encode(), kind=JSON, headers=headers)


def iso(moment: float | None) -> str | None:
    """As programs are told moments; in UTC."""
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds") if moment is not None else None
