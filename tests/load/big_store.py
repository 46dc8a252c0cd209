"""Makes a store as a busy server leaves it: a million requests, 50 routes, 2,000 behaviours, 300 files, two builds."""

from __future__ import annotations

import hashlib
import random
import sys
from pathlib import Path

from coverage.numbits import nums_to_numbits

from reqcov.store.model import Batch, Behaviour, HitKey, Piece, Tally, Writer, from_numbits
from reqcov.store.sqlite import SQLiteStore
from reqcov.types import Source

START = 1_760_000_000.0
DAY = 86_400

FUNCTION = """\
    def method_{number}(self, first, second=None):
        total = first + {constant}
        if second is not None:
            total += second
            for each in range(second):
                total += self.method_0(
                    each,
                    None,
                )
        elif first > {number}:
            return -total
        return total

"""


EVERYWHERE = 50
"""Of so many files one is run by every route: middleware, the session, the database."""

OWN, SHARED = 3, 27
"""Files that a route runs besides: those that no other one runs, and those that some others run, too."""

UNUSED = 7
"""Of so many files one is run by nobody."""

TENANTS = ('{"tenant": "acme"}', '{"tenant": "globex"}', "")
"""Labels as a store packs them."""

STATUSES = (2, 2, 4, 2, 2, 5, 2, 2, 3, 2)
"""By how common a behaviour is among those of its route."""

Shape = dict[int, set[int]]
"""By the number of a file, the lines that ran."""


def text(number: int, build: int, functions: int) -> str:
    """A module; another build has another constant in one of its functions."""
    methods = [
        FUNCTION.format(number=each, constant=build if each == number % functions else 0) for each in range(functions)
    ]
    return f'"""Module {number}."""\n\n\nclass Thing{number}:\n' + "".join(methods)


def make(
    store: Path,
    *,
    requests: int = 1_000_000,
    routes: int = 50,
    behaviours: int = 2_000,
    files: int = 300,
    functions: int = 20,
    builds: int = 2,
    days: int = 14,
) -> None:
    """Fill `store` through `SQLiteStore.write`, a batch a day; beside it, a folder for each build has its sources.

    A module has `functions` functions, or half as many, or twice; one in a hundred has ten times as many.
    """
    sizes = [functions * (20 if number % 100 == 99 else (1, 2, 4)[number % 3]) // 2 for number in range(files)]
    shapes = _shapes(routes, behaviours, sizes)
    share = [1 / (1 + number) for number in range(behaviours)]
    per_day = [max(1, round(requests / days * each / sum(share))) for each in share]
    first_of = {day * builds // days: day for day in reversed(range(days))}
    for day in range(days):
        build = day * builds // days
        if day == first_of[build]:
            folder = store.parent / f"build{build}"
            sources = [_source(folder, number, build, size) for number, size in enumerate(sizes)]
            known, seen = _behaviours(shapes, sources, build)
        first = START + day * DAY
        hits = {
            HitKey(
                "http",
                "GET",
                f"/route{number % routes}/{{id}}",
                STATUSES[number // routes % len(STATUSES)],
                TENANTS[(number + day) % len(TENANTS)],
                address,
                int(first // DAY),
            ): Tally(count, float(count), first, first + DAY / 2)
            for number, (address, count) in enumerate(zip(known, per_day, strict=True))
        }
        SQLiteStore(store).write(
            Batch(
                writer=writer(f"writer{day}", build=f"build{build}", started=first, last_write=first + DAY / 2),
                hits=hits,
                behaviours=known,
                endpoints={key[:3]: f"shop.views.view{number % routes}" for number, key in enumerate(hits)},
                sources={source: str(folder / source.path) for source in sources},
                seen=seen,
                outside={},
            )
        )


def _shapes(routes: int, behaviours: int, sizes: list[int]) -> list[Shape]:
    """What each behaviour runs; the first ones are one of each route."""
    chance = random.Random(3)
    files = range(len(sizes))
    variants = [[_lines(chance, size) for _ in range(8)] for size in sizes]
    everywhere = [number for number in files if number % EVERYWHERE == 0]
    others = [number for number in files if number % EVERYWHERE and number % UNUSED]
    shared = others[OWN * routes :] or others
    own = [others[OWN * route :][:OWN] + chance.sample(shared, min(len(shared), SHARED)) for route in range(routes)]
    return [
        {each: chance.choice(variants[each][:2]) for each in everywhere}
        | {each: chance.choice(variants[each]) for each in own[number % routes] if chance.random() < 0.8}
        for number in range(behaviours)
    ]


def _behaviours(
    shapes: list[Shape], sources: list[Source], build: int
) -> tuple[dict[str, Behaviour], dict[Source, int]]:
    """The behaviours of a build by their addresses, and what any of them ran."""
    known = {}
    seen: dict[Source, int] = {}
    for number, shape in enumerate(shapes):
        address = hashlib.sha256(f"{build} {number}".encode()).hexdigest()[:32]
        pieces = tuple(Piece(sources[each], nums_to_numbits(lines), "") for each, lines in shape.items())
        known[address] = Behaviour(address, pieces)
        for piece in pieces:
            seen[piece.source] = seen.get(piece.source, 0) | from_numbits(piece.numbits)
    return known, seen


def writer(name: str, **values: object) -> Writer:
    """A process of another machine, which ended."""
    usual = {
        "id": name,
        "host": "elsewhere",
        "pid": 1,
        "born": "",
        "build": "A",
        "core": "monitoring",
        "python": "3.13.0",
        "interval": 1.0,
        "sample": 1.0,
        "started": START,
        "last_write": START,
        "batch": 1,
        "requests": 1,
        "peak": 1,
        "lost": 0,
        "ended": START,
        "stats": "{}",
    }
    return Writer(**{**usual, **values})  # type: ignore[arg-type]


def _lines(chance: random.Random, functions: int) -> set[int]:
    found: set[int] = set()
    for each in chance.sample(range(functions), max(4, functions // 3)):
        first = 5 + each * 13
        ways = ((1, 2, 3, 4, 5, 6, 7, 11), (1, 2, 9, 10), (1, 2, 3, 4, 11), (1, 2, 9, 11))
        found.update(first + line for line in chance.choice(ways))
    return found


def _source(folder: Path, number: int, build: int, functions: int) -> Source:
    path = f"shop/area{number % 10}/module_{number}.py"
    content = text(number, build if number % 5 == 0 else 0, functions).encode()
    if not (folder / path).exists():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    return Source(path, hashlib.sha256(content).hexdigest())


if __name__ == "__main__":
    make(Path(sys.argv[1]))
