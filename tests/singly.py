"""Requests without an app: recordings that are begun, run in and finished by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import reqcov
from reqcov.cores.base import Recording

BRANCHES = """\
def f(flag):
    if flag:
        return 3
    return 4

def g():
    return 7
"""


def lines_of(recorder: reqcov.Recorder, sink: reqcov.MemorySink, call: Callable[[], object]) -> dict[str, set[int]]:
    """By the name of the file, the lines of a request that makes a call."""
    recording = recorder.start("http", "GET", "/")
    run_in(recorder, recording, call)
    recorder.finish(recording)
    return {Path(name).name: set(lines) for name, lines in sink.records.pop().lines.items()}


def run_in(recorder: reqcov.Recorder, recording: Recording | None, call: Callable[[], object]) -> None:
    """Make a call for an open recording."""
    assert recording is not None
    token = recorder.enter(recording)
    call()
    recorder.leave(recording, token)
