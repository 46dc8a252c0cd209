"""The finished value: RequestRecord, Executed, footprint."""

from __future__ import annotations

import importlib.util
import json
import pickle
import sys
import threading
from collections.abc import Callable
from dataclasses import FrozenInstanceError, fields
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import reqcov
from reqcov.record import UNMATCHED, Executed, RequestRecord, Result, footprint, pack_arcs, unpack_arcs
from reqcov.types import Source

names = st.text(min_size=1, max_size=20)
maybe_names = st.none() | names
numbers = st.frozensets(st.integers(1, 10_000), max_size=30)
lines = st.dictionaries(names, numbers, max_size=5)
pairs = st.tuples(st.integers(-10_000, 10_000), st.integers(-10_000, 10_000))
arcs = st.none() | st.dictionaries(names, st.frozensets(pairs, max_size=30), max_size=5)
records = st.builds(
    RequestRecord,
    id=names,
    protocol=st.sampled_from(["http", "websocket", "job"]),
    method=maybe_names,
    path=maybe_names,
    route=maybe_names,
    endpoint=maybe_names,
    status=st.none() | st.integers(100, 599),
    started_at=st.datetimes(timezones=st.just(UTC)),
    duration=st.floats(0, allow_infinity=False),
    error=maybe_names,
    labels=st.dictionaries(names, names, max_size=3),
    complete=st.booleans(),
    executed=st.builds(Executed, st.none(), st.none(), st.tuples(lines, arcs, names)),
)


def make_record(executed: Executed | None = None, **values: Any) -> RequestRecord:
    """A record with `values` of one's own."""
    defaults: dict[str, Any] = {
        "id": "0" * 32,
        "protocol": "http",
        "method": "GET",
        "path": "/items/7",
        "route": "/items/{id}",
        "endpoint": "shop.show",
        "status": 200,
        "started_at": datetime(2026, 1, 2, tzinfo=UTC),
        "duration": 0.25,
        "error": None,
        "complete": True,
    }
    return RequestRecord(**defaults | values, executed=executed or Executed(None, None, ({}, None, "")))


@given(records)
def test_json_brings_back_everything(record: RequestRecord) -> None:
    """to_dict survives JSON, and from_dict makes an equal record of it, types included."""
    back = RequestRecord.from_dict(json.loads(json.dumps(record.to_dict())))
    assert back == record
    assert (back.lines, back.arcs, back.footprint) == (record.lines, record.arcs, record.footprint)
    assert all(type(some) is frozenset for some in back.lines.values())
    assert back.started_at.tzinfo is not None


def test_every_field_is_in_the_dictionary() -> None:
    """A field that is added later can't be forgotten in to_dict."""
    whole = make_record().to_dict()
    assert {f.name for f in fields(RequestRecord)} - {"executed"} < set(whole)
    assert {"lines", "arcs", "footprint", "context"} < set(whole)


def test_from_dict_names_what_is_missing() -> None:
    """A dictionary of something else is refused by the name of the missing value."""
    values = make_record().to_dict()
    del values["status"]
    with pytest.raises(KeyError, match="status"):
        RequestRecord.from_dict(values)


def test_records_that_ran_other_code_are_not_equal() -> None:
    """Equality looks at the code that ran too."""
    one, other = (Executed(None, None, ({"a.py": frozenset({n})}, None, str(n))) for n in (1, 2))
    assert make_record(one) != make_record(other)
    assert make_record(one) == make_record(Executed(None, None, one.result))


@given(records)
def test_pickle_brings_back_everything(record: RequestRecord) -> None:
    """A record goes to another process and arrives as it was."""
    assert pickle.loads(pickle.dumps(record)) == record


def test_pickle_takes_the_lines_and_not_their_reader() -> None:
    """What is pickled does not need the recorder any more."""
    back = pickle.loads(pickle.dumps(make_record(Executed(CountingReader(), {"a.py": {1}}))))
    assert back.lines == {"a.py": {1}}


@pytest.mark.parametrize("name", [f.name for f in fields(RequestRecord)])
def test_frozen(name: str) -> None:
    """No field of a finished record can be set."""
    with pytest.raises(FrozenInstanceError):
        setattr(make_record(), name, None)


@pytest.mark.parametrize(
    ("values", "context"),
    [
        ({}, "GET /items/{id}"),
        ({"route": None}, f"GET {UNMATCHED}"),
        ({"method": None, "path": None, "route": "nightly", "protocol": "job"}, "nightly"),
        ({"method": "WEBSOCKET", "route": "/ws", "protocol": "websocket"}, "WEBSOCKET /ws"),
    ],
)
def test_context(values: dict[str, Any], context: str) -> None:
    """The label for coverage.py is method and template, or a job's name."""
    assert make_record(**values).context == context


class CountingReader:
    """Reads hits, and counts how often it has to."""

    def __init__(self) -> None:
        self.calls = 0
        self.lock = threading.Lock()  # can't be pickled, no more than a recorder

    def read(self, hits: dict[str, set[int]]) -> Result:
        self.calls += 1
        return {name: frozenset(some) for name, some in hits.items()}, None, "print"


def test_lines_are_built_when_they_are_read() -> None:
    """Nothing is read before somebody asks, and then once."""
    reader = CountingReader()
    record = make_record(Executed(reader, {"a.py": {1}}))
    repr(record)
    record.context
    assert reader.calls == 0
    assert (record.lines, record.arcs, record.footprint) == ({"a.py": {1}}, None, "print")
    assert record.lines is record.lines
    assert reader.calls == 1


def pause_at_each_line(function: Callable[..., Any], arrive: Callable[[], None]) -> None:
    """Have this thread call `arrive` before each line of `function`."""

    def tracer(frame: FrameType, event: str, arg: Any) -> Any:
        if frame.f_code is not function.__code__:
            return None
        if event == "line":
            arrive()
        return tracer

    sys.settrace(tracer)


@pytest.mark.parametrize("line", [1, 2, 3, 4])
def test_two_threads_read_at_once(line: int) -> None:
    """Wherever one reader is interrupted by another that reads to the end, both get the lines."""
    record = make_record(Executed(CountingReader(), {"a.py": {1}}))
    arrivals, got = iter(range(1, 100)), []

    def arrive() -> None:
        if next(arrivals) == line:
            other = threading.Thread(target=lambda: got.append(record.lines))
            other.start()
            other.join()

    def read() -> None:
        pause_at_each_line(Executed.result.fget, arrive)  # type: ignore[attr-defined]
        got.append(record.lines)

    first = threading.Thread(target=read)
    first.start()
    first.join()
    assert got == [{"a.py": {1}}, {"a.py": {1}}]


sources = st.builds(Source, st.sampled_from(["a.py", "b.py"]), st.sampled_from(["d1", "d2"]))
behaviours = st.dictionaries(sources, st.frozensets(st.integers(1, 6), max_size=4), max_size=3)
arcs = st.frozensets(st.tuples(st.integers(-3, 3), st.integers(-3, 3)))


def print_of(behaviour: dict[Source, frozenset[int]], folder: str) -> str:
    """The footprint of a behaviour of a project in `folder`."""
    names = {f"{folder}/{source.path}{source.digest}": source for source in behaviour}
    return footprint({name: behaviour[source] for name, source in names.items()}, names)


@given(behaviours, behaviours)
def test_footprints_are_equal_if_and_only_if_the_same_code_ran(
    one: dict[Source, frozenset[int]], other: dict[Source, frozenset[int]]
) -> None:
    """What ran of which source counts; where the project lies, and files of which nothing ran, do not."""
    same = {k: v for k, v in one.items() if v} == {k: v for k, v in other.items() if v}
    assert (print_of(one, "/here") == print_of(other, "/there")) is same


@given(arcs, arcs)
def test_footprints_tell_arcs_apart(one: frozenset[tuple[int, int]], other: frozenset[tuple[int, int]]) -> None:
    """Where branches are measured, the same lines in another order are another behaviour."""
    prints = [
        footprint({"a.py": frozenset({1})}, {"a.py": Source("a.py", "d")}, {"a.py": some}) for some in (one, other)
    ]
    assert (prints[0] == prints[1]) is (one == other)
    assert unpack_arcs(pack_arcs(one)) == one


@given(behaviours, st.randoms())
def test_footprints_do_not_depend_on_order(behaviour: dict[Source, frozenset[int]], random: Any) -> None:
    """The order in which files were met is chance."""
    shuffled = list(behaviour.items())
    random.shuffle(shuffled)
    assert print_of(dict(shuffled), "/here") == print_of(behaviour, "/here")


SOURCE = "def pay(amount):\n    if amount:\n        return 'paid'\n    return 'nothing'\n"


def load(file: Path, source: str) -> Any:
    """A module whose source is in `file`."""
    file.parent.mkdir()
    file.write_text(source)
    spec = importlib.util.spec_from_file_location(f"{file.parent.name}_{file.stem}", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_footprint_of_code_that_really_ran(
    core: str, tmp_path: Path, make_recorder: Callable[..., reqcov.Recorder], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same lines of a project elsewhere leave the same footprint; other lines, or another source, another one."""
    sink = reqcov.MemorySink()
    for project in ("old", "new", "changed"):
        monkeypatch.syspath_prepend(tmp_path / project)
    recorder = make_recorder(include=[str(tmp_path / "*")], core=core, sinks=[sink])
    old, new = load(tmp_path / "old" / "shop.py", SOURCE), load(tmp_path / "new" / "shop.py", SOURCE)
    changed = load(tmp_path / "changed" / "shop.py", SOURCE.replace("'nothing'", "'free'"))
    for pay, amount in [(old.pay, 1), (new.pay, 1), (new.pay, 0), (changed.pay, 1)]:
        with recorder.record("pay"):
            pay(amount)
    moved_from, moved_to, other_lines, other_source = (record.footprint for record in sink.records)
    assert moved_from == moved_to
    assert len({moved_to, other_lines, other_source}) == 3
    assert [sorted(record.lines.values()) for record in sink.records[1:3]] == [[{2, 3}], [{2, 4}]]
