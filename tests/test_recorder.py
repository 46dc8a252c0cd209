"""The recorder: jobs, sampling, closing, and what it says about itself."""

from __future__ import annotations

import functools
import gc
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

import reqcov
from reqcov import recorder as recorder_module
from reqcov.record import qualified_name
from reqcov.store.reading import reading
from tests.conftest import HAS_MONITORING
from tests.inprocess import KINDS, first_line, get, make_app

Make = Callable[..., reqcov.Recorder]


def work() -> int:
    return 1


def other_work() -> int:
    return 2


def third_work() -> int:
    return 3


def ran(*functions: Callable[..., Any]) -> dict[str, set[int]]:
    """The lines of a record in which these functions of this file ran, and nothing else did."""
    return {__file__: {first_line(function) for function in functions}}


@pytest.fixture
def sink() -> reqcov.MemorySink:
    return reqcov.MemorySink()


def test_a_job(core: str, make_recorder: Make, sink: reqcov.MemorySink) -> None:
    """What is no request is recorded under its name, with nothing that only requests have."""
    recorder = make_recorder(include=[__file__], core=core, sinks=[sink])
    before = datetime.now(UTC)
    with recorder.record("nightly"):
        work()
    after = datetime.now(UTC)
    [record] = sink.records
    assert (record.protocol, record.route, record.context) == ("job", "nightly", "nightly")
    assert (record.method, record.path, record.endpoint, record.status, record.error) == (None,) * 5
    assert (record.complete, record.labels, record.lines, record.arcs) == (True, {}, ran(work), None)
    assert before <= record.started_at <= after
    assert 0 <= record.duration <= (after - before).total_seconds()
    assert len(record.id) == 32
    assert int(record.id, 16)


def test_a_job_that_fails(core: str, make_recorder: Make, sink: reqcov.MemorySink) -> None:
    """The exception goes on, and the record names it."""
    recorder = make_recorder(core=core, sinks=[sink])
    for error in (LookupError, KeyboardInterrupt, SystemExit, GeneratorExit, reqcov.ConfigError):
        with pytest.raises(error) as raised, recorder.record("job"):
            raise error("x")
        assert type(raised.value) is error
    names = ["LookupError", "KeyboardInterrupt", "SystemExit", "GeneratorExit", "reqcov.errors.ConfigError"]
    assert [record.error for record in sink.records] == names


def test_a_job_inside_a_job(core: str, make_recorder: Make, sink: reqcov.MemorySink) -> None:
    """The inner one has its own lines, and the outer one goes on after it."""
    recorder = make_recorder(include=[__file__], core=core, sinks=[sink])
    with recorder.record("outer"):
        with recorder.record("inner"):
            work()
        other_work()
    assert [(record.context, record.lines) for record in sink.records] == [
        ("inner", ran(work)),
        ("outer", ran(other_work)),
    ]


def test_branches(make_recorder: Make, sink: reqcov.MemorySink) -> None:
    """With `branch`, arcs are there, and the lines are those of the arcs."""
    recorder = make_recorder(include=[__file__], branch=True, sinks=[sink])
    with recorder.record("job"):
        work()
    [record] = sink.records
    line = first_line(work)
    assert record.arcs == {__file__: {(-(line - 1), line), (line, -(line - 1))}}
    assert record.lines == ran(work)


@pytest.mark.parametrize(("sample", "complete"), [(1, 50), (0, 0)])
def test_sampling_all_or_none(sample: float, complete: int, core: str, make_recorder: Make) -> None:
    """All requests are recorded completely, or none."""
    recorder = make_recorder(core=core, sample=sample)
    for _ in range(50):
        with recorder.record("job"):
            work()
    assert (recorder.stats().seen, recorder.stats().recorded) == (50, complete)


def test_sampling_some(
    core: str, make_recorder: Make, sink: reqcov.MemorySink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """About as many as were asked for, each of them with every line."""
    monkeypatch.setattr(recorder_module, "random", Random(7).random)
    recorder = make_recorder(include=[__file__], core=core, sample=0.3, sinks=[sink])
    for _ in range(500):
        with recorder.record("job"):
            work()
    complete = [record for record in sink.records if record.complete]
    assert recorder.stats().recorded == len(complete)
    assert 110 < len(complete) < 190
    assert all(record.lines == ran(work) for record in complete)


@pytest.mark.skipif(not HAS_MONITORING, reason="sys.monitoring begins with Python 3.12")
def test_what_is_not_sampled_still_shows_lines_that_are_new(make_recorder: Make, sink: reqcov.MemorySink) -> None:
    """Without sampling anything, each line that requests ran is in exactly one record, which is not complete."""
    recorder = make_recorder(include=[__file__], core="monitoring", sample=0, sinks=[sink])
    for function in (work, work, other_work, work, other_work):
        with recorder.record(function.__name__):
            function()
    assert [(record.context, record.complete, record.lines) for record in sink.records] == [
        ("work", False, ran(work)),
        ("other_work", False, ran(other_work)),
    ]


steps = st.lists(
    st.tuples(st.just("start"), st.booleans())
    | st.tuples(st.just("run"), st.integers(0, 9), st.sampled_from([work, other_work, third_work]))
    | st.tuples(st.just("finish"), st.integers(0, 9)),
    max_size=30,
)


@pytest.mark.skipif(not HAS_MONITORING, reason="sys.monitoring begins with Python 3.12")
@given(steps)
def test_no_line_is_missed_for_not_being_sampled(steps: list[tuple[Any, ...]]) -> None:
    """However requests overlap, sampled or not, each line that a request ran is in at least one record."""
    sink = reqcov.MemorySink()
    sampled = [step[1] for step in steps if step[0] == "start"]
    ran_in_requests = set()
    with (
        mock.patch.object(recorder_module, "random", iter([0.0 if yes else 1.0 for yes in sampled]).__next__),
        reqcov.Recorder(include=[__file__], core="monitoring", sample=0.5, sinks=[sink]) as recorder,
    ):
        recordings = []
        for action, *what in steps:
            if action == "start":
                recordings.append(recorder.start("job"))
            elif recordings:
                recording = recordings[what[0] % len(recordings)]
                assert recording is not None
                if action == "finish":
                    recordings.remove(recording)
                    recorder.finish(recording)
                else:
                    token = recorder.enter(recording)
                    what[1]()
                    recorder.leave(recording, token)
                    ran_in_requests.add(first_line(what[1]))
    seen = {line for record in sink.records for line in record.lines.get(__file__, ())}
    assert seen == ran_in_requests


def test_stats(core: str, make_recorder: Make) -> None:
    """The numbers of a recorder that has had some trouble."""

    def raising(record: reqcov.RequestRecord) -> None:
        raise OSError("no")

    recorder = make_recorder(core=core, on_request=raising, sinks=[reqcov.MemorySink()])
    for _ in range(3):
        with recorder.record("job"):
            work()
    assert recorder.flush()
    stats = recorder.stats()
    assert (stats.seen, stats.recorded, stats.core) == (3, 3, core)
    assert (stats.failed, stats.dropped) == ({"CallbackSink": 3}, {})
    assert stats.faults == {"CallbackSink failed to accept: OSError": 3}
    assert stats.reason


def test_stats_stay_when_the_recorder_is_closed(core: str) -> None:
    """What happened can be asked for afterwards."""
    with reqcov.Recorder(core=core) as recorder, recorder.record("job"):
        work()
    stats = recorder.stats()
    assert (stats.seen, stats.core) == (1, core)
    assert "DISABLED" not in stats.reason


def test_unattributed_lines(core: str, make_recorder: Make, sink: reqcov.MemorySink) -> None:
    """What a bare thread runs beside a request is in no record, and is counted as distinct lines."""
    recorder = make_recorder(include=[__file__], core=core, sinks=[sink])
    with recorder.record("job"):
        for _ in range(2):
            thread = threading.Thread(target=work)
            thread.start()
            thread.join()
    assert sink.records[0].lines == {}
    assert recorder.stats().unattributed == 1


def test_what_runs_outside(core: str, make_recorder: Make, tmp_path: Path) -> None:
    """What runs in no recording, before the first and after it, is told to the store, apart from what requests ran."""
    recorder = make_recorder(include=[__file__], core=core, store=tmp_path / "store")
    one_line()
    with recorder.record("job"):
        work()
    two_lines()
    recorder.close()
    with reading(tmp_path / "store") as reader:
        (source,) = reader.sources().values()
    first = one_line.__code__.co_firstlineno + 1
    second = two_lines.__code__.co_firstlineno + 1
    outside = 1 << first | 3 << second
    assert source.ran == 1 << work.__code__.co_firstlineno + 1
    assert source.outside == (outside if core == "monitoring" else 0)


def one_line() -> int:
    return 1


def two_lines() -> int:
    value = one_line()
    return value


def test_closed_twice_and_used_after(core: str, make_recorder: Make, sink: reqcov.MemorySink) -> None:
    """Closing again is harmless, and what comes after is served unmeasured."""
    recorder = make_recorder(include=[__file__], core=core, sinks=[sink])
    recorder.close()
    recorder.close()
    with recorder.record("job"):
        assert work() == 1
    assert recorder.flush()
    assert (sink.records, recorder.stats().seen) == ([], 0)


@pytest.mark.parametrize("kind", KINDS)
def test_requests_after_closing(kind: str, core: str, make_recorder: Make, sink: reqcov.MemorySink) -> None:
    """A wrapped app goes on when its recorder is closed."""
    recorder = make_recorder(core=core, sinks=[sink])
    app = reqcov.wrap(make_app(kind, lambda: b"served"), recorder=recorder)
    recorder.close()
    assert get(kind, app).text == "served"
    assert sink.records == []


def test_a_dropped_recorder_leaves_nothing(core: str, tmp_path: Path) -> None:
    """Apps made by a factory, wrapped and thrown away, use no tool id up (the autouse fixture looks too)."""
    cores = []
    for number in range(8):
        file = tmp_path / f"{number}.jsonl"
        app = reqcov.wrap(make_app("wsgi", lambda: b""), core=core, sinks=[reqcov.JsonLinesSink(file)])
        get("wsgi", app)
        cores.append(app.recorder.stats().core)
        threads = [thread for thread in threading.enumerate() if thread.name == "reqcov JsonLinesSink"]
        del app
        gc.collect()
        for thread in threads:
            thread.join(30)
            assert not thread.is_alive()
        assert len(file.read_text().splitlines()) == 1
    assert cores == [core] * 8


@pytest.mark.skipif(not HAS_MONITORING, reason="sys.monitoring begins with Python 3.12")
def test_a_dropped_recorder_takes_nothing_from_another(make_recorder: Make, sink: reqcov.MemorySink) -> None:
    """One that was closed before it was dropped does not free the id again that another has got meanwhile."""
    first = reqcov.Recorder(core="monitoring")
    first.close()
    second = make_recorder(include=[__file__], core="monitoring", sinks=[sink])
    del first
    gc.collect()
    with second.record("job"):
        work()
    assert sink.records[0].lines == ran(work)


def test_several_recorders(core: str, make_recorder: Make) -> None:
    """Two recorders, one request of each after the other: each sees its own."""
    sinks = [reqcov.MemorySink(), reqcov.MemorySink()]
    recorders = [make_recorder(include=[__file__], core=core, sinks=[sink]) for sink in sinks]
    for recorder in (*recorders, *recorders):
        with recorder.record("job"):
            work()
    for sink in sinks:
        assert [record.lines for record in sink.records] == [ran(work)] * 2


class Gone(Exception):
    pass


class View:
    def __call__(self) -> None: ...

    def method(self) -> None: ...


@pytest.mark.parametrize(
    ("thing", "name"),
    [
        (work, f"{__name__}.work"),
        (ValueError, "ValueError"),
        (Gone, f"{__name__}.Gone"),
        (View, f"{__name__}.View"),
        (View(), f"{__name__}.View"),
        (View().method, f"{__name__}.View.method"),
        (functools.partial(functools.partial(work)), f"{__name__}.work"),
        (mock.Mock(), "unittest.mock.Mock"),
        (len, "len"),
        (str.upper, "str.upper"),
    ],
)
def test_qualified_name(thing: Any, name: str) -> None:
    """Whatever serves as a view has a name, and asking for it comes to an end."""
    assert qualified_name(thing) == name


def test_nothing_is_kept_for_nobody(make_recorder: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """With no sink there is no record to make, and requests are counted all the same."""
    recorder = make_recorder()
    monkeypatch.setattr(recorder, "_record", None)
    with recorder.record("job"):
        work()
    stats = recorder.stats()
    assert (stats.seen, stats.recorded, stats.faults) == (1, 1, {})


def test_which_core(make_recorder: Make) -> None:
    """On its own the best core is taken, and says why."""
    stats = make_recorder().stats()
    if HAS_MONITORING:
        assert (stats.core, stats.reason) == ("monitoring", "sys.monitoring is there")
    else:
        assert (stats.core, stats.reason) == ("settrace", "sys.monitoring begins with Python 3.12")
    asked = make_recorder(core="settrace").stats().reason
    assert asked == ('core="settrace" was asked for' if HAS_MONITORING else stats.reason)
    branches = make_recorder(branch=True).stats()
    assert branches.core == "settrace"
    assert sys.version_info < (3, 12) or branches.reason == "branches are measured with trace functions"
