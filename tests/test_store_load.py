"""A server under load while somebody reads its store: all is in it, but for the last second of who is killed."""

from __future__ import annotations

from pathlib import Path

from reqcov.store.writer import INTERVAL
from tests.load import killing

SLACK = 0.5
"""Seconds that it may take from the answer to the sink, and to write, on a busy machine."""


def not_silent(outcome: killing.Outcome) -> list[str]:
    """Lines of the server's log and of the readers that complain of anything that has to do with us."""
    lines = outcome.output.splitlines()
    return [line for line in lines if "reqcov" in line or "lock" in line] + outcome.complaints


def test_under_load(tmp_path: Path) -> None:
    """Of a server that nobody kills every request is in the store, and looking at it goes well all the while."""
    outcome = killing.run(tmp_path, 2, every=None)
    assert outcome.counted == outcome.logged == sum(writer.requests for writer in outcome.writers.values())
    assert outcome.counted >= outcome.answers > 100
    assert len(outcome.writers) == 4
    assert not_silent(outcome) == []
    assert outcome.polls == sorted(outcome.polls)
    assert outcome.polls[0] < outcome.counted


def test_killed_under_load(tmp_path: Path) -> None:
    """Each process that was killed lost no more than one interval, and the others nothing."""
    outcome = killing.run(tmp_path, 5, every=1.5)
    assert len(outcome.killed) == 3
    assert [pid for pid in outcome.log if pid not in outcome.killed and outcome.lost(pid)] == []
    assert outcome.logged - outcome.counted == sum(len(outcome.lost(pid)) for pid in outcome.killed)
    assert outcome.oldest_lost <= INTERVAL + SLACK
    ended = {pid for pid, writer in outcome.writers.items() if writer.ended}
    assert ended == outcome.writers.keys() - outcome.killed.keys()
    assert outcome.vanished.keys() == outcome.writers.keys() & outcome.killed.keys()
    assert not_silent(outcome) == []
