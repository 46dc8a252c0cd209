"""`reqcov html`: the folder that it writes, and those that it does not."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from reqcov.cli.html import OURS
from reqcov.reports.html import writing
from reqcov.reports.html.links import file_page, route_page, side_script
from tests.load.big_store import make
from tests.reading import Project, run
from tests.stores import DAY, TODAY, Request, Server
from tests.stores import Project as Files
from tests.test_cli import on_terminal

WEB = """\
from flask import Flask

app = Flask(__name__)


@app.get("/a")
def first():
    return "a"


@app.get("/b")
def second():
    return "b"
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A shop that was asked for two routes by one build."""
    monkeypatch.syspath_prepend(tmp_path)
    made = Project(tmp_path)
    made.deploy(web=WEB)
    made.ask("/a", "/b", "/b", build="v1")
    return made


def written(folder: Path) -> set[str]:
    """Names of what a folder holds."""
    return {file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()}


def test_every_link_leads_to_a_page(project: Project, tmp_path: Path) -> None:
    """Whatever a page refers to is in the folder, beside what the scripts find by name."""
    folder = tmp_path / "report"
    said = run("html", "-o", folder, "--store", project.store)
    assert (said.status, said.out) == (0, f"11 pages written; open {folder / 'index.html'}\n")
    names = written(folder)
    for name in names:
        if name.endswith(".html"):
            text = (folder / name).read_text()
            links = re.findall(r'(?:href|src)="([^"#?]*)[^"]*"', text)
            for link in links:
                if link and not link.startswith(("https://pypi.org/", "data:")):
                    assert (folder / name).parent.joinpath(link).resolve().is_relative_to(folder.resolve())
                    assert (folder / name).parent.joinpath(link).is_file(), (name, link)
    own = {route_page("GET /a"), route_page("GET /b"), file_page("shop/web.py"), side_script("build", "v1")}
    assert own <= names


def test_an_earlier_report_is_replaced(project: Project, tmp_path: Path) -> None:
    """Pages of what is no longer asked for are gone, those of somebody else stay."""
    folder = tmp_path / "report"
    run("html", "-o", folder, "--store", project.store)
    (folder / "file" / "notes.html").write_text("mine")
    (folder / "CNAME").write_text("mine")
    before = written(folder)
    said = run("html", "-o", folder, "--store", project.store, "--route", "/a")
    assert said.status == 0
    gone = {route_page("GET /b"), side_script("route", "GET /b")}
    assert written(folder) == before - gone
    assert "GET /b" not in (folder / "routes.html").read_text()


def test_a_folder_of_something_else_is_refused(project: Project, tmp_path: Path) -> None:
    """Nothing is written where that could be over somebody's index.html."""
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "index.html").write_text("mine")
    said = run("html", "-o", folder, "--store", project.store)
    assert (said.status, said.out) == (1, "")
    assert said.err == (
        f"Error: {folder} holds something else than a report; name another folder with -o, or empty it.\n"
    )
    assert written(folder) == {"index.html"}
    assert (folder / "index.html").read_text() == "mine"


def test_a_file_is_no_folder(project: Project, tmp_path: Path) -> None:
    """The store itself, say, is not written over."""
    said = run("html", "-o", project.store, "--store", project.store)
    assert said.status == 1
    assert said.err == f"Error: {project.store} is a file; name a folder with -o.\n"
    assert run("routes", "--store", project.store).status == 0


def test_a_folder_that_can_not_be_written(project: Project, tmp_path: Path) -> None:
    """It is told what can't be written, which is not the store."""
    folder = tmp_path / "report"
    assert run("html", "-o", folder, "--store", project.store).status == 0
    shutil.rmtree(folder / "file")
    (folder / "file").write_text("in the way")
    said = run("html", "-o", folder, "--store", project.store)
    assert said.status == 1
    assert said.err.startswith(f"Error: {folder / file_page('shop/web.py')} can't be written: ")
    assert said.err.endswith("; name another folder with -o.\n")


def test_a_job_that_is_called_like_a_path(tmp_path: Path) -> None:
    """Its page is about the job alone, not about the requests to that path."""
    server = Server(Files(tmp_path))
    requests = [Request("/orders")] * 5 + [Request("/orders", method="")] * 2
    server.serve(tmp_path / "reqcov.sqlite3", *requests)
    assert run("html", "-o", tmp_path / "html", "--store", tmp_path / "reqcov.sqlite3").status == 0
    for route, requests_to_it in (("/orders", 2), ("GET /orders", 5)):
        assert f"<b>{requests_to_it}</b> <span>requests," in (tmp_path / "html" / route_page(route)).read_text()


def test_estimates_of_less_than_one_request(tmp_path: Path) -> None:
    """They are told as 0 requests, and have pages."""
    server = Server(Files(tmp_path))
    server.serve(tmp_path / "reqcov.sqlite3", Request("/rare", weight=0.25))
    assert run("html", "-o", tmp_path / "html", "--store", tmp_path / "reqcov.sqlite3").status == 0
    assert "<b>0</b> <span>requests," in (tmp_path / "html" / route_page("GET /rare")).read_text()


@pytest.mark.parametrize(("days", "period"), [(100, "a day"), (101, "a week"), (2_100, "a week"), (20_000, "10 weeks")])
def test_many_days(days: int, period: str, tmp_path: Path) -> None:
    """The first page stays small, also where a server once believed that it was 1970."""
    server = Server(Files(tmp_path))
    store, folder = tmp_path / "reqcov.sqlite3", tmp_path / "html"
    server.serve(store, Request(when=(TODAY - days + 1) * DAY), Request(), Request())
    assert run("html", "-o", folder, "--store", store).status == 0
    page = (folder / "index.html").read_text()
    assert f"each bar {period}" in page
    assert f"most in {period}: 2<" in page
    assert page.count('<rect class="hit"') <= 300


def test_an_empty_folder_will_do(project: Project, tmp_path: Path) -> None:
    """As a build server may have made it."""
    folder = tmp_path / "report"
    folder.mkdir()
    assert run("html", "-o", folder, "--store", project.store).status == 0


def test_without_requests_nothing_is_written(tmp_path: Path) -> None:
    """A store that is not there is told as by every command, and no folder is made."""
    said = run("html", "-o", tmp_path / "report", "--store", tmp_path / "none.sqlite3")
    assert said.status == 1
    assert "There is no store at" in said.err
    assert not (tmp_path / "report").exists()


def test_what_was_cut_short_is_a_report(project: Project, tmp_path: Path) -> None:
    """A run that ended half-way leaves a folder that the next one goes on with."""
    folder = tmp_path / "report"
    run("html", "-o", folder, "--store", project.store)
    first = min(folder.rglob("*.*"), key=lambda file: file.stat().st_mtime_ns)
    for name in written(folder) - {first.relative_to(folder).as_posix()}:
        (folder / name).unlink()
    assert run("html", "-o", folder, "--store", project.store).status == 0


def test_a_terminal_shows_how_far_it_is(project: Project, tmp_path: Path) -> None:
    """Where there are many pages; a pipe gets one line."""
    for number in range(60):
        project.deploy(**{f"part{number}": f"def run():\n    return {number}\n"})
    parts = "".join(f"import shop.part{number}\n" for number in range(60))
    project.deploy(web=parts + WEB)
    project.ask("/a", build="v2")
    said = on_terminal(100, "html", "-o", str(tmp_path / "report"), "--store", str(project.store))
    assert "Writing" in said
    assert "100%" in said
    assert said.rstrip().endswith("index.html")


def by_processes(count: int, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run `reqcov html` on a machine with so many processors, with pages enough for all of them."""
    code = (
        "import os; from reqcov.reports.html import writing; from reqcov.cli import main\n"
        f"writing.MANY = writing.CHUNK = 1; os.sched_getaffinity = lambda pid: range({count}); main()"
    )
    words = [sys.executable, "-W", "error", "-c", code, "html", *map(str, arguments)]
    return subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)


def test_several_processes_write_the_same_pages(project: Project, tmp_path: Path) -> None:
    """However many there are, each page is what one would have written."""
    for count in (1, 3):
        said = by_processes(count, "-o", tmp_path / str(count), "--store", project.store)
        assert (said.returncode, said.stderr) == (0, "")
    names = written(tmp_path / "1")
    assert names == written(tmp_path / "3")
    for name in names:
        assert (tmp_path / "3" / name).read_bytes() == (tmp_path / "1" / name).read_bytes(), name


@pytest.mark.parametrize("count", [1, 3])
def test_where_a_page_cannot_be_written(project: Project, tmp_path: Path, count: int) -> None:
    """One sentence tells, whichever process it was."""
    folder = tmp_path / "report"
    (folder / "data").mkdir(parents=True)
    (folder / OURS).write_text("")
    (folder / "route").write_text("in the way")
    said = by_processes(count, "-o", folder, "--store", project.store)
    assert (said.returncode, said.stdout) == (1, "")
    assert said.stderr.startswith("Error: ")
    assert f"{folder / 'route'}" in said.stderr
    assert said.stderr.count("\n") == 1


def test_ctrl_c_ends_all_of_it(tmp_path: Path) -> None:
    """No process goes on writing, and none complains."""
    store, folder = tmp_path / "reqcov.sqlite3", tmp_path / "report"
    make(store, requests=5_000, routes=20, behaviours=200, files=2 * writing.MANY, functions=8, days=2)
    command = [sys.executable, "-m", "reqcov", "html", "-o", folder, "--store", store]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=tmp_path, stdout=pipe, stderr=pipe, start_new_session=True) as process:
        while not (folder / "route").exists() and process.poll() is None:
            time.sleep(0.001)
        os.killpg(process.pid, signal.SIGINT)
        _, complaint = process.communicate(timeout=30)
    assert process.returncode == 1
    assert complaint.strip() == b"Aborted!"
    assert len(list(folder.rglob("*.html"))) < writing.MANY
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)


def test_choices_hold_for_every_page(project: Project, tmp_path: Path) -> None:
    """What was not asked for is in no number."""
    project.ask("/a", build="v2")
    folder = tmp_path / "report"
    run("html", "-o", folder, "--store", project.store, "--build", "v1", "--route", "/b")
    given = (folder / "data" / "requests.js").read_text()
    values = json.loads(given[given.index("{") : given.rindex("}") + 1])
    assert values["routes"] == ["GET /b"]
    assert values["builds"] == ["v1"]
    assert [group[4] for group in values["groups"]] == [2.0]
