"""The pages of docs/ that tell of JSON, made from the answers."""

from __future__ import annotations

import json
from functools import partial

from reqcov.reports.json import name_of
from reqcov.reports.schemas import ANSWERS, schema, tables

HEAD = """\
# JSON

Every reading command takes `--format json` and prints one object. It is made for machines: names do not change with the
terminal, shares are not rounded for people, and nothing is left out that the text leaves out for want of room.

## What is promised

Each object begins with `answer`, the name of the command, and `version`, now 1.

- Within a version, what is there stays, under its name, of its type, and with its meaning.
- Fields may be added without notice, so ignore what you don't know.
- Where a field is renamed, removed or comes to mean something else, `version` changes for all answers at once.

Times are ISO 8601 with their offset, which is UTC's. Shares go from 0 to 1. Lines are numbered from 1. A *function
statement* is a statement that runs when something is called, as coverage.py counts statements; what coverage.py is
told to exclude is none. Where not every request is sampled, numbers of requests are estimates: those recorded, divided
by the share that is sampled.

The exit status is the same as for text: 0, or 1 with a sentence on standard error and nothing on standard output, or 2
where the call is wrong. `report` ends with 2 where less is covered than `--fail-under` asks for, and `doctor` with 1
where something was lost or no data arrives; both print their answer all the same.

The tables below are also there as JSON Schema, one file for each answer, in the folder
[schemas](schemas/routes.json), and from Python as `reqcov.reports.schemas.schema(reqcov.reports.schemas.Routes)`.

This page and the schemas are made from the code, by `make docs`.
"""


def json_page() -> str:
    """`docs/json.md`."""
    return "\n".join([HEAD, *(tables(answer) for answer in ANSWERS)])


def schema_page(answer: type) -> str:
    """A file of `docs/schemas`."""
    return json.dumps(schema(answer), indent=2) + "\n"


PAGES = {
    "json.md": json_page,
    **{f"schemas/{name_of(answer)}.json": partial(schema_page, answer) for answer in ANSWERS},
}
"""By their place in docs/."""
