"""What must happen to open recorders when the process forks or ends, however it does."""

from __future__ import annotations

import atexit
import os
import sys
import weakref
from typing import Any, Protocol


class Lasting(Protocol):
    """What is open for as long as the process lasts, unless it is closed before."""

    def close(self) -> None:
        """The process ends."""

    def after_fork(self) -> None:
        """The process is a child that was forked just now."""


open_now: weakref.WeakSet[Lasting] = weakref.WeakSet()


def begin(lasting: Lasting) -> None:
    """From now on, tell `lasting` of forks and of the end."""
    open_now.add(lasting)
    _outlive_multiprocessing()


def end(lasting: Lasting) -> None:
    """It is closed."""
    open_now.discard(lasting)


@atexit.register
def _close_all() -> None:
    for lasting in list(open_now):
        lasting.close()


def _after_fork() -> None:
    for lasting in list(open_now):
        lasting.after_fork()
        util: Any = sys.modules.get("multiprocessing.util")
        if util is not None:  # it forgets what it was to do at the end, and calls this next
            util.register_after_fork(lasting, lambda _: _outlive_multiprocessing())


def _outlive_multiprocessing() -> None:
    """Have a child that multiprocessing forked (granian's workers, for one) close all: it skips `atexit`."""
    util: Any = sys.modules.get("multiprocessing.util")
    process: Any = sys.modules.get("multiprocessing.process")
    if util is not None and process.parent_process() is not None:
        util.Finalize(None, _close_all, exitpriority=0)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
