"""Things to try; `make demo` runs `demo.py`."""
