"""The lines of a source as HTML."""

from __future__ import annotations

import re
from html import unescape

import pytest

from reqcov.reports.html.source import highlighted


@pytest.mark.parametrize(
    "text",
    [
        "def f():\n  \n\t \n    '''a\n     \n\n    b'''  \n \n\n",
        (" " * 200 + "\n") * 5_000,  # takes the lexer minutes
    ],
    ids=["some", "many"],
)
def test_lines_of_white_space(text: str) -> None:
    """Every line is there as it is, however many have nothing on them."""
    shown = [unescape(re.sub("<.*?>", "", line)) for line in highlighted(text)]
    assert shown == text.split("\n")
