"""Set covers: everything is covered, by the fewest sets where that can be known, and never by many more."""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import reduce
from itertools import combinations
from operator import or_

from hypothesis import example, given, settings
from hypothesis import strategies as st

from reqcov.analysis import cover as module
from reqcov.analysis.cover import cover, greedy, transposed
from tests.load.cover import planted, suite

masks = st.lists(st.integers(0, 1 << 12).map(lambda mask: mask & 0xFFF), max_size=9)
rare = st.lists(
    st.lists(st.integers(0, 12), max_size=3).map(lambda bits: reduce(or_, (1 << b for b in bits), 0)), max_size=9
)


def union(sets: Sequence[int]) -> int:
    return reduce(or_, sets, 0)


def fewest(sets: Sequence[int]) -> int:
    """By trying all combinations."""
    return next(
        count for count in range(len(sets) + 1) for some in combinations(sets, count) if union(some) == union(sets)
    )


@settings(max_examples=400, deadline=None)
@given(masks | rare)
@example([])
@example([0, 0])
@example([3, 3])
# Greedy takes the large one first, and needs three.
@example([0b000111, 0b111000, 0b011110])
# Five sets in a ring: nothing can be reduced.
@example([0b00011, 0b00110, 0b01100, 0b11000, 0b10001])
def test_small_covers_are_the_smallest(sets: list[int]) -> None:
    """Nothing is lost, no fewer sets do, and that is known."""
    found = cover(sets)
    assert union([sets[position] for position in found.chosen]) == union(sets)
    assert len(found.chosen) == fewest(sets) == found.at_least
    assert found.smallest


@settings(max_examples=200, deadline=None)
@given(masks | rare)
def test_without_a_search_what_is_said_still_holds(sets: list[int]) -> None:
    """Where the budget does not last, nothing is lost, the bound is none that is too high, and no set is idle."""
    found = cover(sets, budget=0)
    chosen = [sets[position] for position in found.chosen]
    assert union(chosen) == union(sets)
    assert found.at_least <= fewest(sets) <= len(chosen)
    for left_out in range(len(chosen)):
        assert union(chosen[:left_out] + chosen[left_out + 1 :]) != union(sets)


HARD = [160, 192, 89, 85, 140, 98, 129, 18]
"""Three of these sets do, nothing about them can be reduced, and greedy takes four."""


def test_the_search_finds_what_greedy_does_not() -> None:
    """Where greedy takes one too many, a search finds the fewest; without one, it is said that fewer may do."""
    found = cover(HARD, budget=0)
    assert (len(found.chosen), found.at_least, found.smallest) == (4, 2, False)
    found = cover(HARD)
    assert (len(found.chosen), found.at_least, found.smallest) == (3, 3, True)


def test_the_first_of_equally_good_sets_is_taken() -> None:
    """Of equal sets, and of those that add as much, the earlier one: who calls it says what is preferred."""
    assert cover([0b011, 0b011, 0b100, 0b100]).chosen == (0, 2)
    assert greedy({3: 0b011, 5: 0b110, 7: 0b001}, 0b111) == [3, 5]
    assert greedy({5: 0b011, 3: 0b110, 7: 0b001}, 0b111) == [3, 5]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 1 << 40), max_size=8), st.sampled_from([1, 3, 7, 1024]))
def test_transposed(rows: list[int], chunk: int) -> None:
    """Bit i of column j is bit j of row i, however many columns are made at a time."""
    before, module.CHUNK = module.CHUNK, chunk
    try:
        columns = transposed(rows)
    finally:
        module.CHUNK = before
    assert len(columns) == max((row.bit_length() for row in rows), default=0)
    assert [[column >> i & 1 for column in columns] for i in range(len(rows))] == [
        [row >> j & 1 for j in range(len(columns))] for row in rows
    ]


def test_parts_that_share_nothing_are_solved_one_by_one() -> None:
    """Many small problems side by side take as many steps as one after the other, and not as their product."""
    found = cover([one << 8 * part for part in range(20) for one in HARD], budget=20 * 7)
    assert (len(found.chosen), found.smallest) == (20 * 3, True)


def test_large_covers_are_within_the_bound() -> None:
    """Where it is known how few sets do, no more than H(n) times as many are taken, and the bound is true."""
    for seed in range(3):
        sets, few = planted(random.Random(seed), sets=600, elements=400, few=20)
        found = cover(sets, budget=300)
        assert union([sets[position] for position in found.chosen]) == union(sets)
        largest = max(map(int.bit_count, sets))
        assert found.at_least <= few
        assert len(found.chosen) <= few * sum(1 / size for size in range(1, largest + 1))


def test_the_same_sets_give_the_same_answer() -> None:
    """A suite of tests is covered with nothing lost, twice by the same tests, in less than a tenth of them."""
    sets = suite(random.Random(1), tests=1000, lines=500)
    found = cover(sets)
    assert union([sets[position] for position in found.chosen]) == union(sets)
    assert found == cover(list(sets))
    assert found.at_least <= len(found.chosen) < 100
