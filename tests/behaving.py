"""Writes stores in which it is known, line by line, what each request ran."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from itertools import count
from pathlib import Path
from typing import NamedTuple

from coverage.numbits import nums_to_numbits

from reqcov.record import footprint, pack_arcs
from reqcov.store.model import Batch, Behaviour, HitKey, Piece, Tally, pack_labels
from reqcov.store.sqlite import SQLiteStore
from reqcov.types import Source
from tests.load.big_store import writer

_writers = count()


class Requests(NamedTuple):
    """Some that were alike."""

    route: str
    lines: Iterable[int]
    count: int = 1
    labels: Mapping[str, str] = {}
    weight: float = 1.0
    day: int = 20_000
    arcs: Iterable[tuple[int, int]] = ()


def fill(store: Path, build: str, text: str, requests: Iterable[Requests], path: str = "shop/m.py") -> None:
    """Write what a server of this build does, of one module."""
    source = Source(path, hashlib.sha256(text.encode()).hexdigest())
    file = store.parent / build / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    behaviours: dict[str, Behaviour] = {}
    hits: dict[HitKey, Tally] = {}
    for some in requests:
        lines, arcs = frozenset(some.lines), frozenset(some.arcs)
        address = footprint({"m": lines}, {"m": source}, {"m": arcs} if arcs else None)
        pieces = (Piece(source, nums_to_numbits(lines), pack_arcs(arcs)),) if lines else ()
        behaviours[address] = Behaviour(address, pieces)
        key = HitKey("http", "GET", some.route, 2, pack_labels(some.labels), address, some.day)
        begin = some.day * 86_400.0
        hits.setdefault(key, Tally(0, 0.0, begin, begin))
        hits[key] += Tally(some.count, some.count * some.weight, begin, begin + 60)
    SQLiteStore(store).write(
        Batch(
            writer=writer(f"writer {next(_writers)}", build=build),
            hits=hits,
            behaviours=behaviours,
            endpoints={},
            sources={source: str(file)},
            seen={},
            outside={},
        )
    )
