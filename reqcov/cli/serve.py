"""`reqcov serve`."""

from __future__ import annotations

import errno
import ipaddress
import secrets
import signal
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from reqcov.analysis.view import Chosen
from reqcov.cli.options import store_option, tests_option, view_of
from reqcov.errors import ConfigError, StoreError
from reqcov.reports.text import say

PORT = 8765

THREADS = 8


@click.command("serve")
@store_option
@click.option("--host", default="127.0.0.1", show_default=True, help="Name or address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=PORT,
    show_default=True,
    help="Port to listen on; 0 for any that is free.",
)
@click.option(
    "--token",
    envvar="REQCOV_TOKEN",
    help="What who wants to see the pages has to know; better put into REQCOV_TOKEN.  [default: a random one]",
)
@click.option("--insecure", is_flag=True, help="Ask for no token: everybody on this machine may see the pages.")
@click.option("--actions", is_flag=True, help="Let those who see the pages also empty, prune and copy the store.")
@tests_option(required=False)
@click.option("--test-runs", is_flag=True, help="Let test runners tell when tests begin, and how they end.")
def command(
    store: Path,
    host: str,
    port: int,
    token: str | None,
    insecure: bool,
    actions: bool,
    tests: tuple[str, ...],
    test_runs: bool,
) -> None:
    """Serve the live pages of the store.

    They show what is in the store now, and refresh by themselves. The token is part of the address that is printed, and
    is kept by the browser. Servers that write to the store need not be stopped.

    With --tests, the page of gaps says what requests run and tests do not, and all pages show the code of this folder,
    as tests ran it.
    """
    if insecure and token is not None:
        raise click.UsageError("--insecure asks for no token; leave out --insecure, or --token and REQCOV_TOKEN.")
    if insecure and not is_loopback(host):
        raise click.UsageError(f"--insecure would show the pages to everybody who reaches {host}; use a token.")
    from reqcov.ui import app

    if token is None and not insecure:
        token = secrets.token_urlsafe()
    pages = app(store, token=token, insecure=insecure, actions=actions, tests=tests, test_runs=test_runs)
    server = listening(pages, host, port)
    try:
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C does: waitress ends in good order
        try:
            # Shows how far it has come, where there is much that nobody has read yet.
            with view_of(store, Chosen(), current=bool(tests)):
                pass
            pages.prepare()
        except StoreError as error:
            say(f"{error} The pages will be there then.")
        say(f"Serving {store} at {address(server, host)}{f'?token={quote(token)}' if token else ''}")
        say("Ctrl-C ends it.")
        server.run()
    except KeyboardInterrupt:
        pass
    finally:
        server.close()


def is_loopback(host: str) -> bool:
    """Whether nobody reaches `host` from another machine."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def listening(pages: Any, host: str, port: int) -> Any:
    """A server that listens, and does not serve yet. Raises ConfigError where it can't."""
    from waitress import create_server

    from reqcov.ui.exchange import LONGEST_BODY

    options = {"threads": THREADS, "ident": None, "max_request_body_size": LONGEST_BODY}
    try:
        return create_server(pages, host=host.strip("[]"), port=port, **options)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise ConfigError(f"Port {port} of {host} is in use; take another one with --port, or 0.") from error
        raise ConfigError(f"{host}, port {port}, can't be listened on: {error}; take others.") from error
    except ValueError as error:  # waitress finds no address of that name
        raise ConfigError(f"{host!r} is no name or address of this machine; take another --host.") from error


def address(server: Any, host: str) -> str:
    """The URL of the pages, as seen from this machine."""
    listen = getattr(server, "effective_listen", None)  # of a name with several addresses
    port = listen[0][1] if listen else server.effective_port
    try:
        ip = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return f"http://{host}:{port}/"
    if ip.is_unspecified:
        ip = ipaddress.ip_address("127.0.0.1" if ip.version == 4 else "::1")
    return f"http://[{ip}]:{port}/" if ip.version == 6 else f"http://{ip}:{port}/"
