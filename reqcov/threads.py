"""Carries a recording into threads that Python starts with an empty context, where `follow_threads` asks for it."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from reqcov.cores.base import Recording, current

Carry = Callable[[Recording | None, Callable[..., Any]], Callable[..., Any]]


class FollowedThreads:
    """Patches `Thread.start` and `ThreadPoolExecutor.submit` (which `run_in_executor` uses), until it is closed."""

    def __init__(self, carry: Carry) -> None:
        start, submit = threading.Thread.start, ThreadPoolExecutor.submit
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
        ) -> Future[Any]:
            recording = current.get()
            token = current.set(None)  # a worker that is started here serves others after us
            try:
                return submit(pool, carry(recording, function), *args, **kwargs)
            finally:
                current.reset(token)

        self._after = (followed_start, followed_submit)
        threading.Thread.start = followed_start  # type: ignore[method-assign]
        ThreadPoolExecutor.submit = followed_submit  # type: ignore[method-assign, assignment]

    def close(self) -> None:
        """Undo what is still ours."""
        if threading.Thread.start is self._after[0]:
            threading.Thread.start = self._before[0]  # type: ignore[method-assign]
        if ThreadPoolExecutor.submit is self._after[1]:
            ThreadPoolExecutor.submit = self._before[1]  # type: ignore[method-assign]
