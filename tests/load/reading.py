"""How long the reading commands take on the store of a busy server: `python -m tests.load.reading`."""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from tests.load.big_store import make

COMMANDS = (
    ("routes",),
    ("routes", "--format", "json"),
    ("show", "/route3/{id}"),
    ("line", "module_5.py:7"),
    ("report", "-m"),
    ("doctor",),
    ("export", "coverage", "-o", "{folder}/out"),
    ("export", "lcov", "-o", "{folder}/out"),
    ("export", "xml", "-o", "{folder}/out"),
    ("export", "json", "-o", "{folder}/out"),
)


def cpu_seconds(*arguments: str) -> float:
    """What `reqcov` uses up from its start to its end."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [sys.executable, "-m", "reqcov", *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


@click.command()
@click.option("--rounds", default=5, show_default=True, help="How often each command is run; the quickest counts.")
def main(rounds: int) -> None:
    """Make a store of a million requests, 50 routes and 2,000 behaviours in 300 files, and ask it."""
    table = Table("command", "CPU, s")
    table.add_row("--help", f"{min(cpu_seconds('--help') for _ in range(rounds)):.3f}")
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder, "reqcov.sqlite3")
        make(store, days=2)
        table.add_row("report, the first time", f"{cpu_seconds('report', '--store', str(store)):.3f}")
        for command in COMMANDS:
            arguments = [argument.replace("{folder}", folder) for argument in command]
            seconds = min(cpu_seconds(*arguments, "--store", str(store)) for _ in range(rounds))
            table.add_row(" ".join(command[:2]), f"{seconds:.3f}")
    Console().print(table)


if __name__ == "__main__":
    main()
