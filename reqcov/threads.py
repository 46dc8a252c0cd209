"""Carries a recording into threads that Python starts with an empty context, where `follow_threads` asks for it."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from reqcov.cores.base import Recording, current

Carry = Callable[[Recording | None, Callable[..., Any]], Callable[..., Any]]


class FollowedThreads:
    """Patches `Thread.start` and `ThreadPoolExecutor.submit` (which `run_in_executor` uses), until it is closed."""

    def __init__(self, carry: Carry) -> None:
        start: Any = threading.Thread.start
        submit: Any = ThreadPoolExecutor.submit
        self._before = (start, submit)

        @functools.wraps(start)
        def followed_start(thread: threading.Thread) -> None:
            recording = current.get()
            if recording is not None:
                thread.run = carry(recording, thread.run)  # type: ignore[method-assign]
            start(thread)

        @functools.wraps(submit)
        def followed_submit(
            pool: ThreadPoolExecutor, function: Callable[..., Any], /, *args: Any, **kwargs: Any
        ) -> Any:
            recording = current.get()
            token = current.set(None)  # a worker that is started here serves others after us
            try:
                return submit(pool, carry(recording, function), *args, **kwargs)
            finally:
                current.reset(token)

        self._after: tuple[Any, Any] = (followed_start, followed_submit)
        _patch(*self._after)

    def close(self) -> None:
        """Undo what is still ours."""
        now: tuple[Any, Any] = (threading.Thread.start, ThreadPoolExecutor.submit)
        _patch(*(b if n is a else n for n, a, b in zip(now, self._after, self._before, strict=True)))


def _patch(start: Any, submit: Any) -> None:
    threading.Thread.start = start  # type: ignore[method-assign]
    ThreadPoolExecutor.submit = submit  # type: ignore[method-assign]
