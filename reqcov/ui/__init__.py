"""The live pages: a WSGI app to run by itself (`reqcov serve`) or to mount in your own server."""

from __future__ import annotations

import importlib.util

if any(importlib.util.find_spec(name) is None for name in ("jinja2", "pygments")):
    raise ImportError("The live pages need a few more packages: pip install 'request-coverage[ui]'")

from reqcov.ui.app import app
from reqcov.ui.mounting import as_asgi, mount

__all__ = ["app", "as_asgi", "mount"]
