"""One variant of one workload in a process of its own: reads how many requests to serve, answers with CPU seconds."""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

from reqcov import lifetime
from tests.bench.variants import VARIANTS
from tests.bench.workloads import App, load

warnings.simplefilter("ignore")


async def serve(app: App, requests: int, at_a_time: int) -> None:
    """Drive `app` as a server would, without the server."""

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            assert message["status"] == 200

    async def one() -> None:
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": "/",
            "raw_path": b"/",
            "query_string": b"limit=100",
            "root_path": "",
            "headers": [(b"host", b"localhost")],
            "client": ("127.0.0.1", 5),
            "server": ("127.0.0.1", 80),
        }
        await app(scope, receive, send)

    for _ in range(requests // at_a_time):
        if at_a_time == 1:
            await one()
        else:
            await asyncio.gather(*(one() for _ in range(at_a_time)))


def main() -> None:
    """Arguments: workload, variant, how many requests at a time."""
    workload, variant, at_a_time = sys.argv[1], sys.argv[2], int(sys.argv[3])
    with tempfile.TemporaryDirectory() as folder:
        app = VARIANTS[variant](load(workload, Path(folder)), Path(folder))
        loop = asyncio.new_event_loop()
        for line in sys.stdin:
            begun = time.process_time()
            loop.run_until_complete(serve(app, int(line), at_a_time))
            print(time.process_time() - begun, flush=True)
        for recorder in list(lifetime.open_now):  # as long as the folder is there
            recorder.close()


if __name__ == "__main__":
    main()
