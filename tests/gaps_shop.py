"""A shop with a unit-test suite that leaves planted gaps, and the traffic that runs into them."""

from __future__ import annotations

import importlib
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import pytest
from coverage import CoverageData

import reqcov
from tests.calls import Request, call_wsgi
from tests.reading import without_bytecode

FILES = {
    "shop/__init__.py": "",
    "shop/prices.py": '''\
"""What things cost."""

COUPONS = {"SPRING": 10, "STAFF": 30}


def total(prices, coupon):
    cents = sum(
        price
        for price in prices
    )
    if len(prices) >= 10:
        rate = 20
        # Five percent less.
        cents -= (
            cents // rate
        )
    if coupon:
        cents = discounted(cents, coupon)
    return cents + shipping(cents)


def discounted(cents, coupon):
    def off(percent):
        return cents * percent // 100

    if coupon not in COUPONS:
        raise LookupError(coupon)
    return cents - off(COUPONS[coupon])


def shipping(cents):
    if cents >= 5000:
        return 0
    return 490


def refund(cents):
    if cents < 1000:
        return 0
    return cents - 490


def tax(cents):
    return cents // 5
''',
    "shop/mail.py": '''\
"""What customers are told."""


class Letter:
    subject = "Your order"

    def __init__(self, cents):
        self.cents = cents

    def text(self):
        return f"{self.subject}: {self.cents}"

    def __repr__(self):  # pragma: no cover
        return self.text()


def reminder():
    return "Please pay."
''',
    "shop/web.py": '''\
"""The shop's API."""

from urllib.parse import parse_qs

from shop import mail, prices


def app(environ, start_response):
    view = VIEWS.get(environ["PATH_INFO"], missing)
    status, text = view(parse_qs(environ["QUERY_STRING"]))
    start_response(status, [])
    return [text.encode()]


def missing(query):
    return "404 Not Found", ""


def order(query):
    pieces = int(query["pieces"][0])
    coupon = query.get("coupon", [""])[0]
    try:
        cents = prices.total([120] * pieces, coupon)
    except LookupError as error:
        return "400 Bad Request", f"unknown: {error}"
    return "200 OK", repr(mail.Letter(cents))


def debug(query):  # pragma: no cover
    return "200 OK", repr(query)


VIEWS = {"/order": order, "/debug": debug}
''',
    "tests/__init__.py": "",
    "tests/prices.py": "PIECE = 120\n\n\ndef total(pieces):\n    return PIECE * pieces\n",
    "tests/test_prices.py": """\
import pytest

from shop.prices import shipping, tax, total
from tests import prices


@pytest.mark.parametrize("pieces", [1, 9])
def test_total(pieces):
    assert total([120] * pieces, "") == prices.total(pieces) + 490


def test_shipping_is_free():
    assert shipping(5000) == 0


def test_tax():
    assert tax(100) == 20
""",
    "tests/test_web.py": """\
from shop.web import app, missing


def test_order():
    answered = []
    environ = {"PATH_INFO": "/order", "QUERY_STRING": "pieces=2"}
    assert app(environ, lambda status, headers: answered.append(status)) == [b"Your order: 730"]
    assert answered == ["200 OK"]
""",
}


class Planted(NamedTuple):
    """A gap that is there by design."""

    path: str
    function: str
    lines: list[str]
    """What is written there."""
    requests: Counter[str]
    """By route."""


KINDS = {
    "plain": "/order?pieces=2",
    "lot": "/order?pieces=12",
    "coupon": "/order?pieces=1&coupon=SPRING",
    "wrong coupon": "/order?pieces=1&coupon=SUMMER",
    "free": "/order?pieces=50",
    "lost": "/robots.txt",
    "debug": "/debug",
}
"""What people ask for."""

WEIGHTS = {"plain": 60, "lot": 14, "coupon": 30, "wrong coupon": 4, "free": 6, "lost": 9, "debug": 2}


def traffic(requests: int = 150) -> list[str]:
    """Kinds of requests, at random; at least one of each."""
    chance = random.Random(20)
    return [*KINDS, *chance.choices(list(KINDS), list(WEIGHTS.values()), k=requests - len(KINDS))]


def planted(kinds: list[str]) -> list[Planted]:
    """What has to come out for these requests and one run of the job, in this order."""
    count = Counter(kinds)
    orders, lost = "GET /order", "GET (unmatched)"

    def of(*some: str, route: str = orders) -> Counter[str]:
        return Counter({route: sum(count[kind] for kind in some)})

    return [
        Planted("shop/prices.py", "total", ["cents = discounted(cents, coupon)"], of("coupon", "wrong coupon")),
        Planted(
            "shop/prices.py",
            "discounted",
            ["def off(percent):", "if coupon not in COUPONS:"],
            of("coupon", "wrong coupon"),
        ),
        Planted("shop/prices.py", "discounted.<locals>.off", ["return cents * percent // 100"], of("coupon")),
        Planted("shop/prices.py", "discounted", ["return cents - off(COUPONS[coupon])"], of("coupon")),
        Planted("shop/prices.py", "total", ["rate = 20", "cents -= ("], of("lot", "free")),
        Planted("shop/web.py", "missing", ['return "404 Not Found", ""'], of("lost", route=lost)),
        Planted("shop/prices.py", "discounted", ["raise LookupError(coupon)"], of("wrong coupon")),
        Planted(
            "shop/web.py",
            "order",
            ["except LookupError as error:", 'return "400 Bad Request", f"unknown: {error}"'],
            of("wrong coupon"),
        ),
        Planted("shop/mail.py", "reminder", ['return "Please pay."'], Counter({"nightly": 1})),
    ]


def deploy(folder: Path) -> None:
    """Write the project into a folder."""
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def serve(folder: Path, kinds: list[str], monkeypatch: pytest.MonkeyPatch) -> Path:
    """Record these requests and a job of the project in `folder`; the store."""
    store = folder / ".reqcov/reqcov.sqlite3"
    with monkeypatch.context() as patch:
        patch.chdir(folder)
        patch.syspath_prepend(folder)
        patch.setattr("sys.dont_write_bytecode", True)
        with reqcov.Recorder(store=store, source=["shop"], build="1.0") as recorder:
            app = reqcov.wrap(importlib.import_module("shop.web").app, recorder=recorder)
            for kind in kinds:
                path, _, query = KINDS[kind].partition("?")
                call_wsgi(app, Request(path, query))
            with recorder.record("nightly"):
                importlib.import_module("shop.mail").reminder()
        for name in [name for name in sys.modules if name.partition(".")[0] == "shop"]:
            del sys.modules[name]
    return store


def run_tests(folder: Path, *options: str, tests: str = "tests") -> None:
    """Run the suite in `folder` under coverage.py."""
    command = [
        sys.executable,
        "-m",
        "coverage",
        "run",
        "--source=shop,tests",
        *options,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
    ]
    subprocess.run(
        [*command, *tests.split()],
        cwd=folder,
        env=without_bytecode({"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}),
        check=True,
        capture_output=True,
    )


def closed(data: CoverageData) -> None:
    """Close it; before coverage.py 7.11 nothing stays open."""
    if hasattr(data, "close"):
        data.close(force=True)
