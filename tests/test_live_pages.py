"""The live pages by name, on real servers: what is there, what is not, methods, caching."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

import reqcov
import reqcov.ui
from reqcov.analysis.view import Chosen
from reqcov.cli.options import view_of
from reqcov.reports.html.site import Site
from reqcov.store.reading import reading
from reqcov.ui.exchange import Answer
from reqcov.ui.exchange import Request as Asked
from tests.live import PATIENCE, TOKEN, filled, served
from tests.servers import exchange


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return filled(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def port(store: Path) -> Iterator[int]:
    with served(reqcov.ui.app(store, insecure=True)) as port:
        yield port


@pytest.fixture
def client(port: int) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE) as client:
        yield client


def test_every_name(client: httpx.Client, store: Path) -> None:
    """What a folder would hold is served under the same name, to the byte, and as what it is."""
    utf8 = "; charset=utf-8"
    kinds = {".html": f"text/html{utf8}", ".js": f"text/javascript{utf8}", ".css": f"text/css{utf8}"}
    with view_of(store, Chosen()) as view, reading(store) as reader:
        site = Site(view, stamp=reader.stamp(), live=True)
        names = list(site.names())
        assert {"index.html", "data/requests.js", "assets/style.css"} < set(names)
        for name in names:
            answer = client.get(f"/{name}")
            assert answer.status_code == 200
            assert answer.content == site.render(name), name
            assert answer.headers["Content-Type"] == (kinds | {".svg": "image/svg+xml"})[Path(name).suffix]
    assert client.get("/").content == client.get("/index.html").content


def test_below_a_prefix(store: Path) -> None:
    """Without its slash a link would lead elsewhere, so the browser is sent there; the query goes along."""
    app = reqcov.ui.mount(lambda environ, start_response: [], "/deep/reqcov/", reqcov.ui.app(store, insecure=True))
    with served(app) as port, httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE) as client:
        answer = client.get("/deep/reqcov?route=x%20y")
        assert (answer.status_code, answer.headers["Location"]) == (303, "./reqcov/?route=x%20y")
        assert client.get("/deep/reqcov?route=x", follow_redirects=True).status_code == 200
        assert client.get("/deep/reqcov/routes.html").status_code == 200
        assert '"../assets/style.css"' in client.get("/deep/reqcov/no/such.html").text


def test_the_prefix_is_all_of_a_name(store: Path) -> None:
    """What only begins like it, and all else, is the app's; so is a prefix that is none."""

    def shop(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        return [f"{environ['SCRIPT_NAME']} {environ['PATH_INFO']}".encode()]

    app = reqcov.ui.mount(shop, "reqcov", reqcov.ui.app(store, insecure=True))
    with served(app) as port, httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE) as client:
        for path in ("/", "/reqcovers", "/a/reqcov/"):
            assert client.get(path).text == f" {path}"
    with pytest.raises(reqcov.ConfigError, match="prefix"):
        reqcov.ui.mount(shop, "/", shop)
    with pytest.raises(reqcov.ConfigError):
        reqcov.ui.mount("shop", "/reqcov", shop)


@pytest.mark.parametrize("root", ["", "/api", "/api/"])
def test_asgi_with_a_root_path(root: str, store: Path) -> None:
    """Servers that are told a prefix give it in `root_path`, and with the path or without."""

    async def shop(scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] != "http"

    app = reqcov.ui.mount(shop, "/reqcov", reqcov.ui.app(store, insecure=True))
    for before in {"", root.rstrip("/")}:

        async def server(scope: Any, receive: Any, send: Any, before: str = before) -> None:
            if scope["type"] == "http":
                scope = {**scope, "root_path": root, "path": before + scope["path"]}
            await app(scope, receive, send)

        with (
            served(server, "asgi") as port,
            httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE) as client,
        ):
            assert client.get("/reqcov/routes.html").status_code == 200
            assert client.get("/reqcov").headers["Location"] == "./reqcov/"


SECRET = "secret of the machine"

PATHS = [
    b"/../secret.txt",
    b"/../../../../../../../../etc/passwd",
    b"/assets/../../secret.txt",
    b"/assets/../index.html",
    b"/%2e%2e/secret.txt",
    b"/%2e%2e%2fsecret.txt",
    b"/assets/%2e%2e%2f%2e%2e%2fsecret.txt",
    b"/..%5csecret.txt",
    b"/..\\secret.txt",
    b"/%252e%252e%252fsecret.txt",
    b"/..%c0%afsecret.txt",
    b"/..%ef%bc%8fsecret.txt",
    b"//secret.txt",
    b"//etc/passwd",
    b"/{folder}/secret.txt",
    b"{folder}/secret.txt",
    b"/file:{folder}/secret.txt",
    b"/index.html%00",
    b"/%00",
    b"/secret.txt%00.html",
    b"/assets/",
    b"/assets",
    b"/assets/style.css/",
    b"/./index.html",
    b"/INDEX.HTML",
    b"/index.html%20",
    b"/index.html;x",
    b"/route/",
    b"/route/..",
    b"/file/../file",
    b"/\xff\xfe",
    b"/%ff%fe",
    b"/%ed%a0%80",
    b"/" + b"a" * 5_000,
    b"/" + b"../" * 1_000,
    b"/{{7*7}}",
    b"/<script>alert(1)</script>",
]


@pytest.mark.parametrize("kind", ["wsgi", "asgi"])
def test_traversal(kind: str, store: Path) -> None:
    """Names that are none are not found, however they are written: nothing else is read, and nothing is echoed."""
    folder = store.parent
    (folder / "secret.txt").write_text(SECRET)
    pages = reqcov.ui.app(store, insecure=True)
    with served(pages if kind == "wsgi" else reqcov.ui.as_asgi(pages), kind) as port:
        for path in PATHS:
            path = path.replace(b"{folder}", str(folder).encode())
            answer = exchange(port, b"GET " + path + b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            status, _, rest = answer.partition(b"\r\n")
            assert status.split()[1] in (b"404", b"400"), (path, status)
            assert SECRET.encode() not in rest
            assert b"root:" not in rest
            assert b"Traceback" not in rest
            assert b"<script>alert" not in rest
            assert b"49" not in rest.rpartition(b"\r\n\r\n")[2]


def test_not_found(client: httpx.Client) -> None:
    """A page that says so, and leads back."""
    answer = client.get("/route/no-such-page.html")
    assert answer.status_code == 404
    assert "There is no such page" in answer.text
    assert 'href="../"' in answer.text


@pytest.mark.parametrize("name", ["", "index.html", "data/requests.js", "data/now.json", "assets/style.css", "none"])
def test_head(name: str, client: httpx.Client) -> None:
    """The same headers, and no body."""
    got, head = client.get(f"/{name}"), client.head(f"/{name}")
    assert head.status_code == got.status_code
    assert head.content == b""
    moving = {"date", "etag"} if name == "data/now.json" else {"date"}
    assert {key: value for key, value in head.headers.items() if key not in moving} == {
        key: value for key, value in got.headers.items() if key not in moving
    }


def test_head_leaves_the_body_out_by_itself(store: Path) -> None:
    """Not every server does that for an app."""
    environ = {"REQUEST_METHOD": "HEAD", "PATH_INFO": "/", "HTTP_HOST": "localhost"}
    assert b"".join(reqcov.ui.app(store, insecure=True)(environ, lambda status, headers: None)) == b""


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND", "X" * 100])
@pytest.mark.parametrize("name", ["", "data/now.json", "assets/style.css", "store.html", "none"])
def test_other_methods(method: str, name: str, port: int) -> None:
    """Pages can be looked at, nothing else."""
    head = f"{method} /{name} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    answer = exchange(port, head.encode())
    assert answer.startswith(b"HTTP/1.1 405")
    assert b"\r\nAllow: GET, HEAD\r\n" in answer


def test_not_modified(client: httpx.Client) -> None:
    """What the browser has is not sent again; what has changed is."""
    for name in ("", "data/requests.js", "assets/style.css"):
        first = client.get(f"/{name}")
        tag = first.headers["ETag"]
        assert first.headers["Cache-Control"] == "private, no-cache"
        for known in (tag, f"W/{tag}", f'"other", {tag}', "*"):
            again = client.get(f"/{name}", headers={"If-None-Match": known})
            assert (again.status_code, again.content) == (304, b"")
            assert again.headers["ETag"] == tag
        for known in ('"other"', "", tag.strip('"'), '"*"'):
            assert client.get(f"/{name}", headers={"If-None-Match": known}).content == first.content
    assert client.get("/none", headers={"If-None-Match": "*"}).status_code == 404


def test_tags_tell_pages_apart(client: httpx.Client) -> None:
    """Two pages have never the same, also where they are equally long."""
    sent: list[tuple[str, str]] = []
    for body in (b"one", b"two"):
        Answer(body=body).send(Asked({"REQUEST_METHOD": "GET"}), lambda status, headers: sent.extend(headers))
    assert len({value for name, value in sent if name == "ETag"}) == 2
    names = ("index.html", "routes.html", "files.html", "data/requests.js", "assets/style.css")
    assert len({client.get(f"/{name}").headers["ETag"] for name in names}) == len(names)


@pytest.mark.parametrize(
    "query",
    [
        b"?",
        b"&&==&",
        b"%",
        b"%zz=%",
        b"route=%00",
        b"a=%ff",
        b"x" * 5_000,
        b"<script>alert(1)</script>",
        b"token=",
        b"done=reset",
    ],
)
def test_queries(query: bytes, port: int, client: httpx.Client) -> None:
    """Choices are the business of scripts: whatever they are, the page is the same."""
    answer = exchange(port, b"GET /?" + query + b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200")
    assert answer.endswith(client.get("/").content)


@pytest.mark.parametrize("missing", ["jinja2", "pygments"])
def test_without_what_they_are_made_with(missing: str, tmp_path: Path) -> None:
    """The import says what to install, and so does the command; a server that only records needs none of it."""
    blocked = f"import sys; sys.modules[{missing!r}] = None"
    tries = {
        "import reqcov.ui": "ImportError: The live pages need a few more packages: pip install 'request-coverage[ui]'",
        "from reqcov.cli import main; sys.argv = ['reqcov', 'serve']; main()": "pip install 'request-coverage[cli]'",
    }
    for code, says in tries.items():
        done = subprocess.run(
            [sys.executable, "-c", f"{blocked}; {code}"], cwd=tmp_path, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 1
        assert says in done.stderr.splitlines()[-1]
    recording = f"{blocked}; import reqcov; reqcov.Recorder(store='store.sqlite3').close()"
    subprocess.run([sys.executable, "-c", recording], cwd=tmp_path, check=True, timeout=60)


ODD = (b"//evil.example/%2f..", b"/\\evil.example", b"/javascript:x", b"/%0d%0aX:%20y", b"/\xc3\xa9.html")


@pytest.mark.parametrize("kind", ["wsgi", "asgi"])
def test_redirects_lead_to_no_other_server(kind: str, store: Path) -> None:
    """Whatever was asked for: where to is relative, and in letters that every server can send."""
    pages = reqcov.ui.app(store, token=TOKEN)
    app = pages if kind == "wsgi" else reqcov.ui.as_asgi(pages)
    token = TOKEN.replace(" ", "+").encode()
    with served(app, kind) as port:
        for path in (
            b"//evil.example/%2f..",
            b"/\\evil.example",
            b"/javascript:x",
            b"/%0d%0aX:%20y",
            b"/\xc3\xa9.html",
        ):
            asked = path + b"?a=%0d%0ab&token=" + token
            if kind == "wsgi":
                asked += b"&c=\xc3\xa9"
            answer = exchange(port, b"GET " + asked + b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            if answer.startswith(b"HTTP/1.1 400"):  # servers refuse bytes that are none of a URL
                continue
            found = re.search(rb"\r\n[Ll]ocation: (.*?)\r\n", answer)
            assert found, answer
            assert re.fullmatch(rb"\./[^/\\\r\n]*\?a=%0d%0ab(&c=%C3%A9)?", found[1]), found[1]


@pytest.mark.parametrize("kind", ["wsgi", "asgi"])
@pytest.mark.parametrize("prefix", ["/data", "/assets"])
def test_prefixes_that_are_called_like_folders_of_ours(prefix: str, kind: str, store: Path) -> None:
    """What is below the prefix is taken from the path once."""
    own = not_there if kind == "wsgi" else not_there_in_asgi
    app = reqcov.ui.mount(own, prefix, reqcov.ui.app(store, insecure=True))
    with served(app, kind) as port, httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE) as client:
        for name in ("", "data/now.json", "assets/style.css"):
            assert client.get(f"{prefix}/{name}").status_code == 200, name


def not_there(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    start_response("404 Not Found", [])
    return []


async def not_there_in_asgi(scope: Any, receive: Any, send: Any) -> None:
    assert scope["type"] != "http"


@pytest.mark.parametrize("before", ["", "/api"])
def test_behind_a_proxy_and_below_a_framework(before: str, store: Path) -> None:
    """Proxies leave the prefix that the server was told in the path, or take it away; frameworks mount in both."""
    api = Starlette(routes=[Mount("/reqcov", reqcov.ui.as_asgi(reqcov.ui.app(store, insecure=True)))])

    async def server(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            scope = {**scope, "root_path": "/api", "path": before + scope["path"]}
        await api(scope, receive, send)

    with served(server, "asgi") as port, httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE) as client:
        for name in ("", "data/now.json", "assets/style.css"):
            assert client.get(f"/reqcov/{name}").status_code == 200, name


def asked(app: Any, *, query: bytes = b"", headers: Any = (), body: Iterator[bytes] | None = None) -> Any:
    """The messages that answer one request to an ASGI app, of a server that passes on all it is sent."""
    sent = []

    async def receive() -> Any:
        part = next(body, None) if body else None
        return {"type": "http.request", "body": part or b"", "more_body": part is not None}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/",
        "query_string": query,
        "headers": [(b"host", b"x"), *headers],
    }
    asyncio.run(app({**scope, "http_version": "2", "scheme": "https"}, receive, send))
    return sent


def test_cookies_over_http2(store: Path) -> None:
    """There each may come in a header of its own."""
    pages = reqcov.ui.as_asgi(reqcov.ui.app(store, token=TOKEN))
    token = TOKEN.replace(" ", "+").encode()
    headers = dict(asked(pages, query=b"token=" + token)[0]["headers"])
    cookie = headers[b"set-cookie"].partition(b";")[0]
    for cookies in ([cookie], [b"a=1", cookie], [cookie, b"a=1"]):
        assert asked(pages, headers=[(b"cookie", each) for each in cookies])[0]["status"] == 405, "signed in"
    assert asked(pages, headers=[(b"cookie", b"a=1")])[0]["status"] == 401


def test_queries_that_are_no_text(store: Path) -> None:
    """Some servers pass them on as they are."""
    pages = reqcov.ui.as_asgi(reqcov.ui.app(store, token=TOKEN))
    assert asked(pages, query=b"q=\xff\xfe")[0]["status"] == 401


def test_bodies_are_not_kept(store: Path) -> None:
    """Nobody has to be let in to send one that does not end."""
    parts = iter([b"x" * 1_000] * 1_000)
    assert asked(reqcov.ui.as_asgi(reqcov.ui.app(store, token=TOKEN)), body=parts)[0]["status"] == 401
    assert len(list(parts)) > 900


def test_who_leaves_while_asking(store: Path) -> None:
    """That is no fault of the app's: nothing is raised, and nothing answered."""
    pages = reqcov.ui.as_asgi(reqcov.ui.app(store, token=TOKEN))
    messages = iter([{"type": "http.request", "body": b"token=", "more_body": True}, {"type": "http.disconnect"}])

    async def receive() -> Any:
        return next(messages)

    async def send(message: Any) -> None:
        raise AssertionError(message)

    scope = {"type": "http", "method": "POST", "path": "/", "query_string": b"", "headers": []}
    asyncio.run(pages({**scope, "http_version": "1.1", "scheme": "http"}, receive, send))
