"""`wrap`: finds out what it was given."""

from __future__ import annotations

import importlib
import inspect
import sys
from typing import Any

from reqcov import asgi, wsgi
from reqcov.config import disabled
from reqcov.errors import ConfigError
from reqcov.recorder import Recorder, given_or_new

_FRAMEWORKS = {
    "fastapi": ("fastapi", "FastAPI"),
    "starlette": ("starlette.applications", "Starlette"),
    "flask": ("flask", "Flask"),
    "django": ("django.core.handlers.base", "BaseHandler"),
}
"""Adapter to the module and the class of the apps that it knows; the first that fits is taken."""


def wrap(app: Any, *, recorder: Recorder | None = None, **options: Any) -> Any:
    """`app`, a WSGI or an ASGI callable, with every request recorded.

    Takes a `recorder` to share, or the options of one. Apps of FastAPI, Starlette, Flask and Django have their routes
    found as by the adapter of that framework. With `REQCOV_DISABLED` set, `app` is handed back untouched.

    Raises ConfigError where it can't be told whether `app` is WSGI or ASGI, or where an option is unusable.
    """
    if disabled():
        return app
    adapter = _adapter(app)
    kind = None if adapter else protocol(app)
    recorder = given_or_new(recorder, options)
    if adapter is not None:
        return adapter.wrap(app, recorder=recorder)
    return (asgi if kind == "asgi" else wsgi).CoverageMiddleware(app, recorder=recorder)


def _adapter(app: Any) -> Any:
    """The adapter module that knows `app`; a framework that is not loaded can't have made it."""
    for name, (module, class_name) in _FRAMEWORKS.items():
        known = getattr(sys.modules.get(module), class_name, None)
        if known is not None and isinstance(app, known):
            return importlib.import_module(f"reqcov.adapters.{name}")
    return None


def protocol(app: Any) -> str:
    """`asgi` or `wsgi`, by how `app` is called: `(scope, receive, send)`, `(scope)`, or `(environ, start_response)`.

    Raises ConfigError where that can't be told.
    """
    if not callable(app):
        raise ConfigError(
            f"{app!r} can't be called, so it is no app; give reqcov.wrap the WSGI or ASGI callable itself."
        )
    coroutine = inspect.iscoroutinefunction(app) or (
        not inspect.isclass(app) and inspect.iscoroutinefunction(app.__call__)
    )
    if coroutine or hasattr(app, "_asgi_single_callable") or hasattr(app, "_asgi_double_callable"):
        return "asgi"
    needed = asgi.required_arguments(app)
    if needed in (1, 2, 3):
        return "wsgi" if needed == 2 else "asgi"
    raise ConfigError(
        f"It can't be told whether {app!r} is WSGI or ASGI; "
        "use reqcov.wsgi.CoverageMiddleware(app) or reqcov.asgi.CoverageMiddleware(app)."
    )
