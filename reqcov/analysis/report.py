"""How much of each file requests ran, as `coverage report` tells it of a test suite."""

from __future__ import annotations

from dataclasses import dataclass

from reqcov.analysis.source.code import File
from reqcov.analysis.source.masks import numbers, ranges
from reqcov.analysis.view import View


@dataclass(frozen=True, kw_only=True)
class FileRow:
    """One measured file that was imported."""

    path: str
    """In its project, with `/`."""
    statements: int
    """How many function statements it has: what requests can run."""
    missed: int
    """How many of them no request ran."""
    cover: float
    """The share that ran, 0 to 1; 1 where there are none."""
    missing: list[int]
    """The lines of the missed ones."""
    missing_ranges: str
    """The missing lines for people, as `coverage report` joins them: `3-5, 9`."""
    import_time: int
    """How many statements of modules and classes it has: they run when it is imported, and are not counted above."""
    builds: list[str]
    """That used this version of it."""
    problem: str | None
    """Why nothing can be told of it: it can't be parsed, or its text was not kept."""
    dropped: int
    """Lines that ran of earlier versions, in functions that have changed since: they count as not run."""


@dataclass(frozen=True, kw_only=True)
class Report:
    """Every measured file that was imported, by path."""

    requests: int
    """An estimate where not every request is sampled."""
    statements: int
    """Function statements of all files."""
    missed: int
    """How many of them no request ran."""
    cover: float
    """The share that ran, 0 to 1; 1 where there are none."""
    import_time: int
    """Statements of modules and classes."""
    files: list[FileRow]
    """By path."""


def report(view: View) -> Report:
    """What the chosen requests ran of each file; where all are, also what only requests ran that weren't sampled."""
    files = [_row(view, file) for file in view.files.values()]
    statements, missed = sum(file.statements for file in files), sum(file.missed for file in files)
    return Report(
        requests=round(view.requests),
        statements=statements,
        missed=missed,
        cover=_cover(statements, missed),
        import_time=sum(file.import_time for file in files),
        files=files,
    )


def _row(view: View, file: File) -> FileRow:
    reachable = file.code.in_functions
    missing = reachable & ~view.covered.get(file.path, 0)
    return FileRow(
        path=file.path,
        statements=reachable.bit_count(),
        missed=missing.bit_count(),
        cover=_cover(reachable.bit_count(), missing.bit_count()),
        missing=numbers(missing),
        missing_ranges=ranges(missing, file.code.statements),
        import_time=file.code.import_time.bit_count(),
        builds=sorted(file.builds),
        problem=file.code.problem,
        dropped=view.dropped.get(file.path, 0),
    )


def _cover(statements: int, missed: int) -> float:
    return 1 - missed / statements if statements else 1.0
