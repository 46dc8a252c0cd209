"""Whether data arrives, who writes, what was lost: for processes in every state, and stores that can't be read."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from reqcov.store import schema
from reqcov.store.model import OTHER, Run, pack_labels
from reqcov.store.outcomes import keep
from reqcov.store.sqlite import opened
from reqcov.store.writer import born
from tests.reading import Project, add, hit, run, viewed, without_bytecode

TODAY = int(time.time() // 86_400)

HERE = {"host": socket.gethostname(), "pid": os.getpid(), "born": born(os.getpid()), "ended": None}
ELSEWHERE = {"host": "elsewhere", "pid": 1, "born": "7", "ended": None}


def write(store: Path, name: str = "1", *, requests: int = 1, when: float | None = None, **of_writer: Any) -> None:
    """One process that wrote today."""
    when = time.time() if when is None else when
    key = hit("/a", day=TODAY)
    add(
        store,
        [(key, requests)] if requests else [],
        name=name,
        **{"started": when - 5, "last_write": when, **of_writer},
    )


def doctor(store: Path) -> Any:
    """The answer, after a look at its status."""
    answered = run("doctor", "--store", store, "--format", "json")
    answer = answered.json
    assert answered.status == any(finding["severity"] == "error" for finding in answer["findings"])
    assert run("doctor", "--store", store).status == answered.status
    return answer


def problems(answer: Any, severity: str | None = None) -> str:
    """All that was found, as one text."""
    return "\n".join(f["problem"] for f in answer["findings"] if severity in (None, f["severity"]))


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "reqcov.sqlite3"


def test_all_is_well(store: Path) -> None:
    """A living writer, a request just now: nothing is found, status 0, and everything is told."""
    write(store, **HERE, build="A", python="3.13.1", core="monitoring", stats=json.dumps({"reason": "it is fastest"}))
    answer = doctor(store)
    assert answer["findings"] == []
    assert (answer["requests"], answer["routes"], answer["footprints"], answer["labels"]) == (1, 1, 1, 0)
    assert (answer["schema"], answer["store"]) == (schema.VERSION, str(store))
    assert answer["size"] >= store.stat().st_size > 0
    assert len(answer["origins"]) == 1
    assert datetime.fromisoformat(answer["last_request"]).date() == datetime.fromtimestamp(TODAY * 86_400, UTC).date()
    (process,) = answer["writers"]
    assert (process["state"], process["pid"], process["core"]) == ("alive", os.getpid(), "monitoring")
    assert (process["reason"], process["interval"], 0 <= process["lag"] < 30) == ("it is fastest", 1.0, True)
    assert [(build["name"], build["processes"], build["running"]) for build in answer["builds"]] == [("A", 1, 1)]
    said = run("doctor", "--store", store).out
    assert said.splitlines()[-1] == "All is well."
    assert f"{os.getpid()} on {socket.gethostname()} (A)" in said


@pytest.mark.skipif(not born(os.getpid()), reason="the system doesn't tell when a process began")
def test_the_state_of_each_process(store: Path) -> None:
    """Alive, idle, ended, silent and vanished are told apart, by the process and not by its number alone."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        gone = {**HERE, "pid": child.pid, "born": born(child.pid)}
        child.communicate(b"\n")
    long_ago = time.time() - 7_200
    for name, values, state in (
        ("a", HERE, "alive"),
        ("b", {**HERE, "when": time.time() - 100}, "idle"),
        ("c", {**HERE, "when": time.time() - 100, "interval": 60.0}, "alive"),
        ("d", {**HERE, "ended": time.time()}, "ended"),
        ("e", {**gone, "ended": time.time()}, "ended"),
        ("f", ELSEWHERE, "alive"),
        ("g", {**ELSEWHERE, "when": time.time() - 100}, "idle"),
        ("h", {**ELSEWHERE, "when": long_ago}, "silent"),
        ("i", {**HERE, "when": long_ago}, "idle"),
        ("j", gone, "vanished"),
        ("k", {**HERE, "born": "7"}, "vanished"),
        ("l", {**HERE, "born": "", "when": long_ago}, "silent"),
    ):
        write(store, name, build=f"build {name}", **values)
        found = next(each for each in doctor(store)["writers"] if each["build"] == f"build {name}")
        assert found["state"] == state, name
    assert problems(doctor(store), "error").count("vanished") == 2


@pytest.mark.skipif(not born(os.getpid()), reason="the system doesn't tell when a process began")
def test_a_process_that_nobody_has_waited_for() -> None:
    """It is dead, though it still has its number."""
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    assert born(child.pid)
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert born(child.pid) == ""
    child.communicate()


def test_a_process_that_vanished(store: Path) -> None:
    """It is named, with the most that it can have lost."""
    write(store, requests=7, **{**HERE, "born": "7"}, build="A", interval=2.0, peak=1234)
    (finding,) = doctor(store)["findings"]
    assert finding["severity"] == "error"
    assert re.fullmatch(
        rf"Process {os.getpid()} on \S+ \(build A\) vanished; it last wrote at [-0-9]+ [:0-9]+ UTC\. At most the "
        r"requests of its last 2 s are lost \(the busiest such time had 1,234\)\.",
        finding["problem"],
    )
    said = run("doctor", "--store", store).out
    assert f"error: {finding['problem']}\n  {finding['advice']}\n" in said
    assert "vanished" in said.split("error:")[0]


def test_losses_of_long_ago(store: Path) -> None:
    """After a day a loss is no alarm any more, and still told."""
    write(store)
    write(store, "gone", **{**HERE, "born": "7", "when": time.time() - 90_000}, lost=3)
    assert problems(doctor(store), "error") == ""
    said = problems(doctor(store), "advice")
    assert "vanished" in said
    assert "could not keep 3 requests" in said


@pytest.mark.skipif(not born(os.getpid()), reason="the system doesn't tell when a process began")
def test_a_server_that_is_killed(tmp_path: Path) -> None:
    """A real process that records, while it lives, and after SIGKILL; one that ends by itself has lost nothing."""
    Project(tmp_path).deploy(web="def app(environ, start_response):\n    start_response('200 OK', [])\n    return []\n")
    code = (
        "import sys, reqcov\nfrom shop.web import app\nfrom tests.calls import Request, call_wsgi\n"
        "recorder = reqcov.Recorder(store='reqcov.sqlite3', source=['shop'], build='A')\n"
        "call_wsgi(reqcov.wrap(app, recorder=recorder), Request('/a'))\n"
        "recorder.flush()\nprint('ready', flush=True)\ninput()\n"
    )
    root = str(Path(__file__).resolve().parent.parent)
    environ = without_bytecode({"PYTHONPATH": os.pathsep.join([str(tmp_path), root])})
    store = tmp_path / "reqcov.sqlite3"
    for kill, state in ((False, "ended"), (True, "vanished")):
        with subprocess.Popen(
            [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=tmp_path, env=environ
        ) as server:
            assert server.stdout is not None
            assert server.stdout.readline() == b"ready\n"
            assert doctor(store)["writers"][0]["state"] == "alive"
            if kill:
                server.send_signal(signal.SIGKILL)
            server.communicate(b"\n")
        answer = doctor(store)
        assert next(each for each in answer["writers"] if each["pid"] == server.pid)["state"] == state
        assert ("vanished" in problems(answer)) == kill
    assert answer["requests"] == 2


@pytest.mark.parametrize(
    ("values", "severity", "said"),
    [
        ({"lost": 1234}, "error", "could not keep 1,234 requests"),
        ({"stats": {"dropped": {"StoreSink": 5}}}, "error", "dropped 5 records, for StoreSink was too slow"),
        ({"stats": {"dropped": {"CallbackSink": 5}}}, "advice", "dropped 5 records, for CallbackSink was too slow"),
        ({"stats": {"failed": {"StoreSink": 3}}}, "advice", "StoreSink failed 3 times"),
        ({"stats": {"faults": {"a request could not be started": 2}}}, "advice", "could not be started (2 times)"),
        ({"stats": {"unattributed": 10}}, "advice", "10 lines ran in no request"),
        ({"stats": {"unattributed": 9}}, None, ""),
        ({"core": "settrace", "python": "3.12.1", "stats": {"reason": "asked for"}}, "advice", "settrace: asked for"),
        ({"core": "settrace", "python": "3.13.0", "stats": {}}, "advice", "settrace: it was asked for"),
        ({"core": "settrace", "python": "3.11.9"}, None, ""),
        ({"core": "monitoring", "python": "3.12.1"}, None, ""),
        ({"sample": 0.0}, "advice", "Nothing is sampled"),
        ({"sample": 0.1}, None, ""),
    ],
)
def test_what_a_process_tells_of_itself(store: Path, values: dict[str, Any], severity: str | None, said: str) -> None:
    """Losses are errors, what may be better is advice, and what is as it should be is nothing."""
    stats = json.dumps(values.get("stats", {}))
    write(store, **{**HERE, "python": "3.13.0", **values, "stats": stats})
    found = doctor(store)["findings"]
    assert [(each["severity"], said in each["problem"]) for each in found] == ([(severity, True)] if severity else [])
    assert all(each["advice"].endswith(".") for each in found)


def test_only_what_still_runs_is_advised(store: Path) -> None:
    """A process that ended long ago had another set-up; it is no matter while others run."""
    write(store, "1", **{**HERE, "ended": time.time()}, core="settrace", python="3.13.0")
    assert "settrace" in problems(doctor(store))
    write(store, "2", **HERE, core="monitoring", python="3.13.0")
    assert problems(doctor(store)) == ""


def test_no_requests(store: Path) -> None:
    """None at all, and none for a day: status 1, and where to look."""
    with opened(store) as connection:
        schema.prepare(connection, "store")
    assert problems(doctor(store), "error") == "No request has arrived yet."
    add(store, [(hit("/a", day=TODAY - 2), 1)], **HERE)
    assert problems(doctor(store), "error").startswith("No request has arrived since 20")
    write(store, "2", **HERE)
    assert problems(doctor(store)) == ""


def test_limits_that_are_reached(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Too many routes, sets of labels and behaviours are told, each with what to do."""
    for name in ("MAX_ROUTES", "MAX_LABELS", "MAX_FOOTPRINTS"):
        monkeypatch.setattr(f"reqcov.store.sqlite.{name}", 3)
        monkeypatch.setattr(f"reqcov.analysis.findings.{name}", 3)
    several = [hit(f"/{number}", f"{number}", labels=pack_labels({"n": str(number)}), day=TODAY) for number in range(5)]
    add(store, [(key, 1) for key in several[:2]], **HERE)
    assert problems(doctor(store)) == ""
    add(store, [(key, 1) for key in several], name="2", **HERE)
    said = problems(doctor(store), "advice")
    for what in ("routes", "sets of labels", "behaviours"):
        assert re.search(rf"holds \d+ {what}, all that it can", said), said
    with viewed(store) as view:
        assert OTHER in {route.template for route in view.all_routes.values()}


def test_one_name_for_several_builds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nobody said which build it is, and the code changed, `build=` is advised."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("sys.dont_write_bytecode", True)
    project = Project(tmp_path)
    app = "def app(environ, start_response):\n    start_response('200 OK', [])\n    return [b'{}']\n"
    for text, build, found in (("1", "unnamed", 0), ("2", "A", 0), ("3", "A", 0), ("4", "unnamed", 1)):
        project.deploy(web=app.format(text), __init__="")
        project.ask("/", build=build)
        assert problems(doctor(project.store)).count("has several versions of 1 file:") == found


def test_sources_that_were_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files that changed between their import and the first write are named."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    project = Project(tmp_path)
    project.deploy(
        web="def app(environ, start_response):\n    with open(__file__, 'a') as file:\n        file.write('#')\n"
        "    start_response('200 OK', [])\n    return []\n"
    )
    project.ask("/", build="A")
    assert "The text of shop/web.py was not kept" in problems(doctor(project.store), "advice")


def test_tests_that_never_ended(store: Path) -> None:
    """They are named, some of them; those that may still run are not."""
    write(store)
    long_ago, now = time.time() - 3_700, time.time()
    keep(store, [("over", Run("failed", long_ago, now)), ("runs", Run(None, now, None))])
    assert problems(doctor(store)) == ""
    keep(store, [(f"test_{number}", Run(None, long_ago, None)) for number in range(4)])
    said = problems(doctor(store), "advice")
    assert said.startswith("4 tests began more than an hour ago")
    assert said.endswith(": test_0, test_1, test_2 and 1 more.")


def test_a_damaged_file(store: Path) -> None:
    """SQLite's own complaint about a file that opens is passed on."""
    add(store, [(hit(f"/{number}", f"{number:032x}", day=TODAY), 1) for number in range(600)], **HERE)
    with opened(store) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("UPDATE sqlite_schema SET rootpage = 2 WHERE name = 'parsed'")
    said = problems(doctor(store), "error")
    assert "damaged" in said


@pytest.mark.parametrize("output", ["text", "json"])
def test_stores_that_cannot_be_read(tmp_path: Path, output: str) -> None:
    """Missing, foreign, newer, damaged and a folder: the sentence of the fault, and status 1."""
    with sqlite3.connect(tmp_path / "foreign") as connection:
        connection.execute("CREATE TABLE theirs (x)")
    connection.close()
    (tmp_path / "text").write_text("Dear diary, " * 1000)
    write(tmp_path / "newer", **HERE)
    with opened(tmp_path / "newer") as connection:
        connection.execute(f"PRAGMA user_version = {schema.VERSION + 1}")
    for name, said in (
        ("none", "There is no store at"),
        ("below/none", "There is no store at"),
        ("foreign", "SQLite file of another program"),
        ("text", "damaged, or no SQLite file"),
        ("newer", "written by a newer reqcov"),
        ("", str(tmp_path)),
    ):
        answered = run("doctor", "--store", tmp_path / name, "--format", output)
        assert (answered.status, answered.err, said in answered.out) == (1, "", True), name
        if output == "json":
            assert (answered.json["schema"], len(answered.json["findings"])) == (None, 1)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written(store: Path) -> None:
    """It is named, with what to do."""
    write(store, **HERE)
    store.parent.chmod(0o500)
    try:
        assert f"You may not write to {store.parent}." in problems(doctor(store), "error")
    finally:
        store.parent.chmod(0o700)


def test_very_many_processes(store: Path) -> None:
    """Those that ended are counted, those that vanished are listed up to a number, and advice comes once."""
    for number in range(40):
        gone = {**HERE, "born": "7"} if number < 25 else {**HERE, "ended": time.time()}
        write(store, f"w{number:02}", **gone)
    write(store, "last", **HERE)
    said = run("doctor", "--store", store).out
    assert said.count("Somebody killed it") == 1
    assert "error: and 5 more of the kind" in said
    assert "6 processes vanished, 15 processes ended" in said
    assert len(doctor(store)["writers"]) == 41
