"""The same app, with every request recorded: each by itself in a file, and counted in a store."""

import os

import reqcov

from .web import app as shop

app = reqcov.wrap(
    shop,
    source=["examples.shop"],
    sinks=[reqcov.JsonLinesSink(os.environ["SHOP_RECORDS"])],
    store=os.environ["SHOP_STORE"],
    build="demo",
)
