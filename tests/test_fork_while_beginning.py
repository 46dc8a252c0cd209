"""A fork while another thread begins a recording: the child has no such thread, and records as ever."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable
from contextvars import Context
from pathlib import Path
from typing import Any

import pytest

import reqcov
from reqcov.cores.base import Recording, current
from tests.conftest import HAS_MONITORING

pytestmark = pytest.mark.skipif(not HAS_MONITORING, reason="sys.monitoring begins with Python 3.12")


class Held(dict[int, Any]):
    """The code objects of a core; another thread that looks one up is held there."""

    def __init__(self, codes: dict[int, Any]) -> None:
        super().__init__(codes)
        self.reached, self.released = threading.Event(), threading.Event()
        self._owner = threading.current_thread()

    def __getitem__(self, key: int) -> Any:
        if threading.current_thread() is not self._owner:
            self.reached.set()
            self.released.wait(30)
        return super().__getitem__(key)


@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_fork_while_another_thread_begins_a_recording(
    tmp_path: Path, make_recorder: Callable[..., reqcov.Recorder]
) -> None:
    """What that thread had taken up to arm, and never will, is armed in the child."""
    file = tmp_path / "code.py"
    file.write_text("def work():\n    number = 1\n    return number\n")
    namespace: dict[str, Any] = {}
    exec(compile(file.read_text(), str(file), "exec"), namespace)
    core: Any = make_recorder(source=[str(tmp_path)], core="monitoring")._core

    def begin() -> Recording:
        recording = Recording("http", "GET", "/", True)
        core.begin(recording)
        return recording

    def recorded() -> list[int]:
        recording = begin()
        Context().run(lambda: (current.set(recording), namespace["work"]()))
        core.end(recording)
        return sorted(core.read(recording.hits)[0].get(str(file), ()))

    namespace["work"]()  # for nobody: every line is disarmed
    held = core._codes = Held(core._codes)
    thread = threading.Thread(target=begin)
    thread.start()
    assert held.reached.wait(30)
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.write(writer, json.dumps([recorded(), recorded()]).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        told = pipe.read()
    os.waitpid(child, 0)
    held.released.set()
    thread.join()
    assert json.loads(told) == [[2, 3], [2, 3]]
