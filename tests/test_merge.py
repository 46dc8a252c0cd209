"""Merging stores: the same in any order and however often, and no request twice."""

from __future__ import annotations

import random
import shutil
from collections import Counter
from collections.abc import Collection, Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reqcov.errors import StoreError
from reqcov.store import keeping, sqlite
from reqcov.store.merge import T, merge
from reqcov.store.model import Run
from reqcov.store.reading import reading
from tests.stores import DAY, TODAY, Project, Request, Server, content, counted, key_of, placed, reqcov, rows, sound


def track(items: Collection[T], what: str) -> Iterable[T]:
    """Progress that nobody sees."""
    return items


def merged(out: Path, *inputs: Path) -> Path:
    """A store at `out`, of these."""
    merge(inputs, out, track)
    assert sound(out)
    return out


RAN = st.dictionaries(
    st.sampled_from(["shop/cart.py", "shop/order.py"]), st.frozensets(st.integers(2, 9), max_size=3), min_size=1
).map(lambda ran: tuple(sorted(ran.items())))

REQUESTS = st.builds(
    Request,
    route=st.sampled_from(["/", "/orders/{id}", ""]),
    ran=RAN,
    status=st.sampled_from([0, 2, 4]),
    labels=st.sampled_from([(), (("tenant", "acme"),)]),
    when=st.integers(0, 2 * DAY).map(lambda second: float(TODAY * DAY + second)),
    weight=st.sampled_from([1.0, 4.0]),
)

STEPS = st.lists(
    st.tuples(
        st.sampled_from(["serve", "serve", "serve", "again", "copy", "merge", "add"]),
        st.integers(0, 99),
        st.integers(0, 99),
        st.lists(REQUESTS, min_size=1, max_size=4),
    ),
    min_size=3,
    max_size=9,
)


class World:
    """Stores, and beside each the requests that were sent to it or to what it was made of: the oracle."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        project = Project(folder / "code")
        self.servers = [Server(project, "a"), Server(project, "b", build="2.0"), Server(project, "c")]
        self.stores: list[Path] = []
        self.sent: list[dict[int, tuple[Request, str]]] = []
        self.number = 0
        for server in self.servers[:2]:
            store = self.found({})
            server.serve(store)

    def found(self, sent: dict[int, tuple[Request, str]]) -> Path:
        """A place for one store more."""
        self.sent.append(sent)
        self.stores.append(self.folder / f"{len(self.stores)}.sqlite3")
        return self.stores[-1]

    def take(self, what: str, one: int, other: int, requests: list[Request]) -> None:
        """One step."""
        one, other = one % len(self.stores), other % len(self.stores)
        if what in ("serve", "again"):
            server = self.servers[other % len(self.servers)]
            batch = server.serve(self.stores[one], *requests)
            for request in requests:
                self.number += 1
                self.sent[one][self.number] = request, server.writer.build
            if what == "again":
                server.write(self.stores[one], batch)
        elif what == "copy":
            shutil.copy(self.stores[one], self.found(dict(self.sent[one])))
        elif what == "merge":
            parts = self.stores[one], self.stores[other]
            merged(self.found(self.sent[one] | self.sent[other]), *parts)
        else:
            merged(self.stores[one], self.stores[other], self.stores[one])
            self.sent[one] |= self.sent[other]


@settings(max_examples=15)
@given(STEPS)
def test_merging_is_a_union_of_requests(steps: list[tuple[str, int, int, list[Request]]]) -> None:
    """Whatever was copied, merged, written again or by whom: a merged store holds each request once."""
    with TemporaryDirectory() as folder:
        world = World(Path(folder))
        for step in steps:
            world.take(*step)
        sent: dict[int, tuple[Request, str]] = {}
        for store, part in zip(world.stores, world.sent, strict=True):
            assert counted(store) == Counter(key_of(*each) for each in part.values())
            sent |= part
        every = merged(Path(folder) / "every.sqlite3", *world.stores)
        assert counted(every) == Counter(key_of(*each) for each in sent.values())
        with reading(every) as reader:
            assert reader.requests() == sum(request.weight for request, _ in sent.values())
        for place, hit in placed(every):
            times = [request.when for request, build in sent.values() if key_of(request, build) == place]
            assert (hit.first_seen, hit.last_seen) == (min(times), max(times))


@settings(max_examples=10)
@given(STEPS, st.randoms(use_true_random=False))
def test_order_and_repetition_do_not_matter(
    steps: list[tuple[str, int, int, list[Request]]], chance: random.Random
) -> None:
    """Merging is associative, commutative and idempotent: the stores say the same to the last row."""
    with TemporaryDirectory() as folder:
        world = World(Path(folder))
        for step in steps:
            world.take(*step)
        a, b, c = (chance.choice(world.stores) for _ in range(3))
        out = Path(folder) / "out"
        ab = merged(out / "ab", a, b)
        assert content(ab) == content(merged(out / "ba", b, a))
        assert content(merged(out / "ab-c", ab, c)) == content(merged(out / "a-bc", a, merged(out / "bc", b, c)))
        assert content(merged(out / "abc", a, b, c)) == content(out / "ab-c")
        assert content(merged(out / "aa", a, a)) == content(a) == content(merged(out / "a", a))
        assert content(merged(out / "ab-a", ab, a)) == content(ab)


@settings(max_examples=20)
@given(RAN, RAN)
def test_footprints_are_sets_of_lines(
    one: tuple[tuple[str, frozenset[int]], ...], other: tuple[tuple[str, frozenset[int]], ...]
) -> None:
    """Two requests have the same footprint in a store, or in two that are merged, if they ran the same lines."""
    same = {each for each in one if each[1]} == {each for each in other if each[1]}
    with TemporaryDirectory() as folder:
        both, a, b = (Path(folder) / name for name in ("both", "a", "b"))
        project = Project(Path(folder) / "code")
        server = Server(project)
        server.serve(both, Request(ran=one), Request(ran=other))
        server.serve(a, Request(ran=one))
        Server(project, "b").serve(b, Request(ran=other[::-1]))
        for store in both, merged(Path(folder) / "ab", a, b):
            assert rows(store, "footprint") == (1 if same else 2)
            assert counted(store) == Counter([key_of(Request(ran=one), "1.0"), key_of(Request(ran=other), "1.0")])


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Source files."""
    return Project(tmp_path / "code")


def test_a_copy_that_lives_on_counts_on_its_own(project: Project, tmp_path: Path) -> None:
    """What came before the copy counts once, what came after it to either counts beside the other."""
    one, two = tmp_path / "one", tmp_path / "two"
    server = Server(project)
    server.serve(one, *[Request()] * 5)
    shutil.copy(one, two)
    server.serve(one, *[Request(when=TODAY * DAY + 9.0, weight=3.0)] * 2)
    Server(project, "b").serve(two, *[Request()] * 4)
    for number, order in enumerate([(one, two), (two, one)]):
        out = merged(tmp_path / str(number), *order)
        assert counted(out).total() == 11
        with reading(out) as reader:
            assert (reader.requests(), reader.last_seen()) == (15, TODAY * DAY + 9.0)
    Server(project, "c").serve(two, Request(when=TODAY * DAY + 5.0), Request("/late", when=TODAY * DAY + 7.0))
    server.serve(two, Request("/late", when=TODAY * DAY + 3.0))
    firsts = {hit.route: hit.first_seen - TODAY * DAY for _, hit in placed(two)}
    assert sorted(firsts.values()) == [0.0, 3.0]


def test_a_merged_store_that_is_written_to_begins_an_origin(project: Project, tmp_path: Path) -> None:
    """A server may write to what was merged, and to what it was merged of, and nothing is lost when they meet again."""
    one, both = tmp_path / "one", tmp_path / "both"
    server = Server(project)
    server.serve(one, *[Request()] * 5)
    merged(both, one)
    with reading(both) as reader:
        assert [hit.recorded for _, hit in reader.counts()] == [5]
    Server(project, "b").serve(both, *[Request()] * 3)
    server.serve(one, *[Request()] * 2)
    assert counted(merged(tmp_path / "again", both, one)).total() == 10


def test_a_home_that_comes_with_another_store_is_nobodys(project: Project, tmp_path: Path) -> None:
    """A file that has the number which another one had on the disk does not count on in the origin of that."""
    one, two = tmp_path / "one", tmp_path / "two"
    server = Server(project)
    server.serve(one, *[Request()] * 5)
    with sqlite.opened(one) as connection:
        home = connection.execute("SELECT home FROM origin").fetchone()[0]
    Server(project, "b").serve(two)
    with sqlite.opened(two) as connection:  # as if `one` had lain where `two` lies now
        taken = connection.execute("SELECT home FROM origin").fetchone()[0]
    assert home != taken
    with sqlite.opened(one) as connection:
        connection.execute("UPDATE origin SET home = ?", (taken,))
    merged(two, one, two)
    Server(project, "c").serve(two, *[Request()] * 2)
    assert counted(merged(tmp_path / "both", one, two)).total() == 7


def test_what_a_server_writes_while_its_store_is_added_to_stays(project: Project, tmp_path: Path) -> None:
    """`merge a b -o a` keeps the file, and what comes before, in the middle and after."""
    one, two = tmp_path / "one", tmp_path / "two"
    server, busy = Server(project), []
    server.serve(one, *[Request()] * 5)
    Server(project, "b").serve(two, *[Request()] * 4)
    batch = server.batch(Request(route="/new"))
    file = one.stat().st_ino

    def write_meanwhile(items: Collection[T], what: str) -> Iterable[T]:
        if not busy:
            with pytest.raises(StoreError, match="by somebody else"):
                server.stores[one].write(batch, patience=0)
            busy.append(batch)
        return items

    merge([one, two], one, write_meanwhile)
    assert busy
    server.write(one, batch)
    server.write(one, batch)
    server.serve(one, Request())
    assert one.stat().st_ino == file
    assert counted(one).total() == 11
    assert rows(one, "origin") == 2


def test_the_newer_word_of_a_process_stays(project: Project, tmp_path: Path) -> None:
    """Of one process the state after its latest batch is kept, whichever store it was told."""
    one, two = tmp_path / "one", tmp_path / "two"
    server = Server(project)
    server.serve(one, Request())
    shutil.copy(one, two)
    server.serve(two, *[Request()] * 2)
    for number, order in enumerate([(one, two), (two, one)]):
        with reading(merged(tmp_path / str(number), *order)) as reader:
            assert [(writer.batch, writer.requests) for writer in reader.writers()] == [(2, 3)]


def test_limits_hold_for_what_is_merged(project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is too many shares a row as it does when it is written, and every request still counts once."""
    one, two = tmp_path / "one", tmp_path / "two"

    def some(numbers: range) -> list[Request]:
        return [Request(f"/{n}", ran=(("shop/cart.py", frozenset({n})),), labels=(("n", str(n)),)) for n in numbers]

    server = Server(project)
    server.serve(one, *some(range(2, 12)))
    shutil.copy(one, two)
    server.serve(one, *some(range(2, 22)))
    for limit in ("MAX_ROUTES", "MAX_LABELS", "MAX_FOOTPRINTS"):
        monkeypatch.setattr(sqlite, limit, 4)
    for number, order in enumerate([(one, two), (two, one), (two, one, two)]):
        out = merged(tmp_path / str(number), *order)
        assert counted(out).total() == 30
        assert [rows(out, table) for table in ("route", "labels", "footprint")] == [5, 5, 5]
        with reading(out) as reader:
            routes = {route.template: key for key, route in reader.routes().items()}
            others = sum(hit.recorded for hit in reader.hits() if hit.route == routes["(other)"])
            kept = sum(hit.recorded for hit in reader.hits() if hit.route != routes["(other)"])
            assert (others, kept) == (22, 8)


def test_nothing_is_left_of_a_merge_that_fails(project: Project, tmp_path: Path) -> None:
    """One bad input, and neither a new store nor half of one is there; the sentence names the one that is bad."""
    one, two, bad = tmp_path / "one", tmp_path / "two", tmp_path / "bad"
    Server(project).serve(one, *[Request()] * 5)
    Server(project, "b").serve(two, *[Request()] * 4)
    bad.write_bytes(two.read_bytes()[:8192] + bytes(len(two.read_bytes()) - 8192))
    before = content(two)
    for out, inputs in ((tmp_path / "out", (one, bad)), (two, (two, one, bad))):
        with pytest.raises(StoreError, match=r"bad is damaged, or no SQLite file; move it away\.$"):
            merge(inputs, out, track)
    assert content(two) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad", "code", "one", "two"]


def test_the_command_merges(project: Project, tmp_path: Path) -> None:
    """Into a new store, into one of them, by path and by URL."""
    Server(project).serve(tmp_path / "one", *[Request()] * 1_000)
    Server(project, "b").serve(tmp_path / "two", *[Request()] * 4)
    done = reqcov("merge", "one", f"sqlite:///{tmp_path / 'two'}", "-o", "new/both", folder=tmp_path)
    assert (done.stdout, done.stderr, done.returncode) == ("new/both holds 1,004 requests.\n", "", 0)
    (tmp_path / "link").symlink_to("one")
    done = reqcov("merge", "one", "two", "-o", "link", folder=tmp_path)
    assert (done.stdout, done.stderr, done.returncode) == ("link holds 1,004 requests.\n", "", 0)
    assert counted(tmp_path / "one").total() == 1_004


def test_what_the_command_refuses(project: Project, tmp_path: Path) -> None:
    """An output that is there and is no input, inputs that are not there or no stores; nothing is changed."""
    Server(project).serve(tmp_path / "one", Request())
    keeping.snapshot(tmp_path / "one", "kept")
    (tmp_path / "text").write_text("Call me Ishmael. " * 100)
    sentences = {
        ("one", "-o", "text"): "text exists; remove it, or name it before -o as well and it is added to.",
        ("one", "two", "-o", "out"): "There is no store at two; name stores that exist.",
        ("one", "text", "-o", "out"): "text is damaged, or no SQLite file; move it away.",
        ("one", "text", "-o", "text"): "text is damaged, or no SQLite file; move it away.",
        ("one", "redis://x/y", "-o", "out"): (
            "store 'redis://x/y' is neither a path nor sqlite:///path; give one of these."
        ),
    }
    for words, sentence in sentences.items():
        done = reqcov("merge", *words, folder=tmp_path)
        assert (done.stderr, done.stdout, done.returncode) == (f"Error: {sentence}\n", "", 1)
    assert "Missing option '-o'" in reqcov("merge", "one", folder=tmp_path).stderr
    assert reqcov("merge", "-o", "out", folder=tmp_path).returncode == 2
    assert (tmp_path / "text").read_text() == "Call me Ishmael. " * 100
    assert not (tmp_path / "out").exists()


def test_what_tests_and_start_up_were(tmp_path: Path) -> None:
    """The latest run of each test stays, a finished one rather than a begun one; lines outside of requests add up."""
    project = Project(tmp_path / "code")
    early, late = tmp_path / "early", tmp_path / "late"
    runs = {
        early: {"a": Run("failed", 1.0, 2.0), "b": Run(None, 1.0, None), "c": Run("skipped", 9.0, 9.0)},
        late: {"a": Run("passed", 5.0, 6.0), "b": Run("passed", 1.0, 3.0), "d": Run(None, 2.0, None)},
    }
    for number, (store, tests) in enumerate(runs.items()):
        server = Server(project, f"{number}")
        server.outside = {project.sources["shop/cart.py"]: 4 << number}
        server.serve(store, Request())
        with sqlite.opened(store) as connection:
            for name, test in tests.items():
                sqlite.Rows(connection).test(name, test)
    for number, order in enumerate(((early, late), (late, early))):
        with reading(merged(tmp_path / f"{number}", *order)) as reader:
            assert reader.tests() == {**runs[late], "c": runs[early]["c"]}
            ran = {each.source.path: each.outside for each in reader.sources().values()}
            assert ran["shop/cart.py"] == 12
