"""What things cost, in cents."""

from __future__ import annotations

import functools
from collections.abc import Iterable

VAT = 19
"""Per cent."""

BULK = 5


@functools.cache
def base(product: int) -> int:
    if product % 2:
        return 100 * product
    return 250


def total(products: Iterable[int]) -> int:
    amounts = [base(product) for product in products]
    found = sum(amounts)
    if len(amounts) >= BULK:
        found -= found // 10
    return found + tax(found)


def tax(amount: int) -> int:
    return amount * VAT // 100


def in_words(amount: int) -> str:
    return f"{amount // 100},{amount % 100:02} €"


def convert(amount: int, currency: str) -> float:
    rates = {
        "GBP": 0.86,
        "USD": 1.09,
    }
    if currency not in rates:
        raise ValueError(
            f"No rate is known for {currency}",
        )
    return amount * rates[currency]
