"""A project that is made up, and requests that run it: as many as are wanted, of as many behaviours."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from reqcov.record import Executed, RequestRecord, Result, footprint
from reqcov.store.writer import StoreSink
from reqcov.types import Source

MODULES, FUNCTIONS = 40, 25
"""1,000 functions of 10 lines."""

FUNCTION = """
def step{number}(value):
    if value % 2:
        value += {number}
        value *= 3
    else:
        value -= {number}
        value *= 5
    value %= 1000003
    return value
"""

ROUTES, BEHAVIOURS = 50, 40
"""So many routes with so many behaviours each."""

CALLED = 100
"""Functions that a request calls."""

START = datetime(2026, 1, 5, 9, tzinfo=UTC)


@dataclass
class Traffic:
    """Records of requests, as a recorder would make them with the monitoring core."""

    folder: Path
    sources: dict[str, Source] = field(default_factory=dict)
    _functions: list[tuple[str, int]] = field(default_factory=list)
    """File and line of each function."""
    _behaviours: list[tuple[str, dict[int, frozenset[int]]]] = field(default_factory=list)
    """Route and hits; the key of a function is its place in `_functions`."""
    _random: random.Random = field(default_factory=lambda: random.Random(3))

    def __post_init__(self) -> None:
        for module in range(MODULES):
            name, parts = f"shop/part{module:02}.py", ["", ""]
            file = self.folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            for number in range(FUNCTIONS):
                self._functions.append((str(file), 2 + "".join(parts).count("\n")))
                parts.append(FUNCTION.format(number=number))
            file.write_text("".join(parts))
            self.sources[str(file)] = Source(name, hashlib.sha256(file.read_bytes()).hexdigest())
        ran = [(self._ran(key, False), self._ran(key, True)) for key in range(len(self._functions))]
        for route in range(ROUTES):
            called = self._random.sample(range(len(self._functions)), CALLED)
            turned: set[frozenset[int]] = set()
            while len(turned) < BEHAVIOURS:
                turned.add(frozenset(self._random.sample(called, self._random.randint(1, 5))))
            for others in turned:
                self._behaviours.append((f"/shop/{route}/{{id}}", {key: ran[key][key in others] for key in called}))

    def _ran(self, key: int, other: bool) -> frozenset[int]:
        first = self._functions[key][1]
        return frozenset(first + number for number in ((1, 5, 6, 7, 8) if other else (1, 2, 3, 7, 8)))

    def meet_imported(self) -> None:
        """All are known."""

    def read(self, hits: Any) -> Result:
        """As a recorder reads hits."""
        lines: dict[str, set[int]] = {}
        for key, numbers in hits.items():
            lines.setdefault(self._functions[key][0], set()).update(numbers)
        frozen = {name: frozenset(numbers) for name, numbers in lines.items()}
        return frozen, None, footprint(frozen, self.sources)

    def requests(self, count: int, day: int = 0) -> Iterator[RequestRecord]:
        """Each behaviour in turn, then `count` less that many by chance, all on one day."""
        moment = START.replace(day=START.day + day)
        for number in range(count):
            known = number < len(self._behaviours)
            route, hits = self._behaviours[number] if known else self._random.choice(self._behaviours)
            yield RequestRecord(
                id="",
                protocol="http",
                method="GET",
                path=route,
                route=route,
                endpoint=f"shop.{route}",
                status=200,
                started_at=moment,
                duration=0.01,
                error=None,
                complete=True,
                executed=Executed(self, {key: set(numbers) for key, numbers in hits.items()}),
            )

    def sink(self, path: Path, build: str = "1.0") -> StoreSink:
        """What a server would bring them to."""
        return StoreSink(path, build=build, sample=1.0, core="monitoring", files=self, stats=dict, outside=dict)


AT_ONCE = 5_000
"""Requests between two flushes."""


def fill(sink: StoreSink, requests: Iterator[RequestRecord]) -> None:
    """Have the sink count the requests, and write now and then."""
    for number, record in enumerate(requests, 1):
        sink.accept(record)
        if number % AT_ONCE == 0:
            sink.flush()
    sink.flush()
