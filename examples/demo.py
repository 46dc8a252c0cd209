"""Starts the example shop under uvicorn, sends it requests, and shows what each of them ran."""

from __future__ import annotations

import ast
import asyncio
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path

import httpx
from rich.console import Console
from rich.markdown import Markdown
from rich.table import Table

from reqcov import RequestRecord

ROOT = Path(__file__).resolve().parent.parent
SHOP = ROOT / "examples" / "shop"

HOW = """\
## In your own app

```python
import reqcov

def seen(record: reqcov.RequestRecord) -> None:
    print(record.context, record.status, {f: sorted(n) for f, n in record.lines.items()})

app = reqcov.wrap(app, source=["your_package"], on_request=seen)
```

Flask, FastAPI, Starlette and Django have middleware of their own: see `docs/`.
"""


@contextmanager
def server(records: Path) -> Iterator[str]:
    """The shop's address, while it runs in a process of its own."""
    command = [sys.executable, "-m", "uvicorn", "examples.shop.measured:app", "--port", "0"]
    environ = {**os.environ, "SHOP_RECORDS": str(records)}
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


def ranges(numbers: Iterable[int]) -> str:
    """`[1, 2, 3, 7]` as `1-3, 7`."""
    runs = groupby(enumerate(sorted(numbers)), lambda pair: pair[1] - pair[0])
    spans = [[number for _, number in run] for _, run in runs]
    return ", ".join(f"{span[0]}-{span[-1]}" if len(span) > 1 else str(span[0]) for span in spans)


def ran(lines: dict[str, set[int]]) -> str:
    """A line of text for each file."""
    return "\n".join(f"{Path(name).name}: {ranges(numbers)}" for name, numbers in sorted(lines.items()))


def per_request(records: list[RequestRecord]) -> Table:
    """Each request with its lines."""
    table = Table("request", "status", "ms", "ran", "behaviour", title="Per request", title_justify="left")
    for record in sorted(records, key=lambda r: r.started_at):
        table.add_row(
            f"{record.method} {record.path}",
            str(record.status),
            f"{record.duration * 1000:.0f}",
            ran({name: set(numbers) for name, numbers in record.lines.items()}),
            record.footprint[:6],
        )
    return table


def per_route(records: list[RequestRecord]) -> Table:
    """Each route with the union of what its requests ran."""
    table = Table("route", "requests", "behaviours", "ran", title="Per route", title_justify="left")
    for context in sorted({record.context for record in records}):
        own = [record for record in records if record.context == context]
        table.add_row(context, str(len(own)), str(len({record.footprint for record in own})), ran(union(own)))
    return table


def union(records: Iterable[RequestRecord]) -> dict[str, set[int]]:
    """All lines of all records, by file."""
    lines: dict[str, set[int]] = {}
    for record in records:
        for name, numbers in record.lines.items():
            lines.setdefault(name, set()).update(numbers)
    return lines


def never_run(records: list[RequestRecord]) -> list[str]:
    """The functions of the shop that no request has run."""
    lines = union(records)
    missing = []
    for path in sorted(SHOP.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                body = range(node.body[0].lineno, (node.end_lineno or 0) + 1)
                if not lines.get(str(path), set()) & set(body):
                    missing.append(f"{path.name}:{node.lineno} {node.name}()")
    return missing


def main() -> None:
    """The demonstration."""
    console = Console()
    with tempfile.TemporaryDirectory() as folder:
        records = Path(folder) / "records.jsonl"
        with server(records) as address:
            console.print(f"The shop in examples/shop runs on {address}; 5 requests in turn, then 10 at once.\n")
            asyncio.run(visit(address))
        seen = read(records)
    console.print(per_request(seen), per_route(seen), sep="\n")
    console.print(f"No request ran: {', '.join(never_run(seen))}\n")
    console.print(Markdown(HOW))


if __name__ == "__main__":
    main()
