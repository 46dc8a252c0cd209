"""A library that lends books, for mutations: `suite` holds the tests of it, and `tests/mutating.py` copies both."""
