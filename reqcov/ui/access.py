"""Who may see the live pages: by a token, as the user's own function says, or anybody."""

from __future__ import annotations

import hashlib
import hmac
import inspect
import re
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any, Protocol
from urllib.parse import urlsplit

from reqcov.errors import ConfigError
from reqcov.types import Environ
from reqcov.ui.exchange import Answer, Request, redirect
from reqcov.ui.plain import plain

Auth = Callable[[Environ], bool]

SHORTEST = 16
"""Characters of a token: nobody guesses these, however fast."""

LOOPBACK = ("localhost", "127.0.0.1", "[::1]")

HOST = re.compile(r"(\[[0-9a-fA-F:.]+\]|[\w.-]+)(:\d{0,5})?", re.ASCII)


class Access(Protocol):
    """Lets requests in, or not."""

    def refuse(self, request: Request) -> Answer | None:
        """What is answered instead of a page; None for those who may see it."""


def access(auth: Auth | None, token: str | None, insecure: bool) -> Access:
    """The one that was asked for. Raises ConfigError where that is not exactly one, or unusable."""
    if (auth is not None) + (token is not None) + bool(insecure) != 1:
        raise ConfigError(
            "Say who may see the pages: give either auth= (a function from the environ to True or False), "
            "token=, or insecure=True for everybody."
        )
    if token is not None:
        if not isinstance(token, str) or len(token) < SHORTEST:
            raise ConfigError(
                f"token must be a text of at least {SHORTEST} characters; python -c 'import secrets; "
                "print(secrets.token_urlsafe())' makes a good one."
            )
        return ByToken(token)
    if auth is not None:
        if not callable(auth) or is_coroutine_function(auth):
            raise ConfigError(
                f"auth must be a plain function from the environ to True or False, and no coroutine function; "
                f"{auth!r} is not."
            )
        return ByFunction(auth)
    return Everybody()


def is_coroutine_function(function: Any) -> bool:
    """Whether calling it gives what is true whatever it would come to."""
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__)


class Everybody:
    """Lets everybody in."""

    def refuse(self, request: Request) -> Answer | None:  # noqa: ARG002
        """Nobody."""
        return None


class ByFunction:
    """Asks the user's function."""

    def __init__(self, auth: Auth) -> None:
        self._auth = auth

    def refuse(self, request: Request) -> Answer | None:
        """Who is not let in. Raises TypeError where the function does not say so plainly."""
        admitted = self._auth(request.environ)
        if not isinstance(admitted, bool):
            raise TypeError(f"auth must return True or False, not {type(admitted).__name__}")
        if admitted:
            return None
        return plain(request, HTTPStatus.FORBIDDEN, "You are not allowed to see these pages.")


class ByToken:
    """Asks for a token: in a header, in the query, by a form; and then for the cookie that says it was right.

    The cookie is made of the token, so that each worker knows it, and does not tell the token.
    """

    def __init__(self, token: str) -> None:
        self._key = token.encode()
        self._right = hashlib.sha256(self._key).digest()
        # Cookies don't tell ports apart: by its name, that of another server on this machine is left alone.
        self.cookie_name = f"reqcov_{self._made('name')[:8]}"
        self._cookie = self._made("cookie")

    def _made(self, purpose: str) -> str:
        return hmac.new(self._key, f"reqcov {purpose}".encode(), hashlib.sha256).hexdigest()

    def _is_right(self, given: bytes) -> bool:
        """In a time that tells nothing of the token, nor how long it is."""
        return hmac.compare_digest(hashlib.sha256(given).digest(), self._right)

    def refuse(self, request: Request) -> Answer | None:
        """Who brings neither the token nor the cookie. Who has just signed in is sent to the page itself."""
        asked = request.asked("token")
        if asked is not None and self._is_right(asked):
            return self._signed_in(request)
        form = request.form() if request.method == "POST" and not self._knows(request) else {}
        if "token" in form:
            if not same_origin(request):
                return plain(request, HTTPStatus.FORBIDDEN, "This form was sent from another site; sign in here.")
            if self._is_right(form["token"].encode()):
                return self._signed_in(request)
            return self._sign_in(request, "That is not the token; look again where the server was started.")
        if self._knows(request):
            return None
        if asked is not None:
            return self._sign_in(request, "The token in this link is not, or no longer, the right one.")
        return self._sign_in(request, "These pages ask for the token that their server was started with.")

    def _knows(self, request: Request) -> bool:
        kind, _, given = (request.header("Authorization") or "").partition(" ")
        if kind.lower() == "bearer" and self._is_right(given.strip().encode("latin-1", "replace")):
            return True
        return hmac.compare_digest(request.cookie(self.cookie_name).encode("latin-1", "replace"), self._cookie.encode())

    def _signed_in(self, request: Request) -> Answer:
        return redirect(request.without("token"), request.set_cookie(self.cookie_name, self._cookie, "Lax"))

    def _sign_in(self, request: Request, text: str) -> Answer:
        challenge = ("WWW-Authenticate", 'Bearer realm="reqcov"')
        return plain(request, HTTPStatus.UNAUTHORIZED, text, challenge, template="sign-in.html")


def known_hosts(hosts: Iterable[str] | None, insecure: bool) -> frozenset[str] | None:
    """Names that the Host header may have, in small letters; None for any. Raises ConfigError for what is no name."""
    if hosts is None:
        return frozenset(LOOPBACK) if insecure else None
    if isinstance(hosts, str):
        raise ConfigError(f"hosts must be a list of names; write hosts=[{hosts!r}].")
    names = [name.lower() for name in hosts]
    for name in names:
        if host_name(name) != name or ":" in name.partition("]")[2] or (":" in name and not name.startswith("[")):
            raise ConfigError(f"{name!r} in hosts is no name; write 'example.com' or '[::1]', without port and path.")
    return frozenset(names)


def host_name(host: str) -> str | None:
    """The name in a Host header, in small letters and without the port; None where there is none."""
    found = HOST.fullmatch(host)
    return found[1].lower().removesuffix(".") if found else None


def refuse_host(request: Request, hosts: frozenset[str] | None) -> Answer | None:
    """What is answered to a Host header that is not ours: a name that somebody has made to lead here, say."""
    if hosts is None or host_name(request.header("Host") or "") in hosts:
        return None
    return plain(
        request,
        HTTPStatus.MISDIRECTED_REQUEST,
        f"These pages are known as {', '.join(sorted(hosts))} only; ask for one of these, "
        "or name yours in hosts= where the pages are made.",
    )


def refuse_other_sites(request: Request) -> Answer | None:
    """What is answered where a page of another site asks, unless somebody follows a link."""
    if request.header("Sec-Fetch-Site") not in ("cross-site", "same-site"):
        return None
    followed = request.header("Sec-Fetch-Mode") == "navigate" and request.header("Sec-Fetch-Dest") == "document"
    if followed and request.method in ("GET", "HEAD"):
        return None
    return plain(request, HTTPStatus.FORBIDDEN, "Another site may link to these pages, but not use them.")


def same_origin(request: Request) -> bool:
    """Whether a form was sent by one of our pages, or by no browser."""
    site, origin = request.header("Sec-Fetch-Site"), request.header("Origin")
    if site is not None:
        return site in ("same-origin", "none")
    try:
        return origin is None or urlsplit(origin).netloc.lower() == (request.header("Host") or "").lower() != ""
    except ValueError:
        return False
