"""Code in greenlets: SQLAlchemy's bridge from sync code to asyncio, and greenlets that hand over to each other."""

from __future__ import annotations

from contextvars import copy_context
from typing import Any

from greenlet import getcurrent, greenlet
from sqlalchemy.util import await_only, greenlet_spawn

from tests.apps.raw_asgi import answer
from tests.apps.shapes import add
from tests.apps.shapes_async import step
from tests.calls import Request
from tests.oracle import App, gate


def bridged(n: int) -> int:
    total = 0
    for i in range(n):
        total += await_only(step(i))
        if total > 3:
            total = add(total, -1)
    await_only(gate.wait_async())
    if n % 2:
        raise ValueError(total)
    return total


def counting(n: int) -> None:
    parent = getcurrent().parent
    assert parent is not None
    for i in range(n):
        if i % 2:
            parent.switch(i)
        else:
            parent.switch(-i)


def in_turn(n: int) -> list[Any]:
    counters = [greenlet(counting), greenlet(counting)]
    for counter in counters:
        counter.gr_context = copy_context()  # as gevent does; a greenlet would begin with an empty context
    seen = [counter.switch(n + k) for k, counter in enumerate(counters)]
    while len(seen) < 2 * n:
        for counter in counters:
            seen.append(counter.switch())
    await_only(gate.wait_async())
    return seen


async def app(scope: Any, receive: Any, send: Any) -> None:
    _, kind, number = scope["path"].split("/")
    function = in_turn if kind == "turns" else bridged
    try:
        text = repr(await greenlet_spawn(function, int(number)))
    except ValueError as error:
        text = f"failed {error}"
    await answer(send, 200, text.encode())


APP = App(
    protocol="asgi",
    source=["tests.apps"],
    make=lambda: app,
    concurrency=("greenlet",),
    warm_up=[Request("/bridge/0")],
    requests=[
        *(Request(f"/bridge/{n}") for n in (1, 2, 3, 4)),
        # coverage.py takes the first line after a switch for one of the greenlet that was left: it reports arcs from
        # one function into the other, and of loops that go round not the arc back. What is right is in the test.
        *(Request(f"/turns/{n}", arcs=False) for n in (1, 2, 3, 4)),
    ],
)
