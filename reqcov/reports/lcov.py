"""An export as an lcov tracefile; geninfo(1) tells the format."""

from __future__ import annotations

import re
from collections.abc import Iterator

from reqcov.analysis.export import Export, ExportedFile

_CONTROL = re.compile("[\\x00-\\x1f\\x7f]")


def lcov(answer: Export) -> str:
    """Lines are function statements, and hits are requests."""
    return "".join(f"{line}\n" for file in answer.files for line in _record(file))


def _record(file: ExportedFile) -> Iterator[str]:
    yield "TN:"
    yield f"SF:{_one_line(file.path)}"
    names: set[str] = set()
    for function in file.functions:
        name = _one_line(function.name)
        if name in names:  # of an overload, say, or a property's setter; genhtml would take them for one
            name = f"{name}@{function.first}"
        names.add(name)
        yield f"FN:{function.statements[0]},{name}"  # lcov 2 wants one of the lines that are counted
        yield f"FNDA:{function.requests},{name}"
    yield f"FNF:{len(file.functions)}"
    yield f"FNH:{sum(function.requests > 0 for function in file.functions)}"
    for line in file.lines:
        yield f"DA:{line.line},{line.requests}"
    yield f"LF:{len(file.lines)}"
    yield f"LH:{file.ran}"
    yield "end_of_record"


def _one_line(text: str) -> str:
    """Every value takes one line, and nothing can be escaped."""
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text)
