"""The commands by name; the module of each is imported when it is asked for."""

from __future__ import annotations

import errno
import importlib
from typing import Any

import click

import reqcov as package
from reqcov.errors import ReqcovError
from reqcov.reports.text import printable

COMMANDS = {
    "routes": "Routes by traffic, and how much code each runs.",
    "show": "What one route runs: files, functions, lines, behaviours.",
    "line": "Who runs a line: routes, labels, requests, when.",
    "report": "What requests run of each file.",
    "gaps": "What requests run and tests do not, by requests.",
    "dead": "Functions that no request ran, and how well that is known.",
    "impact": "Which routes and which tests run the functions that a diff touches.",
    "dedupe": "Tests, routes or behaviours that add nothing to the others.",
    "diff": "What differs between two builds, two labels or two spans of time.",
    "html": "Write the report as pages for a browser.",
    "export": "Write a coverage.py data file, lcov, Cobertura XML or JSON.",
    "serve": "Serve the live pages of the store.",
    "merge": "Put several stores together in one.",
    "doctor": "Is data arriving? And if not, what to do.",
    "reset": "Empty the store.",
    "snapshot": "Keep a named copy of the store.",
    "prune": "Forget what is older than some days.",
}
"""Names, which are also those of modules here, and what they do."""


class Commands(click.Group):
    """Imports what is needed for the command that is run, and turns our errors into a sentence and status 1."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """In the order of `COMMANDS`."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """The command of that name, or None."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"reqcov.cli.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """The list in `reqcov --help`, without importing any of them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except ReqcovError as error:
            raise click.ClickException(printable(str(error))) from error
        except OSError as error:
            if error.errno == errno.EPIPE:  # who reads has seen enough; click ends quietly
                raise
            raise click.ClickException(printable(f"{error}; give another name, or see its permissions.")) from error


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package.__version__, prog_name="reqcov")
def reqcov() -> None:
    """Read what the requests to your server ran."""
