"""A store to make pages of: a shop of Starlette's, two builds, two weeks, labels, all kinds of statuses and lines.

`made` makes it in a process of its own: the apps' modules, their event loops and the current folder are that one's.
"""

from __future__ import annotations

import asyncio
import importlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import reqcov
from reqcov.store.model import HitKey
from reqcov.store.reading import reading
from tests.calls import Request, call_asgi
from tests.reading import add

ROOT = Path(__file__).resolve().parent.parent

STORE = "reqcov.sqlite3"

REQUESTS = [
    Request("/"),
    *(Request(f"/products/{number}") for number in (3, 4, 11, 38)),
    Request("/products/77", status=404),
    Request("/search", "q=thing 3"),
    Request("/search", "q=night"),
    Request("/search", status=422),
    *(Request(f"/carts/{number}") for number in (1, 4, 9)),
    Request("/carts/21", status=None),
    *(Request(f"/carts/{number}/checkout", method="POST", status=201) for number in (2, 7)),
    Request("/carts/3/checkout", "voucher=WELCOME", method="POST", status=201),
    Request("/carts/0/checkout", method="POST", status=409),
    Request("/orders/1"),
    Request("/orders/99", status=404),
    Request("/orders/", "limit=2"),
    Request("/orders/1/refund", method="POST", status=None),
    Request("/wp-login.php", status=404),
]
"""One of each kind."""

CHANGES = {
    "2026.1": [],
    "2026.2": [
        ("shop/prices.py", "BULK = 5", "BULK = 3"),
        ("shop/prices.py", "found -= found // 10", "found -= rebate(found)"),
        ("shop/prices.py", "def tax(", "def rebate(amount: int) -> int:\n    return amount // 20 + 5\n\n\ndef tax("),
        ("shop/mail.py", "    SENT.append(text)\n", "    SENT.append(text)\n    del SENT[:-100]\n"),
    ],
}
"""By build, in which files it has what in place of what the one before had."""

TRAFFIC = {"GET /": 4000, "GET /products/{id:int}": 1500, "GET /search": 700, "GET /carts/{id:int}": 350}
"""Requests of each kind a day, about, where it is not `FEW`."""

FEW = 60

RARER = {4: 7, 5: 40}
"""By class of status, how many times fewer requests there are."""

LABELS = {"": 60, '{"tenant": "acme"}': 25, '{"tenant": "globex"}': 14, '{"tenant": "globex", "test": "pay"}': 1}
"""As a store packs them, and the share of the requests that has them; per cent."""

DAYS = {"2026.1": range(5, 14), "2026.2": range(5)}
"""By build, how many days ago it was running."""


def made(folder: Path) -> Path:
    """The store, made in an empty folder, with the second build's files beside it."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    subprocess.run([sys.executable, "-m", "tests.shop_store"], cwd=folder, env=environment, check=True, timeout=60)
    return folder / STORE


def main() -> None:
    """Make it in the current folder."""
    shutil.copytree(ROOT / "tests/shop", "shop", ignore=shutil.ignore_patterns("__pycache__"))
    sys.path.insert(0, str(Path.cwd()))
    today = int(time.time() // 86_400)
    for build in DAYS:
        for name, old, new in CHANGES[build]:
            text = Path(name).read_text("utf-8")
            assert old in text, (name, old)
            Path(name).write_text(text.replace(old, new), "utf-8")
        serve(build)
        first = 86_400.0 * (today - max(DAYS[build]))
        add(Path(STORE), more(build, today), name=f"more {build}", build=build, last_write=first)


def serve(build: str) -> None:
    """Send the app one request of each kind, and do a job; the modules are imported anew."""
    importlib.invalidate_caches()
    with reqcov.Recorder(store=STORE, source=["shop"], build=build) as recorder:
        app = reqcov.wrap(importlib.import_module("shop.web").app, recorder=recorder)
        orders = importlib.import_module("shop.orders")
        importlib.import_module("shop.legacy")
        for request in REQUESTS:
            assert asyncio.run(call_asgi(app, request)) == request.status, request
        with recorder.record("ship-orders"):
            orders.ship_all()
        assert asyncio.run(call_asgi(app, Request("/orders/1/refund", method="POST"))) == 204
    for name in [name for name in sys.modules if name.partition(".")[0] == "shop"]:
        del sys.modules[name]


def more(build: str, today: int) -> list[tuple[HitKey, int]]:
    """More requests of the same kinds, of other days too."""
    with reading(Path(STORE)) as reader:
        routes, footprints = reader.routes(), reader.footprints()
        kinds = [(routes[each.route], each) for each in reader.hits(today) if each.build == build]
    found = []
    for place, (route, kind) in enumerate(kinds):
        for ago in DAYS[build]:
            for labels, share in LABELS.items():
                count = TRAFFIC.get(route.context, FEW) * share // (100 + 10 * (place % 7) + 40 * (ago * ago % 7))
                count //= RARER.get(kind.status, 1)
                key = HitKey(
                    route.protocol,
                    route.method,
                    route.template,
                    kind.status,
                    labels,
                    footprints[kind.footprint][0],
                    today - ago,
                )
                found.append((key, max(count, 1)))
    return found


if __name__ == "__main__":
    main()
