"""What the shop answers."""

from __future__ import annotations

from collections.abc import AsyncIterator

from shop import cart, orders, search, stock
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Mount, Route


async def home(request: Request) -> Response:
    return PlainTextResponse(f"{len(stock.SHELF)} things on the shelf")


async def find(request: Request) -> Response:
    words = request.query_params.get("q", "")
    if not words:
        raise HTTPException(422, "What are you looking for?")
    return JSONResponse(search.find(words))


async def show_product(request: Request) -> Response:
    product = request.path_params["id"]
    if product not in stock.SHELF:
        raise HTTPException(404)
    return JSONResponse({"name": stock.SHELF[product], "left": await stock.left(product)})


async def show_cart(request: Request) -> Response:
    return JSONResponse({"total": cart.Cart(range(request.path_params["id"])).total})


async def check_out(request: Request) -> Response:
    bought = cart.Cart(range(request.path_params["id"]))
    if not bought:
        raise HTTPException(409, "There is nothing in it.")
    order = await orders.place(bought, voucher=request.query_params.get("voucher"))
    return JSONResponse({"order": order.number}, 201)


async def show_order(request: Request) -> Response:
    number = request.path_params["id"]
    order = orders.ORDERS.get(number)
    if order is None:
        raise HTTPException(404)
    return JSONResponse({"number": number, "state": order.state})


async def list_orders(request: Request) -> Response:
    async def rows() -> AsyncIterator[str]:
        for order in orders.latest(int(request.query_params.get("limit", "3"))):
            yield f"{order.number},{order.state}\n"

    return StreamingResponse(rows())


async def refund(request: Request) -> Response:
    orders.ORDERS[request.path_params["id"]].refund()
    return Response(status_code=204)


app = Starlette(
    routes=[
        Route("/", home),
        Route("/search", find),
        Route("/products/{id:int}", show_product),
        Route("/carts/{id:int}", show_cart),
        Route("/carts/{id:int}/checkout", check_out, methods=["POST"]),
        Mount(
            "/orders",
            routes=[
                Route("/", list_orders),
                Route("/{id:int}", show_order),
                Route("/{id:int}/refund", refund, methods=["POST"]),
            ],
        ),
    ]
)
