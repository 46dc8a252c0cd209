"""Fills stores by real recorders, and reads them by the real command."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import io
import json
import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import reqcov
from reqcov.analysis.view import Chosen, View
from reqcov.cli.commands import reqcov as reqcov_command
from reqcov.store.model import Batch, HitKey, Tally
from reqcov.store.reading import reading
from reqcov.store.sqlite import SQLiteStore
from tests.calls import Request, call_asgi, call_wsgi
from tests.load.big_store import writer
from tests.oracle import App

NOW = 1_790_000_000.0


@dataclass(frozen=True)
class Answered:
    """What a command said."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def run(*arguments: object) -> Answered:
    """Run `reqcov` in this process, as in a pipe."""
    out, err = io.StringIO(), io.StringIO()
    status = 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            reqcov_command([str(argument) for argument in arguments], prog_name="reqcov")
        except SystemExit as exit_:
            status = exit_.code if isinstance(exit_.code, int) else int(exit_.code is not None)
    return Answered(status, out.getvalue(), err.getvalue())


@contextlib.contextmanager
def recorded(store: Path, **options: Any) -> Iterator[tuple[reqcov.Recorder, list[reqcov.RequestRecord]]]:
    """A recorder that writes to `store`, and a list of the records that it wrote."""
    memory = reqcov.MemorySink()
    with reqcov.Recorder(store=store, sinks=[memory], **options) as recorder:
        yield recorder, memory.records


def record_app(store: Path, app: App, **options: Any) -> list[reqcov.RequestRecord]:
    """Send an app its requests, one after the other; returns what was recorded of them."""
    with recorded(store, source=app.source, **options) as (recorder, records):
        target = app.install(app.make(), recorder)
        for request in [*app.warm_up, *app.requests]:
            if app.protocol == "wsgi":
                call_wsgi(target, request)
            else:
                asyncio.run(call_asgi(target, request))
    return records


class Project:
    """A package `shop` in a folder of its own, which is deployed and asked."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = folder / "reqcov.sqlite3"

    def deploy(self, **modules: str) -> None:
        """Put these texts in place of the modules of these names."""
        (self.folder / "shop").mkdir(exist_ok=True)
        for name, text in modules.items():
            (self.folder / "shop" / f"{name}.py").write_text(text)

    def ask(self, *paths: str, **options: Any) -> list[reqcov.RequestRecord]:
        """Start the server anew, send it requests to `shop.web.app`, and stop it; returns what was recorded."""
        importlib.invalidate_caches()
        with recorded(self.store, source=[str(self.folder / "shop")], **options) as (recorder, records):
            app = reqcov.wrap(importlib.import_module("shop.web").app, recorder=recorder)
            for path in paths:
                path, _, query = path.partition("?")
                call_wsgi(app, Request(path, query))
        for name in [name for name in sys.modules if name.partition(".")[0] == "shop"]:
            del sys.modules[name]
        return records

    def lines(self, path: str) -> dict[str, int]:
        """By their text, less what is around it, the numbers of the lines of a file; the last of equal ones."""
        text = (self.folder / path).read_text()
        return {line.strip(): number for number, line in enumerate(text.splitlines(), 1)}


@contextlib.contextmanager
def viewed(store: Path, **chosen: Any) -> Iterator[View]:
    """What was chosen from a store."""
    with reading(store) as reader:
        yield View.of(reader, Chosen(**chosen))


def add(
    store: Path, hits: Iterable[tuple[HitKey, int]], *, name: str = "1", last: float | None = None, **of_writer: Any
) -> None:
    """Write requests straight to a store; what they ran must be there already.

    The last ones came at `last`, in seconds since the epoch; without it, in the first minute of their day.
    """
    counted = {
        key: Tally(count, float(count), key.day * 86_400.0, last or key.day * 86_400.0 + 60) for key, count in hits
    }
    SQLiteStore(store).write(
        Batch(
            writer=writer(name, **of_writer),
            hits=counted,
            behaviours={},
            endpoints={},
            sources={},
            seen={},
            outside={},
        )
    )


def hit(route: str, footprint: str = "nothing", **values: Any) -> HitKey:
    """Requests to count."""
    usual = {"protocol": "http", "method": "GET", "status": 2, "labels": "", "day": 20_000}
    return HitKey(route=route, footprint=footprint, **{**usual, **values})


def without_bytecode(environ: dict[str, str]) -> dict[str, str]:
    """The environment of a process that reads what was just written."""
    return {**os.environ, **environ, "PYTHONDONTWRITEBYTECODE": "1"}
