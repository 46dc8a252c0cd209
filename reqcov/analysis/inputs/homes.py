"""Which files tests are in, and which tests are no more: if one of those is named, pytest runs none of the others."""

from __future__ import annotations

import posixpath
from collections import defaultdict
from collections.abc import Collection, Mapping

from reqcov.analysis.source.outline import Outline


def home_of(test: str, folder: str) -> str:
    """The file of a test, as a diff has it; empty where that can't be told. `folder` is the current one, as such."""
    file = test.partition("::")[0]
    return posixpath.normpath(posixpath.join(folder, file)) if file.endswith(".py") else ""


def same(one: str, other: str) -> bool:
    """Whether both may be the same file, for it is not known which folder the ids of tests begin in."""
    return bool(one) and bool(other) and (one == other or one.endswith(f"/{other}") or other.endswith(f"/{one}"))


def gone(homes: Mapping[str, str], deleted: Collection[str], outlines: Mapping[str, Outline | None]) -> set[str]:
    """The tests that are no more, as far as that is sure.

    - `homes`: the file of each test.
    - `deleted`: paths of files that a diff deletes or moves.
    - `outlines`: by path, all files that are there; None for those that can't be parsed.

    Tests can be elsewhere, and they can be made without their names being written anywhere. So a file is gone only if
    others of its folder are there, and a test only if others of its file are written.
    """
    by_home: dict[str, set[str]] = defaultdict(set)
    for test, file in homes.items():
        by_home[file].add(test)
    by_last: dict[str, list[str]] = defaultdict(list)
    for path in outlines:
        by_last[posixpath.basename(path)].append(path)
    files = {each: [path for path in by_last[posixpath.basename(each)] if same(each, path)] for each in by_home if each}
    folders = {posixpath.dirname(each) for each, paths in files.items() if paths}
    written = set().union(*(made.mentions for made in outlines.values() if made is not None))
    found: set[str] = set()
    for each, paths in files.items():
        tests = by_home[each]
        if paths:
            missing = {test for test in tests if (name := _function(test)).startswith("test") and name not in written}
            if missing != tests and all(outlines[path] is not None for path in paths):
                found |= missing
        elif posixpath.dirname(each) in folders or any(same(each, path) for path in deleted):
            found |= tests
    return found


def _function(test: str) -> str:
    """`test_pay` of `tests/test_cart.py::TestCart::test_pay[EUR]`."""
    return test.partition("[")[0].rpartition("::")[2]
