"""The `baggage` header (https://www.w3.org/TR/baggage/): how a label travels with a request."""

from __future__ import annotations

from urllib.parse import quote, unquote

HEADER = "baggage"

PREFIX = "reqcov."
"""Of the members that are ours: others use the same header."""

LIMIT = 8_192
"""Characters of a header that are looked at: what the specification has everybody pass on."""


def member(key: str, value: str) -> str:
    """A label as a member of the header, `reqcov.test=test_cart.py%3A%3Atest_pay`; `key` is a token (RFC 9110)."""
    return f"{PREFIX}{key}={quote(value, safe='')}"


def labels(header: str) -> dict[str, str]:
    """The labels that a header holds, by key; what is no member of ours, or can't be understood, is passed over."""
    if len(header) > LIMIT:
        header = header[: LIMIT + 1].rpartition(",")[0]  # half a name would be another one
    found = {}
    for each in header.split(","):
        key, equals, value = each.partition(";")[0].partition("=")
        key = key.strip()
        if equals and key.startswith(PREFIX):
            found[key.removeprefix(PREFIX)] = unquote(value.strip(), errors="replace")
    return found
