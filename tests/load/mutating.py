"""How much of a suite `reqcov impact` saves, and whether it misses anything: `python -m tests.load.mutating`."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.mutating import Lab


def main() -> None:
    """Let every function of the example app raise, one after the other."""
    with tempfile.TemporaryDirectory() as folder:
        lab = Lab(Path(folder))
        outcomes = [lab.mutate(*each) for each in lab.mutations()]
    table = Table("function", "failed", "listed", "missed")
    for each in outcomes:
        table.add_row(each.function, str(len(each.failed)), str(len(each.listed)), ", ".join(sorted(each.missed)))
    console = Console()
    console.print(table)
    share = sum(len(each.listed) for each in outcomes) / len(outcomes) / len(lab.tests)
    needed = sum(len(each.failed) for each in outcomes) / len(outcomes) / len(lab.tests)
    console.print(
        f"{len(outcomes)} mutations, {len(lab.tests)} tests; listed {share:.1%} of the suite on average, "
        f"{needed:.1%} failed; {sum(map(len, (each.missed for each in outcomes)))} failures missed."
    )
    sys.exit(any(each.missed for each in outcomes))


if __name__ == "__main__":
    main()
