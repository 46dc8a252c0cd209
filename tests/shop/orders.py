"""What was bought."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from shop import mail, prices, stock
from shop.cart import Cart

ORDERS: dict[int, Order] = {}


@dataclass
class Order:
    """Products that somebody pays for."""

    number: int
    products: list[int] = field(default_factory=list)
    state: str = "placed"

    @property
    def amount(self) -> int:
        return prices.total(self.products)

    def ship(self) -> None:
        if self.state == "placed":
            self.state = "shipped"

    def refund(self) -> None:
        if self.state != "shipped":
            raise RuntimeError("Nothing was shipped yet.")
        self.state = "refunded"


async def place(cart: Cart, voucher: str | None = None) -> Order:
    await stock.take(cart.products)
    order = Order(len(ORDERS) + 1, list(cart))
    amount = order.amount
    if voucher is not None:
        amount = discounted(amount, voucher)
    ORDERS[order.number] = order
    mail.confirm(order.number, amount)
    return order


def discounted(amount: int, voucher: str) -> int:
    match voucher:
        case "WELCOME":
            return amount - 500
        case "FRIENDS":
            return amount * 9 // 10
        case _:
            return amount


def latest(limit: int) -> Iterator[Order]:
    for number in sorted(ORDERS, reverse=True)[:limit]:
        yield ORDERS[number]


def ship_all() -> int:
    shipped = 0
    for order in ORDERS.values():
        if order.state == "placed":
            order.ship()
            shipped += 1
    return shipped
