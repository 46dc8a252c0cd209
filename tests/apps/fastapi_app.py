"""FastAPI: dependencies, models, included routers, endpoints in threads, middleware; installed as middleware."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any

from fastapi import APIRouter, BackgroundTasks, Depends, FastAPI, HTTPException
from fastapi import Request as HTTPRequest
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import BaseModel, field_validator

import reqcov
from reqcov.adapters.fastapi import CoverageMiddleware
from tests.apps import shapes, shapes_async
from tests.apps.shapes_async import step, ticks, working
from tests.calls import Request
from tests.oracle import App, gate


class Item(BaseModel):
    name: str
    price: float = 1

    @field_validator("name")
    @classmethod
    def not_empty(cls, value: str) -> str:
        if not value:
            raise ValueError("empty")
        return value.title()


async def session() -> AsyncIterator[str]:
    try:
        yield "session"
    except LookupError:
        await step(1)
        raise
    finally:
        await asyncio.sleep(0)


def locked() -> Iterator[str]:
    yield "locked"
    working(3)


class Pages:
    def __init__(self, skip: int = 0) -> None:
        self.skip = skip if skip > 0 else 0


Session = Annotated[str, Depends(session)]

router = APIRouter(prefix="/router")


@router.get("/shapes/{name}/{n}")
async def shape(name: str, n: int, session: Session) -> Any:
    return await shapes_async.SHAPES[name](n)


@router.get("/threads/{name}/{n}")
def shape_in_thread(name: str, n: int, locked: Annotated[str, Depends(locked)]) -> str:
    return repr(shapes.SHAPES[name](n))


async def invalid(request: HTTPRequest, error: Exception) -> JSONResponse:
    await gate.wait_async()
    return JSONResponse({"error": "invalid"}, 422)


async def missing(request: HTTPRequest, error: Exception) -> JSONResponse:
    await gate.wait_async()
    return JSONResponse({"error": "missing"}, 404)


def make() -> FastAPI:
    api = FastAPI()
    api.include_router(router)
    api.add_exception_handler(422, invalid)
    api.add_exception_handler(404, missing)

    @api.middleware("http")
    async def timing(request: HTTPRequest, call_next: Any) -> Any:
        await asyncio.sleep(0)
        response = await call_next(request)
        if response.status_code >= 400:
            response.headers["X-Sorry"] = "yes"
        return response

    @api.get("/warm")
    async def warm() -> str:
        return "warm"

    @api.post("/items", status_code=201)
    async def create(item: Item, session: Session) -> Item:
        await gate.wait_async()
        if item.price < 0:
            raise HTTPException(400, "negative")
        return item

    @api.get("/items")
    def listed(pages: Annotated[Pages, Depends()]) -> list[int]:
        gate.wait()
        return [i for i in range(5) if i >= pages.skip]

    @api.get("/streamed/{n}")
    async def streamed(n: int) -> StreamingResponse:
        async def chunks() -> AsyncIterator[str]:
            async for tick in ticks(n):
                yield str(tick)
            await gate.wait_async()
            yield "end"

        return StreamingResponse(chunks())

    @api.get("/later/{n}")
    def later(n: int, tasks: BackgroundTasks) -> str:
        tasks.add_task(working, n)
        tasks.add_task(step, n)
        gate.wait()
        return "later"

    @api.get("/broken")
    async def broken(session: Session) -> str:
        await gate.wait_async()
        raise LookupError("broken")

    return api


def install(api: FastAPI, recorder: reqcov.Recorder) -> FastAPI:
    api.add_middleware(CoverageMiddleware, recorder=recorder)
    return api


JSON = {"Content-Type": "application/json"}

APP = App(
    protocol="asgi",
    source=["tests.apps"],
    make=make,
    install=install,
    warm_up=[Request("/warm")],
    requests=[
        *(Request(f"/router/shapes/{name}/{n}") for name, n in zip(shapes_async.SHAPES, [3, 4, 2] * 2, strict=True)),
        *(Request(f"/router/threads/{name}/{n}") for name, n in zip(shapes.SHAPES, [5, 3, 6, 4] * 4, strict=False)),
        Request("/items", method="POST", body='{"name": "a"}', headers=JSON, status=201),
        Request(
            "/items",
            method="POST",
            body='{"name": "a", "price": -1}',
            headers=JSON,
            status=400,
        ),
        Request("/items", query="skip=2"),
        Request("/items", query="skip=-2"),
        Request("/streamed/2"),
        Request("/later/3"),
        Request("/broken", status=None),
        Request("/nowhere", status=404),
    ],
)
