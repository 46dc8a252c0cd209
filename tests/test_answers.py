"""What the commands say of real apps is what coverage.py, or counting by hand, says of the same records."""

from __future__ import annotations

import functools
import importlib
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import coverage
import pytest

import reqcov
from tests.reading import record_app, run
from tests.statements import Body, bodies

ROOT = Path(__file__).resolve().parent.parent

APPS = ["flask_app", "raw_wsgi", "starlette_app"]


@pytest.fixture(scope="module", params=APPS)
def app(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A store that an app has filled, and the records."""
    store = tmp_path_factory.mktemp("store") / "reqcov.sqlite3"
    module = importlib.import_module(f"tests.apps.{request.param}")
    return store, record_app(store, module.APP)


@functools.cache
def inside(name: str) -> frozenset[int]:
    """The lines of functions; comprehensions of modules and classes are none, though they are made of them."""
    return frozenset(line for line in _lines_of(bodies(name)[0], of_function=False))


def _lines_of(body: Body, *, of_function: bool) -> set[int]:
    of_function = body.is_function and (of_function or not body.is_comprehension)
    return (body.lines if of_function else set()).union(
        *(_lines_of(each, of_function=of_function) for each in body.inner)
    )


def statements_of(name: str, lines: Iterable[int]) -> tuple[set[int], set[int]]:
    """The function statements of a file, and those of them that are missing, as coverage.py tells."""
    measured = coverage.Coverage(data_file=None, config_file=False)
    measured.get_data().add_lines({name: list(lines)})
    _, statements, _, missing, _ = measured.analysis2(name)
    found = measured._get_file_reporter(name).translate_lines(inside(name)) & set(statements)
    measured.get_data().close(force=True)
    return found, found & set(missing)


def union(records: Iterable[reqcov.RequestRecord]) -> dict[str, set[int]]:
    """All lines that ran, by absolute name."""
    found: dict[str, set[int]] = defaultdict(set)
    for record in records:
        for name, lines in record.lines.items():
            found[name] |= lines
    return found


def translated(name: str, lines: Iterable[int]) -> frozenset[int]:
    """The function statements that these lines are of."""
    return _translated(name, frozenset(lines))


@functools.cache
def _translated(name: str, lines: frozenset[int]) -> frozenset[int]:
    statements, missing = statements_of(name, lines)
    return frozenset(statements - missing)


def test_report_is_coverages(app: Any) -> None:
    """For every file the statements, the missed ones and the total are those of coverage.py, functions only."""
    store, records = app
    report = run("report", "--store", store, "--format", "json").json
    ran = union(records)
    assert {str(ROOT / row["path"]) for row in report["files"]} >= ran.keys()
    for row in report["files"]:
        name = str(ROOT / row["path"])
        statements, missing = statements_of(name, ran.get(name, ()))
        assert (row["statements"], row["missing"]) == (len(statements), sorted(missing)), name
        assert row["missed"] == len(missing)
        assert row["cover"] == pytest.approx(1 - len(missing) / len(statements) if statements else 1)
    assert report["missed"] == sum(row["missed"] for row in report["files"]) > 0
    assert report["statements"] == sum(row["statements"] for row in report["files"]) > report["missed"]
    assert report["import_time"] == sum(row["import_time"] for row in report["files"]) > 0


def test_report_of_one_route_is_of_its_requests(app: Any) -> None:
    """With `--route`, only what that route's requests ran counts."""
    store, records = app
    context = Counter(record.context for record in records).most_common(1)[0][0]
    ran = union(record for record in records if record.context == context)
    report = run("report", "--store", store, "--route", context, "--format", "json").json
    assert sum(row["statements"] - row["missed"] for row in report["files"]) == sum(
        len(translated(name, lines)) for name, lines in ran.items()
    )


def test_routes_are_counted(app: Any) -> None:
    """Requests, lines, reach, only-here and behaviours of each route are what counting the records gives."""
    store, records = app
    routes = run("routes", "--store", store, "--format", "json").json
    report = run("report", "--store", store, "--format", "json").json
    by_context: dict[str, list[reqcov.RequestRecord]] = defaultdict(list)
    for record in records:
        by_context[record.context].append(record)
    ran = {
        context: {(name, line) for name, lines in union(some).items() for line in translated(name, lines)}
        for context, some in by_context.items()
    }
    assert routes["reachable"] == report["statements"]
    assert {row["route"] for row in routes["routes"]} == by_context.keys()
    for row in routes["routes"]:
        some = by_context[row["route"]]
        others = set().union(*(lines for context, lines in ran.items() if context != row["route"]))
        assert row["requests"] == len(some)
        assert row["share"] == pytest.approx(len(some) / len(records))
        assert row["lines"] == len(ran[row["route"]])
        assert row["reach"] == pytest.approx(len(ran[row["route"]]) / report["statements"])
        assert row["only_here"] == len(ran[row["route"]] - others)
        assert row["behaviours"] == len({record.footprint for record in some})
        assert row["statuses"] == dict(
            Counter(f"{record.status // 100}xx" if record.status else "none" for record in some)
        )


def test_show_counts_functions_lines_and_behaviours(app: Any) -> None:
    """What `show` says of a route's functions, partly run lines and behaviours is what its records say."""
    store, records = app
    for context in {record.context for record in records}:
        shown = run("show", context, "--store", store, "--format", "json").json
        some = [record for record in records if record.context == context]
        assert (shown["routes"], shown["requests"]) == ([context], len(some))
        ran = [
            {name: translated(name, lines) for name, lines in record.lines.items() if translated(name, lines)}
            for record in some
        ]
        hits = Counter((name, line) for one in ran for name, lines in one.items() for line in lines)
        files = {str(ROOT / file["path"]): file for file in shown["files"]}
        assert {(name, line) for name, file in files.items() for f in file["functions"] for line in f["lines"]} == set(
            hits
        )
        assert shown["lines"] == len(hits)
        for name, file in files.items():
            statements, _ = statements_of(name, ())
            for function in file["functions"]:
                own = set(function["lines"])
                runs = sum(bool(own & one.get(name, set())) for one in ran)
                assert function["requests"] == runs
                partly = {line: part["requests"] for part in function["partly"] for line in part["lines"]}
                assert partly == {line: hits[name, line] for line in own if hits[name, line] < runs}
                assert not set(function["missing"]) & own
                assert {*function["missing"], *own} <= statements
                assert all(function["first"] <= line <= function["last"] for line in (*own, *function["missing"]))
        counts = Counter(record.footprint for record in some)
        assert {row["footprint"]: row["requests"] for row in shown["behaviours"]} == counts
        of_footprint = {
            record.footprint: {(n, line) for n in one for line in one[n]} for record, one in zip(some, ran, strict=True)
        }
        commonest = of_footprint[shown["behaviours"][0]["footprint"]]
        assert counts[shown["behaviours"][0]["footprint"]] == max(counts.values())
        for row in shown["behaviours"]:
            lines = of_footprint[row["footprint"]]
            assert (row["lines"], row["more"], row["fewer"]) == (
                len(lines),
                len(lines - commonest),
                len(commonest - lines),
            )


def test_line_names_all_who_ran_it(app: Any) -> None:
    """For statements that few, many and no requests ran, `line` names the routes whose records hold them."""
    store, records = app
    report = run("report", "--store", store, "--format", "json").json
    of_route = Counter(record.context for record in records)
    asked = 0
    for row in report["files"]:
        name = str(ROOT / row["path"])
        statements, _ = statements_of(name, ())
        for line in sorted(statements)[::9]:
            answer = run("line", f"{row['path']}:{line}", "--store", store, "--format", "json").json
            who = Counter(record.context for record in records if line in translated(name, record.lines.get(name, ())))
            assert {each["route"]: each["requests"] for each in answer["routes"]} == who
            assert all(
                each["share"] == pytest.approx(who[each["route"]] / of_route[each["route"]])
                for each in answer["routes"]
            )
            assert (answer["requests"], answer["kind"], answer["seen"]) == (sum(who.values()), "function", bool(who))
            asked += 1
    assert asked > 5
