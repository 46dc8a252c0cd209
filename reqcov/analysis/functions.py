"""Lines by the functions that they are in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from reqcov.analysis.source.masks import Mask, numbers, ranges, span
from reqcov.analysis.view import View


@dataclass(frozen=True, kw_only=True)
class FunctionLines:
    """Lines of one function."""

    path: str
    """The file, in its project, with `/`."""
    name: str
    """The function's `__qualname__`: `Cart.total`."""
    first: int
    """The line of its first decorator or of its `def`."""
    lines: list[int]
    """In ascending order."""
    ranges: str
    """The same for people, as `coverage report` joins them: `3-5, 9`."""


def by_function(view: View, ran: Mapping[str, Mask]) -> Iterator[FunctionLines]:
    """Function statements, by path, in the order of the text."""
    for path in sorted(ran):
        code = view.files[path].code
        for function in code.functions:
            own = ran[path] & function.statements
            if own:
                around = code.statements & span(function.first, function.last)
                yield FunctionLines(
                    path=path,
                    name=function.name,
                    first=function.first,
                    lines=numbers(own),
                    ranges=ranges(own, around),
                )
