"""What somebody is about to buy."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from shop import prices


class Cart:
    """Products, in the order in which they were put in."""

    LIMIT = 20

    def __init__(self, products: Iterable[int] = ()) -> None:
        self.products = list(products)
        if len(self.products) > self.LIMIT:
            raise OverflowError("The cart is full.")

    def __len__(self) -> int:
        return len(self.products)

    def __iter__(self) -> Iterator[int]:
        yield from self.products

    @property
    def total(self) -> int:
        return prices.total(self.products)

    def add(self, product: int) -> None:
        self.products.append(product)

    def remove(self, product: int) -> None:
        try:
            self.products.remove(product)
        except ValueError:
            print("There is none of it.")

    def dump(self) -> None:  # pragma: no cover
        for product in self.products:
            print(product)
