"""Puts stores together in one: the same whichever comes first, and however often."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from sqlite3 import Connection
from typing import Protocol, TypeVar

from reqcov.errors import StoreError
from reqcov.store.keeping import beside
from reqcov.store.model import Piece, Run, Tally, Writer, to_numbits
from reqcov.store.reading import Build, Hit, Lines, Route, StoredSource, StoreReader, reading
from reqcov.store.sqlite import Place, Rows, opened, transaction

T = TypeVar("T")


class Track(Protocol):
    """Shows how far something that takes long has come."""

    def __call__(self, items: Collection[T], what: str) -> Iterable[T]:
        """The items, one by one."""


@dataclass(frozen=True, kw_only=True)
class Content:
    """All that a store holds, as it was at one moment; ids are its own."""

    builds: list[Build]
    texts: dict[str, bytes]
    sources: dict[int, StoredSource]
    lines: dict[int, Lines]
    footprints: dict[int, tuple[str, list[int]]]
    routes: dict[int, Route]
    counts: list[tuple[str, Hit]]
    writers: list[Writer]
    tests: dict[str, Run]

    @classmethod
    def of(cls, reader: StoreReader) -> Content:
        """What `reader` reads."""
        return cls(
            builds=reader.builds(),
            texts=reader.texts(),
            sources=reader.sources(),
            lines=reader.lines(),
            footprints=reader.footprints(),
            routes=reader.routes(),
            counts=reader.counts(),
            writers=reader.writers(),
            tests=reader.tests(),
        )


def merge(inputs: Sequence[Path], out: Path, track: Track) -> None:
    """Put the stores `inputs` together in `out`, which may be one of them and in use; the others are only read.

    Raises StoreError where `out` exists and is none of them, or where one can't be read or written: then nothing is.
    """
    for path in inputs:
        if not path.exists():
            raise StoreError(f"There is no store at {path}; name stores that exist.")
    others = [path for path in inputs if not (out.exists() and path.samefile(out))]
    if out.exists() and len(others) == len(inputs):
        raise StoreError(f"{out} exists; remove it, or name it before -o as well and it is added to.")
    with ExitStack() as stack:
        file = out if out.exists() else stack.enter_context(beside(out))
        connection = stack.enter_context(opened(file))
        stack.enter_context(transaction(connection))
        for path in others:
            with reading(path) as reader:  # alone: what goes wrong here is the fault of `path`
                content = Content.of(reader)
            add(connection, content, track)


def add(connection: Connection, content: Content, track: Track) -> None:
    """Add to a store what it lacks of another one.

    Counts of one origin only ever grow, so the larger is the later one. All else is a union.
    """
    rows = Rows(connection)
    builds = {}
    for build in content.builds:
        rows.build(build.name, build.first_seen)
        builds[build.name] = rows.build(build.name, build.last_seen)
    connection.executemany("INSERT OR IGNORE INTO text VALUES (?, ?)", content.texts.items())
    for each in content.sources.values():
        rows.source(each.source, None, each.last_seen)
        for name in each.builds:
            rows.source(each.source, builds[name], each.last_seen)
        rows.see(each.source, each.ran, each.outside)
    lines = {key: rows.piece(_piece(each, content.sources)) for key, each in content.lines.items()}
    footprints = {
        key: rows.footprint_of(address, map(lines.__getitem__, held))
        for key, (address, held) in track(content.footprints.items(), "Behaviours")
    }
    routes = {key: _route(connection, rows, route) for key, route in content.routes.items()}
    labels = {pairs: rows.labels(pairs) for pairs in {hit.labels for _, hit in content.counts}}
    origins = {name: rows.foreign_origin(name) for name in {name for name, _ in content.counts}}
    counted: dict[Place, Tally] = {}
    for name, hit in content.counts:
        ids = routes[hit.route], hit.status, labels[hit.labels], footprints[hit.footprint], hit.day
        place = origins[name], builds[hit.build], *ids
        tally = Tally(hit.recorded, hit.requests, hit.first_seen, hit.last_seen)
        if place in counted:  # what is too many shares a place
            counted[place] += tally
        else:
            counted[place] = tally
    for place, tally in track(counted.items(), "Counts"):
        rows.hit_in_all(place, tally)
    for writer in content.writers:
        if rows.latest_batch(writer.id) < writer.batch:
            rows.writer(vars(writer))
    for name, run in content.tests.items():
        rows.test(name, run)


def _piece(lines: Lines, sources: dict[int, StoredSource]) -> Piece:
    return Piece(sources[lines.source].source, to_numbits(lines.mask), lines.arcs)


def _route(connection: Connection, rows: Rows, route: Route) -> int:
    """Its id; where two views have served it, the same one of them stays whichever comes first."""
    found = rows.route((route.protocol, route.method, route.template), "")
    connection.execute("UPDATE route SET endpoint = max(endpoint, ?) WHERE id = ?", (route.endpoint, found))
    return found
