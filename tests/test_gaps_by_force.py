"""`gaps` says of random programs, traffic and tests what counting line by line says."""

from __future__ import annotations

import hashlib
import tempfile
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from coverage.numbits import nums_to_numbits
from hypothesis import given, settings
from hypothesis import strategies as st

from reqcov.analysis.gaps import gaps
from reqcov.analysis.source.masks import of
from reqcov.analysis.view import Chosen, View
from reqcov.store.model import Batch, Behaviour, HitKey, Piece, Tally, from_numbits, pack_labels
from reqcov.store.reading import reading
from reqcov.store.sqlite import SQLiteStore
from reqcov.types import Source
from tests.load.big_store import writer

DAY = 20_000


@dataclass
class Program:
    """A module that was written line by line, so that it is known what each line is."""

    text: str = ""
    lines: int = 0
    owner: dict[int, str] = field(default_factory=dict)
    """By the first line of each function statement, the function that it is of."""
    first: dict[int, int] = field(default_factory=dict)
    """By line, the first one of its statement, for all that are of a function statement."""

    def write(self, text: str) -> int:
        self.text += text + "\n"
        self.lines += 1
        return self.lines


# A function: its statements, each so many lines long, 0 for one that is excluded; and functions in it.
functions = st.recursive(
    st.tuples(st.lists(st.integers(0, 3), min_size=1, max_size=4), st.just([])),
    lambda inner: st.tuples(st.lists(st.integers(0, 3), min_size=1, max_size=4), st.lists(inner, max_size=2)),
    max_leaves=3,
)


def write(program: Program, shape: Any, name: str, indent: int) -> None:
    """Write a function and those in it; the statements that define these are its own."""
    statements, inner = shape
    plain = name.rpartition(".")[2]
    program.write(f"{'    ' * indent}def {plain}():")
    within = "    " * (indent + 1)
    for number, length in enumerate(statements):
        if length == 0:
            program.write(f"{within}print({number})  # pragma: no cover")
            continue
        first = program.write(f"{within}print({number}{')' if length == 1 else ','}")
        rest = [program.write(f"{within}    {each}{')' if each == length - 1 else ','}") for each in range(1, length)]
        program.owner[first] = name
        program.first.update(dict.fromkeys([first, *rest], first))
    for number, each in enumerate(inner):
        below = program.lines + 1
        program.owner[below] = name
        program.first[below] = below
        write(program, each, f"{name}.<locals>.inner{number}", indent + 1)


@st.composite
def programs(draw: st.DrawFn) -> Program:
    program = Program()
    program.write("import os")
    for number, shape in enumerate(draw(st.lists(functions, min_size=1, max_size=3))):
        write(program, shape, f"function{number}", 0)
    return program


@st.composite
def traffic(draw: st.DrawFn, some: list[Program]) -> dict[str, Any]:
    """Footprints, by their number the raw lines of each program; requests; lines of none, of tests, and of a diff."""

    def lines() -> list[set[int]]:
        return [draw(st.sets(st.integers(1, program.lines), max_size=program.lines)) for program in some]

    footprints = [lines() for _ in range(draw(st.integers(1, 5)))]
    hit = st.tuples(
        st.integers(0, len(footprints) - 1),
        st.sampled_from(["/a", "/b", "/c"]),
        st.sampled_from([{}, {"tenant": "acme"}, {"test": "tests/test_a.py::test_b"}]),
        st.integers(1, 9),
        st.sampled_from([1.0, 4.0]),
        st.integers(0, 86_399),
    )
    return {
        "footprints": footprints,
        "hits": draw(st.lists(hit, min_size=1, max_size=8, unique_by=lambda each: (each[0], each[1], str(each[2])))),
        "unsampled": lines(),
        "tested": lines(),
        "changed": draw(st.none() | st.just("some")) and lines(),
        "labels": draw(st.sampled_from([(), (), (("tenant", "*"),), (("test", "*"),)])),
    }


def fill(store: Path, some: list[Program], drawn: dict[str, Any]) -> None:
    """Write it as a server does."""
    sources = [Source(f"shop/m{n}.py", hashlib.sha256(each.text.encode()).hexdigest()) for n, each in enumerate(some)]
    for source, program in zip(sources, some, strict=True):
        (store.parent / source.path).parent.mkdir(exist_ok=True)
        (store.parent / source.path).write_text(program.text)
    seen: Counter[Source] = Counter(
        {source: of(more) for source, more in zip(sources, drawn["unsampled"], strict=True)}
    )
    behaviours = {}
    for number, masks in enumerate(drawn["footprints"]):
        pieces = [Piece(s, nums_to_numbits(lines), "") for s, lines in zip(sources, masks, strict=True) if lines]
        behaviours[f"{number:032x}"] = Behaviour(f"{number:032x}", tuple(pieces))
        for piece in pieces:
            seen[piece.source] |= from_numbits(piece.numbits)
    SQLiteStore(store).write(
        Batch(
            writer=writer("1"),
            hits={
                HitKey("http", "GET", route, 2, pack_labels(labels), f"{number:032x}", DAY): Tally(
                    count, count * weight, DAY * 86_400.0, DAY * 86_400.0 + second
                )
                for number, route, labels, count, weight, second in drawn["hits"]
            },
            behaviours=behaviours,
            endpoints={},
            sources={source: str(store.parent / source.path) for source in sources},
            seen=dict(seen),
            outside={},
        )
    )


def by_force(some: list[Program], drawn: dict[str, Any]) -> dict[str, Any]:
    """Line by line, from nothing."""
    asked = dict(drawn["labels"])
    chosen = [hit for hit in drawn["hits"] if asked.keys() <= hit[2].keys()]
    traffic = [hit for hit in chosen if "test" in asked or "test" not in hit[2]]
    total = sum(hit[3] * hit[4] for hit in traffic)
    ran, done, weight, weight_done, found = 0, 0, 0.0, 0.0, defaultdict(list)
    for place, program in enumerate(some):

        def firsts(lines: set[int], program: Program = program) -> set[int]:
            return {program.first[line] for line in lines if line in program.first}

        footprints = [firsts(each[place]) for each in drawn["footprints"]]
        for line in sorted(program.owner):
            who = frozenset(hit[0] for hit in traffic if line in footprints[hit[0]])
            recorded = any(line in footprints[hit[0]] for hit in chosen)
            stray = (
                not asked
                and not recorded
                and any(line in each for each in (*footprints, firsts(drawn["unsampled"][place])))
            )
            if not (who or stray) or (drawn["changed"] and line not in firsts(drawn["changed"][place])):
                continue
            requests = sum(hit[3] * hit[4] for hit in traffic if hit[0] in who)
            ran, weight = ran + 1, weight + requests
            if line in firsts(drawn["tested"][place]):
                done, weight_done = done + 1, weight_done + requests
            else:
                found[f"shop/m{place}.py", program.owner[line], who].append(line)
    rows = []
    for (path, function, who), lines in found.items():
        own = [hit for hit in traffic if hit[0] in who]
        routes: Counter[str] = Counter()
        for hit in own:
            routes[f"GET {hit[1]}"] += hit[3] * hit[4]
        requests = sum(routes.values())
        rows.append(
            {
                "path": path,
                "function": function,
                "lines": lines,
                "requests": requests,
                "share": requests / total if requests else 0.0,
                "routes": sorted(routes.items(), key=lambda each: (-each[1], each[0])),
                "last_seen": DAY * 86_400 + max(hit[5] for hit in own) if own else None,
                "kind": "ran" if own else "not sampled",
            }
        )
    rows.sort(key=lambda row: (row["kind"] == "not sampled", -row["requests"], row["path"], row["lines"]))
    return {
        "requests": total,
        "of_tests": sum(hit[3] * hit[4] for hit in chosen) - total,
        "ran": ran,
        "tested": done,
        "lines": ran - done,
        "share": done / ran if ran else 1.0,
        "weighted": weight_done / weight if weight else done / ran if ran else 1.0,
        "gaps": rows,
    }


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_gaps_are_what_counting_gives(data: st.DataObject) -> None:
    """Rows, their order and every number, whatever was chosen."""
    some = data.draw(st.lists(programs(), min_size=1, max_size=2))
    drawn = data.draw(traffic(some))
    paths = [f"shop/m{number}.py" for number in range(len(some))]
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "reqcov.sqlite3"
        fill(store, some, drawn)
        with reading(store) as reader:
            view = View.of(reader, Chosen(labels=drawn["labels"]))
            changed = drawn["changed"] and dict(zip(paths, map(of, drawn["changed"]), strict=True))
            answer = gaps(view, dict(zip(paths, map(of, drawn["tested"]), strict=True)), changed=changed)
    expected = by_force(some, drawn)
    rows = [
        {
            **{name: getattr(row, name) for name in ("path", "function", "lines", "requests", "kind", "share")},
            "routes": [(route.route, route.requests) for route in row.routes],
            "last_seen": row.last_seen and row.last_seen.timestamp(),
        }
        for row in answer.gaps
    ]
    assert rows == expected.pop("gaps")
    assert {name: getattr(answer, name) for name in expected} == expected
    assert answer.changes is (changed is not None)
