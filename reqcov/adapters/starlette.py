"""Recording for Starlette.

app = Starlette(routes=routes)
app.add_middleware(CoverageMiddleware, source=["shop"], on_request=seen)
"""

from __future__ import annotations

from typing import Any

from reqcov import asgi
from reqcov.cores.base import Recording
from reqcov.record import qualified_name
from reqcov.types import Scope


class CoverageMiddleware(asgi.CoverageMiddleware):
    """ASGI middleware that finds Starlette's routes, mounted ones included."""

    def locate(self, scope: Scope, recording: Recording) -> str | None:
        """The template of the matched route with the templates of the mounts above it; None where none matched."""
        return locate(scope, recording)


wrap = CoverageMiddleware


def locate(scope: Scope, recording: Recording, path: str | None = None) -> str | None:
    """The whole template, with `path` in place of the one that the matched route has by itself."""
    endpoint = scope.get("endpoint")
    router = scope.get("router")
    if endpoint is None or router is None:
        return None
    prefix, mount, routes = _mounts(router.routes, scope)
    route = scope.get("route") or _route_of(endpoint, routes, scope) or mount
    if _is_mount(route):  # nothing below the mount matched, or what is mounted has no routes
        return None if route.routes else prefix + "/{path}"
    recording.endpoint = qualified_name(endpoint)
    path = path or getattr(route, "path", None)
    return None if path is None else prefix + path


def _is_mount(route: Any) -> bool:
    return hasattr(route, "routes") and hasattr(route, "path_regex")


def _mounts(routes: Any, scope: Scope) -> tuple[str, Any, Any]:
    """The template of the mounts that the request went through, the last of them, and the routes below."""
    root_path: str = scope.get("root_path", "")
    rest = root_path[len(scope.get("app_root_path", root_path)) :]
    prefix, last = "", None
    while rest:
        for mount in filter(_is_mount, routes):
            match = mount.path_regex.match(rest + "/")
            if match:
                remaining = match.group("path")
                rest = "/" + remaining.rstrip("/") if remaining else ""
                prefix, last, routes = prefix + mount.path, mount, mount.routes
                break
        else:
            return prefix + rest, last, routes
    return prefix, last, routes


def _route_of(endpoint: Any, routes: Any, scope: Scope) -> Any:
    """For a Starlette that does not tell which route matched, and for FastAPI, which tells of no mount."""
    path = scope["path"].removeprefix(scope.get("root_path", ""))
    for route in routes:
        if _is_mount(route):
            if route.app is endpoint:
                return route
        elif getattr(route, "endpoint", None) is endpoint and route.path_regex.match(path):
            return route
    return None
