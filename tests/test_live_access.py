"""Who may see the live pages: each attempt is made on a real server, by a real client or byte by byte."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

import reqcov
import reqcov.ui
from tests.live import PATIENCE, TOKEN, filled, served
from tests.servers import exchange

COOKIE = "reqcov_"
NAMES = ("", "index.html", "routes.html", "data/now.json", "data/requests.js", "no-such-page.html", "store.html")
"""Of pages, scripts, and what is not there: who is not let in learns nothing of that."""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return filled(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def port(store: Path) -> Iterator[int]:
    """Of a server whose pages ask for a token."""
    with served(reqcov.ui.app(store, token=TOKEN)) as port:
        yield port


@pytest.fixture(scope="module")
def open_port(store: Path) -> Iterator[int]:
    """Of a server that lets everybody in."""
    with served(reqcov.ui.app(store, insecure=True)) as port:
        yield port


@pytest.fixture
def client(port: int) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE) as client:
        yield client


@pytest.fixture
def visitor(open_port: int) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"http://127.0.0.1:{open_port}", timeout=PATIENCE) as client:
        yield client


def signed_in(client: httpx.Client) -> httpx.Client:
    assert client.get("/", params={"token": TOKEN}).status_code == 303
    return client


# -- options ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"auth": None, "token": None, "insecure": False},
        {"token": TOKEN, "insecure": True},
        {"auth": lambda environ: True, "token": TOKEN},
        {"auth": lambda environ: True, "insecure": True},
        {"token": ""},
        {"token": "x" * 15},
        {"token": b"x" * 40},
        {"auth": "a name"},
        {"insecure": True, "hosts": "localhost"},
        {"insecure": True, "hosts": ["localhost:8000"]},
        {"insecure": True, "hosts": ["http://localhost"]},
        {"insecure": True, "hosts": [""]},
    ],
    ids=lambda options: "+".join(options) or "nothing",
)
def test_refuses_to_be_made(options: dict[str, Any], tmp_path: Path) -> None:
    """Without saying plainly who may see the pages there are none."""
    with pytest.raises(reqcov.ConfigError):
        reqcov.ui.app(tmp_path / "store.sqlite3", **options)


class Coroutine:
    async def __call__(self, environ: dict[str, Any]) -> bool:
        return False


async def coroutine(environ: dict[str, Any]) -> bool:
    return False


@pytest.mark.parametrize("auth", [coroutine, Coroutine(), Coroutine().__call__])
def test_coroutine_functions_are_refused(auth: Any, tmp_path: Path) -> None:
    """What calling them gives is true, whatever they would say."""
    with pytest.raises(reqcov.ConfigError, match="coroutine"):
        reqcov.ui.app(tmp_path / "store.sqlite3", auth=auth)


def test_url_of_a_store(tmp_path: Path) -> None:
    """As everywhere: a path or an URL, and of no other kind."""
    store = filled(tmp_path)
    with served(reqcov.ui.app(f"sqlite:///{store}", insecure=True)) as port:
        assert httpx.get(f"http://127.0.0.1:{port}/", timeout=PATIENCE).status_code == 200
    with pytest.raises(reqcov.ConfigError, match="sqlite"):
        reqcov.ui.app("postgresql://somewhere/else", insecure=True)


# -- the token ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "OPTIONS", "PROPFIND"])
def test_without_a_token(name: str, method: str, client: httpx.Client) -> None:
    """Whatever is asked for, there or not, the answer is the form to sign in, and says nothing else."""
    answer = client.request(method, f"/{name}")
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="reqcov"'
    assert "Set-Cookie" not in answer.headers
    assert answer.headers["Cache-Control"] == "no-store"
    if method != "HEAD":
        assert 'type="password"' in answer.text
        assert "orders" not in answer.text


WRONG = [
    "",
    " ",
    TOKEN[:-1],
    TOKEN + "x",
    TOKEN.upper(),
    f" {TOKEN}",
    "x" * 100_000,
    "correct horse batterý",
    "\x00" + TOKEN,
    TOKEN + "\x00",
    "\udcff" * 16,
]


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: ascii(wrong[:24]))
def test_wrong_tokens(wrong: str, client: httpx.Client) -> None:
    """Shorter, longer, not ASCII, not even text: none is let in, by whichever way it comes."""
    raw = wrong.encode("utf-8", "surrogateescape")
    quoted = "".join(f"%{byte:02x}" for byte in raw)
    tries = [
        client.get(f"/?token={quoted}") if len(raw) < 10_000 else client.get(f"/?token={'x' * 10_000}"),
        client.post("/", content=b"token=" + quoted.encode(), headers=FORM),
        client.get("/", headers={"Cookie": f"{cookie_name(client)}={quoted[:3000]}"}),
    ]
    if wrong.isascii() and wrong.isprintable() and wrong == wrong.strip() != "":
        tries.append(client.get("/", headers={"Authorization": f"Bearer {wrong[:3000]}"}))
    for answer in tries:
        assert answer.status_code == 401
        assert "Set-Cookie" not in answer.headers
        assert 'type="password"' in answer.text


FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def cookie_name(client: httpx.Client) -> str:
    [(name, _)] = signed_in(client).cookies.items()
    client.cookies.clear()
    return name


@pytest.mark.parametrize("scheme", ["Basic", "Token", "Bearer Bearer", "Bearer,"])
def test_other_schemes(scheme: str, client: httpx.Client) -> None:
    """The token counts as a bearer's only."""
    assert client.get("/", headers={"Authorization": f"{scheme} {TOKEN}"}).status_code == 401


def test_header(client: httpx.Client) -> None:
    """Scripts bring the token with each request, and need no cookie."""
    for scheme in ("Bearer", "bearer"):
        answer = client.get("/data/now.json", headers={"Authorization": f"{scheme} {TOKEN}"})
        assert answer.status_code == 200
        assert set(answer.json()) == {"stamp", "last_seen", "now"}
        assert "Set-Cookie" not in answer.headers


def test_link(client: httpx.Client) -> None:
    """A link with the token sets a cookie and leads to the same page, its choices kept, without the token."""
    asked = "/routes.html?route=GET+%2Forders%26x&token=correct+horse%20battery&label=a%3Db"
    answer = client.get(asked)
    assert (answer.status_code, answer.headers["Location"]) == (
        303,
        "./routes.html?route=GET+%2Forders%26x&label=a%3Db",
    )
    assert answer.headers["Cache-Control"] == "no-store"
    set_cookie = answer.headers["Set-Cookie"]
    assert set_cookie.split("; ")[1:] == ["Path=/", "HttpOnly", "SameSite=Lax"]
    assert TOKEN not in set_cookie
    assert client.get("/routes.html").status_code == 200
    assert client.get("/?token=wrong").status_code == 200, "who is in stays in"


def test_form(client: httpx.Client) -> None:
    """The form leads to the page that was asked for."""
    answer = client.post("/routes.html?route=x", data={"token": TOKEN})
    assert (answer.status_code, answer.headers["Location"]) == (303, "./routes.html?route=x")
    assert client.get("/routes.html").status_code == 200
    assert client.post("/", data={"token": TOKEN}).status_code == 405, "who is in has no such form"


@pytest.mark.parametrize("headers", [{"Origin": "https://evil.example"}, {"Origin": "null"}, {"Origin": "http://["}])
def test_form_of_another_site(headers: dict[str, str], client: httpx.Client) -> None:
    """Nobody is signed in by a page of somebody else."""
    answer = client.post("/", data={"token": TOKEN}, headers=headers)
    assert answer.status_code == 403
    assert "Set-Cookie" not in answer.headers


def test_forms_that_are_none(client: httpx.Client) -> None:
    """Too long, of another kind, or not to be read: there is no token in them."""
    long = {"token": TOKEN, "filling": "x" * 20_000}
    assert client.post("/", data=long).status_code == 401
    assert client.post("/", content=json.dumps({"token": TOKEN})).status_code == 401
    assert client.post("/", files={"token": TOKEN.encode()}).status_code == 401
    assert client.post("/", content=b"token=%ff\xff", headers=FORM).status_code == 401
    assert client.post("/", content=b"&&=&" * 100, headers=FORM).status_code == 401


def test_cookie(client: httpx.Client, store: Path) -> None:
    """It is not the token, is made of that alone, and is of no use where the token is another."""
    [(name, value)] = signed_in(client).cookies.items()
    assert re.fullmatch("[0-9a-f]{64}", value)
    with served(reqcov.ui.app(store, token=TOKEN)) as port:
        same = httpx.get(f"http://127.0.0.1:{port}/", headers={"Cookie": f"{name}={value}"}, timeout=PATIENCE)
        assert same.status_code == 200, "another worker"
    with served(reqcov.ui.app(store, token=TOKEN + "2")) as port, httpx.Client(timeout=PATIENCE) as other:
        url = f"http://127.0.0.1:{port}/"
        assert other.get(url, headers={"Cookie": f"{name}={value}"}).status_code == 401
        other.get(url, params={"token": TOKEN + "2"})
        [other_name] = other.cookies
        assert other_name != name, "servers of one machine share a jar"
        assert other.get(url, headers={"Cookie": f"{other_name}={value}"}).status_code == 401
        assert other.get(url, headers={"Cookie": f"a=b; {name}=x; {other_name}={other.cookies[other_name]}"}).is_success


def test_cookie_over_https_and_below_a_prefix(store: Path) -> None:
    """It goes back over https only if it came by that, and to the pages only."""
    pages = reqcov.ui.app(store, token=TOKEN)

    def behind_tls(environ: dict[str, Any], start_response: Any) -> Any:
        return pages({**environ, "wsgi.url_scheme": "https"}, start_response)

    app = reqcov.ui.mount(lambda environ, start_response: [], "/deep/réqcov", behind_tls)
    with served(app) as port:
        answer = httpx.get(f"http://127.0.0.1:{port}/deep/réqcov/", params={"token": TOKEN}, timeout=PATIENCE)
    flags = answer.headers["Set-Cookie"].split("; ")[1:]
    assert flags == ["Path=/deep/r%C3%A9qcov", "HttpOnly", "SameSite=Lax", "Secure"]


# -- the user's own function --------------------------------------------------------------------------------------


def test_auth(store: Path) -> None:
    """It is asked each time, and gets the environ."""
    with served(reqcov.ui.app(store, auth=lambda environ: environ.get("HTTP_X_USER") == "ann")) as port:
        url = f"http://127.0.0.1:{port}/"
        assert httpx.get(url, headers={"X-User": "ann"}, timeout=PATIENCE).status_code == 200
        for name in NAMES:
            assert httpx.get(url + name, headers={"X-User": "bob"}, timeout=PATIENCE).status_code == 403
        assert httpx.get(url, params={"token": "x"}, timeout=PATIENCE).status_code == 403


def fails(environ: dict[str, Any]) -> bool:
    raise LookupError("secret of the app")


@pytest.mark.parametrize("auth", [fails, lambda environ: "yes", lambda environ: 1, lambda environ: None])
def test_auth_that_does_not_say(auth: Any, store: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Whoever can't be told from others is not let in; the log says why, the page does not."""
    with served(reqcov.ui.app(store, auth=auth)) as port:
        answer = httpx.get(f"http://127.0.0.1:{port}/", timeout=PATIENCE)
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert "Traceback" not in answer.text
    assert "LookupError" in caplog.text or "auth must return True or False" in caplog.text


# -- names of hosts -----------------------------------------------------------------------------------------------


def asked_as(port: int, host: bytes | None) -> int:
    """The status of an answer to a request with that Host header."""
    line = b"" if host is None else b"Host: " + host + b"\r\n"
    return int(exchange(port, b"GET / HTTP/1.1\r\n" + line + b"Connection: close\r\n\r\n")[9:12])


@pytest.mark.parametrize(
    "host", [b"localhost", b"LOCALHOST:80", b"127.0.0.1", b"127.0.0.1:1", b"[::1]:80", b"localhost."]
)
def test_hosts_of_this_machine(host: bytes, open_port: int) -> None:
    """Known by any port: tunnels end elsewhere."""
    assert asked_as(open_port, host) == 200


@pytest.mark.parametrize(
    "host",
    [
        None,
        b"",
        b"evil.example",
        b"evil.example:80",
        b"localhost.evil.example",
        b"evil.example#localhost",
        b"evil.example\\@localhost",
        b"localhost@evil.example",
        b"localhost, evil.example",
        b"127.0.0.1.nip.io",
        b"127.1",
        b"0.0.0.0",
        b"[::ffff:127.0.0.1]",
        b"localhost:80:80",
        b"localhost:http",
        b"l\xc3\xb6calhost",
        b"[::1",
        b"'\"<script>",
    ],
)
def test_hosts_of_somebody_else(host: bytes | None, open_port: int) -> None:
    """A name that somebody has made to lead here tells him nothing."""
    assert asked_as(open_port, host) == 421


def test_refusal_of_a_host_says_what_to_do(open_port: int) -> None:
    """It names what would be right, and shows nothing of what was wrong."""
    answer = httpx.get(f"http://127.0.0.1:{open_port}/", headers={"Host": "evil.example"}, timeout=PATIENCE)
    assert "hosts=" in answer.text
    assert "localhost" in answer.text
    assert "evil" not in answer.text


def test_hosts_that_were_given(store: Path) -> None:
    """They replace those of this machine, with a token, too."""
    for options in ({"insecure": True}, {"token": TOKEN}):
        with served(reqcov.ui.app(store, hosts=["Cov.example", "[2001:db8::1]"], **options)) as port:
            good = 200 if "insecure" in options else 401
            assert [asked_as(port, host) for host in (b"cov.example:8", b"[2001:DB8::1]", b"localhost")] == [
                good,
                good,
                421,
            ]


def test_any_host_with_a_token(port: int) -> None:
    """Unless names are given: who knows the token may come by any."""
    assert asked_as(port, b"cov.example") == 401


# -- other sites --------------------------------------------------------------------------------------------------


def fetched(site: str, mode: str = "no-cors", dest: str = "script") -> dict[str, str]:
    return {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": mode, "Sec-Fetch-Dest": dest}


@pytest.mark.parametrize("name", ["", "data/requests.js", "data/now.json"])
@pytest.mark.parametrize("site", ["cross-site", "same-site"])
@pytest.mark.parametrize(
    ("mode", "dest"),
    [
        ("no-cors", "script"),
        ("no-cors", "image"),
        ("cors", "empty"),
        ("navigate", "iframe"),
        ("navigate", "frame"),
        ("navigate", "object"),
        ("websocket", "empty"),
    ],
)
def test_other_sites_include_nothing(name: str, site: str, mode: str, dest: str, visitor: httpx.Client) -> None:
    """No script with data, no frame, no picture, also where everybody may see the pages."""
    answer = visitor.get(f"/{name}", headers=fetched(site, mode, dest))
    assert answer.status_code == 403
    assert "orders" not in answer.text


def test_other_sites_may_link(visitor: httpx.Client) -> None:
    """Following a link is a navigation of the whole window; sending a form is not that."""
    headers = fetched("cross-site", "navigate", "document")
    assert visitor.get("/routes.html", headers=headers).status_code == 200
    assert visitor.post("/routes.html", headers=headers).status_code == 403


@pytest.mark.parametrize("site", ["same-origin", "none"])
def test_own_scripts(site: str, visitor: httpx.Client) -> None:
    """Pages load what belongs to them."""
    assert visitor.get("/data/requests.js", headers=fetched(site)).status_code == 200


ALWAYS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


@pytest.mark.parametrize(
    "ask",
    [
        lambda client: client.get("/"),
        lambda client: client.get("/data/requests.js"),
        lambda client: client.get("/data/now.json"),
        lambda client: client.get("/assets/style.css"),
        lambda client: client.get("/no-such-page.html"),
        lambda client: client.post("/"),
        lambda client: client.get("/", headers={"Host": "evil.example"}),
        lambda client: client.get("/", headers=fetched("cross-site")),
        lambda client: client.get("/", headers={"If-None-Match": "*"}),
    ],
    ids=["page", "script", "json", "style", "404", "405", "421", "403", "304"],
)
def test_headers(ask: Callable[[httpx.Client], httpx.Response], visitor: httpx.Client) -> None:
    """Nobody frames the pages, runs a script of his own in them, or guesses at what they are; whatever the answer."""
    answer = ask(visitor)
    assert {name: answer.headers.get(name) for name in ALWAYS} == ALWAYS


def test_headers_of_those_who_are_not_in(client: httpx.Client) -> None:
    """The form and the redirect have them, too."""
    for answer in (client.get("/"), client.get("/", params={"token": TOKEN})):
        assert {name: answer.headers.get(name) for name in ALWAYS} == ALWAYS
