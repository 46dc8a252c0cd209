"""What every test may ask for, and what every test must leave behind: nothing."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import hypothesis
import pytest

import reqcov
from reqcov import lifetime
from reqcov.cores import base, tracers
from reqcov.cores.tracers import PythonTracers

hypothesis.settings.register_profile("house", deadline=None)  # no test asserts how long something takes
hypothesis.settings.load_profile("house")

collect_ignore = ["lending"]
"""An app whose suite is run by others."""

HAS_MONITORING = sys.version_info >= (3, 12)

CORES = (["monitoring"] if HAS_MONITORING else []) + ["settrace", "python"]
"""`python` is the settrace core with the trace function that stands in where coverage.py's C tracer can't be used."""


def installed() -> dict[str, Any]:
    """Everything of the interpreter that reqcov may have its hands on."""
    tools = [sys.monitoring.get_tool(tool) for tool in range(6)] if HAS_MONITORING else []
    greenlet = sys.modules.get("greenlet")
    lifetime.step_back()  # where the last recorder was dropped on another thread, it could not
    return {
        "trace function": sys.gettrace(),
        "trace function of new threads": threading.gettrace(),
        "greenlet's trace function": greenlet.gettrace() if greenlet is not None else None,
        "monitoring tools": tools,
        "Thread.start": threading.Thread.start,
        "ThreadPoolExecutor.submit": ThreadPoolExecutor.submit,
        "recording": base.current.get(),
        "open recorders": set(lifetime.open_now),
        "answer to SIGTERM": signal.getsignal(signal.SIGTERM),
    }


@pytest.fixture(autouse=True)
def nothing_left_behind() -> Iterator[None]:
    """Whatever a test does, no core, no context and no patch outlives it."""
    before = installed()
    yield
    for recorder in lifetime.open_now:
        assert recorder in before["open recorders"], f"{recorder} was not closed"
    assert installed() == before


@pytest.fixture(autouse=True)
def no_module_left_behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What a test imports from a folder of its own is not there for the next one, which may have another `shop`."""
    before = set(sys.modules)
    yield
    own = str(tmp_path_factory.getbasetemp())
    for name in set(sys.modules) - before:
        if (getattr(sys.modules[name], "__file__", None) or "").startswith(own):
            del sys.modules[name]


@pytest.fixture(params=CORES)
def core(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each core that this interpreter has, as a value for the `core` option."""
    if request.param == "python":
        monkeypatch.setattr(tracers, "choose", PythonTracers)
        return "settrace"
    return str(request.param)


@pytest.fixture
def make_recorder() -> Iterator[Callable[..., reqcov.Recorder]]:
    """Makes recorders, and closes them after the test."""
    made: list[reqcov.Recorder] = []

    def make(**options: Any) -> reqcov.Recorder:
        recorder = reqcov.Recorder(**options)
        made.append(recorder)
        return recorder

    yield make
    for recorder in made:
        recorder.close()
