"""Pages that are made without a store: refusals, faults, and the form to sign in."""

from __future__ import annotations

from functools import cache
from http import HTTPStatus
from typing import TYPE_CHECKING

from reqcov.ui.exchange import Answer, Request, in_json

if TYPE_CHECKING:
    import jinja2

AGAIN = "5"
"""Seconds after which a browser asks again for what may be there by then."""


@cache
def templates() -> jinja2.Environment:
    """The templates of this package."""
    import jinja2

    return jinja2.Environment(
        loader=jinja2.PackageLoader("reqcov.ui"), autoescape=True, undefined=jinja2.StrictUndefined
    )


def plain(
    request: Request,
    status: HTTPStatus,
    text: str,
    *headers: tuple[str, str],
    template: str = "plain.html",
    again: bool = False,
) -> Answer:
    """A page with one sentence; with `again`, the browser asks again by itself. Programs get the sentence as JSON."""
    if request.by_program:
        return in_json({"error": text}, status, *headers)
    body = templates().get_template(template).render(title=status.phrase, text=text, root=request.root)
    if again:
        headers = (*headers, ("Refresh", AGAIN))
    return Answer(status=status, body=body.encode(), headers=headers)
