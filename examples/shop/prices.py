"""What things cost."""

STOCK = {1: ("pencil", 120), 2: ("notebook", 450), 3: ("lamp", 4900)}
COUPONS = {"SPRING": 10, "STAFF": 30}
FREE_SHIPPING_FROM = 5000


def total(item: int, pieces: int, coupon: str | None) -> int:
    """The price in cents, with discount and shipping."""
    _, price = STOCK[item]
    cents = price * pieces
    if pieces >= 10:
        cents -= cents // 20
    if coupon is not None:
        cents -= cents * COUPONS[coupon] // 100
    return cents + shipping(cents)


def shipping(cents: int) -> int:
    """What it costs to send."""
    if cents >= FREE_SHIPPING_FROM:
        return 0
    return 490


def refund(cents: int) -> int:
    """What comes back when something is returned."""
    if cents < 1000:
        return 0
    return cents - 490
