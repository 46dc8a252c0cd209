"""Shapes of asynchronous code, one coroutine function each; each passes the gate once, in the middle."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from tests.apps.shapes import add, branches, risky
from tests.oracle import gate


async def leaf(n: int) -> int: return n  # fmt: skip


async def step(n: int) -> int:
    await asyncio.sleep(0)
    if n % 2:
        await asyncio.sleep(0)
        return n * 2
    return n


class Ticker:
    def __init__(self, n: int) -> None:
        self.n = n

    def __aiter__(self) -> Ticker: return self  # fmt: skip

    async def __anext__(self) -> int:
        await asyncio.sleep(0)
        if self.n <= 0:
            raise StopAsyncIteration
        self.n -= 1
        return self.n


async def ticks(n: int) -> AsyncIterator[int]:
    try:
        for i in range(n):
            yield await step(i)
    finally:
        await asyncio.sleep(0)


@contextlib.asynccontextmanager
async def opened(n: int) -> AsyncIterator[int]:
    await asyncio.sleep(0)
    try:
        yield n
    except ValueError:
        await step(n)
    finally:
        await asyncio.sleep(0)


async def iterating(n: int) -> list[int]:
    seen = []
    async for tick in Ticker(n):
        if tick == 1:
            continue
        seen.append(tick)
    await gate.wait_async()
    async for tick in ticks(n):
        if tick > 3:
            break
        seen.append(tick)
    else:
        seen.append(-1)
    return [*seen, *[tick async for tick in ticks(n) if tick], *[await step(i) for i in range(n)], await leaf(n)]


async def entering(n: int) -> str:
    async with opened(n) as one, opened(n + 1):
        await gate.wait_async()
        if n % 2:
            raise ValueError(n)
        await step(one)
    return f"left {n}"


async def failing(n: int) -> str:
    try:
        await step(n)
        risky(n)
    except ValueError:
        await gate.wait_async()
        return "value"
    except KeyError:
        await gate.wait_async()
        return await asyncio.sleep(0, "key")
    else:
        await gate.wait_async()
    finally:
        await asyncio.sleep(0)
    return "fine"


async def in_threads(n: int) -> list[Any]:
    await gate.wait_async()
    first = await asyncio.to_thread(lambda: add(n, 2))
    return [first, await asyncio.to_thread(branches, n), await asyncio.to_thread(working, n)]


def working(n: int) -> int:
    total = 0
    for i in range(n):
        if i % 2:
            total += i
    return total


async def children(n: int) -> list[int]:
    async def child(k: int) -> int:
        result = await step(k)
        if k == 2:
            result += await asyncio.to_thread(working, k)
        return result

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(child(k)) for k in range(n)]
        await gate.wait_async()
    gathered = await asyncio.gather(*(child(k) for k in range(2)), asyncio.create_task(step(n)))
    return [*(task.result() for task in tasks), *gathered]


async def cancelling(n: int) -> str:
    async def patient() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await step(n)
            raise
        finally:
            await asyncio.sleep(0)

    task = asyncio.create_task(patient())
    await asyncio.sleep(0)
    await gate.wait_async()
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(patient())
            group.create_task(broken(n))
    except* LookupError:
        await asyncio.sleep(0)
    return "cancelled"


async def broken(n: int) -> None:
    await step(n)
    raise LookupError(n)


SHAPES: dict[str, Callable[[int], Awaitable[Any]]] = {
    function.__name__: function for function in (iterating, entering, failing, in_threads, children, cancelling)
}
