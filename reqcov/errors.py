"""What goes wrong: errors for the caller at set-up, and faults of ours that must never reach a request."""

from __future__ import annotations

import logging
from collections import Counter

logger = logging.getLogger("reqcov")


class ReqcovError(Exception):
    """Base of every error that reqcov raises on purpose; its text says what to do."""


class ConfigError(ReqcovError, ValueError):
    """An option, an environment variable or a configuration file holds something unusable."""


class StoreError(ReqcovError):
    """A store can't be read or written."""


class StoreBusy(StoreError):
    """Somebody else is writing to the store, and has been for longer than we wait."""


class Faults:
    """Counts what went wrong on our side, by kind, and logs the first of each kind.

    Inside a request nothing of ours may reach the user's app, so errors end here.
    """

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def report(self, kind: str, error: BaseException | None = None) -> None:
        """Count one fault of `kind`, and log it if it is the first: with its traceback, unless it explains itself."""
        self.counts[kind] += 1
        if self.counts[kind] == 1:
            clear = isinstance(error, ReqcovError)
            kind = f"{kind}: {error}" if clear else kind
            logger.warning(
                "reqcov: %s (logged once; later ones are only counted)", kind, exc_info=None if clear else error
            )
