"""The command as a whole: help, faults in one sentence, pipes and terminals."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import sqlite3
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from reqcov.cli.commands import COMMANDS
from reqcov.store import schema
from reqcov.store.sqlite import SQLiteStore, opened
from tests.reading import add, hit, run

READING = [["routes"], ["show", "/a"], ["line", "shop/cart.py:1"], ["report"]]

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A store with requests to three routes, and no code."""
    made = tmp_path / "reqcov.sqlite3"
    long = (
        "/organisations/{organisation_id}/projects/{project_id}/environments/{environment_id}/deployments/{deployment}"
    )
    add(made, [(hit("/a"), 5), (hit("/orders/{id}", status=4), 2), (hit(long), 1), (hit("/заказы/注文"), 1)])
    return made


def process(*arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, timeout=60, check=False, **options
    )  # type: ignore[call-overload, no-any-return]


def on_terminal(columns: int, *arguments: str) -> str:
    """What `reqcov` prints on a terminal of so many columns, without its colours."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    environ = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES", "NO_COLOR")}
    with subprocess.Popen(
        [sys.executable, "-m", "reqcov", *arguments],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**environ, "TERM": "xterm"},
    ) as reqcov:
        os.close(theirs)
        said = b""
        try:
            while chunk := os.read(ours, 10_000):
                said += chunk
        except OSError:  # Linux says so that nobody writes any more
            pass
        finally:
            os.close(ours)
        assert reqcov.wait(30) == 0, said
    return re.sub(r"\x1b\[[\d;]*m", "", said.decode()).replace("\r\n", "\n")


def test_help_names_every_command_and_imports_none() -> None:
    """`reqcov --help` lists what there is, without the packages that only commands need."""
    code = "import sys; from reqcov.cli import main\ntry: main()\nfinally: print(*sys.modules)"
    said = process("-c", code, "--help").stdout
    help_, _, modules = said.rstrip().rpartition("\n")
    assert [name for name in COMMANDS if f"  {name} " not in help_] == []
    assert {"coverage", "rich", "sqlite3", "asgiref"} & set(modules.split()) == set()
    assert "click" in modules.split()


@pytest.mark.parametrize("name", ["routes", "show", "line", "report", "doctor"])
def test_each_command_has_help(name: str) -> None:
    """With `-h` and `--help`, beginning with what the list says that it does."""
    answered = run(name, "--help")
    assert (answered.status, answered) == (0, run(name, "-h"))
    assert COMMANDS[name].split(":")[0].split(",")[0].rstrip(".") in " ".join(answered.out.split())


def test_as_a_module_and_by_its_version(store: Path) -> None:
    """`python -m reqcov` is `reqcov`."""
    assert process("-m", "reqcov", "--version").stdout.startswith("reqcov, version ")
    said = process("-m", "reqcov", "routes", "--store", str(store))
    assert (said.returncode, said.stderr) == (0, "")
    assert said.stdout == run("routes", "--store", store).out


@pytest.mark.parametrize("package", ["click", "jinja2", "pygments", "rich", "waitress"])
def test_without_its_packages(package: str) -> None:
    """Where one of them is not installed, one sentence says what to install."""
    code = (
        "import sys\n"
        "class Blocked:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name == {package!r}: raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, Blocked())\n"
        "import importlib.util as util\n"
        "find = util.find_spec\n"
        f"util.find_spec = lambda name, *rest: None if name == {package!r} else find(name, *rest)\n"
        "from reqcov.cli import main\nmain()\n"
    )
    said = process("-c", code)
    assert (said.returncode, said.stdout) == (1, "")
    assert said.stderr == "The reqcov command needs a few more packages: pip install 'request-coverage[cli]'\n"


@pytest.mark.parametrize("command", READING, ids=lambda command: command[0])
class TestStores:
    """What each reading command says where there is nothing that it could read: status 1 and one sentence."""

    def refused(self, command: list[str], store: Path) -> str:
        answered = run(*command, "--store", store)
        assert (answered.status, answered.out) == (1, "")
        assert re.fullmatch(r"Error: .*\.\n", answered.err), answered.err
        return answered.err

    def test_missing(self, command: list[str], tmp_path: Path) -> None:
        """How to get one, and how to name another."""
        said = self.refused(command, tmp_path / "none")
        assert f"There is no store at {tmp_path / 'none'}" in said
        assert "--store" in said
        assert list(tmp_path.iterdir()) == []

    def test_empty(self, command: list[str], tmp_path: Path) -> None:
        """A store that nobody has written to, and a file of no bytes."""
        with opened(tmp_path / "store") as connection:
            schema.prepare(connection, "store")
        (tmp_path / "nothing").touch()
        for name in ("store", "nothing"):
            assert "holds no requests yet; send your server some" in self.refused(command, tmp_path / name)

    def test_foreign(self, command: list[str], tmp_path: Path) -> None:
        """The database of another program is left as it is."""
        with sqlite3.connect(tmp_path / "other") as connection:
            connection.execute("CREATE TABLE theirs (x)")
        connection.close()
        before = (tmp_path / "other").read_bytes()
        assert "SQLite file of another program" in self.refused(command, tmp_path / "other")
        assert (tmp_path / "other").read_bytes() == before

    def test_no_database(self, command: list[str], tmp_path: Path) -> None:
        """A text."""
        (tmp_path / "text").write_text("Dear diary, " * 1000)
        assert "damaged, or no SQLite file" in self.refused(command, tmp_path / "text")

    def test_damaged(self, command: list[str], store: Path) -> None:
        """A store in which other bytes stand."""
        content = bytearray(store.read_bytes())
        content[4096:] = b"\xff" * (len(content) - 4096)
        store.write_bytes(content)
        assert "damaged" in self.refused(command, store)

    def test_newer(self, command: list[str], store: Path) -> None:
        """One of a later reqcov."""
        with opened(store) as connection:
            connection.execute(f"PRAGMA user_version = {schema.VERSION + 1}")
        assert "written by a newer reqcov" in self.refused(command, store)

    def test_folder(self, command: list[str], tmp_path: Path) -> None:
        """A folder."""
        assert str(tmp_path) in self.refused(command, tmp_path)

    @pytest.mark.skipif(os.geteuid() == 0, reason="nothing is forbidden to root")
    def test_unreadable(self, command: list[str], store: Path) -> None:
        """A file that belongs to somebody else."""
        store.chmod(0)
        assert "permissions" in self.refused(command, store)

    def test_other_url(self, command: list[str], tmp_path: Path) -> None:
        """The URL of another kind of database is a mistake in the call: status 2."""
        answered = run(*command, "--store", "postgres://host/name")
        assert (answered.status, "neither a path nor sqlite:///path" in answered.err) == (2, True)


def test_an_older_store_is_brought_up_to_date(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader migrates what an earlier reqcov wrote, and nothing is lost."""
    before = run("routes", "--store", store, "--format", "json").json
    monkeypatch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, "CREATE TABLE later (x)"))
    monkeypatch.setattr(schema, "VERSION", schema.VERSION + 1)
    assert run("routes", "--store", store, "--format", "json").json == before
    with opened(store) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (schema.VERSION,)
        assert connection.execute("SELECT count(*) FROM later").fetchone() == (0,)


def test_the_store_that_is_configured(store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without `--store`: REQCOV_STORE, else [tool.reqcov], else the default path; a faulty table is told."""
    monkeypatch.chdir(tmp_path)
    assert "There is no store at .reqcov/reqcov.sqlite3" in run("routes").err
    (tmp_path / "pyproject.toml").write_text('[tool.reqcov]\nstore = "reqcov.sqlite3"\n')
    assert run("routes").out == run("routes", "--store", store).out != ""
    monkeypatch.setenv("REQCOV_STORE", "elsewhere")
    assert "There is no store at" in run("routes").err
    monkeypatch.delenv("REQCOV_STORE")
    (tmp_path / "pyproject.toml").write_text('[tool.reqcov]\nstor = "reqcov.sqlite3"\n')
    answered = run("routes")
    assert (answered.status, "did you mean 'store'?" in answered.err) == (2, True)


def test_a_faulty_configuration_of_coverage(store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """coverage.py's own complaint is passed on."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".coveragerc").write_text("[report]\nexclude_lines = (\n")
    answered = run("routes", "--store", store)
    assert (answered.status, "coverage.py's configuration can't be used" in answered.err) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["routes", "--since", "yesterday"], "'yesterday' is neither a date (2026-11-22) nor an age"),
        (["routes", "--since", "7m"], "'7m' is neither a date"),
        (["report", "--since", "999999d"], "'999999d' is neither a date"),
        (["routes", "--label", "acme"], "'acme' is no label; write key=value."),
        (["routes", "--label", "=acme"], "'=acme' is no label"),
        (["line", "shop/cart.py"], "'shop/cart.py' is no line of a file; write FILE:LINE"),
        (["line", "shop/cart.py:0"], "is no line of a file"),
        (["line", ":3"], "is no line of a file"),
        (["line", "shop/cart.py:" + "9" * 5000], "is no line of a file"),
        (["snapshot", "--store", ""], "names no file"),
        (["doctor", "--store", "/"], "names no file"),
        (["report", "--fail-under", "101"], "101"),
        (["show"], "Missing argument 'ROUTE'"),
        (["show", "/a", "--route", "/b"], "No such option"),
        (["nonsense"], "No such command 'nonsense'"),
        (["routes", "--format", "xml"], "'xml' is not one of"),
    ],
)
def test_wrong_usage(arguments: list[str], said: str) -> None:
    """Mistakes in the call end with status 2 and say what is meant."""
    answered = run(*arguments)
    assert (answered.status, answered.out, said in answered.err) == (2, "", True), answered.err


def test_nothing_fits(store: Path) -> None:
    """Routes that are mistyped get the nearest names; other choices that leave nothing are told too."""
    for command in (["show", "/order/{id}"], ["routes", "--route", "GET /orders{id}"]):
        answered = run(*command, "--store", store)
        assert (answered.status, "did you mean 'GET /orders/{id}'" in answered.err) == (1, True), answered.err
    assert "`reqcov routes` lists them." in run("show", "zzzzzzzz", "--store", store).err
    for narrowed in (["--since", "2031-01-01"], ["--build", "Z"], ["--label", "a=b"]):
        for command in (["routes"], ["show", "/a"], ["report"]):
            answered = run(*command, *narrowed, "--store", store)
            assert (answered.status, "No request in" in answered.err, "widen" in answered.err) == (1, True, True)


def test_a_pipe_gets_plain_columns(store: Path) -> None:
    """One line a row, whatever its length, without colours or lines, also where letters are wide."""
    lines = run("routes", "--store", store).out.splitlines()
    assert " ".join(lines[0].split()) == "route requests share lines reach only here behaviours last seen"
    assert len(lines) == 5
    assert "\x1b" not in "".join(lines)
    assert all(line == line.rstrip() for line in lines)
    long = next(line for line in lines if "organisations" in line)
    assert "/deployments/{deployment}   " in long
    ends = {line.index("2024-10-04") for line in lines[1:] if line.isascii()}
    assert len(ends) == 1
    wide = next(line for line in lines if "注文" in line)
    assert wide.index("2024-10-04") == ends.pop() - len("注文")


@pytest.mark.parametrize("columns", [80, 200])
def test_a_terminal_gets_a_table_that_fits(store: Path, columns: int) -> None:
    """Long routes are folded, numbers and times never, and no line is wider than the terminal."""
    said = on_terminal(columns, "routes", "--store", str(store))
    lines = said.splitlines()
    assert all(len(line) <= columns for line in lines), said
    assert "─" * 20 in said
    rows = [line for line in lines if "2024-10-04" in line]
    assert len(rows) == 4
    assert [re.search(r"\s(\d+)\s+(\d+\.\d%)", row)[1] for row in rows] == ["5", "2", "1", "1"]  # type: ignore[index]
    assert "{deployment}" in said.replace("\n", "") or columns == 80
    assert ("2024-10-04 00:01" in said) == (columns == 200)


def test_terminals_and_pipes_get_the_same_json(store: Path) -> None:
    """JSON is not folded on a terminal."""
    said = on_terminal(80, "routes", "--store", str(store), "--format", "json")
    assert said == run("routes", "--store", store, "--format", "json").out


def test_a_reader_behind_a_closed_pipe_is_quiet(store: Path) -> None:
    """`reqcov routes | head -0` ends without a traceback."""
    SQLiteStore(store)
    ours, theirs = os.pipe()
    os.close(ours)
    with subprocess.Popen(
        [sys.executable, "-m", "reqcov", "routes", "--store", str(store)], stdout=theirs, stderr=subprocess.PIPE
    ) as reqcov:
        os.close(theirs)
        _, said = reqcov.communicate(timeout=30)
    assert b"Traceback" not in said


def test_numbers_are_never_cut(store: Path) -> None:
    """However narrow a terminal is: what is folded are names."""
    add(store, [(hit("/b"), 123_456_789_012)], name="2")
    for columns in (76, 40):
        said = on_terminal(columns, "routes", "--store", str(store))
        assert re.search(r"\b123456789012\b", said), said
        assert ("─" in said) == (columns == 76)


HOSTILE = "/a\x1b]0;owned\x07\n\x9b31m\u202e"


def test_what_a_route_is_called_is_never_obeyed(store: Path) -> None:
    """Where paths are routes, whoever asks for one may name it: control characters are shown, not sent."""
    add(store, [(hit(HOSTILE), 3)], name="2")
    shown = r"/a\x1b]0;owned\x07\n\x9b31m\u202e"
    for command in (["routes"], ["show", "/a*"], ["routes", "--route", "/a?]*"]):
        assert shown in run(*command, "--store", store).out
    assert "owned" in on_terminal(200, "routes", "--store", str(store))
    assert "\x1b]" not in on_terminal(200, "routes", "--store", str(store))
    assert run("routes", "--store", store, "--format", "json").json["routes"][1]["route"] == f"GET {HOSTILE}"
    refused = run("routes", "--store", f"{store}\x1b[31m").err
    assert r"\x1b[31m" in refused
    assert "\x1b" not in refused


def test_letters_that_the_terminal_has_not(store: Path) -> None:
    """An encoding without them is no reason to say nothing: they are escaped."""
    said = process("-m", "reqcov", "routes", "--store", str(store), env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert (said.returncode, said.stderr) == (0, "")
    assert r"GET /\u0437\u0430\u043a\u0430\u0437\u044b/\u6ce8\u6587" in said.stdout


def test_names_that_the_system_refuses(store: Path) -> None:
    """Too long for a file, say: one sentence, as for all else."""
    name = "a" * 300
    for command in (["routes", "--store", name], ["export", "json", "--store", str(store), "-o", name]):
        answered = run(*command)
        assert (answered.status, answered.out) == (1, "")
        assert re.fullmatch(r"Error: .*too long.*\.\n", answered.err), answered.err
