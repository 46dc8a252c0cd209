"""Contexts as a data file of coverage.py."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from coverage import CoverageData


def write(
    target: Path, names: Collection[str], ran: Iterable[tuple[str, Mapping[str, Collection[Any]]]], *, arcs: bool
) -> None:
    """Make the data file `target`.

    - `names`: the measured files, whether anything of them ran or not.
    - `ran`: each context, of which there is one at least, and by file name the line numbers, or the pairs of them if
      they are `arcs`.

    Raises CoverageException or sqlite3.Error where it can't be written.
    """
    data = CoverageData(basename=str(target))
    add: Any = data.add_arcs if arcs else data.add_lines
    try:
        for context, some in ran:
            data.set_context(context)
            add({name: numbers for name, numbers in some.items() if numbers})
        data.touch_files(names)
    finally:
        if hasattr(data, "close"):  # before coverage.py 7.11 nothing stays open
            data.close()
