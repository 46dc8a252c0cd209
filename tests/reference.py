"""Writes the pages of docs/ that are made from the code: `make docs`."""

from __future__ import annotations

import inspect
from pathlib import Path

import click

from reqcov.cli.commands import COMMANDS, reqcov
from tests import json_pages

DOCS = Path(__file__).resolve().parent.parent / "docs"

INTRODUCTION = """\
# The command

`pip install "request-coverage[cli]"` brings it. `reqcov COMMAND --help` shows what stands here; `python -m reqcov` is
the same command.

It exits with status 0 if all went well, with 1 and one sentence on standard error if not, and with 2 if it was called
wrongly. What else a command's status tells stands with that command. Tables are drawn on a terminal; in a pipe they are
plain columns, never cut. `--format json` is for machines and told in [JSON](json.md).

This page is made from the code, by `make docs`.
"""


def commands_page() -> str:
    """`docs/commands.md`."""
    context = click.Context(reqcov, info_name="reqcov")
    sections = [INTRODUCTION, "| command | does |\n|---|---|"]
    sections[-1] += "".join(f"\n| [`{name}`](#reqcov-{name}) | {does} |" for name, does in COMMANDS.items()) + "\n"
    for name in COMMANDS:
        command = reqcov.get_command(context, name)
        assert command is not None
        sections.append(section(command, click.Context(command, info_name=name, parent=context)))
    return "\n".join(sections)


def section(command: click.Command, context: click.Context) -> str:
    """One command."""
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    options = [parameter for parameter in command.params if isinstance(parameter, click.Option)]
    rows = [row for option in options if (row := option.get_help_record(context)) is not None]
    parts = [
        f"## {context.command_path}",
        f"```text\n{usage}\n```",
        inspect.cleandoc(command.help or "").replace("\b\n", ""),
    ]
    if rows:
        parts.append(
            "| option | means |\n|---|---|" + "".join(f"\n| `{cell(name)}` | {cell(means)} |" for name, means in rows)
        )
    return "\n\n".join(parts) + "\n"


def cell(text: str) -> str:
    """Text that a table of Markdown can hold."""
    return " ".join(text.split()).replace("|", "\\|")


PAGES = {"commands.md": commands_page, **json_pages.PAGES}


def main() -> None:
    """Write them all."""
    for name, page in PAGES.items():
        (DOCS / name).parent.mkdir(exist_ok=True)
        (DOCS / name).write_text(page(), "utf-8")


if __name__ == "__main__":
    main()
