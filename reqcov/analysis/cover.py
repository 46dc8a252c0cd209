"""The fewest sets that hold all that any of them holds.

Sets are integers: bit n is set where element n is in the set. What is asked for is a smallest *set cover*, which nobody
knows how to find fast in general. What real sets allow is done first: of equal sets one is looked at, sets that are
part of another one are left out, so are elements that are covered whenever another one is, and a set is taken that
alone holds an element; again and again, for one leads to another. What then remains falls into parts that share
nothing. For each, the greedy choice is made, and a search for fewer sets for as long as its budget lasts.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from heapq import heapify, heappop, heapreplace

from reqcov.analysis.source.masks import Mask, numbers

BUDGET = 50_000
"""Steps of the search, all parts together: counted and not timed, so that the same sets give the same answer."""

CHUNK = 1024
"""Elements that are looked at together: it bounds the memory that is needed."""


@dataclass(frozen=True, slots=True)
class Cover:
    """Sets that hold everything, none of which can be left out."""

    chosen: tuple[int, ...]
    """Their positions, in ascending order."""
    at_least: int
    """No fewer sets can do."""

    @property
    def smallest(self) -> bool:
        """Whether it is known that no fewer sets do."""
        return len(self.chosen) == self.at_least


def cover(sets: Sequence[Mask], budget: int = BUDGET) -> Cover:
    """As few of the sets as were found that hold all that any of them holds; of those that are as good, earlier ones.

    It has the fewest there can be, or at most H(n) = 1 + 1/2 + ... + 1/n times as many where the budget did not last:
    n is the size of the largest set. `at_least` is mostly far closer.
    """
    taken, left = _reduced(sets)
    chosen, at_least = list(taken), len(taken)
    for part in _parts(left):
        found, bound, budget = _searched(part, budget)
        chosen += found
        at_least += bound
    return Cover(tuple(sorted(_needed(chosen, sets))), at_least)


def greedy(sets: Mapping[int, Mask], wanted: Mask) -> list[int]:
    """The keys of sets in the order in which each adds the most to the ones before, until all is there that is wanted.

    Of sets that add as much, the one with the lowest key. All sets together must hold what is wanted.
    """
    chosen = []
    # What a set adds never grows: only the one that seems best is counted anew.
    heap = [(-(mask & wanted).bit_count(), key) for key, mask in sets.items()]
    heapify(heap)
    while wanted:
        _, key = heap[0]
        now = -(sets[key] & wanted).bit_count(), key
        if now == heap[0]:
            heappop(heap)
            chosen.append(key)
            wanted &= ~sets[key]
        else:
            heapreplace(heap, now)
    return chosen


def _reduced(sets: Sequence[Mask]) -> tuple[list[int], dict[int, Mask]]:
    """The positions of sets to take, and what of the others is left to choose from.

    The elements that are left are numbered anew, the rarest first.
    """
    taken: list[int] = []
    left = dict(enumerate(sets))
    while True:
        before = len(left)
        left = _distinct(left)
        positions, rows = list(left), list(left.values())
        columns = _rarest_first(transposed(rows))
        rare = _columns_that_matter(columns, transposed(columns, len(rows)))
        sole = {column for column in rare if column.bit_count() == 1}
        if sole:
            ranks = [column.bit_length() - 1 for column in sole]
            taken += [positions[rank] for rank in ranks]
            held = 0
            for rank in ranks:
                held |= rows[rank]
            left = {position: row & ~held for position, row in left.items() if row & ~held}
            continue
        rows = transposed(rare, len(rows))
        left = _largest(dict(zip(positions, rows, strict=True)), rare)
        if len(left) == before:
            return taken, left


def _distinct(left: Mapping[int, Mask]) -> dict[int, Mask]:
    """Of equal sets the first one, and none that is empty."""
    first: dict[Mask, int] = {}
    for position, row in left.items():
        first.setdefault(row, position)
    return {position: row for row, position in first.items() if row}


def _rarest_first(columns: Sequence[Mask]) -> list[Mask]:
    return sorted({column for column in columns if column}, key=lambda column: (column.bit_count(), column))


def _columns_that_matter(columns: Sequence[Mask], rows: Sequence[Mask]) -> list[Mask]:
    """Less the elements that are covered whenever a rarer one is: they are in all sets that hold that."""
    implied = 0
    for number, column in enumerate(columns):
        if not implied >> number & 1:
            implied |= _common(column, rows) & ~(1 << number)
    return [column for number, column in enumerate(columns) if not implied >> number & 1]


def _largest(left: Mapping[int, Mask], columns: Sequence[Mask]) -> dict[int, Mask]:
    """Less the sets that are part of another one."""
    left = _distinct(left)  # they may have become equal, with fewer elements
    columns = transposed(list(left.values()), len(columns))
    return {position: row for position, row in left.items() if _common(row, columns).bit_count() == 1}


def _common(mask: Mask, others: Sequence[Mask]) -> Mask:
    """What all the others have in common that `mask` numbers; one bit is set in any case."""
    found = ~0
    while mask:
        lowest = mask & -mask
        found &= others[lowest.bit_length() - 1]
        if not found & found - 1:
            break
        mask ^= lowest
    return found


def transposed(rows: Sequence[Mask], width: int | None = None) -> list[Mask]:
    """For each of `width` elements, the mask of the rows that hold it."""
    width = max((row.bit_length() for row in rows), default=0) if width is None else width
    columns = []
    for start in range(0, width if rows else 0, CHUNK):
        some = min(CHUNK, width - start)
        low = (1 << some) - 1
        digits = "".join(f"{row >> start & low:0{some}b}" for row in reversed(rows))
        columns += [int(digits[number::some], 2) for number in reversed(range(some))]
    return columns


def _parts(left: Mapping[int, Mask]) -> list[dict[int, Mask]]:
    """The sets by which of them share elements, directly or by way of others."""
    parts: list[tuple[Mask, list[int]]] = []
    for position, row in left.items():
        near = sorted((part for part in parts if part[0] & row), key=lambda part: len(part[1]))
        parts = [part for part in parts if not part[0] & row]
        _, together = near[-1] if near else (0, [])
        together.append(position)
        for mask, _ in near:
            row |= mask
        for _, members in near[:-1]:
            together += members
        parts.append((row, together))
    return [{position: left[position] for position in sorted(members)} for _, members in parts]


def _searched(part: Mapping[int, Mask], budget: int) -> tuple[Collection[int], int, int]:
    """A choice of the sets, how many are needed at least, and what is left of the budget."""
    everything = 0
    for row in part.values():
        everything |= row
    first = greedy(part, everything)
    best: Sequence[int] = _needed(first, part)
    largest = max(row.bit_count() for row in part.values())
    harmonic = sum(1 / size for size in range(1, largest + 1))
    positions = list(part)
    columns = transposed(list(part.values()), everything.bit_length())

    @cache
    def near(element: int) -> Mask:
        """The elements that are in one of its sets."""
        mask = 0
        for rank in numbers(columns[element]):
            mask |= part[positions[rank]]
        return mask

    def needed(wanted: Mask) -> int:
        """How many sets are needed at least: a different one for each of some elements that no set holds two of."""
        count, by_size = 0, -(-wanted.bit_count() // largest)
        while wanted:
            wanted &= ~near((wanted & -wanted).bit_length() - 1)
            count += 1
        return max(count, by_size)

    bound = max(needed(everything), int(len(first) / harmonic - 1e-9) + 1)
    if len(best) <= bound:
        return best, len(best), budget
    ways: list[tuple[Mask, tuple[int, ...]]] = [(everything, ())]
    while ways and budget:
        budget -= 1
        wanted, chosen = ways.pop()
        if not wanted:
            best = chosen if len(chosen) < len(best) else best
        elif len(chosen) + needed(wanted) < len(best):
            # One of the sets with the rarest element must be taken; the one that adds the most is tried first.
            column = columns[(wanted & -wanted).bit_length() - 1]
            options = [positions[rank] for rank in numbers(column)]
            options.sort(key=lambda position: ((part[position] & wanted).bit_count(), -position))
            ways += [(wanted & ~part[position], (*chosen, position)) for position in options]
    return best, bound if ways else len(best), budget


def _needed(chosen: Sequence[int], sets: Mapping[int, Mask] | Sequence[Mask]) -> list[int]:
    """Less those of the chosen sets, the last ones first, that add nothing to the others."""
    after = 0
    before = [0]
    for position in chosen:
        before.append(before[-1] | sets[position])
    kept = []
    for position, others in zip(reversed(chosen), reversed(before[:-1]), strict=True):
        if sets[position] & ~(others | after):
            kept.append(position)
            after |= sets[position]
    return kept[::-1]
