"""The shop's API."""

import asyncio

from fastapi import FastAPI, HTTPException

from . import prices

app = FastAPI()


@app.get("/items")
async def items() -> list[str]:
    """Everything there is."""
    return [name for name, _ in prices.STOCK.values()]


@app.get("/items/{item}")
async def show(item: int) -> dict[str, object]:
    """One thing."""
    if item not in prices.STOCK:
        raise HTTPException(404, "no such item")
    name, cents = prices.STOCK[item]
    return {"name": name, "cents": cents}


@app.post("/orders/{item}")
async def order(item: int, pieces: int = 1, coupon: str | None = None) -> dict[str, int]:
    """Buy something."""
    await asyncio.sleep(0.05)  # the payment provider takes its time: other requests run meanwhile
    try:
        cents = prices.total(item, pieces, coupon)
    except KeyError as missing:
        raise HTTPException(400, f"unknown: {missing}") from None
    return {"cents": cents}
