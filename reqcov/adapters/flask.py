"""Recording for Flask.

app = Flask(__name__)
ReqCov(app, source=["shop"], on_request=seen)
"""

from __future__ import annotations

from typing import Any

import flask

from reqcov import wsgi
from reqcov.config import disabled
from reqcov.cores.base import Recording, current
from reqcov.record import qualified_name
from reqcov.recorder import Recorder, given_or_new
from reqcov.types import Environ


class ReqCov:
    """A Flask extension; give it the app, or call `init_app` later. It wraps `app.wsgi_app`.

    Takes a `recorder` to share, or the options of one. With `REQCOV_DISABLED` set it leaves the app untouched.
    """

    def __init__(self, app: flask.Flask | None = None, *, recorder: Recorder | None = None, **options: Any) -> None:
        self.recorder = given_or_new(recorder, options)
        if app is not None:
            self.init_app(app)

    def init_app(self, app: flask.Flask) -> None:
        """Record the requests of `app`; any number of apps may share one extension."""
        if not disabled():
            _watch(app)
            app.wsgi_app = CoverageMiddleware(app.wsgi_app, recorder=self.recorder)  # type: ignore[method-assign]
            app.extensions["reqcov"] = self


class CoverageMiddleware(wsgi.CoverageMiddleware):
    """WSGI middleware for an app whose signals tell the route."""

    def locate(self, environ: Environ, recording: Recording) -> str | None:  # noqa: ARG002
        """What the signal has told; None where no route matched."""
        return recording.route


def wrap(app: flask.Flask, *, recorder: Recorder) -> Any:
    """A WSGI callable around `app`."""
    _watch(app)
    return CoverageMiddleware(app, recorder=recorder)


def _watch(app: flask.Flask) -> None:
    flask.request_started.connect(_route_known, app)
    flask.got_request_exception.connect(_failed, app)


def _route_known(app: flask.Flask, **_: Any) -> None:
    recording, request = current.get(), flask.request
    if recording is not None and request.url_rule is not None:
        recording.route = request.script_root + request.url_rule.rule
        view = app.view_functions.get(request.url_rule.endpoint)
        recording.endpoint = qualified_name(getattr(view, "view_class", view))


def _failed(app: flask.Flask, exception: BaseException, **_: Any) -> None:  # noqa: ARG001
    recording = current.get()
    if recording is not None:
        recording.fail(exception)
