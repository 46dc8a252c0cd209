"""Servers without HTTP: processes that write what a test tells them to a store, and what a store holds in the end."""

from __future__ import annotations

import contextlib
import hashlib
import sqlite3
import subprocess
import sys
import zlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from coverage.numbits import nums_to_numbits

from reqcov.record import footprint
from reqcov.store.model import Batch, Behaviour, HitKey, Piece, Tally, Writer, pack_labels, unpack_labels
from reqcov.store.reading import Hit, reading
from reqcov.store.sqlite import SQLiteStore
from reqcov.types import Source

DAY = 86_400
TODAY = 20_000
"""The day of most requests; since 1970-01-01."""

Ran = Mapping[str, frozenset[int]]
"""By the path of a source, its lines."""


@dataclass(frozen=True)
class Request:
    """One request, and what it ran."""

    route: str = "/"
    ran: tuple[tuple[str, frozenset[int]], ...] = (("shop/cart.py", frozenset({2})),)
    method: str = "GET"
    status: int = 2
    labels: tuple[tuple[str, str], ...] = ()
    when: float = TODAY * DAY
    weight: float = 1.0


class Project:
    """Source files in a folder."""

    def __init__(self, folder: Path, names: Iterable[str] = ("shop/cart.py", "shop/order.py")) -> None:
        self.sources: dict[str, Source] = {}
        self.files: dict[Source, str] = {}
        for name in names:
            file = folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(f"# {name}\n" + "".join(f"def f{n}(): return {n}\n" for n in range(30)))
            source = Source(name, hashlib.sha256(file.read_bytes()).hexdigest())
            self.sources[name] = source
            self.files[source] = str(file)


class Server:
    """A process of a server; `serve` writes one batch to a store, or makes it only, to be written later."""

    def __init__(self, project: Project, name: str = "a", build: str = "1.0") -> None:
        self.project = project
        self.writer = Writer(
            id=name.ljust(32, "0"),
            host="here",
            pid=1,
            born="1",
            build=build,
            core="monitoring",
            python="3.12.1",
            interval=1.0,
            sample=1.0,
            started=float(TODAY * DAY),
            last_write=0.0,
            batch=0,
            requests=0,
            peak=0,
            lost=0,
            ended=None,
            stats="{}",
        )
        self.stores: dict[Path, SQLiteStore] = {}
        self.behaviours: dict[str, Behaviour] = {}
        self.seen: dict[Source, int] = {}
        self.outside: dict[Source, int] = {}

    def write(self, path: Path, batch: Batch) -> None:
        """As a process does that knows what it has told this store before."""
        self.stores.setdefault(path, SQLiteStore(path)).write(batch)

    def serve(self, path: Path, *requests: Request) -> Batch:
        """Count requests and write them; returns what was written."""
        batch = self.batch(*requests)
        self.write(path, batch)
        return batch

    def batch(self, *requests: Request) -> Batch:
        """Count requests."""
        hits: dict[HitKey, Tally] = {}
        for request in requests:
            key = HitKey(
                "http",
                request.method,
                request.route,
                request.status,
                pack_labels(dict(request.labels)),
                self._footprint(dict(request.ran)),
                int(request.when // DAY),
            )
            if key in hits:
                hits[key].add(request.weight, request.when)
            else:
                hits[key] = Tally(1, request.weight, request.when, request.when)
        last = max((request.when for request in requests), default=self.writer.last_write)
        self.writer = replace(
            self.writer,
            batch=self.writer.batch + 1,
            requests=self.writer.requests + len(requests),
            last_write=max(self.writer.last_write, last),
        )
        endpoints = {("http", request.method, request.route): f"shop.{self.writer.build}" for request in requests}
        return Batch(
            writer=self.writer,
            hits=hits,
            behaviours=dict(self.behaviours),
            endpoints=endpoints,
            sources=self.project.files,
            seen=dict(self.seen),
            outside=dict(self.outside),
        )

    def _footprint(self, ran: Ran) -> str:
        sources = self.project.sources
        address = footprint(ran, sources)
        pieces = [Piece(sources[name], nums_to_numbits(lines), "") for name, lines in ran.items() if lines]
        self.behaviours[address] = Behaviour(address, tuple(pieces))
        for name, lines in ran.items():
            mask = int.from_bytes(nums_to_numbits(lines), "little")
            self.seen[sources[name]] = self.seen.get(sources[name], 0) | mask
        return address


def key_of(request: Request, build: str) -> tuple[Any, ...]:
    """What is told apart when requests are counted, in the words of the test."""
    ran = frozenset((name, lines) for name, lines in request.ran if lines)
    day = int(request.when // DAY)
    return build, request.method, request.route, request.status, frozenset(request.labels), ran, day


def counted(path: Path) -> Counter[tuple[Any, ...]]:
    """How many requests a store holds, by the same keys."""
    found: Counter[tuple[Any, ...]] = Counter()
    for place, hit in placed(path):
        found[place] += hit.recorded
    return found


def placed(path: Path) -> list[tuple[tuple[Any, ...], Hit]]:
    """The requests of a store with the same keys."""
    with reading(path) as reader:
        routes, held = reader.routes(), ran(path)
        found = []
        for hit in reader.hits():
            route = routes[hit.route]
            labels = frozenset(unpack_labels(hit.labels).items())
            place = hit.build, route.method, route.template, hit.status, labels, held[hit.footprint], hit.day
            found.append((place, hit))
        return found


def ran(path: Path) -> dict[int, frozenset[tuple[str, frozenset[int]]]]:
    """By the id of each footprint, the lines of each file."""
    with reading(path) as reader:
        lines, sources = reader.lines(), reader.sources()
        pieces = {
            key: (
                sources[each.source].source.path,
                frozenset(n for n in range(each.mask.bit_length()) if each.mask >> n & 1),
            )
            for key, each in lines.items()
        }
        return {key: frozenset(pieces[each] for each in held) for key, (_, held) in reader.footprints().items()}


def content(path: Path) -> dict[str, Any]:
    """All that a store says, without the ids of rows, and without what a copy need not share."""
    with reading(path) as reader:
        sources, lines, routes = reader.sources(), reader.lines(), reader.routes()
        pieces = {key: (sources[each.source].source, each.mask, each.arcs) for key, each in lines.items()}
        addresses = {key: address for key, (address, _) in reader.footprints().items()}
        return {
            "builds": set(reader.builds()),
            "texts": {digest: zlib.decompress(text) for digest, text in reader.texts().items()},
            "sources": {
                (each.source, each.last_seen, each.ran, each.outside, each.builds) for each in sources.values()
            },
            "lines": set(pieces.values()),
            "footprints": {
                address: frozenset(pieces[key] for key in held) for address, held in reader.footprints().values()
            },
            "routes": set(routes.values()),
            "counts": {
                (origin, *hit_of(hit, routes, addresses)): (hit.recorded, hit.requests, hit.first_seen, hit.last_seen)
                for origin, hit in reader.counts()
            },
            "writers": set(reader.writers()),
            "tests": reader.tests(),
        }


def hit_of(hit: Any, routes: Mapping[int, Any], addresses: Mapping[int, str]) -> tuple[Any, ...]:
    """The key of a hit."""
    return hit.build, routes[hit.route], hit.status, hit.labels, addresses[hit.footprint], hit.day


def sound(path: Path) -> bool:
    """Whether the file is whole, and no row refers to one that is not there."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        broken = connection.execute("PRAGMA foreign_key_check").fetchall()
        return broken == [] and connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def rows(path: Path, table: str) -> int:
    """How many rows a table has."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


def reqcov(*words: str | Path, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run the command, as from a shell without a terminal."""
    return subprocess.run(
        [sys.executable, "-m", "reqcov", *map(str, words)],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )
