"""`reqcov doctor`."""

from __future__ import annotations

import os
import socket
import time
from collections import Counter, defaultdict
from pathlib import Path

import click

from reqcov.analysis.doctor import Doctor, Finding, WriterRow, unreadable
from reqcov.analysis.findings import doctor
from reqcov.cli.options import format_option, store_option, tell
from reqcov.errors import StoreError
from reqcov.reports.text import ago, plural, say, size, table, when
from reqcov.store.model import Writer
from reqcov.store.reading import reading
from reqcov.store.writer import born

MANY = 20
"""Processes, and findings of one kind, that are listed for people."""


@click.command("doctor")
@store_option
@format_option
def command(store: Path, output: str) -> None:
    """Is data arriving? And if not, what to do.

    Ends with status 1 where, within the last day, something was lost or no request has arrived, and where the store
    can't be read or written. Otherwise with 0, whatever it advises.
    """
    answer = _examine(store)
    tell(answer, output, _show)
    if not answer.healthy:
        raise SystemExit(1)


def _examine(store: Path) -> Doctor:
    folder = next((folder for folder in store.absolute().parents if folder.exists()), store.parent)
    if not os.access(folder, os.W_OK):
        problem = f"You may not write to {folder}."
        return unreadable(store, problem, "Let the server write there, or give it another store.")
    try:
        with reading(store) as reader:
            return doctor(reader, time.time(), runs)
    except StoreError as error:
        return unreadable(store, str(error), "")


def runs(writer: Writer) -> bool | None:
    """Whether a process that wrote still runs; None where it is of another machine, or that can't be told."""
    if writer.host != socket.gethostname() or not writer.born:
        return None
    return born(writer.pid) == writer.born


def _show(answer: Doctor) -> None:
    """For people."""
    if answer.schema is not None:
        last = f"the last at {when(answer.last_request)} UTC" if answer.last_request else "none yet"
        say(
            f"{answer.store}: {size(answer.size)}, schema {answer.schema}",
            f"{plural(answer.requests, 'request')}, {last}",
            f"{plural(answer.routes, 'route')}, {plural(answer.labels, 'set')} of labels, "
            f"{plural(answer.footprints, 'behaviour')}, {plural(answer.sources, 'version')} of files, "
            f"counted in {plural(len(answer.origins), 'place')}",
            "",
        )
        _builds(answer)
        _writers(answer)
    _findings(answer.findings)


def _builds(answer: Doctor) -> None:
    if answer.builds:
        table(
            ("build", "#processes", "#running", "@first seen", "@last seen"),
            [
                (build.name, str(build.processes), str(build.running), when(build.first_seen), when(build.last_seen))
                for build in answer.builds
            ],
        )
        say("")


def _writers(answer: Doctor) -> None:
    told = [writer for writer in answer.writers if writer.state != "ended" or writer.lost]
    if told:
        table(
            ("process", "state", "core", "#sample", "#requests", "#peak", "#lost", "#last write"),
            [_writer(writer) for writer in told[:MANY]],
        )
    others = Counter(writer.state for writer in [*told[MANY:], *(each for each in answer.writers if each not in told)])
    if others:
        say(
            "besides: "
            + ", ".join(f"{plural(count, 'process', 'processes')} {state}" for state, count in others.items())
        )
    if answer.writers:
        say("")


def _writer(writer: WriterRow) -> tuple[str, ...]:
    return (
        f"{writer.pid} on {writer.host} ({writer.build})",
        writer.state,
        f"{writer.core}, {writer.python}",
        f"{writer.sample:g}",
        str(writer.requests),
        str(writer.peak),
        str(writer.lost),
        f"{ago(writer.lag)} ago" if writer.state != "ended" else "ended",
    )


def _findings(findings: list[Finding]) -> None:
    if not findings:
        say("All is well.")
    alike: dict[tuple[str, str], list[str]] = defaultdict(list)
    for finding in findings:
        alike[finding.severity, finding.advice].append(finding.problem)
    for (severity, advice), problems in alike.items():
        more = [f"and {len(problems) - MANY} more of the kind"] if len(problems) > MANY else []
        say(*(f"{severity}: {problem}" for problem in [*problems[:MANY], *more]), *([f"  {advice}"] if advice else []))
