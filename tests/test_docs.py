"""Whatever README.md and docs/ show is run as it stands; the convention is told in CONTRIBUTING.md."""

from __future__ import annotations

import dataclasses
import doctest
import importlib
import importlib.metadata
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import reqcov
from reqcov.cli.commands import COMMANDS
from reqcov.config import Config
from tests import reference

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
TEXTS = [*PAGES, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"]

HOME = "/home/me/shop"
"""What pages show as the folder in which they are read."""
PORT = "8000"
"""What pages show as the port of a server."""
PATIENCE = 30.0
"""Seconds that a server has to open its port, and a command to end."""

BLOCK = re.compile(r"^(?P<before>[^\n]*)\n\n?```(?P<language>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
FILE_NAME = re.compile(r"`([\w./-]+)`:$")
LINK = re.compile(r"\]\(([^)\s]+)\)")
VARIES = (
    (re.compile(r"\b(?:[0-9a-f]{32}|[0-9a-f]{12})\b"), "<id>"),
    (re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d[\d.,]*)?( ?[+-]\d\d:?\d\d)?"), "<time>"),
    (re.compile(r"\b\d+\.\d{4,}(e-\d+)?|\b\d(\.\d+)?e-\d+"), "<seconds>"),
    (re.compile(r"\bin \d+\.\d+s"), "in <seconds>"),
)
ELSEWHERE = ("pip", "python -m pip", "git", "make")
"""Commands that need the network or this repository: they are not run, but what they name must exist."""


class Reader:
    """Somebody who follows a page from its first block to its last, in an empty folder."""

    def __init__(self, folder: Path, log: Path) -> None:
        self.folder = folder
        self._log = log
        self._servers: list[subprocess.Popen[bytes]] = []
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = str(free.getsockname()[1])
        own = ("REQCOV_", "COVERAGE_", "COV_", "PYTEST_", "DJANGO_")
        self._environ = {name: value for name, value in os.environ.items() if not name.startswith(own)}
        self._environ["PATH"] = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
        self._environ["HOME"] = str(folder.parent)

    def follow(self, before: str, language: str, text: str) -> None:
        """Do what one block asks for."""
        name = FILE_NAME.search(before)
        if name and language != "console":
            file = self.folder / name[1]
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text.replace(PORT, self._port), "utf-8")
        elif language == "console":
            for command, shown in re.findall(r"^\$ ([^\n]*)\n((?:(?!\$ )[^\n]*\n)*)", text, re.MULTILINE):
                self._type(command, shown)
        elif language == "python":
            (self.folder / "block.py").write_text(text.replace(PORT, self._port), "utf-8")
            self._run("python block.py")

    def _type(self, command: str, shown: str) -> None:
        if command.startswith(ELSEWHERE):
            check_exists(command)
        elif command.endswith(" &"):
            self._serve(command.removesuffix(" &"))
        elif command.startswith("kill ") and command.endswith("%1"):
            self._stop(command)
        else:
            got, want = self._run(command), normal(shown)
            checker = doctest.OutputChecker()
            assert checker.check_output(want, got, doctest.ELLIPSIS), f"$ {command}\n{got}\nis not\n{want}"

    def _run(self, command: str) -> str:
        done = subprocess.run(
            command.replace(PORT, self._port),
            shell=True,
            cwd=self.folder,
            env=self._environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=PATIENCE,
            text=True,
        )
        assert done.returncode == 0, f"$ {command}\n{done.stdout}"
        return normal(re.sub(rf"\b{self._port}\b", PORT, done.stdout.replace(str(self.folder), HOME)))

    def _serve(self, command: str) -> None:
        with self._log.open("wb") as log:
            server = subprocess.Popen(
                f"exec {command.replace(PORT, self._port)}",
                shell=True,
                cwd=self.folder,
                env=self._environ,
                stdout=log,
                stderr=log,
            )
        self._servers.append(server)
        deadline = time.monotonic() + PATIENCE
        while not answers(int(self._port)):
            assert server.poll() is None, f"$ {command}\n{self._log.read_text()}"
            assert time.monotonic() < deadline, f"$ {command}\n{self._log.read_text()}"
            time.sleep(0.05)

    def _stop(self, command: str) -> None:
        server = self._servers.pop()
        subprocess.run(command.replace("%1", str(server.pid)), shell=True, check=True)
        server.wait(PATIENCE)

    def leave(self) -> None:
        """End whatever the page left running."""
        for server in self._servers:
            server.terminate()
            server.wait(PATIENCE)


def answers(port: int) -> bool:
    """Whether somebody listens on `port`."""
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def normal(output: str) -> str:
    """`output` with everything that differs from run to run exchanged for its name."""
    for pattern, name in VARIES:
        output = pattern.sub(name, output)
    return output if output.endswith("\n") or not output else output + "\n"


def check_exists(command: str) -> None:
    """The packages that a page tells to install, and the targets that it tells to make, are there."""
    words = [word.strip("\"'") for word in command.split() if not word.startswith("-")]
    if words[0] == "make":
        targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
        assert set(words[1:]) <= set(targets), command
    elif "pip" in words:
        for package in words[words.index("install") + 1 :]:
            importlib.metadata.distribution(package.partition("[")[0])


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    """A reader whose servers are ended."""
    folder = tmp_path.resolve() / "shop"
    folder.mkdir()
    reader = Reader(folder, tmp_path / "server.log")
    yield reader
    reader.leave()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_a_page_shows_is_true(page: Path, reader: Reader) -> None:
    """Its files run, and its commands print what it says."""
    text = page.read_text("utf-8")
    if "$ curl " in text and shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    blocks = list(BLOCK.finditer(text))
    assert 2 * len(blocks) == text.count("```"), "a fence without a language, or inside a list, would not be checked"
    for block in blocks:
        reader.follow(**block.groupdict())


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: text.name)
def test_links_lead_somewhere(text: Path) -> None:
    """A link into the repository names a file that is there, and a heading that is in it."""
    for link in LINK.findall(text.read_text("utf-8")):
        if link.startswith("http"):
            continue
        name, _, heading = link.partition("#")
        target = text.parent / name if name else text
        assert target.is_file(), link
        assert not heading or heading in anchors(target), link


def anchors(page: Path) -> set[str]:
    """The names that a code host gives to the headings of `page`."""
    headings = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def rows(page: str, after: str) -> list[str]:
    """The first cells of the table that follows the heading `after`."""
    text = (ROOT / "docs" / page).read_text("utf-8").split(f"# {after}\n", 1)[1]
    return re.findall(r"^\| `(\w+)`", text.split("\n#", 1)[0], re.MULTILINE)


def test_every_option_is_documented() -> None:
    """The table of options has each of them once, with its variable."""
    options = [option.name for option in dataclasses.fields(Config) if option.name != "coverage_config"]
    assert rows("configuration.md", "Configuration") == options
    text = (ROOT / "docs" / "configuration.md").read_text("utf-8")
    for option in options:
        assert re.search(rf"^\| `{option}` .* \| `REQCOV_{option.upper()}` \| `{option}` \|", text, re.MULTILINE), (
            option
        )


def test_every_field_is_documented() -> None:
    """The tables of a record and of the statistics have each of their fields once, in their order."""
    held = [field.name for field in dataclasses.fields(reqcov.RequestRecord) if field.name != "executed"]
    told = [name for name, value in vars(reqcov.RequestRecord).items() if isinstance(value, property)]
    documented = rows("records-and-sinks.md", "A record, field by field")
    assert documented[: len(held)] == held
    assert sorted(documented[len(held) :]) == sorted(told)
    assert rows("records-and-sinks.md", "`stats()`") == [field.name for field in dataclasses.fields(reqcov.Stats)]


@pytest.mark.parametrize("name", reference.PAGES)
def test_made_pages_are_up_to_date(name: str) -> None:
    """What stands in them is what the code says; `make docs` writes them."""
    assert (ROOT / "docs" / name).read_text("utf-8") == reference.PAGES[name]()


def test_the_list_of_commands_says_what_they_say() -> None:
    """The first sentence of a command's help is the one in the list, which is shown without importing any."""
    for name, does in COMMANDS.items():
        command = importlib.import_module(f"reqcov.cli.{name}").command
        assert (command.help or "").split("\n\n")[0].split() == does.split()


def test_the_changelog_tells_of_this_version() -> None:
    """The newest entry is the version that the package says it is."""
    newest = re.search(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    assert newest is not None
    assert newest[1] == reqcov.__version__
