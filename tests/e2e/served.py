"""The shop as it is served: recorded by reqcov, or each request alone under coverage.py."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import coverage

import reqcov

FOLDER = Path(os.environ.get("E2E_FOLDER", "."))
MEASURED = str(Path(__file__).with_name("shop.py"))
STORE = "store.sqlite3"
ALONE = "alone.json"


def recorded() -> Any:
    """What is tested: any number of requests at a time, in any number of processes."""
    from tests.e2e.shop import app

    core: Any = os.environ["E2E_CORE"]
    return reqcov.wrap(app, include=[MEASURED], store=FOLDER / STORE, build="e2e", core=core, labels=["test"])


def alone() -> Any:
    """What it is compared with: nothing of reqcov, in one process, where one request at a time is let in."""
    cov = coverage.Coverage(data_file=None, config_file=False, include=[MEASURED], concurrency=["thread"])
    cov.start()
    from tests.e2e.shop import app

    turn, served = asyncio.Lock(), list[list[str]]()

    async def one_at_a_time(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            return await app(scope, receive, send)
        async with turn:
            cov.switch_context(str(len(served)))
            try:
                await app(scope, receive, send)
            finally:
                cov.switch_context("nobody")
                test = unquote(dict(scope["headers"])[b"baggage"].decode().removeprefix("reqcov.test="))
                served.append([test, scope["method"], scope["route"].path])

    async def telling(scope: Any, receive: Any, send: Any) -> None:
        async def watched(message: Any) -> None:
            if message["type"] == "lifespan.shutdown.complete":
                _tell(cov, served)
            await send(message)

        await one_at_a_time(scope, receive, watched)

    return telling


def _tell(cov: coverage.Coverage, served: list[list[str]]) -> None:
    cov.stop()
    assert cov._collector is not None
    assert cov._collector.tracer_name() == "CTracer", "COVERAGE_CORE was not heeded"
    told = []
    for number, what in enumerate(served):
        cov.get_data().set_query_context(str(number))
        told.append([*what, sorted(cov.get_data().lines(MEASURED) or ())])
    (FOLDER / ALONE).write_text(json.dumps(told))
