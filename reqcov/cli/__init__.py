"""The `reqcov` command."""

from __future__ import annotations

import importlib.util
import io
import sys

NEEDED = ("click", "jinja2", "pygments", "rich", "unidiff", "waitress")
"""What the extra `cli` brings."""


def main() -> None:
    """Run the command with the arguments of the process."""
    if any(importlib.util.find_spec(name) is None for name in NEEDED):
        sys.exit("The reqcov command needs a few more packages: pip install 'request-coverage[cli]'")
    from reqcov.cli.commands import reqcov

    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # not every terminal, and no old pipe, has all letters
    reqcov()
