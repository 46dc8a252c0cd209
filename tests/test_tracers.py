"""Trace functions: coverage.py's C tracer while it proves itself, one in Python in its place."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import coverage.tracer
import pytest

import reqcov
from reqcov.cores import tracers
from reqcov.cores.tracers import CTracers, PythonTracers
from reqcov.errors import Faults
from tests.singly import BRANCHES, run_in
from tests.stepping import load


@pytest.fixture
def sink() -> reqcov.MemorySink:
    """Where records go."""
    return reqcov.MemorySink()


def tracer_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """coverage.py was built without its C extension."""
    monkeypatch.delattr(coverage.tracer, "CTracer")


def tracer_without_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    """A coverage.py whose tracer does not ask before it looks a file up."""
    monkeypatch.setattr(tracers, "CTracers", NeverAsked)


def tracer_of_another_make(monkeypatch: pytest.MonkeyPatch) -> None:
    """A coverage.py that packs arcs in yet another way."""
    monkeypatch.setattr(CTracers, "arc", lambda self, noted: (noted & 0xFF, noted >> 8))


class NeverAsked(CTracers):
    def new(self, target: Any) -> Any:
        tracer: Any = super().new(target)
        tracer.lock_data = int
        return tracer


@pytest.mark.parametrize("branch", [True, False])
@pytest.mark.parametrize("breakage", [tracer_missing, tracer_without_lock, tracer_of_another_make])
def test_c_tracer_that_fails_its_proof(
    tmp_path: Path,
    sink: reqcov.MemorySink,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    breakage: Callable[[pytest.MonkeyPatch], None],
    branch: bool,
) -> None:
    """It is not used: the trace function in Python is, with one warning and the same results."""
    breakage(monkeypatch)
    code = load(tmp_path / "code.py", BRANCHES)
    with reqcov.Recorder(source=[str(tmp_path)], core="settrace", branch=branch, sinks=sink) as recorder:
        assert isinstance(recorder._core._tracers, PythonTracers)  # type: ignore[attr-defined]
        recording = recorder.start("http")
        run_in(recorder, recording, lambda: code.f(False))
        recorder.finish(recording)
    [record] = sink.records
    assert record.lines == {code.__file__: {2, 4}}
    assert record.arcs == ({code.__file__: {(-1, 2), (2, 4), (4, -1)}} if branch else None)
    [warning] = caplog.records
    assert "C tracer" in warning.getMessage()


def test_c_tracer_is_used_where_it_proves_itself(tmp_path: Path) -> None:
    """Which is so with every coverage.py that these tests are run with."""
    with reqcov.Recorder(source=[str(tmp_path)], core="settrace") as recorder:
        assert isinstance(recorder._core._tracers, CTracers)  # type: ignore[attr-defined]


@pytest.mark.parametrize("bits", [20, 28])
@pytest.mark.parametrize("arc", [(1, 2), (-1, 2), (1, -2), (-3, -3), (0, 0), (2**19, 7), (7, 2**19), (-(2**19), -1)])
def test_packed_arcs(bits: int, arc: tuple[int, int]) -> None:
    """Two line numbers and their signs in one integer, at the two widths that coverage.py has had."""
    start, end = arc
    packed = abs(start) | abs(end) << bits | (start < 0) << 2 * bits | (end < 0) << 2 * bits + 1
    c_tracers = CTracers(None, Faults(), True)  # type: ignore[arg-type]
    c_tracers.arc_bits = bits
    assert c_tracers.arc(packed) == arc


def test_arcs_of_long_files(tmp_path: Path, sink: reqcov.MemorySink) -> None:
    """Line numbers that need many bits come out as they went in."""
    code = load(tmp_path / "long.py", 70_000 * "\n" + BRANCHES)
    with reqcov.Recorder(source=[str(tmp_path)], core="settrace", branch=True, sinks=sink) as recorder:
        recording = recorder.start("http")
        run_in(recorder, recording, lambda: code.f(True))
        recorder.finish(recording)
    assert sink.records[0].arcs == {code.__file__: {(-70_001, 70_002), (70_002, 70_003), (70_003, -70_001)}}
