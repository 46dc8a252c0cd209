"""What the page of a route shows."""

from __future__ import annotations

from typing import Any

from reqcov.analysis.differences import differences
from reqcov.analysis.show import show
from reqcov.analysis.view import View
from reqcov.reports.html.charts import strip

MANY_FILES = 20
"""Of which the functions are listed; those with the most lines that ran."""

MANY_BEHAVIOURS = 50
"""That are listed, the commonest ones."""

MANY_DIFFERENCES = 10
"""Files that are listed for one behaviour."""


def route_context(view: View, context: str) -> dict[str, Any]:
    """The values for `route.html`."""
    view = view.of_route(context)
    answer = show(view)
    listed = answer.behaviours[:MANY_BEHAVIOURS]
    files = sorted(answer.files, key=lambda row: (-row.lines, row.path))
    return {
        "context": context,
        "answer": answer,
        "files": [(row, strip(view.files[row.path], row, answer.requests)) for row in files[:MANY_FILES]],
        "other_files": files[MANY_FILES:],
        "behaviours": list(zip(listed, differences(view, listed), strict=True)),
        "other_behaviours": len(answer.behaviours[MANY_BEHAVIOURS:]),
        "many_differences": MANY_DIFFERENCES,
    }
