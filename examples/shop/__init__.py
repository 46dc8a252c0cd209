"""A small shop, to be measured."""
