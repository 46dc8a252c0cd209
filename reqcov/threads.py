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
        self._before = _patched()

        @functools.wraps(self._before[0])
        def followed_start(thread: threading.Thread) -> None:
            recording = current.get()
            if recording is not None:
                thread.run = carry(recording, thread.run)  # type: ignore[method-assign]
            self._before[0](thread)

        @functools.wraps(self._before[1])
        def followed_submit(
            pool: ThreadPoolExecutor, function: Callable[..., Any], /, *args: Any, **kwargs: Any
        ) -> Any:
            recording = current.get()
            token = current.set(None)  # a worker that is started here serves others after us
            try:
                return self._before[1](pool, carry(recording, function), *args, **kwargs)
            finally:
                current.reset(token)

        self._after: tuple[Any, Any] = (followed_start, followed_submit)
        _patch(*self._after)
        _following.append(self)

    def close(self) -> None:
        """Undo what is still ours, also where another recorder has patched over it."""
        _following.remove(self)
        for other in _following:
            other._before = self._without(other._before)
        _patch(*self._without(_patched()))

    def _without(self, patches: tuple[Any, Any]) -> tuple[Any, Any]:
        start, submit = (
            before if patch is after else patch
            for patch, after, before in zip(patches, self._after, self._before, strict=True)
        )
        return start, submit


_following: list[FollowedThreads] = []


def _patched() -> tuple[Any, Any]:
    return threading.Thread.start, ThreadPoolExecutor.submit


def _patch(start: Any, submit: Any) -> None:
    threading.Thread.start = start  # type: ignore[method-assign]
    ThreadPoolExecutor.submit = submit  # type: ignore[method-assign]
