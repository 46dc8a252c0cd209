"""Emptying, pruning and copying a store while servers write to it; and what no amount of requests can do to it."""

from __future__ import annotations

import os
import pty
import shutil
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from reqcov.errors import StoreError
from reqcov.record import LABEL_LENGTH, LABELS_AT_ONCE, Executed, RequestRecord, footprint
from reqcov.store import keeping, sqlite
from reqcov.store.merge import T, merge
from reqcov.store.model import MAX_LABELS, MAX_ROUTES, METHODS, unpack_labels
from reqcov.store.reading import reading
from reqcov.store.sqlite import opened, transaction
from reqcov.store.writer import StoreSink
from reqcov.types import Source
from tests.stores import DAY, TODAY, Project, Request, Server, content, counted, key_of, reqcov, rows, sound

TABLES = ("hits", "footprint", "footprint_lines", "lines", "build", "build_source", "source", "text", "parsed", "route")


def track(items: Collection[T], what: str) -> Iterable[T]:
    """Progress that nobody sees."""
    return items


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Where a store will be."""
    return tmp_path / "reqcov.sqlite3"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Source files."""
    return Project(tmp_path / "code")


class Live:
    """A sink as it lives in a server, that is given records."""

    def __init__(self, project: Project, store: Path) -> None:
        self.sources: Mapping[str, Source] = {name: source for source, name in project.files.items()}
        self.project = project
        self.sink = StoreSink(store, build="1.0", sample=1.0, core="monitoring", files=self, stats=dict, outside=dict)

    def meet_imported(self) -> None:
        """All is imported."""

    def ask(self, route: str | None, lines: Collection[int] = (2,), **rest: Any) -> None:
        """One request that runs these lines of one file."""
        ran = {self.project.files[self.project.sources["shop/cart.py"]]: frozenset(lines)}
        values: dict[str, Any] = {
            "id": "0" * 32,
            "protocol": "http",
            "method": "GET",
            "path": "/",
            "route": route,
            "endpoint": None,
            "status": 200,
            "started_at": datetime.fromtimestamp(TODAY * DAY, UTC),
            "duration": 0.1,
            "error": None,
            "complete": True,
            "executed": Executed(None, None, (ran, None, footprint(ran, self.sources))),
        }
        self.sink.accept(RequestRecord(**values | rest))


def ran(*lines: int) -> tuple[tuple[str, frozenset[int]], ...]:
    """Lines of the first file."""
    return (("shop/cart.py", frozenset(lines)),)


def test_a_server_goes_on_after_a_reset(project: Project, store: Path) -> None:
    """What it counts after that is all that the store holds: behaviours old and new, with their sources and texts."""
    live = Live(project, store)
    live.ask("/old")
    live.ask("/older", [3])
    live.sink.flush()
    with reading(store) as reader:
        before = {name for name, _ in reader.counts()}
    live.ask("/old")
    keeping.reset(store)
    assert sound(store)
    assert [rows(store, table) for table in TABLES] == [0] * len(TABLES)
    live.ask("/old")
    live.ask("/new", [4, 5])
    live.sink.flush()
    old, new = key_of(Request("/old"), "1.0"), key_of(Request("/new", ran=ran(4, 5)), "1.0")
    assert counted(store) == Counter({old: 2, new: 1})
    after = content(store)
    assert {each[0] for each in after["sources"]} == set(project.files)
    assert set(after["texts"]) == {source.digest for source in project.files}
    assert all(builds == {"1.0"} for *_, builds in after["sources"])
    with reading(store) as reader:
        assert before.isdisjoint({name for name, _ in reader.counts()})
        assert [writer.lost for writer in reader.writers()] == [0]  # nor does it think that the file was replaced
    live.sink.close()
    assert sound(store)


def test_a_reset_in_the_middle_of_a_batch(
    project: Project, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that was about to write what the store lacked then tells it everything, not only what is new."""
    server = Server(project)
    server.serve(store, Request("/old"))
    writer = server.stores[store]
    look = writer._missing_texts
    resets = []

    def reset_once(connection: sqlite3.Connection, sources: Mapping[Source, str]) -> dict[str, bytes]:
        texts = look(connection, sources)
        if not resets:
            resets.append(True)
            keeping.reset(store)
        return texts

    monkeypatch.setattr(writer, "_missing_texts", reset_once)
    batch = server.batch(Request("/new"))
    try:
        server.write(store, batch)
    except StoreError:  # it is told to try again, which the sink does after its interval
        server.write(store, batch)
    assert counted(store) == Counter([key_of(Request("/new"), "1.0")])
    found = content(store)
    assert set(found["texts"]) == {source.digest for source in project.files}
    assert {builds for *_, builds in found["sources"]} == {frozenset({"1.0"})}


def test_what_was_counted_before_a_reset_adds_up_with_what_came_after(project: Project, store: Path) -> None:
    """A store that was emptied and its snapshot are two different sets of requests."""
    server = Server(project)
    server.serve(store, *[Request()] * 5)
    kept = keeping.snapshot(store, "kept")
    keeping.reset(store)
    server.serve(store, *[Request()] * 3)
    both = store.with_name("both")
    merge([store, kept], both, track)
    assert counted(both).total() == 8


def test_a_snapshot_is_restored_under_a_running_server(project: Project, store: Path) -> None:
    """`reset` and then `merge` bring back what it held, and what is served meanwhile is counted on top."""
    server = Server(project)
    server.serve(store, *[Request()] * 5)
    kept = keeping.snapshot(store, "kept")
    server.serve(store, *[Request("/later")] * 2)
    keeping.reset(store)
    server.serve(store, *[Request()] * 3)
    merge([store, kept], store, track)
    server.serve(store, *[Request()] * 4)
    assert counted(store) == Counter({key_of(Request(), "1.0"): 12})
    assert counted(kept) == Counter({key_of(Request(), "1.0"): 5})


def test_what_is_written_while_a_snapshot_is_taken(project: Project, store: Path, monkeypatch: Any) -> None:
    """It is in the copy, or it is not; the copy is one moment, and lives on apart from the store."""
    server = Server(project)
    server.serve(store, *[Request()] * 5)
    with opened(store) as connection, transaction(connection):
        connection.execute("UPDATE hits SET count = 1000")  # not committed
        kept = keeping.snapshot(store, "kept")
    server.serve(store, Request())
    assert counted(kept).total() == 5
    assert counted(store).total() == 1001
    assert sound(kept)
    with opened(kept) as connection:
        assert connection.execute("SELECT home FROM origin").fetchall() == [("",)]
    assert [path.name for path in kept.parent.iterdir()] == ["kept.sqlite3"]


def old_and_new(project: Project, store: Path) -> tuple[Server, Server]:
    """A store with requests of long ago and of today, to different builds, and the servers."""
    old, new = Server(project, "a", build="old"), Server(project, "b", build="new")
    long_ago = float((TODAY - 100) * DAY)
    gone = Project(Path(project.files[project.sources["shop/cart.py"]]).parent.parent, ["shop/gone.py"])
    old.project = gone
    labels = (("tenant", "acme"),)
    old.serve(
        store,
        Request("/gone", ran=(("shop/gone.py", frozenset({2})),), when=long_ago, labels=labels),
        Request("/gone", ran=(("shop/gone.py", frozenset({2, 3})),), when=long_ago, labels=labels, weight=9.0),
    )
    new.serve(
        store,
        Request("/here", when=long_ago),
        Request("/here", when=float((TODAY - 90) * DAY)),
        Request("/here", ran=ran(2, 3), when=float(TODAY * DAY)),
    )
    return old, new


def test_what_pruning_leaves(project: Project, store: Path) -> None:
    """All requests from the day on, and what they, or builds that were seen since, need; nothing else."""
    old_and_new(project, store)
    idle = Server(project, "c", build="idle")
    idle.writer = replace(idle.writer, last_write=float(TODAY * DAY))
    idle.serve(store, Request("/idle", when=float((TODAY - 100) * DAY)))
    before = content(store)
    dry = keeping.prune(store, TODAY - 90, dry_run=True)
    assert content(store) == before
    with opened(store) as connection:
        generation = connection.execute("SELECT uuid FROM generation").fetchall()
    pruned = keeping.prune(store, TODAY - 90)
    assert pruned == dry
    assert pruned.requests == 12
    wanted = {"hits": 4, "footprint": 2, "lines": 2, "build": 1, "source": 1, "text": 1, "route": 2, "labels": 1}
    assert {table: count for table, count in pruned.rows.items() if table in wanted} == wanted
    assert pruned.rows["writer"] == 1
    assert sound(store)
    assert counted(store) == Counter(
        [
            key_of(Request("/here", when=float((TODAY - 90) * DAY)), "new"),
            key_of(Request("/here", ran=ran(2, 3)), "new"),
        ]
    )
    after = content(store)
    assert {each[0] for each in after["sources"]} == set(project.files)  # also the one that nobody ran
    assert set(after["texts"]) == {source.digest for source in project.files}
    assert {build.name for build in after["builds"]} == {"new", "idle"}
    assert {route.template for route in after["routes"]} == {"/here"}
    assert {writer.build for writer in after["writers"]} == {"new", "idle"}
    assert len(after["footprints"]) == 2
    with opened(store) as connection:
        assert connection.execute("SELECT uuid FROM generation").fetchall() != generation


def test_pruning_everything_leaves_nothing(project: Project, store: Path) -> None:
    """From a day that lies ahead, no row of any table stays."""
    old_and_new(project, store)
    pruned = keeping.prune(store, TODAY + 1)
    assert [rows(store, table) for table, _ in keeping.PRUNE] == [0] * len(keeping.PRUNE)
    assert pruned.requests == 13
    assert keeping.prune(store, TODAY + 1).rows == dict.fromkeys(pruned.rows, 0)


def test_a_server_goes_on_after_pruning(project: Project, store: Path) -> None:
    """What was deleted and is used again is written again, with its lines, its source and its text."""
    old, _ = old_and_new(project, store)
    keeping.prune(store, TODAY)
    again = Request("/gone", ran=(("shop/gone.py", frozenset({2})),))
    old.serve(store, again)
    assert counted(store) == Counter([key_of(Request("/here", ran=ran(2, 3)), "new"), key_of(again, "old")])
    assert set(content(store)["texts"]) == {source.digest for source in [*project.files, *old.project.files]}
    with reading(store) as reader:
        assert [writer.lost for writer in reader.writers()] == [0, 0]
    assert sound(store)


def test_pruning_never_takes_what_a_later_request_needs(project: Project, store: Path) -> None:
    """A set of lines, a source, a route of a later day stay, however old the first request that needed them."""
    server, later = Server(project, build="old"), Server(project, "b", build="new")
    server.serve(store, Request(when=0.0))
    later.project = Project(store.parent / "code", ["shop/other.py"])
    later.project.sources |= project.sources  # it runs a file that it never told of as imported
    later.serve(store, Request())
    keeping.prune(store, TODAY)
    assert sound(store)
    assert counted(store) == Counter([key_of(Request(), "new")])
    assert project.sources["shop/cart.py"].digest in content(store)["texts"]
    merge([store], store.with_name("copy"), track)  # also of a source that no build is left of
    assert content(store.with_name("copy")) == content(store)


def test_files_shrink_while_others_read_and_write(project: Project, store: Path) -> None:
    """Room that is free goes back to the system; neither a reader in the middle nor a writer notices."""
    server = Server(project)
    server.serve(store, *[Request(f"/{n}", ran=ran(*range(2, 4 + n % 500))) for n in range(1_500)])
    before = store.stat().st_size
    with reading(store) as reader:
        assert reader.requests() == 1_500
        keeping.reset(store)
        keeping.shrink(store)
        server.serve(store, Request())
        assert sum(hit.recorded for hit in reader.hits()) == 1_500
    keeping.shrink(store)
    assert store.stat().st_size < before / 2
    server.serve(store, Request())
    assert counted(store).total() == 2
    assert sound(store)


def test_a_scanner_can_not_grow_a_store(project: Project, store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """10,000 methods, routes and labels, and paths that match nothing, end in a few rows; the requests are counted."""
    limit = 2_000  # what there is takes long
    assert limit < MAX_LABELS < 100_000
    monkeypatch.setattr("reqcov.store.sqlite.MAX_LABELS", limit)
    live = Live(project, store)
    for n in range(10_000):
        live.ask(None, method=f"X{n}", path=f"/{n}")
        live.ask(None, path=f"/{n}.php")
        live.ask(f"/{n}", labels={"agent": f"{n}", f"key{n}": "x"})
    for method in METHODS:
        live.ask(None, method=method)
    live.sink.flush()
    assert counted(store).total() == 30_000 + len(METHODS)
    assert rows(store, "route") <= MAX_ROUTES + 2 * len(METHODS)
    assert rows(store, "labels") == limit + 1
    with reading(store) as reader:
        routes, hits = reader.routes(), reader.hits()
    unmatched = {routes[hit.route].method: hit.recorded for hit in hits if not routes[hit.route].template}
    assert unmatched == {**dict.fromkeys(METHODS, 1), "(other)": 10_000, "GET": 10_001}
    size = store.stat().st_size
    for n in range(10_000, 20_000):
        live.ask(f"/{n}", labels={"agent": f"{n}"})
    live.sink.flush()
    live.sink.close()
    assert store.stat().st_size < size * 1.01
    assert counted(store).total() == 40_000 + len(METHODS)


def test_behaviours_have_a_limit(project: Project, store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond it requests are counted without their lines; those that are known stay told apart."""
    monkeypatch.setattr(sqlite, "MAX_FOOTPRINTS", 10)
    server = Server(project)
    for _ in range(2):
        server.serve(store, *[Request(ran=ran(n)) for n in range(2, 32)])
    found = counted(store)
    assert found.total() == 60
    assert found[key_of(Request(ran=()), "1.0")] == 40
    assert rows(store, "footprint") == 11
    assert found[key_of(Request(ran=ran(11)), "1.0")] in (0, 2)


def test_labels_are_cut(project: Project, store: Path) -> None:
    """Long keys and values lose their end, and of too many labels some are left out."""
    live = Live(project, store)
    live.ask("/", labels={"k" * 1_000: "v" * 1_000})
    live.ask("/", labels={f"{n:04}": "" for n in range(1_000)})
    live.sink.close()
    with reading(store) as reader:
        found = sorted((unpack_labels(hit.labels) for hit in reader.hits()), key=len)
    assert found == [
        {"k" * LABEL_LENGTH: "v" * LABEL_LENGTH},
        {f"{n:04}": "" for n in range(LABELS_AT_ONCE)},
    ]


def test_the_command_resets(project: Project, store: Path) -> None:
    """With --yes; the file is smaller then."""
    Server(project).serve(store, *[Request(f"/{n}", ran=ran(*range(2, 4 + n % 500))) for n in range(1_000)])
    done = reqcov("reset", "--store", store)
    assert done.returncode == 2
    assert done.stderr.endswith(f"Error: There is nobody to ask whether {store} shall be emptied; say --yes.\n")
    assert counted(store).total() == 1_000
    done = reqcov("reset", "--store", store, "--yes")
    assert (done.returncode, done.stderr) == (0, "")
    first, second = done.stdout.splitlines()
    assert first == "Forgot 1,000 requests."
    assert second.startswith("The file has ")
    assert counted(store).total() == 0
    assert sorted(path.name for path in store.parent.iterdir()) == ["code", store.name]


@pytest.mark.parametrize(("answer", "left"), [("n", 7), ("y", 0)])
def test_somebody_at_a_terminal_is_asked(project: Project, store: Path, answer: str, left: int) -> None:
    """Only yes means yes."""
    Server(project).serve(store, *[Request()] * 7)
    terminal, end = pty.openpty()
    os.write(terminal, f"{answer}\n".encode())
    command = [sys.executable, "-m", "reqcov", "reset", "--store", str(store)]
    done = subprocess.run(command, stdin=end, capture_output=True, text=True, timeout=60)
    os.close(terminal)
    os.close(end)
    assert done.stdout.startswith(f"Forget 7 requests in {store}? [y/N]: ")
    assert done.returncode == (0 if answer == "y" else 1)
    assert counted(store).total() == left


def test_the_command_prunes(project: Project, store: Path) -> None:
    """It says what goes, then does it, and how much smaller the file is."""
    server = Server(project, build="old")
    now = time.time()
    server.serve(store, *[Request(f"/{n}", when=now - 100 * DAY) for n in range(3)])
    Server(project, "b", build="new").serve(store, Request("/new", when=now))
    day = datetime.fromtimestamp(now - 90 * DAY, UTC).date()
    what = (
        f"3 requests from before {day}, with 0 behaviours, 0 versions of files, 3 routes, 0 sets of labels, 1 build, "
    )
    done = reqcov("prune", "--older-than", "90d", "--store", store, "--dry-run")
    assert (done.stdout, done.stderr, done.returncode) == (f"Would forget {what}1 process.\n", "", 0)
    assert counted(store).total() == 4
    done = reqcov("prune", "--older-than", "90d", "--store", store)
    assert (done.stdout.splitlines()[0], done.stderr, done.returncode) == (f"Forgot {what}1 process.", "", 0)
    assert done.stdout.splitlines()[1].startswith("The file has ")
    assert counted(store) == Counter([key_of(Request("/new", when=now), "new")])
    for age in ("90", "soon", "999999d"):
        done = reqcov("prune", "--older-than", age, "--store", store)
        assert done.stderr.endswith(f"Error: --older-than takes an age in days or weeks (90d, 12w), not {age!r}.\n")
        assert done.returncode == 2
    assert "Missing option '--older-than'" in reqcov("prune", "--store", store).stderr


def test_the_command_takes_snapshots(project: Project, store: Path) -> None:
    """It says where, lists them, and replaces none without being told to."""
    server = Server(project)
    server.serve(store, *[Request()] * 5)
    listed = reqcov("snapshot", "--store", store)
    assert listed.stdout == f"There are no snapshots of {store} yet.\n"
    path = store.parent / "reqcov.snapshots" / "before-2.0.sqlite3"
    done = reqcov("snapshot", "before-2.0", "--store", store)
    assert (done.stdout, done.stderr, done.returncode) == (f"{path}\n", "", 0)
    server.serve(store, Request(when=float(TODAY * DAY + 3_600)))
    done = reqcov("snapshot", "before-2.0", "--store", store)
    taken = "Error: There is a snapshot before-2.0 already; take another name, or --force to replace it.\n"
    assert (done.stdout, done.stderr, done.returncode) == ("", taken, 1)
    assert counted(path).total() == 5
    assert reqcov("snapshot", "after", "--store", store).returncode == 0
    head, *lines = reqcov("snapshot", "--store", store).stdout.splitlines()
    assert head.split() == ["snapshot", "last", "request", "size", "requests", "path"]
    assert [line.split()[:3] for line in lines] == [
        ["before-2.0", "2024-10-04", "00:00"],
        ["after", "2024-10-04", "01:00"],
    ]
    assert [line.split()[-2] for line in lines] == ["5", "6"]
    assert reqcov("snapshot", "before-2.0", "--store", store, "--force").returncode == 0
    assert counted(path).total() == 6


@pytest.mark.parametrize("name", ["", "a/b", "..", ".hidden", "-x", "x" * 101, "a b", "a\0b", "a\n"])
def test_what_no_snapshot_is_called(project: Project, store: Path, name: str) -> None:
    """A name that is no file's, or would be another folder's, is refused."""
    Server(project).serve(store, Request())
    with pytest.raises(StoreError, match="is no name for a snapshot; take up to 100 letters, digits and"):
        keeping.snapshot(store, name)
    assert sorted(path.name for path in store.parent.iterdir()) == ["code", store.name]


def test_a_snapshot_replaces_one_that_was_left_open(project: Project, store: Path) -> None:
    """Nothing of the old one, not even what it has not yet taken into the file, gets into the new one."""
    server = Server(project)
    server.serve(store, *[Request()] * 5)
    kept = keeping.snapshot(store, "kept")
    copy = store.with_name("copy")
    with opened(kept) as connection:
        connection.execute("UPDATE hits SET count = 1000")
        shutil.copytree(kept.parent, copy)  # as if the process had been killed here
    shutil.rmtree(kept.parent)
    copy.rename(kept.parent)
    assert len([*kept.parent.iterdir()]) == 3
    keeping.snapshot(store, "kept", replace=True)
    assert counted(kept).total() == 5
    assert sound(kept)


@pytest.mark.parametrize("words", [("reset", "--yes"), ("prune", "--older-than", "1d"), ("snapshot", "x")])
def test_stores_that_are_none(tmp_path: Path, words: tuple[str, ...]) -> None:
    """A missing one, text, and the file of another program get a sentence each, and stay as they are."""
    (tmp_path / "text").write_text("Call me Ishmael. " * 100)
    other = sqlite3.connect(tmp_path / "other")
    other.execute("CREATE TABLE whale (name)")
    other.close()
    before = (tmp_path / "other").read_bytes()
    for name, sentence in {
        "nowhere": "There is no store at nowhere. ",
        "text": "text is damaged, or no SQLite file; move it away.",
        "other": "other is a SQLite file of another program; name a path of reqcov's own.",
    }.items():
        done = reqcov(*words, "--store", name, folder=tmp_path)
        assert done.stderr.startswith(f"Error: {sentence}")
        assert (done.stdout, done.returncode, len(done.stderr.splitlines())) == ("", 1, 1)
    assert (tmp_path / "other").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other", "text"]
