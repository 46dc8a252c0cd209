"""A project with an app, the store that its requests are recorded in, and the commands that read it."""

from __future__ import annotations

import importlib
import io
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple

import coverage
import pytest

import reqcov
from reqcov.analysis.source.code import parse
from reqcov.analysis.source.masks import numbers
from reqcov.cli.commands import reqcov as command
from reqcov.config import excluded
from reqcov.wsgi import CoverageMiddleware
from tests.calls import Request, call_wsgi
from tests.test_code import TORTURE

STRANGE = 'shop/über uns & <"mehr">.py'
"""A file whose name has a space, and characters that are no ASCII or mean something in XML."""

FILES = {
    "shop/__init__.py": "",
    "shop/cart.py": """\
import functools

LIMIT = 3


class Cart:
    def __init__(self, prices):
        self.prices = prices

    @property
    def total(self):
        total = 0
        for price in self.prices:
            if price > 1000:
                price = price * 9 // 10
            total += price
        return total

    @total.setter
    def total(self, total):
        raise AttributeError(
            "no",
        )

    def debug(self):  # pragma: no cover
        print(self.prices)


@functools.cache
def shipping(weight):
    if weight > LIMIT:
        return sum(
            step
            for step in range(weight)
        )
    return 0


label = lambda price: f"{price}"
""",
    STRANGE: "def about():\n    who = 'us'\n    return who\n\n\ndef never():\n    return 1\n",
    "shop/quiet.py": "def quiet():\n    return 1\n",
    "shop/constants.py": "ONE = 1\n",
    "torture.py": TORTURE,
}


class Said(NamedTuple):
    """What a command wrote."""

    stdout: str
    stderr: str


class Project:
    """The project in the current folder."""

    store = Path(".reqcov/reqcov.sqlite3")

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, name: str, text: str) -> None:
        """Deploy one file."""
        file = self.folder / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, "utf-8")

    def module(self, name: str) -> Any:
        """The file as it is now, imported."""
        dotted = name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        importlib.invalidate_caches()
        sys.modules.pop(dotted, None)
        return importlib.import_module(dotted)

    @contextmanager
    def served(self, **options: Any) -> Iterator[Callable[[str, Callable[[], object]], None]]:
        """A server; send it requests by route and what is to be run for it."""
        run: Callable[[], object]

        def app(environ: Any, start_response: Any) -> list[bytes]:
            run()
            start_response("200 OK", [])
            return [b""]

        def send(route: str, what: Callable[[], object]) -> None:
            nonlocal run
            run = what
            assert call_wsgi(measured, Request("/", headers={"Route": route})) == 200

        options = {"store": self.store, "source": [str(self.folder)], "build": "one"} | options
        recorder = reqcov.Recorder(route=lambda environ: environ["HTTP_ROUTE"], **options)
        measured = CoverageMiddleware(app, recorder=recorder)
        try:
            yield send
        finally:
            recorder.close()

    def reqcov(self, *arguments: str, status: int = 0) -> Said:
        """What the command says, as in a pipe."""
        out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8") for _ in range(2))
        with redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as ended:
            command(arguments, prog_name="reqcov")
        said = []
        for stream in (out, err):
            stream.seek(0)
            said.append(stream.read())
            stream.close()
        assert ended.value.code == status, said
        return Said(*said)

    def export(self, form: str, *arguments: str) -> str:
        """What is exported as text."""
        return self.reqcov("export", form, "-o", "-", *arguments).stdout

    def lines(self, *arguments: str) -> dict[str, dict[int, tuple[int, list[str]]]]:
        """By path and line, requests and routes."""
        files = json.loads(self.export("json", *arguments))["files"]
        return {
            file["path"]: {line["line"]: (line["requests"], line["routes"]) for line in file["lines"]} for file in files
        }

    @contextmanager
    def coverage(self, data_file: str = ".coverage") -> Iterator[coverage.Coverage]:
        """coverage.py with this data file, and this folder's configuration."""
        told = coverage.Coverage(data_file=data_file)
        told.load()
        try:
            yield told
        finally:
            if hasattr(told.get_data(), "close"):  # before coverage.py 7.11 nothing stays open
                told.get_data().close()

    def told(self, data_file: str = ".coverage") -> dict[str, dict[int, set[str]]]:
        """By path and function statement, the contexts that `coverage json --show-contexts` reports; none: missing."""
        with self.coverage(data_file) as reporter:
            reporter.json_report(outfile="told.json", show_contexts=True)
        files = json.loads(Path("told.json").read_text())["files"]
        return {name: self._statements(name, file) for name, file in files.items()}

    def _statements(self, name: str, file: Any) -> dict[int, set[str]]:
        code = parse(Path(name).read_text("utf-8"), excluded())
        found: dict[int, set[str]] = {number: set() for number in numbers(code.in_functions)}
        assert found.keys() <= {*file["executed_lines"], *file["missing_lines"]}
        for line, contexts in file["contexts"].items():
            first = code.translate(1 << int(line)).bit_length() - 1
            if first in found:
                found[first].update(contexts)
        assert {number for number, contexts in found.items() if contexts} == found.keys() & {*file["executed_lines"]}
        return found


@pytest.fixture(name="project")
def make_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    """A project with all of `FILES`."""
    modules = set(sys.modules)
    folder = tmp_path.resolve() / "shop"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    project = Project(folder)
    for name, text in FILES.items():
        project.write(name, text)
    yield project
    for name in set(sys.modules) - modules:
        del sys.modules[name]
