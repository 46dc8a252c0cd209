"""The same app, with every request recorded into the file that the environment names."""

import os

import reqcov

from .web import app as shop

app = reqcov.wrap(shop, source=["examples.shop"], sinks=[reqcov.JsonLinesSink(os.environ["SHOP_RECORDS"])])
