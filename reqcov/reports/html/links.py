"""What pages are called, and thereby their addresses: the same names as files on disk and on a server."""

from __future__ import annotations

import hashlib
import re

READABLE = 60
"""Characters of a name that can be read in the page's name."""


def file_page(path: str) -> str:
    """The page of a file: `file/shop-cart.py-1f2e3d4c5b.html`."""
    return f"file/{slug(path)}.html"


def route_page(context: str) -> str:
    """The page of a route: `route/get-orders-id-1f2e3d4c5b.html`."""
    return f"route/{slug(context)}.html"


def side_script(kind: str, name: str) -> str:
    """What one `route`, `build` or `label` ran, for comparing: `data/side/build-v2-1f2e3d4c5b.js`."""
    return f"data/side/{kind}-{slug(name)}.js"


def slug(name: str) -> str:
    """A name of its own for each name, whatever letters that has: for every file system, and the same for ever."""
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:10]
    words = re.sub(r"[^a-z0-9._]+", "-", name.lower())[:READABLE].strip("-.")
    return f"{words}-{digest}" if words else digest


def up(page: str) -> str:
    """The way from a page to the folder of the first one: empty, `../`, `../../`."""
    return "../" * page.count("/")
