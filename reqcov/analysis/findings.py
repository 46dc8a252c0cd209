"""What is wrong with a store, in sentences that say what to do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime

from reqcov.analysis.doctor import Doctor, Finding, WriterRow, examined
from reqcov.store.model import MAX_FOOTPRINTS, MAX_LABELS, MAX_ROUTES, OTHER, Writer
from reqcov.store.reading import StoreReader

DAY = 86_400.0

MANY_UNATTRIBUTED = 10
"""Lines; so few may be of a timer, or a thread that warms something up."""

UNENDED = 3600.0
"""Seconds; no test takes longer."""

UNNAMED = "unnamed"
"""The build of those who did not say which it is."""


def doctor(reader: StoreReader, now: float, runs: Callable[[Writer], bool | None]) -> Doctor:
    """The state of a store at `now`, and what to do about it, the errors first.

    `runs` tells of a process whether it does, None where that can't be known here.
    """
    state = examined(reader, now, runs)
    found = [*_arrival(state, reader, now), *_losses(state, now), *_damage(reader), *_setup(state), *_limits(state)]
    found += [*_sources(reader), *_tests(reader, now)]
    return replace(state, findings=sorted(found, key=lambda finding: finding.severity != "error"))


def _error(problem: str, advice: str) -> Finding:
    return Finding(severity="error", problem=problem, advice=advice)


def _advice(problem: str, advice: str) -> Finding:
    return Finding(severity="advice", problem=problem, advice=advice)


def _arrival(doctor: Doctor, reader: StoreReader, now: float) -> Iterator[Finding]:
    last = doctor.last_request
    if last is not None and now - last.timestamp() <= DAY:
        return
    if last is None and any(source.ran for source in reader.sources().values()):
        yield _advice(
            "No request has been sampled yet.", "`reqcov report` tells what the others ran; sample= takes more of them."
        )
        return
    yield _error(
        "No request has arrived yet." if last is None else f"No request has arrived since {_when(last)} UTC.",
        "Send your server some. If it had some, see that the app is wrapped, that this is the store it is told to "
        "write to, that REQCOV_DISABLED is not set, and what its log says of reqcov.",
    )


def _losses(doctor: Doctor, now: float) -> Iterator[Finding]:
    for writer in doctor.writers:
        lost = _error if now - writer.last_write.timestamp() <= DAY else _advice  # what is long past is no alarm
        if writer.state == "vanished":
            yield lost(
                f"{_process(writer)} vanished; it last wrote at {_when(writer.last_write)} UTC. At most the requests "
                f"of its last {writer.interval:g} s are lost (the busiest such time had {writer.peak:,}).",
                "Somebody killed it (kill -9), or the system for want of memory. Servers that stop their workers by "
                "SIGTERM lose nothing.",
            )
        if writer.lost:
            yield lost(
                f"{_process(writer)} could not keep {_many(writer.lost, 'request')}.",
                "Its log says why: the disk was full, the file was deleted, or requests were more various than its "
                "memory allows.",
            )
        for sink, records in writer.dropped.items():
            yield (lost if sink == "StoreSink" else _advice)(
                f"{_process(writer)} dropped {_many(records, 'record')}, for {sink} was too slow.",
                "Give the server more room to breathe, or sample fewer requests: sample=0.1.",
            )
        for sink, calls in writer.failed.items():
            yield _advice(
                f"{_process(writer)}: {sink} failed {_many(calls, 'time')}.",
                "Its log has the first error of each kind. What a store could not write it tries again.",
            )
        for kind, times in writer.faults.items():
            yield _advice(
                f"{_process(writer)}: {kind} ({_many(times, 'time')}).",
                "Its log has the first of each kind. The app answered; what was recorded may be incomplete.",
            )


def _damage(reader: StoreReader) -> Iterator[Finding]:
    damage = reader.damage()
    if damage is not None:
        yield _error(f"The file is damaged: {damage}", "Move it away; running servers begin a new one.")


def _setup(doctor: Doctor) -> Iterator[Finding]:
    """Of those that run, or else of the latest: what earlier ones had may be mended."""
    running = [writer for writer in doctor.writers if writer.running] or doctor.writers[:1]
    slow = Counter(
        writer.reason or "it was asked for"
        for writer in running
        if writer.core == "settrace" and _version(writer.python) >= (3, 12)
    )
    for reason, processes in slow.items():
        yield _advice(
            f"{_processes(processes)} measured with the slower core, settrace: {reason}.",
            "Recording every request costs a few per cent with the core monitoring, and more than twice the time with "
            "this one. Take away what stands in its way, or sample fewer requests.",
        )
    for sample in {writer.sample for writer in running if writer.sample == 0}:
        yield _advice(
            f"Nothing is sampled: sample={sample:g}.", "Only lines new to a process are seen; set sample=0.1, or 1."
        )
    unattributed = max((writer.unattributed for writer in running), default=0)
    if unattributed >= MANY_UNATTRIBUTED:
        yield _advice(
            f"{unattributed:,} lines ran in no request while some were open, in threads or tasks of their own.",
            "If they work for requests, set follow_threads=True.",
        )


def _limits(doctor: Doctor) -> Iterator[Finding]:
    for what, there, most, advice in (
        ("routes", doctor.routes, MAX_ROUTES, "Give templates by route=, so that paths share them."),
        ("sets of labels", doctor.labels, MAX_LABELS, "Label by what has few values: no ids, no times."),
        ("behaviours", doctor.footprints, MAX_FOOTPRINTS, "Sample fewer requests, or measure less code by source=."),
    ):
        if there >= most:
            yield _advice(
                f"The store holds {there:,} {what}, all that it can; what comes on top is counted as {OTHER}.",
                f"{advice} `reqcov prune` makes room.",
            )


def _sources(reader: StoreReader) -> Iterator[Finding]:
    sources = reader.sources().values()
    versions = Counter(source.source.path for source in sources if UNNAMED in source.builds)
    several = sum(1 for count in versions.values() if count > 1)
    if several:
        yield _advice(
            f"The build {UNNAMED!r} has several versions of {_many(several, 'file')}: it stands for more than one "
            "state of the code.",
            "Set build= (or REQCOV_BUILD) to a version or a commit, and --build tells them apart.",
        )
    unkept = reader.unkept()
    paths = sorted({source.source.path for source in sources if source.source.digest in unkept})
    if paths:
        yield _advice(
            f"The text of {_some(paths)} was not kept: it changed after it was imported.",
            "Restart servers after a deploy or an edit; nothing can be told of this version of the code.",
        )


def _tests(reader: StoreReader, now: float) -> Iterator[Finding]:
    open_ = [name for name, run in reader.tests().items() if run.outcome is None and now - run.started > UNENDED]
    if open_:
        yield _advice(
            f"{_many(len(open_), 'test')} began more than an hour ago, and nobody told how they ended: {_some(open_)}.",
            "They are inconclusive. See that their runner tells of the end, also when they fail, and run them again.",
        )


def _process(writer: WriterRow) -> str:
    return f"Process {writer.pid} on {writer.host} (build {writer.build})"


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3:,} more" if len(names) > 3 else "")


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}{'s' if count != 1 else ''}"


def _processes(number: int) -> str:
    return "One process is" if number == 1 else f"{number} processes are"


def _version(python: str) -> tuple[int, ...]:
    return tuple(int(part) for part in python.split(".")[:2])


def _when(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
