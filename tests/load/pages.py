"""What the pages of a busy server's store cost to make, and how soon they are seen: `python -m tests.load.pages`."""

from __future__ import annotations

import contextlib
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import click
from playwright.sync_api import Browser
from rich.console import Console
from rich.table import Table

from tests.load.big_store import make
from tests.pages.browser import Window, started
from tests.servers import running

TOKEN = "there is nothing to hide here"

FEW = 9
"""Pages that are opened of a kind of which there are many: the largest one, and others."""


class Cost(NamedTuple):
    """Of a command and all processes that it starts."""

    seconds: float
    cpu: float
    """Seconds."""
    memory: int
    """Bytes at most at the same time; pages that several processes share count once."""


def cost(*arguments: str | Path, folder: Path) -> Cost:
    """Run `python -m` with these arguments."""
    begun, used = time.perf_counter(), cpu_seconds()
    process = subprocess.Popen(
        [sys.executable, "-m", *map(str, arguments)], cwd=folder, stdout=subprocess.DEVNULL, start_new_session=True
    )
    most = 0
    while process.poll() is None:
        most = max(most, sum(map(resident, session(process.pid))))
        time.sleep(0.2)
    if process.returncode:
        raise SystemExit(f"{arguments} failed")
    return Cost(time.perf_counter() - begun, cpu_seconds() - used, most)


def cpu_seconds() -> float:
    """What all processes have used up that were waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def session(leader: int) -> Iterator[int]:
    """The processes of a session."""
    for status in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            if int(status.read_text().rpartition(")")[2].split()[3]) == leader:
                yield int(status.parent.name)


def resident(pid: int) -> int:
    """The share of the memory that a process has; bytes. 0 where it has ended."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0


def size(folder: Path) -> tuple[int, int]:
    """Files in it, and their bytes."""
    sizes = [each.stat().st_size for each in folder.rglob("*") if each.is_file()]
    return len(sizes), sum(sizes)


class Paint(NamedTuple):
    """Milliseconds from the moment at which a page is asked for."""

    first: float
    """Until something is seen of it."""
    ready: float
    """Until its scripts have run, and what they load is there."""


def paint(browser: Browser, site: str, page: str, token: str = "") -> Paint:
    """Open a page in a browser that has nothing of it yet."""
    window = Window(browser, site, "about:blank")
    if token:
        window.context.set_extra_http_headers({"Authorization": f"Bearer {token}"})
    window.page.goto(site + page)
    found = window.page.evaluate(
        """() => new Promise((told) => new PerformanceObserver((list) => {
            const [first] = list.getEntriesByName("first-contentful-paint");
            if (first) told([first.startTime, performance.getEntriesByType("navigation")[0].loadEventStart]);
        }).observe({ type: "paint", buffered: true }))"""
    )
    window.close()
    for wrong in window.wrong:
        print(page, wrong)
    return Paint(*found)


def chosen(folder: Path) -> dict[str, list[str]]:
    """By kind of page, which ones are opened."""
    found = {}
    for kind in ("index", "routes", "files"):
        found[kind] = [f"{kind}.html"] * 3
    found["search"] = ["search.html", "search.html?q=method_1", "search.html?q=route49"]
    found["compare"] = ["compare.html", "compare.html?left=build:build0&right=build:build1"]
    for kind in ("route", "file"):
        pages = sorted((folder / kind).glob("*.html"), key=lambda each: -each.stat().st_size)
        some = pages[:1] + random.Random(3).sample(pages[1:], FEW - 1)
        found[kind] = [f"{kind}/{each.name}" for each in some]
    return found


def painted(browser: Browser, site: str, kinds: dict[str, list[str]], token: str = "") -> Iterator[tuple[str, ...]]:
    """A row for each kind of page: the medians and the worst."""
    for kind, pages in kinds.items():
        paints = [paint(browser, site, page, token) for page in pages]
        yield (kind, str(len(pages)), *told(each.first for each in paints), *told(each.ready for each in paints))


def told(milliseconds: Iterable[float]) -> tuple[str, str]:
    some = list(milliseconds)
    return f"{statistics.median(some):.0f}", f"{max(some):.0f}"


@click.command()
@click.option("--files", default=2_000, show_default=True)
@click.option("--routes", default=500, show_default=True)
@click.option("--behaviours", default=5_000, show_default=True)
@click.option("--requests", default=1_000_000, show_default=True)
@click.option("--keep", type=click.Path(path_type=Path), help="Make everything in this folder, and leave it.")
def main(files: int, routes: int, behaviours: int, requests: int, keep: Path | None) -> None:
    """Make a store and its pages, beside what coverage.py makes of the same data; then open pages of each kind."""
    console = Console()
    with tempfile.TemporaryDirectory() as temporary:
        folder = keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        store, pages, sources = folder / "reqcov.sqlite3", folder / "html", folder / "build1"
        make(store, files=files, routes=routes, behaviours=behaviours, requests=requests)
        costs = Table("command", "seconds", "CPU, s", "memory, MB", "files", "size, MB")

        def add(name: str, of: Cost, target: Path) -> None:
            count, total = size(target)
            costs.add_row(
                name,
                f"{of.seconds:.1f}",
                f"{of.cpu:.1f}",
                f"{of.memory / 2**20:.0f}",
                f"{count:,}",
                f"{total / 2**20:.1f}",
            )

        html = ("reqcov", "html", "--store", store, "-o", pages)
        add("reqcov html, the first time", cost(*html, folder=sources), pages)
        add("reqcov html", cost(*html, folder=sources), pages)
        data = sources / ".coverage"
        cost("reqcov", "export", "coverage", "--store", store, "-o", data, folder=sources)
        add(
            "coverage html --show-contexts",
            cost("coverage", "html", "-q", "--show-contexts", folder=sources),
            sources / "htmlcov",
        )
        console.print(costs)
        kinds = chosen(pages)
        for kind in ("index", "routes", "files", "search", "compare"):
            print(f"{kind}.html: {(pages / f'{kind}.html').stat().st_size / 1024:,.0f} KB")
        for script in ("requests", "code"):
            print(f"data/{script}.js: {(pages / 'data' / f'{script}.js').stat().st_size / 1024:,.0f} KB")
        columns = ("page", "opened", "seen: median, ms", "worst", "ready: median, ms", "worst")
        with started() as browser:
            console.print(_filled(Table(*columns, title="from disk"), painted(browser, f"{pages.as_uri()}/", kinds)))
            serve = ["reqcov", "serve", "--store", str(store), "--port", "{port}"]
            begun = time.perf_counter()
            with running(serve, folder, {"REQCOV_TOKEN": TOKEN}) as server:
                site = f"http://127.0.0.1:{server.port}/"
                paint(browser, site, "index.html", TOKEN)
                print(f"reqcov serve shows its first page after {time.perf_counter() - begun:.1f} s")
                console.print(_filled(Table(*columns, title="live"), painted(browser, site, kinds, TOKEN)))


def _filled(table: Table, rows: Iterable[tuple[str, ...]]) -> Table:
    for row in rows:
        table.add_row(*row)
    return table


if __name__ == "__main__":
    main()
