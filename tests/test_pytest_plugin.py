"""The pytest plugin: off unless it is asked for, and then every request has its test, and every test its outcome."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from reqcov.labels import ambient
from reqcov.store.model import unpack_labels
from reqcov.store.reading import reading
from reqcov.testing.session import Labelling
from reqcov.ui.app import app
from tests.live import served

pytest_plugins = ["pytester"]

PLUGIN = ("-p", "reqcov.testing.plugin", "-p", "no:cacheprovider")
XDIST = (*PLUGIN, "-p", "xdist", "-n", "2")
WITH_AND_WITHOUT_XDIST = pytest.mark.parametrize("options", [PLUGIN, XDIST], ids=["one process", "xdist"])
TOKEN = "only-for-these-tests-\u2026"


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """No plugin but those that are named; the environment says nothing."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    for name in ("PYTEST_ADDOPTS", "REQCOV_STORE", "REQCOV_TOKEN"):
        monkeypatch.delenv(name, raising=False)


def outcomes(store: Path) -> dict[str, str | None]:
    """What a store says of each test."""
    with reading(store) as reader:
        return {name.partition("::")[2]: run.outcome for name, run in reader.tests().items()}


def test_off(pytester: pytest.Pytester) -> None:
    """Installed and not asked for, it loads nothing, and the fixture gives no headers."""
    pytester.makepyfile(
        """
        import sys

        def test_loads_nothing(reqcov_headers, request):
            assert request.config.pluginmanager.has_plugin("reqcov")
            loaded = {name for name in sys.modules if name.partition(".")[0] == "reqcov"}
            assert loaded == {"reqcov", "reqcov.testing", "reqcov.testing.plugin"}
            assert reqcov_headers == {}
        """
    )
    pytester.runpytest_subprocess("-p", "no:cacheprovider").assert_outcomes(passed=1)


def test_imported_before_pytest(pytester: pytest.Pytester) -> None:
    """A process that has imported reqcov runs pytest without a warning."""
    pytester.makepyfile(test_it="def test_it(): ...")
    script = "import reqcov, pytest; raise SystemExit(pytest.main(['-W', 'error', '-p', 'no:cacheprovider']))"
    assert pytester.run(sys.executable, "-c", script).ret == 0


ENDINGS = """
    import os
    import pytest

    @pytest.fixture
    def breaks():
        raise LookupError

    @pytest.fixture
    def breaks_late():
        yield
        raise LookupError

    def test_passes(): ...
    def test_fails(): assert False
    def test_has_no_fixture(breaks): ...
    def test_is_not_torn_down(breaks_late): ...
    def test_skips(): pytest.skip("why not")
    @pytest.mark.skip
    def test_is_skipped(): ...
    @pytest.mark.xfail(strict=True)
    def test_fails_as_expected(): assert False
    @pytest.mark.xfail
    def test_passes_unexpectedly(): ...
    @pytest.mark.xfail(strict=True)
    def test_must_not_pass(): ...
    @pytest.mark.xfail(run=False)
    def test_is_not_run(): ...
    def test_fails_at_first(flaky=[]):
        flaky.append(1)
        assert len(flaky) > 1
    @pytest.mark.parametrize("text", ["a@b", "\\xe4"])
    def test_is_many(text): ...
"""

RUN_AGAIN = """
    from _pytest.runner import runtestprotocol

    def pytest_runtest_protocol(item, nextitem):
        "As pytest-rerunfailures does it."
        hook = item.ihook
        hook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        for attempt in range(2):
            for report in runtestprotocol(item, nextitem=nextitem, log=False):
                if report.failed and report.when == "call" and not attempt:
                    report.outcome = "rerun"
                hook.pytest_runtest_logreport(report=report)
                if report.outcome == "rerun":
                    item._initrequest()
                    break
            else:
                break
        hook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
        return True
"""

ENDED = {
    "test_passes": "passed",
    "test_fails": "failed",
    "test_has_no_fixture": "failed",
    "test_is_not_torn_down": "failed",
    "test_skips": "skipped",
    "test_is_skipped": "skipped",
    "test_fails_as_expected": "passed",
    "test_passes_unexpectedly": "passed",
    "test_must_not_pass": "failed",
    "test_is_not_run": "skipped",
    "test_fails_at_first": "passed",
    "test_is_many[a@b]": "passed",
    "test_is_many[\\xe4]": "passed",
}


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize(
    ("options", "last"),
    [(PLUGIN, "raise KeyboardInterrupt"), (XDIST, "os._exit(3)")],
    ids=["interrupted", "crashed worker"],
)
def test_outcomes(pytester: pytest.Pytester, options: tuple[str, ...], last: str) -> None:
    """A test has the outcome of its worst phase, the last time it ran; none where it was interrupted or crashed."""
    pytester.makeconftest(RUN_AGAIN)
    pytester.makepyfile(ENDINGS + f"\n    def test_does_not_end():\n        {last}\n")
    pytester.runpytest_subprocess(*options, "--reqcov=kept.sqlite3")
    assert outcomes(pytester.path / "kept.sqlite3") == ENDED | {"test_does_not_end": None}


REFUSED = {
    "--reqcov=postgres://here": "store 'postgres://here' is neither",
    "--reqcov=http://127.0.0.1:1": "http://127.0.0.1:1 can't be reached",
    "--reqcov=http://127.0.0.1:1/?token=secret": "put the token into REQCOV_TOKEN",
    "--reqcov=test_it.py/no.sqlite3": "can't be opened or written",
    "--reqcov test_it.py": "takes 'test_it.py' for a store",
    "--reqcov test_it.py::test_it": "takes 'test_it.py::test_it' for a store",
    "--reqcov=False": "takes 'on', 'off', a store or a URL",
    "--reqcov=ON": "takes 'on', 'off', a store or a URL",
    "--reqcov .": "takes '.' for a store",
    "--reqcov --reqcov-header=X:Y": "'X:Y' can't be the name of a header",
}


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize("options", REFUSED)
def test_usage_errors(pytester: pytest.Pytester, options: str) -> None:
    """What can't be used is said in one sentence, before any test runs."""
    pytester.makepyfile(test_it="def test_it(): ...")
    result = pytester.runpytest_inprocess(*PLUGIN, *options.split())
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    (said,) = [line for line in result.stderr.lines if line]
    assert said.startswith("ERROR: --reqcov")
    assert REFUSED[options] in said
    assert "secret" not in result.stdout.str() + result.stderr.str()


@pytest.mark.usefixtures("alone")
def test_a_store_that_goes_away(pytester: pytest.Pytester) -> None:
    """What can't be told any more is said at the end, and changes nothing for the tests."""
    pytester.makepyfile(
        """
        from pathlib import Path

        def test_one():
            for each in Path().glob("kept.sqlite3*"):
                each.unlink()
            Path("kept.sqlite3").mkdir()

        def test_two(): ...
        """
    )
    result = pytester.runpytest_inprocess(*PLUGIN, "--reqcov=kept.sqlite3")
    result.assert_outcomes(passed=2)
    assert result.ret == 0
    result.stdout.fnmatch_lines(["*= reqcov =*", "How 2 tests ended could not be told: *kept.sqlite3 can't be opened*"])


@pytest.mark.usefixtures("alone")
def test_configuration(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """The store of pytest's configuration is beside that, wherever pytest runs; the command line wins."""
    pytester.makeini("[pytest]\nreqcov = kept.sqlite3\nreqcov_header = X-Test-Id")
    (pytester.path / "sub").mkdir()
    (pytester.path / "sub/test_ä.py").write_text(
        "def test_it(reqcov_headers):\n"
        "    assert reqcov_headers in ({}, {'X-Test-Id': 'sub/test_%C3%A4.py%3A%3Atest_it'})\n"
    )
    monkeypatch.chdir(pytester.path / "sub")
    pytester.runpytest_inprocess(*PLUGIN, "--reqcov=off").assert_outcomes(passed=1)
    assert not (pytester.path / "kept.sqlite3").exists()
    for only_shows in ("--setup-plan", "--collect-only", "--fixtures", "--fixtures-per-test"):
        assert pytester.runpytest_inprocess(*PLUGIN, only_shows).ret == 0
        assert not (pytester.path / "kept.sqlite3").exists()
    pytester.runpytest_inprocess(*PLUGIN).assert_outcomes(passed=1)
    assert outcomes(pytester.path / "kept.sqlite3") == {"test_it": "passed"}


@pytest.mark.usefixtures("alone")
def test_only_labels(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a place, the configured store is told; where there is none, nobody, and tests have their headers."""
    pytester.makepyfile(
        test_it="""
        def test_it(reqcov_headers):
            assert reqcov_headers == {"baggage": "reqcov.test=test_it.py%3A%3Atest_it"}
        """
    )
    pytester.runpytest_inprocess("test_it.py", *PLUGIN, "--reqcov").assert_outcomes(passed=1)
    assert not list(pytester.path.glob("**/*.sqlite3"))
    monkeypatch.setenv("REQCOV_STORE", "set.sqlite3")
    pytester.runpytest_inprocess("test_it.py", *PLUGIN, "--reqcov").assert_outcomes(passed=1)
    assert outcomes(pytester.path / "set.sqlite3") == {"test_it": "passed"}
    assert ambient == {}, "what runs after a test does not belong to it"


@pytest.mark.parametrize(
    ("nodeid", "name"),
    [
        ("test_it.py::test_it@group", "test_it.py::test_it"),
        ("test_it.py::test_it[a@b]@group", "test_it.py::test_it[a@b]"),
        ("test_it.py::test_it[a@b]", "test_it.py::test_it[a@b]"),
    ],
)
def test_groups_are_no_part_of_names(nodeid: str, name: str) -> None:
    """With `--dist loadgroup`, pytest-xdist writes the group behind the id; nobody could run the test by that."""
    assert Labelling("", grouped=True).name(nodeid) == name
    assert Labelling("", grouped=False).name(nodeid) == nodeid


@pytest.mark.usefixtures("alone")
def test_live_pages(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """Live pages are told over HTTP, by those who know the token."""
    pytester.makepyfile("def test_one(): ...\ndef test_two(): assert False\ndef test_three(): raise KeyboardInterrupt")
    with served(app(pytester.path / "kept.sqlite3", token=TOKEN, test_runs=True)) as address:
        refused = pytester.runpytest_inprocess(*PLUGIN, f"--reqcov=http://127.0.0.1:{address}/")
        assert refused.ret == pytest.ExitCode.USAGE_ERROR
        refused.stderr.fnmatch_lines(["ERROR: --reqcov: *tests answers 401, *REQCOV_TOKEN*"])
        monkeypatch.setenv("REQCOV_TOKEN", f"{TOKEN}\n")
        unusable = pytester.runpytest_inprocess(*PLUGIN, f"--reqcov=http://127.0.0.1:{address}/")
        assert TOKEN not in unusable.stderr.str()
        unusable.stderr.fnmatch_lines(["ERROR: --reqcov: REQCOV_TOKEN can't be sent: *"])
        monkeypatch.setenv("REQCOV_TOKEN", TOKEN)
        pytester.runpytest_subprocess(*PLUGIN, f"--reqcov=http://127.0.0.1:{address}/")
    assert outcomes(pytester.path / "kept.sqlite3") == {"test_one": "passed", "test_two": "failed", "test_three": None}


class Elsewhere(BaseHTTPRequestHandler):
    """Sends everybody to another page."""

    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self.send_response(302)
        self.send_header("Location", "/elsewhere")
        self.end_headers()

    def log_message(self, *args: object) -> None:
        """Nothing."""


@pytest.fixture
def elsewhere() -> Iterator[HTTPServer]:
    Elsewhere.asked = []
    with HTTPServer(("127.0.0.1", 0), Elsewhere) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.mark.usefixtures("alone")
def test_the_token_is_for_nobody_else(
    pytester: pytest.Pytester, elsewhere: HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the URL leads to another one, that is not asked."""
    monkeypatch.setenv("REQCOV_TOKEN", TOKEN)
    result = pytester.runpytest_inprocess(*PLUGIN, f"--reqcov=http://127.0.0.1:{elsewhere.server_port}/")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert Elsewhere.asked == ["/tests"]


IN_PROCESS = (Path(__file__).parent / "inprocess_suite.py").read_text()


@pytest.mark.usefixtures("alone")
@WITH_AND_WITHOUT_XDIST
def test_in_process_clients(pytester: pytest.Pytester, options: tuple[str, ...]) -> None:
    """Requests that are served in the process of the tests have the name of the test that runs, with no headers."""
    pytester.makepyfile(test_it=IN_PROCESS)
    result = pytester.runpytest_subprocess(
        *options, "-W", "error", "-W", "ignore:Using `httpx`", "--reqcov=kept.sqlite3"
    )
    assert result.ret == 0, result.stdout.str()
    with reading(pytester.path / "kept.sqlite3") as reader:
        routes = reader.routes()
        found = sorted(
            (unpack_labels(hit.labels).get("test", "nobody").partition("::")[2], routes[hit.route].template)
            for hit in reader.hits()
            for _ in range(hit.recorded)
        )
    once = "-n" not in options
    assert found == sorted(
        [
            ("test_flask", "/flask/<name>"),
            ("test_flask", "/flask/<name>"),
            ("test_fixtures", "/flask/<name>"),
            ("test_fixtures", "/starlette/{name}"),
            ("test_starlette", "/starlette/{name}"),
            ("test_two_apps[a]", "/starlette/{name}"),
            ("test_two_apps[a]", "/flask/<name>"),
            ("test_two_apps[b]", "/starlette/{name}"),
            ("test_two_apps[b]", "/flask/<name>"),
            ("test_fastapi_on_threads", "/fastapi/{name}"),
            ("test_fastapi_on_threads", "/fastapi/{name}"),
            ("test_fastapi_in_a_loop", "/fastapi/{name}"),
            ("test_django", "/django/<name>"),
            ("TestLive::test_live_server", "/django/<name>"),
            ("test_of_a_header", "/flask/<name>"),
            *[("", "/flask/<name>")] * (1 if once else 2),
        ]
    )
    assert set(outcomes(pytester.path / "kept.sqlite3").values()) == {"passed"}
