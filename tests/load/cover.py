"""How long a smallest set of tests takes to find: `python -m tests.load.cover`."""

from __future__ import annotations

import random
import resource
import time

import click
from rich.console import Console
from rich.table import Table

from reqcov.analysis.cover import cover


def suite(chance: random.Random, tests: int, lines: int) -> list[int]:
    """What tests run: some lines all of them, and most of what their scenario goes through, by any branch."""
    blocks, at = [], 0
    while at < lines:
        size = min(chance.randint(3, 12), lines - at)
        blocks.append((1 << size) - 1 << at)
        at += size
    everywhere = sum(blocks[: len(blocks) // 20])
    scenarios = [chance.sample(blocks, chance.randint(5, min(25, len(blocks)))) for _ in range(max(1, tests // 25))]
    made = []
    for _ in range(tests):
        mask = everywhere
        for block in chance.choice(scenarios):
            if chance.random() < 0.8:
                mask |= block & (chance.getrandbits(lines) | chance.getrandbits(lines))
        made.append(mask)
    return made


def planted(chance: random.Random, sets: int, elements: int, few: int) -> tuple[list[int], int]:
    """Sets of which `few` share all elements out among them, and others that mix what these have; and `few`."""
    order = list(range(elements))
    chance.shuffle(order)
    made = [sum(1 << element for element in order[part::few]) for part in range(few)]
    size = elements // few
    made += [sum(1 << element for element in chance.sample(order, size)) for _ in range(sets - few)]
    chance.shuffle(made)
    return made, few


def scattered(chance: random.Random, tests: int, lines: int, share: float) -> list[int]:
    """Lines by pure chance: the worst case, for nothing can be reduced."""
    return [sum(1 << line for line in chance.sample(range(lines), int(lines * share))) for _ in range(tests)]


@click.command()
@click.option("--tests", default=10_000, show_default=True)
@click.option("--lines", default=5_000, show_default=True)
def main(tests: int, lines: int) -> None:
    """Make suites of tests, one like those of people and some by chance, and find small ones that run as much."""
    table = Table("sets", "taken", "needed at least", "CPU, s")
    kinds = {
        "a suite": suite(random.Random(1), tests, lines),
        "a planted partition": planted(random.Random(1), tests, lines, lines // 50)[0],
        **{f"chance, {share:.1%}": scattered(random.Random(1), tests, lines, share) for share in (0.002, 0.01, 0.1)},
    }
    for name, sets in kinds.items():
        before = time.process_time()
        found = cover(sets)
        taken = time.process_time() - before
        table.add_row(name, f"{len(found.chosen):,}", f"{found.at_least:,}", f"{taken:.1f}")
    console = Console(width=100)
    console.print(table)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    console.print(f"{tests:,} tests x {lines:,} lines; {peak:,} MB at most")


if __name__ == "__main__":
    main()
