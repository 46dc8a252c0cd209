"""Recording for FastAPI.

api = FastAPI()
api.add_middleware(CoverageMiddleware, source=["shop"], on_request=seen)
"""

from __future__ import annotations

from reqcov import asgi
from reqcov.adapters import starlette
from reqcov.cores.base import Recording
from reqcov.types import Scope


class CoverageMiddleware(asgi.CoverageMiddleware):
    """ASGI middleware that finds FastAPI's routes, those of included routers and mounted apps too."""

    def locate(self, scope: Scope, recording: Recording) -> str | None:
        """The template as Starlette has it, with the prefixes of included routers."""
        included = scope.get("fastapi", {}).get("effective_route_context")
        return starlette.locate(scope, recording, included.path if included is not None else None)


wrap = CoverageMiddleware
