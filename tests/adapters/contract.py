"""What every adapter must do, for the same site built with each framework."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

import pytest

import reqcov
from tests.inprocess import get, seen

WAYS = ("adapter", "wrap")
"""As the adapter's own documentation says, and by `reqcov.wrap`."""


class Visit(NamedTuple):
    """One request, and what is to be known of it."""

    method: str
    path: str
    status: int
    route: str | None
    """The framework's own template; None where none matched."""
    endpoint: str | None = None
    """Name of the view, within the module of the site."""
    ran: tuple[Callable[..., Any], ...] = ()
    """Functions of the site that run from beginning to end."""
    error: str | None = None


class AdapterContract:
    """Inherit, name the class `Test...`, and fill in what follows."""

    kind: ClassVar[str]
    """`wsgi` or `asgi`."""
    visits: ClassVar[list[Visit]]
    """With at least one each of: nested routes, 404, 405, an exception, a class-based view, a stream, a static file."""

    status_of_errors: ClassVar[dict[str, int | None]] = {}
    """What is recorded in place of the 500 for an exception, by way."""

    def bare(self) -> Any:
        """The site as a WSGI or an ASGI callable, made anew."""
        raise NotImplementedError

    def install(self, app: Any, **options: Any) -> Any:
        """`app` with the adapter installed."""
        raise NotImplementedError

    def recorded(self, way: str, app: Any, **options: Any) -> Any:
        """`app`, recorded in one of the ways."""
        return self.install(app, **options) if way == "adapter" else reqcov.wrap(app, **options)

    def visit(self, app: Any, visit: Visit) -> Any:
        return seen(get(self.kind, app, visit.path, visit.method))

    @pytest.mark.parametrize("way", WAYS)
    def test_answers_stay_the_same(self, way: str, make_recorder: Callable[..., reqcov.Recorder]) -> None:
        """Status, headers and body of each visit are those of the bare site."""
        bare, app = self.bare(), self.recorded(way, self.bare(), recorder=make_recorder(sinks=[reqcov.MemorySink()]))
        for visit in self.visits:
            expected = self.visit(bare, visit)
            assert expected[0] == visit.status, visit
            assert self.visit(app, visit) == expected, visit

    @pytest.mark.parametrize("way", WAYS)
    def test_labels(self, way: str, make_recorder: Callable[..., reqcov.Recorder]) -> None:
        """A request brings its labels in the headers that are allowed."""
        sink = reqcov.MemorySink()
        recorder = make_recorder(include=[self.file()], sinks=[sink], labels=["test", "tenant=X-Tenant"])
        app = self.recorded(way, self.bare(), recorder=recorder)
        headers = {"baggage": "a=b,reqcov.test=one%20two", "x-tenant": "acme"}
        get(self.kind, app, self.visits[0].path, self.visits[0].method, headers=headers)
        assert [record.labels for record in sink.records] == [{"test": "one two", "tenant": "acme"}]

    @pytest.mark.parametrize("way", WAYS)
    def test_records(self, way: str, core: str, make_recorder: Callable[..., reqcov.Recorder]) -> None:
        """Template, endpoint, status, exception and lines of each visit are in its one record."""
        sink = reqcov.MemorySink()
        recorder = make_recorder(include=[self.file()], core=core, sinks=[sink])
        app = self.recorded(way, self.bare(), recorder=recorder)
        for visit in self.visits:
            sink.records.clear()
            self.visit(app, visit)
            [record] = sink.records
            got = (record.method, record.path, record.status, record.route, record.endpoint, record.error)
            endpoint = visit.endpoint and self.site(visit.endpoint)
            status = self.status_of_errors.get(way, visit.status) if visit.error else visit.status
            assert got == (visit.method, visit.path, status, visit.route, endpoint, visit.error), visit
            assert record.protocol == "http"
            assert record.complete
            lines = record.lines.get(self.file(), frozenset())
            assert all(lines_of(function) <= lines for function in visit.ran), visit
            others = {function for other in self.visits for function in other.ran} - set(visit.ran)
            assert not any(lines_of(function) & lines for function in others), visit
        assert recorder.stats().faults == {}

    @pytest.mark.parametrize("way", WAYS)
    def test_options(self, way: str) -> None:
        """Both ways take the options of a recorder."""
        sink = reqcov.MemorySink()
        app = self.recorded(way, self.bare(), include=[self.file()], sinks=[sink], route=lambda request: "/by-hand")
        self.visit(app, self.visits[0])
        self.close(app)
        [record] = sink.records
        assert record.context == f"{self.visits[0].method} /by-hand"
        assert set(record.lines) == {self.file()}

    @pytest.mark.parametrize("way", WAYS)
    def test_route_that_raises(self, way: str, make_recorder: Callable[..., reqcov.Recorder]) -> None:
        """The user's `route` can't break an answer."""

        def route(request: Any) -> str:
            raise LookupError("no such route")

        recorder = make_recorder(route=route, sinks=[reqcov.MemorySink()])
        bare, app = self.bare(), self.recorded(way, self.bare(), recorder=recorder)
        for visit in self.visits:
            assert self.visit(app, visit) == self.visit(bare, visit)
        assert recorder.stats().faults["a request could not be finished"] == len(self.visits)

    def test_both_ways_at_once(self, make_recorder: Callable[..., reqcov.Recorder]) -> None:
        """A site that is recorded twice has one record a request."""
        sink = reqcov.MemorySink()
        recorder = make_recorder(sinks=[sink])
        app = reqcov.wrap(self.install(self.bare(), recorder=recorder), recorder=recorder)
        for visit in self.visits:
            self.visit(app, visit)
        assert [record.path for record in sink.records] == [visit.path for visit in self.visits]

    @pytest.mark.parametrize("way", WAYS)
    def test_disabled(self, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """The site is left alone, and nothing is recorded."""
        sink = reqcov.MemorySink()
        monkeypatch.setenv("REQCOV_DISABLED", "1")
        bare = self.bare()
        app = self.recorded(way, bare, sinks=[sink])
        assert app is bare
        for visit in self.visits:
            assert self.visit(app, visit)[0] == visit.status
        assert sink.records == []
        self.check_untouched(app)

    def check_untouched(self, app: Any) -> None:
        """Beyond its identity."""

    def close(self, app: Any) -> None:
        """Close the recorder that `app` has made for itself."""
        app.recorder.close()

    def file(self) -> str:
        """The file with the views."""
        raise NotImplementedError

    def site(self, name: str) -> str:
        """Dotted name of something of the site."""
        return f"{type(self).__module__}.{name}"


def lines_of(function: Callable[..., Any]) -> set[int]:
    """The lines of the body of a function."""
    first = function.__code__.co_firstlineno
    return {line for _, _, line in function.__code__.co_lines() if line and line > first}
