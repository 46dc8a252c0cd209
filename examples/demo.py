"""Starts the example shop under uvicorn, sends it requests, and shows what each of them ran."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from rich.console import Console
from rich.markdown import Markdown
from rich.table import Table

from reqcov import RequestRecord
from reqcov.analysis.source.masks import of, ranges
from reqcov.types import Lines

ROOT = Path(__file__).resolve().parent.parent

HOW = """\
## In your own app

```python
import reqcov

def seen(record: reqcov.RequestRecord) -> None:
    print(record.context, record.status, {f: sorted(n) for f, n in record.lines.items()})

app = reqcov.wrap(app, source=["your_package"], on_request=seen, store=".reqcov/reqcov.sqlite3")
```

Then ask: `reqcov routes`, `reqcov show ROUTE`, `reqcov line FILE:LINE`, `reqcov report`, `reqcov gaps`; or look:
`reqcov html`, `reqcov serve`.

Flask, FastAPI, Starlette and Django have middleware of their own: see `docs/`.
"""


@contextmanager
def server(folder: Path) -> Iterator[str]:
    """The shop's address, while it runs in a process of its own and records into `folder`."""
    command = [sys.executable, "-m", "uvicorn", "examples.shop.measured:app", "--port", "0"]
    environ = {
        **os.environ,
        "SHOP_RECORDS": str(folder / "records.jsonl"),
        "SHOP_STORE": str(folder / "reqcov.sqlite3"),
    }
    with subprocess.Popen(command, cwd=ROOT, env=environ, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
        try:
            assert process.stderr is not None
            output = b""
            while not (address := re.search(rb"running on (http://\S+)", output)):
                line = process.stderr.readline()
                if not line:
                    sys.exit(f"The server did not start:\n{output.decode()}")
                output += line
            yield address[1].decode()
        finally:
            process.terminate()
            process.communicate()


async def visit(address: str) -> None:
    """First one request after the other, then ten orders at once."""
    async with httpx.AsyncClient(base_url=address) as client:
        for path in ("/items", "/items/1", "/items/3", "/items/99", "/robots.txt"):
            await client.get(path)
        await asyncio.gather(
            *(client.post("/orders/1", params={"pieces": pieces}) for pieces in (1, 2, 3, 12)),
            *(client.post("/orders/3", params={"pieces": pieces, "coupon": "SPRING"}) for pieces in (1, 1, 2)),
            *(client.post("/orders/2", params={"coupon": "SUMMER"}) for _ in range(3)),
        )


def read(path: Path) -> list[RequestRecord]:
    """The records that the server has written."""
    return [RequestRecord.from_dict(json.loads(line)) for line in path.read_text("utf-8").splitlines()]


def ran(lines: Lines) -> str:
    """A line of text for each file."""
    return "\n".join(f"{Path(name).name}: {ranges(of(numbers))}" for name, numbers in sorted(lines.items()))


def per_request(records: list[RequestRecord]) -> Table:
    """Each request with its lines."""
    table = Table("request", "status", "ms", "ran", "behaviour", title="Per request", title_justify="left")
    for record in sorted(records, key=lambda r: r.started_at):
        table.add_row(
            f"{record.method} {record.path}",
            str(record.status),
            f"{record.duration * 1000:.0f}",
            ran(record.lines),
            record.footprint[:6],
        )
    return table


def test(folder: Path) -> str:
    """Run the shop's tests under coverage.py; returns its data file."""
    tests = str(folder / ".coverage")
    command = ["coverage", "run", f"--data-file={tests}", "--source=examples.shop", "-m", "unittest", "-q"]
    subprocess.run([sys.executable, "-m", *command, "examples.shop.test_prices"], cwd=ROOT, check=True)
    return tests


def ask(console: Console, folder: Path, *arguments: str) -> None:
    """Run the command on the store that the server has filled."""
    console.print(f"[bold]$ reqcov {shlex.join(arguments)}[/bold]")
    subprocess.run([sys.executable, "-m", "reqcov", *arguments, "--store", folder / "reqcov.sqlite3"], check=True)
    console.print()


def main() -> None:
    """The demonstration."""
    console = Console()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with server(folder) as address:
            console.print(f"The shop in examples/shop runs on {address}; 5 requests in turn, then 10 at once.\n")
            asyncio.run(visit(address))
        console.print(per_request(read(folder / "records.jsonl")))
        console.print("Now what the store remembers of them:\n")
        ask(console, folder, "routes")
        ask(console, folder, "show", "POST /orders/{item}")
        console.print("Which of that is not tested:\n")
        ask(console, folder, "gaps", "--tests", test(folder))
        ask(console, folder, "html", "-o", str(ROOT / "reqcov-html"))
    console.print(Markdown(HOW))


if __name__ == "__main__":
    main()
