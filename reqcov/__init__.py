"""Records which code every request to a WSGI or ASGI server runs.

PYTEST_DONT_REWRITE: pytest warns of packages with plugins that were imported before it began, unless they say this.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reqcov import asgi, wsgi
    from reqcov.errors import ConfigError, ReqcovError, StoreError
    from reqcov.labels import label
    from reqcov.record import RequestRecord, Sink
    from reqcov.recorder import Recorder, Stats
    from reqcov.sinks import CoverageDataSink, JsonLinesSink, MemorySink
    from reqcov.wrapper import wrap

__version__ = "0.1.0"

__all__ = [
    "ConfigError",
    "CoverageDataSink",
    "JsonLinesSink",
    "MemorySink",
    "Recorder",
    "ReqcovError",
    "RequestRecord",
    "Sink",
    "Stats",
    "StoreError",
    "asgi",
    "label",
    "wrap",
    "wsgi",
]

_HOMES = {
    "ConfigError": "errors",
    "CoverageDataSink": "sinks",
    "JsonLinesSink": "sinks",
    "MemorySink": "sinks",
    "Recorder": "recorder",
    "ReqcovError": "errors",
    "RequestRecord": "record",
    "Sink": "record",
    "Stats": "recorder",
    "StoreError": "errors",
    "label": "labels",
    "wrap": "wrapper",
}


def __getattr__(name: str) -> Any:
    """Import what is asked for, when it is asked for (PEP 562): importing reqcov costs next to nothing."""
    if name in ("asgi", "wsgi"):
        return importlib.import_module(f"reqcov.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module 'reqcov' has no attribute {name!r}")
    found = globals()[name] = getattr(importlib.import_module(f"reqcov.{_HOMES[name]}"), name)
    return found
