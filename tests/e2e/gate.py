"""Holds requests of several processes until so many are there: they overlap in any case. It is not measured."""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter
from pathlib import Path

PARTIES = int(os.environ.get("E2E_PARTIES", "1"))
"""How many have to come; 1: nobody waits."""

ARRIVALS = Path(os.environ.get("E2E_FOLDER", ".")) / "arrivals"
"""One record of a fixed length for each that came: its process."""

LENGTH = 12
PATIENCE = 60.0
"""Seconds."""


def _arrive() -> int:
    """How long the file is once all that have to have come."""
    file = os.open(ARRIVALS, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    try:
        os.write(file, f"{os.getpid():{LENGTH}}".encode())
        mine = os.lseek(file, 0, os.SEEK_CUR) // LENGTH  # the position after what this one wrote, whoever else does
    finally:
        os.close(file)
    return -(-mine // PARTIES) * PARTIES * LENGTH


def wait(meet: int) -> None:
    """Go on at once if `meet` is 0, otherwise together with the others; on a thread."""
    full, end = _arrive() if meet else 0, time.monotonic() + PATIENCE
    while full and ARRIVALS.stat().st_size < full:
        assert time.monotonic() < end, "not all have come"
        time.sleep(0.002)


async def wait_async(meet: int) -> None:
    """The same in a task."""
    full, end = _arrive() if meet else 0, time.monotonic() + PATIENCE
    while full and ARRIVALS.stat().st_size < full:
        assert time.monotonic() < end, "not all have come"
        await asyncio.sleep(0.002)


def meetings(folder: Path, parties: int) -> list[Counter[str]]:
    """For each time that it opened, how many were in which process."""
    text = (folder / ARRIVALS.name).read_text()
    pids = [text[start : start + LENGTH] for start in range(0, len(text), LENGTH)]
    return [Counter(pids[start : start + parties]) for start in range(0, len(pids), parties)]
