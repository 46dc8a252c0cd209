"""What the page of a file shows."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any, Literal

from markupsafe import Markup

from reqcov.analysis.heat import Heat, Ran
from reqcov.analysis.source.code import File, Function
from reqcov.analysis.source.masks import Mask, numbers
from reqcov.analysis.view import View
from reqcov.reports.html import scripts
from reqcov.reports.html.source import highlighted
from reqcov.reports.html.templating import heat as heat_of
from reqcov.reports.text import percent

Kind = Literal["ran", "seen", "never", "import", "excluded", "none"]

WORDS: dict[Kind, str] = {"seen": "·", "never": "never", "import": "import", "excluded": "excl."}
"""What stands beside lines that none of the requests ran."""


@dataclass(frozen=True, slots=True)
class LineShown:
    """One line of the source."""

    kind: Kind
    """A function statement that requests ran; one that only requests ran which were not sampled; one that none did; a
    statement that runs at import; an excluded line; none that begins a statement."""
    goes_on: bool
    """With the statement of the line before."""
    share: float
    """Of the requests, 0 to 1; what goes on with a statement has 0."""
    heat: int
    """1 to 5; 0 where no request ran it."""
    untested: bool
    """Whether requests ran it and no test did."""
    html: Markup

    @property
    def told(self) -> str:
        """What stands beside the line."""
        return percent(self.share) if self.kind == "ran" else WORDS.get(self.kind, "")


@dataclass(frozen=True, slots=True)
class Outlined:
    """A function in the outline."""

    function: Function
    depth: int
    ran: int
    """How many of its statements requests ran."""


def file_context(view: View, heat: Heat, path: str, untested: Mask | None) -> dict[str, Any]:
    """The values for `file.html`.

    `untested` are the lines that requests ran and no test did; None where it is not known what tests ran.
    """
    file = view.files[path]
    code, covered = file.code, view.covered.get(path, 0)
    ran = heat.ran(path)
    return {
        "file": file,
        "statements": code.in_functions.bit_count(),
        "ran": (covered & code.in_functions).bit_count(),
        "import_time": code.import_time.bit_count(),
        "dropped": view.dropped.get(path, 0),
        "untested": untested,
        "lines": _lines(view, ran, file, untested or 0),
        "outline": _outline(file, covered),
        "data": scripts.ran(ran, view.codebase.seen.get(path, 0)),
    }


def _lines(view: View, ran: Ran, file: File, untested: Mask) -> list[LineShown]:
    requests: dict[int, float] = defaultdict(float)
    for mask, tallies in ran.items():
        together = sum(tally.requests for tally in tallies.values())
        for number in numbers(mask):
            requests[number] += together
    seen = view.covered.get(file.path, 0)
    shown = []
    for number, html in enumerate(highlighted(file.text or ""), 1):
        share = requests[number] / view.requests if number in requests else 0.0
        kind = "ran" if number in requests else _kind(file, number, seen)
        goes_on = bool(file.code.continued >> number & 1)
        hot = heat_of(share) if kind == "ran" else 0
        shown.append(LineShown(kind, goes_on, share, hot, bool(untested >> number & 1), html))
    return shown


def _kind(file: File, number: int, seen: int) -> Kind:
    code, bit = file.code, 1 << number
    if code.in_functions & bit:
        return "seen" if seen & bit else "never"
    if code.statements & bit:
        return "import"
    if code.excluded & bit:
        return "excluded"
    return "none"


def _outline(file: File, covered: int) -> list[Outlined]:
    outline, around = [], list[Function]()
    for function in file.code.functions:
        while around and around[-1].last < function.first:
            around.pop()
        outline.append(Outlined(function, len(around), (covered & function.statements).bit_count()))
        around.append(function)
    return outline
