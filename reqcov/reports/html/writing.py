"""Writes the pages of a site to a folder, on several processors where that pays."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from reqcov.errors import ReqcovError
from reqcov.reports.html.site import Site

MANY = 200
"""Pages for which it pays."""

MOST = 8
"""Processes; each takes some memory of its own."""

CHUNK = 8
"""Pages that a process is told of at once."""

_site: list[Site] = []
"""In a process that was forked to write: the one whose pages these are."""


def written(site: Site, folder: Path, names: Sequence[str]) -> Iterator[str]:
    """Write the pages of these names, in this order or nearly so, and tell each that is written.

    Raises ReqcovError where one can't be written.
    """
    processes = len(os.sched_getaffinity(0)) if sys.platform == "linux" and len(names) >= MANY else 1
    if processes == 1:
        return (write(site, folder, name) for name in names)
    # Forked processes have the site already, which would be long in copying. They begin here, before there are threads.
    pool = ProcessPoolExecutor(min(processes, MOST), get_context("fork"), _begin, (site,))
    return _through(pool, pool.map(partial(_write_forked, folder), names, chunksize=CHUNK))


def _through(pool: ProcessPoolExecutor, results: Iterator[str]) -> Iterator[str]:
    """All results; who loses interest in them ends the processes, too."""
    with pool:
        yield from results


def write(site: Site, folder: Path, name: str) -> str:
    """Write one page. Raises ReqcovError where that is not possible: it is not the store's fault."""
    file, content = folder / name, site.render(name)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    except OSError as error:
        raise ReqcovError(f"{file} can't be written: {error.strerror}; name another folder with -o.") from error
    return name


def _begin(site: Site) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches everybody; who has forked us ends us
    _site.append(site)


def _write_forked(folder: Path, name: str) -> str:
    return write(_site[0], folder, name)
