"""What a store and the memory of a server come to after millions of requests: `python -m tests.load.million`."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from tests.load.traffic import BEHAVIOURS, ROUTES, Traffic, fill


def resident() -> int:
    """Bytes of this process in memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096


def on_disk(path: Path) -> int:
    """Bytes of a store, with what SQLite keeps beside it."""
    return sum(file.stat().st_size for file in path.parent.glob(f"{path.name}*"))


@click.command()
@click.option("--requests", default=1_000_000, show_default=True, help="In each of two rounds, and on the day after.")
@click.option("--keep", type=click.Path(path_type=Path), help="Make the store here, and leave it.")
def main(requests: int, keep: Path | None) -> None:
    """Write requests of 2,000 behaviours on 50 routes, and tell the sizes."""
    table = Table("written so far", "store, KB", "process, MB", "CPU, us a request")
    with tempfile.TemporaryDirectory() as folder:
        traffic = Traffic(Path(folder))
        path = keep or Path(folder, "reqcov.sqlite3")
        sink = traffic.sink(path)
        behaviours = ROUTES * BEHAVIOURS

        def written(what: str, count: int, day: int = 0) -> None:
            begun = time.process_time()
            for _ in traffic.requests(count, day):
                pass
            idle, begun = time.process_time() - begun, time.process_time()
            fill(sink, traffic.requests(count, day))
            taken = time.process_time() - begun - idle
            each = f"{taken / count * 1e6:.1f}" if count else ""
            table.add_row(what, f"{on_disk(path) / 1024:,.0f}" if count else "", f"{resident() / 2**20:.1f}", each)

        written("nothing", 0)
        written(f"each of {behaviours:,} behaviours", behaviours)
        written("each again", behaviours)
        written(f"{requests:,} requests", requests)
        written(f"{2 * requests:,} requests", requests)
        written(f"{3 * requests:,}, the last of them on the next day", requests, day=1)
        sink.close()
    Console().print(table)


if __name__ == "__main__":
    main()
