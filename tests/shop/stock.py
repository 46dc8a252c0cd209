"""What is there."""

from __future__ import annotations

import asyncio

SHELF = {number: f"thing {number}" for number in range(40)}

counted: dict[int, int] = {}


async def left(product: int) -> int:
    await asyncio.sleep(0)
    if product not in counted:
        counted[product] = await count(product)
    return counted[product]


async def count(product: int) -> int:
    total = 0
    async for shelf in shelves():
        total += product % shelf
    return total


async def shelves():
    for shelf in (3, 5, 7):
        await asyncio.sleep(0)
        yield shelf


async def take(products: list[int]) -> None:
    found = await asyncio.gather(*(left(product) for product in products))
    for product, number in zip(products, found, strict=True):
        if number == 0:
            await reorder(product)
        else:
            counted[product] -= 1


async def reorder(product: int) -> None:
    counted[product] = 10


def inventory() -> int:
    total = 0
    for product in SHELF:
        total += counted.get(product, 0)
    return total
