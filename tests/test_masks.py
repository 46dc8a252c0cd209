"""Line sets as integers: they say what sets of numbers, and coverage.py's own packing and formatting, say."""

from __future__ import annotations

from coverage.numbits import nums_to_numbits
from coverage.results import format_lines
from hypothesis import given
from hypothesis import strategies as st

from reqcov.analysis.source import masks
from reqcov.store.model import from_numbits, to_numbits

LINES = st.sets(st.integers(1, 300))


@given(LINES, LINES)
def test_masks_are_sets(a: set[int], b: set[int]) -> None:
    """There and back again, and the operators between."""
    of_a, of_b = masks.of(a), masks.of(b)
    assert masks.numbers(of_a) == sorted(a)
    assert masks.numbers(of_a | of_b) == sorted(a | b)
    assert masks.numbers(of_a & of_b) == sorted(a & b)
    assert masks.numbers(of_a & ~of_b) == sorted(a - b)
    assert of_a.bit_count() == len(a)


@given(st.lists(st.integers(0, 300)))
def test_masks_of_anything_iterable(numbers: list[int]) -> None:
    """Order and repetition don't matter, and one pass over the numbers is enough."""
    assert masks.of(iter(numbers)) == masks.of(set(numbers)) == sum(1 << number for number in set(numbers))


@given(LINES)
def test_numbits_are_coverages(numbers: set[int]) -> None:
    """The bytes are those that coverage.py stores, to the last one."""
    numbits = nums_to_numbits(numbers)
    assert to_numbits(masks.of(numbers)) == numbits
    assert from_numbits(numbits) == masks.of(numbers)
    assert from_numbits(numbits + b"\0") == masks.of(numbers)


@given(st.integers(0, 100), st.integers(0, 100))
def test_spans(first: int, last: int) -> None:
    """A span has both its ends, and nothing where they are the wrong way round."""
    assert masks.numbers(masks.span(first, last)) == list(range(first, last + 1))


def test_ranges_for_people() -> None:
    """Neighbours are joined; with statements, also across what is none."""
    assert masks.ranges(0) == masks.ranges(0, masks.of([1, 2])) == ""
    assert masks.ranges(masks.of([1, 2, 3, 7])) == "1-3, 7"
    assert masks.ranges(masks.of([1, 2, 5, 10, 11, 13, 14]), masks.of([1, 2, 3, 4, 5, 10, 11, 12, 13, 14])) == (
        "1-2, 5-11, 13-14"
    )


@given(LINES, LINES)
def test_ranges_are_coverages(missing: set[int], others: set[int]) -> None:
    """The same words as in the `Missing` column of `coverage report`; without statements, as if every line was one."""
    statements = missing | others
    assert masks.ranges(masks.of(missing), masks.of(statements)) == format_lines(statements, missing)
    assert masks.ranges(masks.of(missing)) == format_lines(range(301), missing)
