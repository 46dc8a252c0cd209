"""`reqcov dead` names functions that no request ran, however few were sampled, and nothing else."""

from __future__ import annotations

import contextlib
import importlib
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

import reqcov
from reqcov.store.model import pack_labels
from tests.calls import Request, call_wsgi
from tests.dead_shop import DEAD, MODULES, PATHS, STARTUP
from tests.reading import Project, recorded, run, without_bytecode

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    """The shop, in the current folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    made = Project(tmp_path)
    made.deploy(**MODULES)
    yield made
    for name in [name for name in sys.modules if name.partition(".")[0] == "shop"]:
        del sys.modules[name]


def verdicts(*arguments: object) -> dict[str, set[str]]:
    """By verdict, the names of functions."""
    answered = run("dead", *arguments, "--format", "json")
    assert answered.status == 0, answered.err
    found: dict[str, set[str]] = {}
    for file in answered.json["files"]:
        for row in file["rows"]:
            found.setdefault(row["verdict"], set()).add(row["function"])
    return found


@pytest.mark.parametrize(
    ("sample", "imported"), [(1.0, "before"), (0.5, "afterwards"), (0.01, "before"), (0.0, "before")]
)
def test_exactly_what_nothing_ran_is_dead(project: Project, core: str, sample: float, imported: str) -> None:
    """Over any sampling, what is planted is dead, and all else is not; or it is said that it can't be known."""
    if core == "settrace" and sample < 0.5:
        pytest.skip("most processes have nothing to tell then")
    for _ in range(2):
        if imported == "before":
            importlib.import_module("shop.web")
        project.ask(*PATHS, *PATHS, core=core, sample=sample)
    if sample < 1 and core == "settrace":
        answered = run("dead", "--store", project.store)
        assert answered.status == 1
        assert "settrace" in answered.err
        assert "sample=1" in answered.err
        return
    found = verdicts("--store", project.store)
    assert found.pop("not imported") == {"never", "Never.method"}
    if imported == "before":
        assert found == {"dead": DEAD, "startup": STARTUP, "outside": {"in_thread"}}
    else:
        assert found == {"dead": DEAD, "outside": STARTUP | {"in_thread"}}


APP = """
    {head}
    def app(environ, start_response):
        start_response("200 OK", [])
        return [str(VIEWS[environ["PATH_INFO"]]()).encode()]
"""


def web(text: str) -> str:
    """A module with an app around `VIEWS`."""
    return dedent(text) + dedent(APP.format(head=""))


def rows(*arguments: object) -> dict[str, dict[str, Any]]:
    """By name, what is told of each function."""
    answered = run("dead", *arguments, "--format", "json")
    assert answered.status == 0, answered.err
    return {row["function"]: row for file in answered.json["files"] for row in file["rows"]}


BEFORE = """
    def price(): return 1
    def kept(): return 2
    def never(): return 3
    def view(): return 4
    VIEWS = {"/price": price, "/kept": kept, "/view": view}
"""

AFTER = """
    def added(): return 0
    def price(): return 10
    def kept(): return 2
    def never(): return 3
    def view(): return 4
    VIEWS = {"/price": price, "/kept": kept, "/view": view}
"""


def test_what_changed_has_been_watched_since_then(project: Project) -> None:
    """What ran before a deploy counts where it is unchanged; what has changed is told apart, with its own evidence."""
    project.deploy(web=web(BEFORE))
    project.ask("/price", "/kept", "/view", "/view", build="1")
    project.deploy(web=web(AFTER))
    project.ask("/view", "/view", "/view", build="2")
    found = rows("--store", project.store)
    assert {name: row["verdict"] for name, row in found.items() if row["verdict"] != "not imported"} == {
        "price": "changed",
        "added": "dead",
        "never": "dead",
    }
    assert "build 1" in found["price"]["reason"]
    assert (found["never"]["requests"], found["never"]["builds"]) == (7, ["1", "2"])
    assert (found["price"]["requests"], found["price"]["builds"]) == (3, ["2"])
    assert (found["added"]["requests"], found["added"]["builds"]) == (3, ["2"])
    assert found["never"]["watched_since"] <= found["price"]["watched_since"]


@pytest.mark.parametrize("sample", [1.0, 0.5])
def test_what_only_other_builds_ran(project: Project, sample: float) -> None:
    """Asked for one build, what another ran is no longer used; unless it can't be told who ran it."""
    project.deploy(web=web(BEFORE))
    project.ask("/price", "/kept", "/view", build="1")
    project.deploy(web=web(AFTER))
    project.ask(*["/view"] * 40, build="2", sample=sample, core="auto" if sys.version_info >= (3, 12) else "settrace")
    answered = run("dead", "--store", project.store, "--build", "2", "--format", "json")
    if sample < 1 and sys.version_info < (3, 12):
        assert answered.status == 1
        return
    verdict = {row["function"]: row["verdict"] for file in answered.json["files"] for row in file["rows"]}
    assert verdict.get("kept") == ("earlier" if sample == 1 else None)
    assert answered.json["undated"] == (0 if sample == 1 else 1)
    assert (verdict["price"], verdict["added"], verdict["never"]) == ("changed", "dead", "dead")


def test_a_build_that_stands_for_several_versions(project: Project) -> None:
    """Where one build had several versions of a file, requests count from when the last process came with this one."""
    project.deploy(web=web(BEFORE))
    project.ask("/price", "/view", build="dev")
    with contextlib.closing(sqlite3.connect(project.store)) as connection, connection:
        connection.execute("UPDATE hits SET day = day - 2, first_seen = first_seen - 2 * 86400")
        connection.execute("UPDATE source SET last_seen = last_seen - 2 * 86400")
    project.deploy(web=web(AFTER))
    project.ask("/view", build="dev")
    found = rows("--store", project.store)
    assert (found["never"]["requests"], found["added"]["requests"], found["price"]["requests"]) == (3, 1, 1)


def test_blind_builds_are_no_evidence(project: Project) -> None:
    """Where it can't be known what requests ran, nothing is called dead, and which build that is of; others answer."""
    project.deploy(web=web(BEFORE))
    project.ask(*["/view"] * 40, build="blind", core="settrace", sample=0.5)
    project.ask("/view", build="seeing")
    refused = run("dead", "--store", project.store)
    assert refused.status == 1
    assert "build blind" in refused.err
    assert set(verdicts("--store", project.store, "--build", "seeing")["dead"]) == {"price", "kept", "never"}


def test_jobs_and_what_runs_outside(project: Project) -> None:
    """What jobs run, what ran before any request, and what unsampled requests run after that, is not dead."""
    project.deploy(
        web=web(
            """
            def job(): return job_inner()
            def job_inner(): return 1
            def early(): return 2
            def other(): return 3
            def view(): return early()
            VIEWS = {"/view": view}
            """
        )
    )
    module = importlib.import_module("shop.web")
    with recorded(project.store, source=[str(project.folder / "shop")]) as (recorder, _):
        module.early()
        with recorder.record("nightly"):
            module.job()
        call_wsgi(reqcov.wrap(module.app, recorder=recorder), Request("/view"))
    found = rows("--store", project.store)
    assert {name: row["verdict"] for name, row in found.items() if row["verdict"] != "not imported"} == {
        "job": "job",
        "job_inner": "job",
        "other": "dead",
    }
    assert "nightly" in found["job"]["reason"]
    assert run("dead", "--store", project.store, "--format", "json").json["jobs"] == 1


@pytest.mark.skipif(sys.version_info < (3, 12), reason="the core monitoring")
def test_what_ran_outside_first(project: Project) -> None:
    """A function that start-up ran, and then only requests that are not sampled, is not dead."""
    project.deploy(web=web("def early():\n    return 2\ndef view(): return early()\nVIEWS = {'/view': view}"))
    module = importlib.import_module("shop.web")
    with recorded(project.store, source=[str(project.folder / "shop")], sample=0.0) as (recorder, _):
        module.early()
        call_wsgi(reqcov.wrap(module.app, recorder=recorder), Request("/view"))
    answered = run("dead", "--store", project.store)
    assert rows("--store", project.store)["early"]["verdict"] == "outside"
    assert "no request was sampled" in answered.out
    assert "requests may have run too" in answered.out


FORKING = """
    import os, sys
    import reqcov
    from tests.calls import Request, call_wsgi
    import shop.web

    recorder = reqcov.Recorder(source=["shop"], store="reqcov.sqlite3", sample=float(sys.argv[1]))
    app = reqcov.wrap(shop.web.app, recorder=recorder)
    shop.web.early()
    children = []
    for path in ("/one", "/two"):
        pid = os.fork()
        if not pid:
            for _ in range(20):
                call_wsgi(app, Request(path))
            recorder.close()
            os._exit(0)
        children.append(pid)
    assert not any(os.waitpid(pid, 0)[1] for pid in children)
    recorder.close()
"""


@pytest.mark.parametrize("sample", [0.0, 0.01, 1.0] if sys.version_info >= (3, 12) else [1.0])
def test_workers_that_are_forked(project: Project, sample: float) -> None:
    """What any of several workers ran is not dead, nor what ran before they were forked."""
    project.deploy(
        web=web(
            """
            def early(): return shared()
            def shared(): return 1
            def one(): return shared()
            def two(): return only_two()
            def only_two(): return 2
            def never(): return 3
            VIEWS = {"/one": one, "/two": two}
            """
        )
    )
    (project.folder / "server.py").write_text(dedent(FORKING))
    environ = without_bytecode({"PYTHONPATH": os.pathsep.join([str(ROOT), str(project.folder)])})
    subprocess.run([sys.executable, "server.py", str(sample)], cwd=project.folder, env=environ, check=True)
    found = verdicts("--store", project.store)
    assert found["dead"] == {"never"} | (set() if sys.version_info >= (3, 12) else {"early"})
    assert not {"one", "two", "only_two"} & set().union(*found.values())


def test_requests_of_tests_are_told_apart(project: Project) -> None:
    """What only requests with the label `test` ran is told as that."""
    project.deploy(web=web(BEFORE))
    project.ask("/kept")
    with contextlib.closing(sqlite3.connect(project.store)) as connection, connection:
        connection.execute("INSERT INTO labels (pairs) VALUES (?)", (pack_labels({"test": "tests/test_x.py::test_x"}),))
        connection.execute("UPDATE hits SET labels = (SELECT max(id) FROM labels)")
    project.ask("/view")
    found = verdicts("--store", project.store)
    assert (found["test"], found["dead"]) == ({"kept"}, {"price", "never"})
    answer = run("dead", "--store", project.store, "--format", "json").json
    assert (answer["requests"], answer["of_tests"]) == (1, 1)


def test_losses_are_told(project: Project) -> None:
    """Records that a process lost, and days that were not asked for, are part of the answer."""
    project.deploy(web=web(BEFORE))
    project.ask("/view", "/kept")
    with contextlib.closing(sqlite3.connect(project.store)) as connection, connection:
        connection.execute("UPDATE writer SET lost = 3")
    assert "3 records got lost" in run("dead", "--store", project.store).out
    assert run("dead", "--store", project.store, "--since", "2999-01-01").status == 1


def test_the_evidence_comes_first(project: Project) -> None:
    """For people, it begins with how long and how many requests were watched; whole files and classes are one line."""
    project.ask(*PATHS)
    lines = run("dead", "--store", project.store).out.splitlines()
    assert lines[0].startswith("Watched from ")
    assert "5 requests, 100.0% of them recorded completely" in lines[0]
    assert lines[3].split()[0] == "file"
    assert lines[4].split()[:6] == ["shop/never.py", "2-8", "whole", "file", "(2", "functions)"]
    assert any("class DeadClass (2 functions)" in line for line in lines)
    assert "1 function more" not in run("dead", "--store", project.store).out
    assert "functions more, of" in run("dead", "--store", project.store, "--top", 2).out
