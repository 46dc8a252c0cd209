"""Is data arriving, by whom is it written, and what was lost?"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, TypeAlias

from reqcov.analysis.routes import moment
from reqcov.store.model import Writer
from reqcov.store.reading import StoreReader

IDLE = 60.0
"""Seconds without a write after which a process is said to be idle."""

SILENT = 3600.0
"""And after which one on another machine is said to be silent."""

State: TypeAlias = Literal["alive", "idle", "ended", "silent", "vanished"]


@dataclass(frozen=True, kw_only=True)
class WriterRow:
    """A process that wrote to the store."""

    host: str
    """The machine that it is on."""
    pid: int
    """Its number there."""
    build: str
    """The code that it runs."""
    state: State
    """`alive`; `idle`: runs, and wrote nothing for a minute; `ended`: said so; `silent`: on another machine, and wrote
    nothing for an hour; `vanished`: gone from this machine without saying that it ended."""
    core: str
    """`monitoring` or `settrace`."""
    reason: str | None
    """Why it is this core."""
    python: str
    """The version of the interpreter."""
    sample: float
    """The share of requests that are recorded completely, 0 to 1."""
    interval: float
    """Seconds between two writes while requests come, at most."""
    started: datetime
    """When it began to record."""
    last_write: datetime
    """When it last wrote."""
    lag: float
    """Seconds since then, or until it ended."""
    requests: int
    """That it recorded and wrote."""
    peak: int
    """The most of them in one write. One that vanished has lost the requests of one interval at most; so many, if it
    was as busy as ever."""
    lost: int
    """Requests that it knows it could not keep."""
    unattributed: int
    """Lines that ran in no request while some were open: threads or tasks that carry no context."""
    failed: dict[str, int]
    """Calls that raised, by class of sink."""
    dropped: dict[str, int]
    """Records that a sink was too slow for, by class of sink."""
    faults: dict[str, int]
    """Errors of reqcov itself, by kind."""

    @property
    def running(self) -> bool:
        """Whether it is known to run, or believed to."""
        return self.state in ("alive", "idle")


@dataclass(frozen=True, kw_only=True)
class BuildRow:
    """Code that was running."""

    name: str
    """As given by `build=`, else the commit."""
    first_seen: datetime
    """When a process of it first wrote."""
    last_seen: datetime
    """When a process of it last wrote."""
    processes: int
    """That are remembered: the latest 1,000 of all builds."""
    running: int
    """Of these, those that are alive or idle."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Something that is not as it should be."""

    severity: Literal["error", "advice"]
    """`error`: within the last day something was lost, or no data arrived; the exit status is 1 then."""
    problem: str
    """One sentence."""
    advice: str
    """What to do."""


@dataclass(frozen=True, kw_only=True)
class Doctor:
    """The state of a store, and what to do about it."""

    store: str
    """Its path."""
    size: int
    """Bytes on disk."""
    schema: int | None
    """The version of its tables; None where it can't be read."""
    origins: dict[str, str]
    """The places where requests were counted, and the file that writes to each; several after a merge or a copy."""
    requests: int
    """An estimate where not every request is sampled."""
    last_request: datetime | None
    """When the last of them began."""
    routes: int
    """How many distinct ones."""
    labels: int
    """How many distinct sets of labels."""
    footprints: int
    """How many distinct behaviours."""
    sources: int
    """How many versions of files."""
    builds: list[BuildRow]
    """In the order in which they were first seen."""
    writers: list[WriterRow]
    """The latest first."""
    findings: list[Finding]
    """The errors first."""

    @property
    def healthy(self) -> bool:
        """Whether data arrives and nothing was lost of late."""
        return all(finding.severity != "error" for finding in self.findings)


def examined(reader: StoreReader, now: float, runs: Callable[[Writer], bool | None]) -> Doctor:
    """The state of a store at `now`, without findings.

    `runs` tells of a process whether it does, None where that can't be known here.
    """
    hits = reader.hits()
    writers = [_writer(each, now, runs(each)) for each in reader.writers()]
    return Doctor(
        store=str(reader.path),
        size=reader.size(),
        schema=reader.schema_version(),
        origins=reader.origins(),
        requests=round(sum(hit.requests for hit in hits)),
        last_request=moment(max(hit.last_seen for hit in hits)) if hits else None,
        routes=len(reader.routes()),
        labels=len({hit.labels for hit in hits} - {""}),
        footprints=len(reader.footprints()),
        sources=len(reader.sources()),
        builds=[
            BuildRow(
                name=build.name,
                first_seen=moment(build.first_seen),
                last_seen=moment(build.last_seen),
                processes=sum(writer.build == build.name for writer in writers),
                running=sum(writer.build == build.name and writer.running for writer in writers),
            )
            for build in reader.builds()
        ],
        writers=writers,
        findings=[],
    )


def unreadable(path: Path, problem: str, advice: str) -> Doctor:
    """What can be said of a store that can't be read."""
    return Doctor(
        store=str(path),
        size=path.stat().st_size if path.is_file() else 0,
        schema=None,
        origins={},
        requests=0,
        last_request=None,
        routes=0,
        labels=0,
        footprints=0,
        sources=0,
        builds=[],
        writers=[],
        findings=[Finding(severity="error", problem=problem, advice=advice)],
    )


def _writer(writer: Writer, now: float, runs: bool | None) -> WriterRow:
    stats: dict[str, Any] = json.loads(writer.stats)
    return WriterRow(
        host=writer.host,
        pid=writer.pid,
        build=writer.build,
        state=_state(writer, now, runs),
        core=writer.core,
        reason=stats.get("reason"),
        python=writer.python,
        sample=writer.sample,
        interval=writer.interval,
        started=moment(writer.started),
        last_write=moment(writer.last_write),
        lag=max(0.0, (now if writer.ended is None else writer.ended) - writer.last_write),
        requests=writer.requests,
        peak=writer.peak,
        lost=writer.lost,
        unattributed=stats.get("unattributed", 0),
        failed=stats.get("failed", {}),
        dropped=stats.get("dropped", {}),
        faults=stats.get("faults", {}),
    )


def _state(writer: Writer, now: float, runs: bool | None) -> State:
    if writer.ended is not None:
        return "ended"
    if runs is False:
        return "vanished"
    quiet = now - writer.last_write
    if quiet > SILENT and runs is None:
        return "silent"
    return "idle" if quiet > max(IDLE, 2 * writer.interval) else "alive"
