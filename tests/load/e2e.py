"""A suite of tests that use httpx and browsers, all at once, and each by itself: `python -m tests.load.e2e`."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from tests.conftest import HAS_MONITORING
from tests.e2e.running import Ran, Suite, alone, check, differences, in_a_crowd


def each_alone(suite: Suite, folder: Path) -> Ran:
    """What each test runs under coverage.py, against a server of its own that has served nobody else."""
    ran: Ran = {}
    for number, name in enumerate(suite.names()):
        own = folder / str(number)
        own.mkdir()
        ran |= alone(suite, own, name)
    return ran


@click.command()
@click.option("--http", default=16, show_default=True, help="Tests that ask by httpx.")
@click.option("--browser", default=8, show_default=True, help="Tests that ask by a Chromium.")
@click.option("--workers", default=8, show_default=True, help="That run tests; a divisor of both.")
@click.option("--processes", default=4, show_default=True, help="Of the server.")
@click.option("--rounds", default=1, show_default=True, help="How often the crowd runs.")
def main(http: int, browser: int, workers: int, processes: int, rounds: int) -> None:
    """Compare what each test ran in a crowd, by the store, with what it runs alone, by coverage.py."""
    suite = Suite(http=http, browser=browser, workers=workers)
    table = Table("core", "tests", "requests", "all workers met", "most in one process", "not as alone", "seconds")
    with tempfile.TemporaryDirectory() as folder:
        lonely = Path(folder, "alone")
        lonely.mkdir()
        expected = each_alone(suite, lonely)
        for core in ("monitoring", "settrace") if HAS_MONITORING else ("settrace",):
            for number in range(rounds):
                own = Path(folder, f"{core} {number}")
                own.mkdir()
                start = time.monotonic()
                crowd = in_a_crowd(suite, core, own, processes)
                wrong = differences(crowd.ran, expected)
                table.add_row(
                    crowd.core,
                    str(len(crowd.ran)),
                    str(sum(each.total() for each in crowd.ran.values())),
                    str(len(crowd.together)),
                    str(max(crowd.together)),
                    str(len(wrong)),
                    f"{time.monotonic() - start:.1f}",
                )
                check(suite, crowd, expected)
    Console().print(table)


if __name__ == "__main__":
    main()
