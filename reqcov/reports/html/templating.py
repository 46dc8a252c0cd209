"""The templates, and the words that they have for values."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC
from typing import Any
from urllib.parse import urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from reqcov.reports.html import links
from reqcov.reports.text import percent, plural, printable, when


def environment() -> Environment:
    """For pages only: whatever a template writes is escaped."""
    made = Environment(
        loader=PackageLoader("reqcov.reports.html"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.filters |= {
        "count": lambda number: f"{number:,}",
        "heat": heat,
        "iso": lambda moment: moment.astimezone(UTC).isoformat(timespec="seconds"),
        "percent": percent,
        "plural": plural,
        "query": query,
        "as_json": as_json,
        "when": when,
    }
    made.globals |= {"file_page": links.file_page, "route_page": links.route_page, "slug": links.slug}
    return made


def _shown(value: Any) -> Any:
    """Names may hold letters that turn the text around them, or none that can be seen."""
    return printable(value) if type(value) is str else value


def heat(share: float) -> int:
    """How hot a line is, 1 to 5, by the share of requests that run it: a thousandth, a hundredth, a tenth, half."""
    return 1 + sum(share >= bound for bound in (0.001, 0.01, 0.1, 0.5))


def query(choices: Mapping[str, str]) -> str:
    """A state of a page, for its address: `route=GET+%2Forders`."""
    return urlencode({key: printable(value) for key, value in choices.items()})


def as_json(value: Any) -> Markup:
    """For a script to read, in a page: no letter of it can end the element that it stands in."""
    text = json.dumps(value, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))


def given(name: str, value: Mapping[str, Any]) -> str:
    """A script that gives a value to the scripts of a page: pages on disk can load nothing else."""
    return f"reqcov.take({as_json(name)},{as_json(value)});\n"
