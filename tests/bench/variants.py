"""The ways to measure a request that are compared."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from tests.bench.workloads import App


def bare(app: App, folder: Path) -> App:
    """Nothing around the app."""
    return app


def every(app: App, folder: Path) -> App:
    """Every request recorded, and handed to a callback."""
    import reqcov

    return reqcov.wrap(app, source=["project"], on_request=lambda record: None)  # type: ignore[no-any-return]


def stored(app: App, folder: Path) -> App:
    """Every request recorded, and counted in a store that is written to once a second."""
    import reqcov

    return reqcov.wrap(app, source=["project"], store=folder / "store.sqlite3")  # type: ignore[no-any-return]


def none_sampled(app: App, folder: Path) -> App:
    """`sample=0`: no request recorded completely, each handed to a callback."""
    import reqcov

    return reqcov.wrap(app, source=["project"], sample=0, on_request=lambda record: None)  # type: ignore[no-any-return]


def branches(app: App, folder: Path) -> App:
    """Every request recorded with its arcs."""
    import reqcov

    return reqcov.wrap(app, source=["project"], branch=True, on_request=lambda record: None)  # type: ignore[no-any-return]


def c_tracer(app: App, folder: Path) -> App:
    """coverage.py's C tracer around each request: the least a trace function can cost. Wrong when overlapped."""
    from coverage.tracer import CFileDisposition, CTracer

    dispositions: dict[str, Any] = {}
    inside = str(folder)

    def should_trace(filename: str, frame: Any) -> Any:
        disposition = CFileDisposition()
        disposition.original_filename = disposition.source_filename = filename
        disposition.trace = filename.startswith(inside)
        disposition.file_tracer, disposition.has_dynamic_filename = None, False
        return disposition

    async def traced(scope: Any, receive: Any, send: Any) -> None:
        tracer = CTracer()
        tracer.data, tracer.should_trace, tracer.should_trace_cache = {}, should_trace, dispositions
        tracer.lock_data = tracer.unlock_data = int
        tracer.trace_arcs = False
        for name in ("check_include", "warn", "concur_id_func", "should_start_context", "switch_context"):
            setattr(tracer, name, None)
        tracer.file_tracers, tracer.disable_plugin = {}, None
        tracer.start()
        try:
            await app(scope, receive, send)
        finally:
            tracer.stop()
            sys.settrace(None)

    return traced


def coverage_object(app: App, folder: Path) -> App:
    """A `Coverage` object around each request, as is often shown. Crashes when overlapped."""
    import coverage

    async def covered(scope: Any, receive: Any, send: Any) -> None:
        measuring = coverage.Coverage(data_file=None, source=["project"], config_file=False, messages=False)
        measuring.start()
        try:
            await app(scope, receive, send)
        finally:
            measuring.stop()
            measuring.get_data()

    return covered


VARIANTS = {
    "bare": bare,
    "every request recorded": every,
    "with a store": stored,
    "none sampled": none_sampled,
    "every request, branches": branches,
    "C tracer per request": c_tracer,
    "Coverage object per request": coverage_object,
}
OVERLAPPING = ("bare", "every request recorded", "with a store", "none sampled", "every request, branches")
"""The rest can't be overlapped."""
