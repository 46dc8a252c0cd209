"""datasette, a large ASGI app that runs its queries on a thread of its own, measured as its own project."""

from __future__ import annotations

import functools
import sqlite3
import urllib.parse
from typing import Any

from datasette.app import Datasette
from datasette.utils import tilde_encode

import reqcov
from tests.calls import Request
from tests.oracle import App, gate

with sqlite3.connect("shop.db") as connection:
    connection.executescript(
        """
        create table maker (id integer primary key, name text);
        create table item (id integer primary key, name text, price real, maker integer references maker(id));
        create view cheap as select * from item where price < 3;
        create virtual table item_fts using fts4(name, content="item");
        insert into maker values (1, 'first'), (2, 'second');
        """
    )
    connection.executemany(
        "insert into item values (?, ?, ?, ?)", [(n, f"item {n}", n * 0.5, n % 2 + 1) for n in range(1, 131)]
    )
connection.close()


TABLES = ("maker", "item", "item_fts", "item_fts_docsize", "item_fts_segdir", "item_fts_segments", "item_fts_stat")


class NeverTaken:
    """datasette looks for new tables in every request, but not while another request is doing that already.

    That makes what a request runs depend on the others. With this lock each request looks by itself, as if alone.
    """

    def locked(self) -> bool:
        return False

    async def __aenter__(self) -> None:
        pass

    async def __aexit__(self, *error: object) -> None:
        pass


def make() -> Any:
    from datasette import handle_exception  # a plugin, and only to be imported after datasette.app

    # Caches make what a request runs depend on those before it. Each character is encoded once in a process:
    tilde_encode("".join(map(chr, range(128))))
    # ... each URL, of a class of datasette's with methods of its own, is split once:
    urllib.parse.urlsplit = urllib.parse.urlsplit.__wrapped__  # type: ignore[attr-defined]
    # ... and SQLite calls datasette after every 1000 steps of a statement, counted from its first use.
    sqlite3.connect = functools.partial(sqlite3.connect, cached_statements=0)  # type: ignore[assignment]
    handle_exception.rich = None  # it would print every error with all that is around it, for a second each
    datasette = Datasette(
        immutables=["shop.db"],
        # Rows that are not counted before are counted within 10 ms, or else not at all.
        inspect_data={"shop": {"hash": "0" * 64, "size": 1, "tables": {name: {"count": 130} for name in TABLES}}},
        secret="of no use",
        settings={
            # A thread makes its connection when it first needs one; which of several would do so is a matter of luck.
            "num_sql_threads": 1,
            # No time limit is to be hit on a slow computer: what is then left out is not the same each time.
            "sql_time_limit_ms": 60_000,
            "facet_time_limit_ms": 60_000,
            "facet_suggest_time_limit_ms": 60_000,
        },
    )
    datasette._refresh_schemas_lock = NeverTaken()
    return datasette.app()


def install(app: Any, recorder: reqcov.Recorder) -> Any:
    return reqcov.wrap(gate.before_asgi(app), recorder=recorder)


# One for each template: what is done while these are compiled is done once.
PAGES = [
    Request("/"),
    Request("/shop"),
    Request("/shop", query="sql=select+name,price+from+item+limit+3"),
    Request("/shop/item", query="_facet=maker&_sort_desc=price&_labels=on"),
    Request("/shop/item/3"),
    Request("/shop/nowhere", status=404),
]

APP = App(
    protocol="asgi",
    source=["datasette"],
    make=make,
    install=install,
    follow_threads=True,
    warm_up=PAGES,
    requests=[
        *PAGES,
        Request("/.json"),
        Request("/shop.json", query="sql=select+:n+as+n&n=1"),
        Request("/shop", query="sql=delete+from+item", status=400),
        Request("/shop/item.json", query="_shape=array&_size=3&price__gt=10"),
        Request("/shop/item", query="_next=100&_where=price>10&name__contains=1"),
        Request("/shop/item", query="_search=item"),
        Request("/shop/item.csv", query="_stream=1"),
        Request("/shop/item/3.json"),
        Request("/shop/cheap"),
        Request("/-/versions.json"),
        Request("/-/static/app.css"),
        Request("/nowhere", status=404),
    ],
)
