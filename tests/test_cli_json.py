"""JSON for machines: what is printed is what is promised."""

from __future__ import annotations

import contextlib
import copy
import functools
import json
from dataclasses import dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator, FormatChecker

from reqcov.reports.json import VERSION, as_json, name_of
from reqcov.reports.schemas import ANSWERS, schema, tables
from tests.apps import flask_app
from tests.json_pages import PAGES
from tests.reading import record_app, run
from tests.reference import DOCS

PLACE = "tests/apps/shapes.py"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a real app has filled."""
    path = tmp_path_factory.mktemp("store") / "reqcov.sqlite3"
    record_app(path, flask_app.APP, build="A")
    return path


@functools.cache
def printed(name: str, store: Path) -> Any:
    """The answer of that name as JSON, as its command prints or writes it."""
    if name == "export":
        assert run("export", "json", "-o", store.with_name("export"), "--store", store).status == 0
        return json.loads(store.with_name("export").read_text("utf-8"))
    tests = store.with_name("lcov.info")
    tests.write_text(f"SF:{PLACE}\nDA:40,1\nend_of_record\n")
    diff = store.with_name("a.diff")
    line = (DOCS.parent / PLACE).read_text("utf-8").splitlines()[39]
    new = "+def new():\n+    pass\n"
    diff.write_text(f"--- {PLACE}\n+++ {PLACE}\n@@ -0,0 +1,2 @@\n{new}@@ -40 +42 @@\n-{line}\n+{line}; 1\n")
    arguments = {
        "show": ["*"],
        "line": [f"{PLACE}:40"],
        "gaps": ["--tests", tests],
        "impact": ["--diff", diff],
        "diff": ["A", "A"],
    }.get(name, [])
    # In the folder of this project, `dead` would read all of it for files that nobody imported.
    with contextlib.chdir(store.parent if name == "dead" else "."):
        answered = run(name, *arguments, "--store", store, "--format", "json")
    assert (answered.status, answered.err) == (0, "")
    return answered.json


@functools.cache
def validator(answer: type) -> Draft202012Validator:
    shape = schema(answer)
    Draft202012Validator.check_schema(shape)
    return Draft202012Validator(shape, format_checker=FormatChecker())


@pytest.mark.parametrize("answer", ANSWERS, ids=name_of)
def test_output_is_as_the_schema_says(store: Path, answer: type) -> None:
    """Every field is there with its type, no other is, and the name and the version come first."""
    value = printed(name_of(answer), store)
    validator(answer).validate(value)
    assert list(value)[:2] == ["answer", "version"]
    assert (value["answer"], value["version"]) == (name_of(answer), VERSION)
    assert list(value)[2:] == [field.name for field in fields(answer)]


@pytest.mark.parametrize("answer", ANSWERS, ids=name_of)
def test_the_schema_is_strict(store: Path, answer: type) -> None:
    """A value of another type, one that is missing and the answer to another question are found, at every depth."""
    value = printed(name_of(answer), store)
    broken = 0
    for place in places(value):
        for change in (lambda owner, key: owner.pop(key), lambda owner, key: owner.__setitem__(key, object())):
            other = copy.deepcopy(value)
            owner: Any = other
            for step in place[:-1]:
                owner = owner[step]
            change(owner, place[-1])
            assert not validator(answer).is_valid(other), place
            broken += 1
    assert broken > 2 * len(fields(answer))


def places(value: Any, above: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where fields are: of the answer, and of the first row of each list."""
    found = []
    for key, inner in value.items():
        found.append((*above, key))
        if isinstance(inner, list) and inner and isinstance(inner[0], dict):
            found += places(inner[0], (*above, key, 0))
    return found


def test_times_tell_their_zone(store: Path) -> None:
    """ISO 8601, aware, in UTC."""
    seen = printed("routes", store)["routes"][0]["last_seen"]
    offset = datetime.fromisoformat(seen).utcoffset()
    assert offset is not None
    assert not offset


def test_pages_are_up_to_date() -> None:
    """docs/json.md and docs/schemas are what `make docs` writes, and no other schema lies there."""
    for name, page in PAGES.items():
        assert (DOCS / name).read_text("utf-8") == page(), f"docs/{name} is stale: make docs"
    assert {f"schemas/{file.name}" for file in (DOCS / "schemas").iterdir()} == PAGES.keys() - {"json.md"}


@pytest.mark.parametrize("answer", ANSWERS, ids=name_of)
def test_every_field_is_explained(answer: type) -> None:
    """No row of the tables has an empty meaning."""
    rows = [line for line in tables(answer).splitlines() if line.startswith("| `")]
    assert len(rows) >= len(fields(answer))
    assert [row for row in rows if row.endswith("| |")] == []


def test_what_json_does_not_know_is_refused() -> None:
    """A value that has no place in JSON is a mistake of ours, and no text that looks like something."""

    @dataclass
    class Odd:
        value: Any

    with pytest.raises(TypeError, match="has no place in JSON"):
        as_json(Odd({1, 2}))
