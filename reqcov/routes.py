"""Names for requests whose framework has no templates: the path with its identifiers collapsed."""

from __future__ import annotations

import re

LIMIT = 500
"""Distinct templates a process makes up by itself; the rest share one."""

LENGTH = 1_000
"""Characters of a template that is made up; a longer one shares that, too."""

OTHER = "(other)"

_IDENTIFIER = re.compile(
    r"""
      \d+                                                  # numbers
    | [0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}   # UUIDs
    | (?=[a-z]*\d)[0-9a-f]{12,}                            # hashes, of hexadecimal digits and not letters alone
    """,
    re.IGNORECASE | re.VERBOSE,
)


def collapse(path: str) -> str:
    """`/orders/17/lines/3` becomes `/orders/{id}/lines/{id}`; numbers, UUIDs and hexadecimal hashes are identifiers."""
    return "/".join("{id}" if _IDENTIFIER.fullmatch(part) else part for part in path.split("/")) or "/"


class MadeUpRoutes:
    """At most `LIMIT` distinct templates, so that a scanner can't make a process grow."""

    def __init__(self) -> None:
        self._known: set[str] = set()

    def __call__(self, path: str) -> str:
        """The template of `path`."""
        route = collapse(path)
        if route not in self._known:
            if len(self._known) >= LIMIT or len(route) > LENGTH:
                return OTHER
            self._known.add(route)
        return route
