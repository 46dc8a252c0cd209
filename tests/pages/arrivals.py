"""Requests that come while somebody looks at the pages."""

from __future__ import annotations

import time
from pathlib import Path

from reqcov.store.model import HitKey
from reqcov.store.reading import reading
from tests.reading import add


def arrive(store: Path, route: str, count: int = 1, *, like: str = "/orders/{id:int}") -> None:
    """Requests to a route came just now, and ran the same as those to another one."""
    with reading(store) as reader:
        ids = {key for key, each in reader.routes().items() if each.template == like}
        footprint = next(hit.footprint for hit in reader.hits() if hit.route in ids and hit.status == 2)
        address, _ = reader.footprints()[footprint]
    now = time.time()
    hit = HitKey("http", "GET", route, 2, "", address, int(now // 86_400))
    add(store, [(hit, count)], name=f"{route} {now}", last=now, build="2026.2", last_write=now)
