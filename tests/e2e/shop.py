"""The shop: views of all kinds, which run other lines for other numbers. It is all that is measured.

It remembers nothing, so it runs the same lines however often it was asked before, and in whatever process: there is
nothing to warm up.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from html import escape

from fastapi import FastAPI, HTTPException
from fastapi.responses import HTMLResponse, StreamingResponse

from tests.e2e import gate

app = FastAPI()


def price(item: int, amount: int = 1) -> int:
    total = 100
    if item % 2:
        total += item * 3
    if item % 3 == 0:
        total -= 1
    if amount > 2:
        total *= amount
        total -= discount(item, amount)
    return total


def discount(item: int, amount: int) -> int:
    for step in range(item % 4):
        if step == 2:
            return amount
    return 1 if item % 5 else 2


def words(item: int) -> str:
    match item % 4:
        case 0:
            return "mug"
        case 1:
            return "cup"
        case 2:
            text = "plate"
        case _:
            text = "bowl"
            text += "s"
    return text


@app.get("/items/{item}")
def item(item: int, meet: int = 0) -> dict[str, object]:
    name = words(item)
    gate.wait(meet)
    if item > 12:
        name = f"large {name}"
    return {"name": name, "price": price(item)}


async def stock(item: int) -> int:
    await asyncio.sleep(0)
    if item % 3:
        await asyncio.sleep(0)
        return item
    return 0


@app.get("/search")
async def search(q: int, meet: int = 0) -> dict[str, object]:
    found = await asyncio.gather(*(stock(item) for item in range(q, q + 1 + q % 3)))
    await gate.wait_async(meet)
    if not any(found):
        return {"found": [], "hint": await asyncio.to_thread(words, q)}
    if q % 7 == 0:
        found.append(await asyncio.create_task(stock(q + 1)))
    return {"found": [each for each in found if each]}


@app.post("/orders/{item}")
def order(item: int, order: dict[str, int], meet: int = 0) -> dict[str, object]:
    amount = order.get("amount", 1)
    if amount < 0:
        gate.wait(meet)
        raise HTTPException(422, "no such amount")
    try:
        share = 100 // amount
    except ZeroDivisionError:
        share = -1
    gate.wait(meet)
    return {"share": share, "price": price(item, amount)}


def rows(count: int, meet: int) -> Iterator[str]:
    for number in range(count):
        if number == 1:
            gate.wait(meet)
        yield f"{number}\n" if number % 2 else f"{words(number)}\n"
    if count > 5:
        yield "many\n"


@app.get("/list/{count}")
def listed(count: int, meet: int = 0) -> StreamingResponse:
    return StreamingResponse(rows(count, meet))


async def ticks(count: int, meet: int) -> AsyncIterator[str]:
    try:
        for number in range(count):
            await asyncio.sleep(0)
            if number == 1:
                await gate.wait_async(meet)
            yield str(price(number))
        if count % 2:
            yield "odd"
    finally:
        if count > 4:
            await stock(count)


@app.get("/feed/{count}")
async def feed(count: int, meet: int = 0) -> StreamingResponse:
    return StreamingResponse(ticks(count, meet))


@app.get("/broken/{item}")
async def broken(item: int) -> None:
    if item % 2:
        raise HTTPException(409, words(item))
    raise LookupError(words(item))


PAGE = """<!doctype html><html lang=en><title>asking</title><link rel=icon href="data:,">
<h1>%s</h1><button>Order</button><script>
const ask = (url, options) => fetch(url, options).then((answer) => answer.text());
document.querySelector("button").onclick = async () => {
    const body = JSON.stringify({amount: %d});
    await ask("/orders/%d?meet=1", {method: "POST", body, headers: {"Content-Type": "application/json"}});
    document.title = "ordered";
};
(async () => {
    await Promise.all(["/items/%d", "/search?q=%d", "/list/%d", "/feed/%d"].map((url) => ask(url)));
    await ask("/search?q=%d&meet=1");
    document.title = "shown";
})();
</script>"""


@app.get("/page/{item}")
def page(item: int) -> HTMLResponse:
    amount = item % 5 if item % 2 else -1
    return HTMLResponse(PAGE % (escape(words(item)), amount, *[item] * 4, item % 8, item + 3))
