"""A small shop, deployed into a folder of its own to fill a store that pages are made of; see tests/shop_store.py."""
