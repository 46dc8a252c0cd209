"""Compares the variants in one run: each in a process of its own, in turn, as ratios to the bare app."""

from __future__ import annotations

import platform
import re
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence

import click
from rich.console import Console
from rich.table import Table

from tests.bench.variants import OVERLAPPING, VARIANTS

REQUESTS = {"small": 48, "loops": 16}
"""In one round."""


class Child:
    """A variant, warmed up and waiting."""

    def __init__(self, workload: str, variant: str, at_a_time: int) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.child", workload, variant, str(at_a_time)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.seconds(REQUESTS[workload])

    def seconds(self, requests: int) -> float:
        """CPU seconds of the whole process for so many requests."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(requests, file=self._process.stdin, flush=True)
        return float(self._process.stdout.readline())

    def close(self) -> None:
        """End the process."""
        self._process.communicate()


def ratios(workload: str, variants: Sequence[str], at_a_time: int, rounds: int) -> dict[str, list[float]]:
    """CPU time over that of the bare app, for each round."""
    children = {variant: Child(workload, variant, at_a_time) for variant in variants}
    taken: dict[str, list[float]] = {variant: [] for variant in variants}
    for _ in range(rounds):
        for variant, child in children.items():
            taken[variant].append(child.seconds(REQUESTS[workload]))
    for child in children.values():
        child.close()
    return {variant: [a / b for a, b in zip(seconds, taken["bare"], strict=True)] for variant, seconds in taken.items()}


def instructions(workload: str, variant: str) -> float:
    """Instructions for one request, by valgrind: the difference of two runs, so that starting up does not count."""

    def counted(requests: int) -> int:
        command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"]
        command += [sys.executable, "-m", "tests.bench.child", workload, variant, "1"]
        run = subprocess.run(command, input=f"{requests}\n", capture_output=True, text=True, check=True)
        found = re.search(r"Collected : (\d+)", run.stderr)
        assert found is not None, run.stderr
        return int(found[1])

    few, many = (10, 40) if workload == "small" else (2, 6)
    return (counted(many) - counted(few)) / (many - few)


def importing(rounds: int) -> list[float]:
    """CPU time of `import reqcov` over that of `import coverage`, each in a new process."""

    def seconds(module: str) -> float:
        program = f"import time; begun = time.process_time(); import {module}; print(time.process_time() - begun)"
        return float(subprocess.run([sys.executable, "-c", program], capture_output=True, check=True).stdout)

    return [seconds("reqcov") / seconds("coverage") for _ in range(rounds)]


def spread(values: list[float]) -> list[str]:
    """Median, least and most."""
    return [f"{value:.3f}" for value in (statistics.median(values), min(values), max(values))]


@click.command()
@click.option("--rounds", default=15, show_default=True, help="How often each variant is measured.")
@click.option(
    "--instructions", "count", is_flag=True, help="Count instructions with valgrind instead: slow, and exact."
)
def main(rounds: int, count: bool) -> None:
    """Compare what recording costs, as ratios to the bare app."""
    console = Console()
    begun = time.monotonic()
    if count and shutil.which("valgrind") is None:
        raise click.ClickException("valgrind is not installed; install it, or leave out --instructions.")
    unit = "instructions" if count else "CPU time"
    table = Table("workload", "variant", "median", "min", "max", title=f"{platform.python_version()}: {unit}, ratio")
    for workload in REQUESTS:
        counts = {variant: instructions(workload, variant) for variant in VARIANTS} if count else {}
        for variant, each in counts.items():
            table.add_row(workload, variant, f"{each / counts['bare']:.3f}", "", "")
        for at_a_time, variants in () if count else ((1, tuple(VARIANTS)), (8, OVERLAPPING)):
            name = workload if at_a_time == 1 else f"{workload}, {at_a_time} at a time"
            for variant, values in ratios(workload, variants, at_a_time, rounds).items():
                table.add_row(name, variant, *spread(values))
    if not count:
        table.add_row("import reqcov", "against import coverage", *spread(importing(rounds)))
    console.print(table)
    console.print(f"{rounds} rounds, {time.monotonic() - begun:.0f} s")


if __name__ == "__main__":
    main()
