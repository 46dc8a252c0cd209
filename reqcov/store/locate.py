"""Where a store is."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote

from reqcov.errors import ConfigError

DEFAULT = ".reqcov/reqcov.sqlite3"
"""Where the command looks, unless it is told."""


def store_path(url: str) -> Path:
    """The file that `url` names: a path, `sqlite:///relative` or `sqlite:////absolute`.

    Raises ConfigError where it is the URL of something else, or no name of a file.
    """
    scheme = re.match(r"([a-z][a-z0-9+.-]+)://", url, re.IGNORECASE)
    if scheme is None:
        path = Path(url)
    elif scheme[1].lower() == "sqlite" and url[scheme.end() :].startswith("/") and len(url) > scheme.end() + 1:
        path = Path(unquote(url[scheme.end() + 1 :]))
    else:
        raise ConfigError(f"store {url!r} is neither a path nor sqlite:///path; give one of these.")
    if not path.name:
        raise ConfigError(f"store {url!r} names no file; give one, such as {DEFAULT}.")
    return path
