"""What must happen to open recorders when the process forks or ends, however it does."""

from __future__ import annotations

import _thread
import atexit
import contextlib
import os
import signal
import sys
import threading
import time
import weakref
from collections.abc import Iterable
from pathlib import Path
from types import FrameType
from typing import Any, Protocol

ENDING_TIME = 2.0
"""Seconds that SIGTERM may take longer than without us."""

FORK_TIME = 1.0
"""Seconds that a fork waits for sinks which are in the middle of something."""


class Part(Protocol):
    """Something that is being done."""

    def wait(self, timeout: float) -> bool:
        """Wait until it is done; False after `timeout` seconds in vain."""


class Lasting(Protocol):
    """What is open for as long as the process lasts, unless it is closed before."""

    def close(self) -> None:
        """The process ends."""

    def hasten(self, patience: float) -> Iterable[Part]:
        """The process may end at any moment from now on: put nothing off. Returns what is to be waited for.

        Where something hangs, wait for it no longer than `patience` seconds, all together.
        A signal handler calls this: the code that it interrupts may hold any lock, so take none.
        """

    def before_fork(self, deadline: float) -> None:
        """The process is about to fork; wait for nothing after `deadline`, by the monotonic clock."""

    def after_fork_in_parent(self) -> None:
        """It has forked, or could not; called on the thread that `before_fork` was called on."""

    def after_fork(self) -> None:
        """The process is a child that was forked just now."""


class Delivering(Protocol):
    """Something on its way, on a thread of its own."""

    def end(self) -> threading.Thread | None:
        """Come to an end, without being waited for; returns the thread that is at it. It may be told so twice."""


open_now: weakref.WeakSet[Lasting] = weakref.WeakSet()


unended: set[Delivering] = set()
"""What was not told to end yet. What is open tells it; but once nobody holds that any more, the garbage collector does,
perhaps on a thread that the end of the process does not wait for."""

finishing: weakref.WeakSet[threading.Thread] = weakref.WeakSet()
"""These still deliver what was recorded for apps that nobody holds any more; the end of the process waits for them."""


def begin(lasting: Lasting, deliveries: Iterable[Delivering]) -> None:
    """From now on, tell `lasting` of forks and of the end, and see that `deliveries` come to an end."""
    open_now.add(lasting)
    unended.update(deliveries)
    _outlive_multiprocessing()
    _go_ahead()


def end(lasting: Lasting, deliveries: Iterable[Delivering]) -> None:
    """It is closed."""
    open_now.discard(lasting)
    unended.difference_update(deliveries)
    step_back()


def finish(delivery: Delivering) -> None:
    """Nobody holds any more what it was for: end it, and have the end of the process wait for that."""
    thread = delivery.end()
    if thread is not None:
        finishing.add(thread)
    unended.discard(delivery)  # last: what was told to end twice is better than what was not


@atexit.register
def _close_all() -> None:
    for lasting in list(open_now):
        lasting.close()
    for delivery in list(unended):
        finish(delivery)
    deadline = time.monotonic() + ENDING_TIME
    for thread in list(finishing):
        thread.join(max(0.0, deadline - time.monotonic()))


class Ahead:
    """Answers SIGTERM: has what waits delivered, then does what would have been done without us.

    A server that answers SIGTERM itself has said so before us, and is called next; or does so later, in our place.
    """

    postponed: tuple[Ahead, int, FrameType | None] | None = None
    """What the main thread is to do once it has forked."""

    def __init__(self, before: Any) -> None:
        self.before = before

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """The main thread was interrupted, in the middle of anything, perhaps of ourselves."""
        if _main_thread_forks and not callable(self.before):  # no sink can be called now, and then it would be too late
            Ahead.postponed = self, number, frame
            return
        try:
            _deliver(0.0 if _main_thread_forks else ENDING_TIME)
        except AssertionError:  # gevent's hub was interrupted, and can't wait: a greenlet can
            _thread.start_new_thread(self, (number, frame))
            return
        except Exception:  # whatever is the matter with us
            pass
        except BaseException:  # Ctrl-C meanwhile
            self._go_on(number, frame)
            raise
        self._go_on(number, frame)

    def _go_on(self, number: int, frame: FrameType | None) -> None:
        if callable(self.before):
            self.before(number, frame)
        else:
            signal.signal(number, self.before)
            os.kill(os.getpid(), number)


def _deliver(patience: float) -> None:
    deadline = time.monotonic() + patience
    parts = [part for lasting in list(open_now) for part in lasting.hasten(ENDING_TIME)]
    for part in parts:
        part.wait(max(0.0, deadline - time.monotonic()))


def _go_ahead() -> None:
    before = signal.getsignal(signal.SIGTERM)
    if before == signal.SIG_DFL and _answered_elsewhere():
        return
    if before not in (signal.SIG_IGN, None) and not isinstance(before, Ahead):
        with contextlib.suppress(ValueError):  # this is not the main thread, which alone may
            signal.signal(signal.SIGTERM, Ahead(before))


def _answered_elsewhere() -> bool:
    """Whether something that Python knows nothing of answers SIGTERM, as libev does for gevent; Linux alone tells."""
    try:
        status = Path("/proc/self/status").read_text("utf-8")
        caught = int(status.partition("SigCgt:")[2].split()[0], 16)
    except (OSError, IndexError, ValueError):
        return False
    return bool(caught >> (signal.SIGTERM - 1) & 1)


def step_back() -> None:
    """Where nothing is open any more, let SIGTERM be answered as before; whoever came after us stays."""
    now = signal.getsignal(signal.SIGTERM)
    if isinstance(now, Ahead) and not list(open_now):
        with contextlib.suppress(ValueError):  # this is not the main thread: then it does nothing but go on
            signal.signal(signal.SIGTERM, now.before)


_main_thread_forks = False


def _on_main_thread() -> bool:
    return threading.get_ident() == threading.main_thread().ident


def _before_fork() -> None:
    global _main_thread_forks
    _main_thread_forks = _main_thread_forks or _on_main_thread()
    deadline = time.monotonic() + FORK_TIME
    for lasting in list(open_now):
        lasting.before_fork(deadline)


def _after_fork_in_parent() -> None:
    global _main_thread_forks
    for lasting in list(open_now):
        lasting.after_fork_in_parent()
    if _on_main_thread():
        _main_thread_forks = False
        postponed, Ahead.postponed = Ahead.postponed, None
        if postponed is not None:
            answer, number, frame = postponed
            answer(number, frame)


def _after_fork() -> None:
    global _main_thread_forks
    _main_thread_forks, Ahead.postponed = False, None  # that signal is for the parent
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
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork)
