"""Labels: from headers that are allowed, from the app's own code, and for all of a process."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import reqcov
from reqcov import baggage
from reqcov import labels as labels_module
from reqcov.errors import ConfigError, Faults
from reqcov.record import LABEL_LENGTH, LABELS_AT_ONCE
from tests.calls import Request, call_asgi, call_wsgi
from tests.inprocess import KINDS, get, make_app

Make = Callable[..., reqcov.Recorder]
LabelsOf = Callable[..., dict[str, str]]

TEST = baggage.member("test", "tests/test_cart.py::test_pay[EUR, 10%]")


@pytest.fixture(params=KINDS)
def labels_of(request: pytest.FixtureRequest, make_recorder: Make) -> LabelsOf:
    """From the option, headers and what the app does to the labels of a request that is recorded."""

    def labels_of(allowed: Any, headers: Any, handler: Callable[[], object] = lambda: None) -> dict[str, str]:
        sink = reqcov.MemorySink()
        recorder = make_recorder(include=[__file__], sinks=[sink], labels=allowed)
        app = reqcov.wrap(make_app(request.param, lambda: b"%r" % handler()), recorder=recorder)
        assert get(request.param, app, headers=headers).status_code == 200
        (record,) = sink.records
        return dict(record.labels)

    return labels_of


@pytest.mark.parametrize(
    ("allowed", "headers", "expected"),
    [
        (None, {"baggage": TEST}, {}),
        (["tenant"], {"baggage": TEST}, {}),
        (["test"], {"baggage": TEST}, {"test": "tests/test_cart.py::test_pay[EUR, 10%]"}),
        ("test", {"baggage": "userId=alice, reqcov.test = a%2C ;ttl=5 , reqcov.tenant=b"}, {"test": "a,"}),
        ("test,tenant", {"baggage": "reqcov.test=a,reqcov.tenant=b,test=c"}, {"test": "a", "tenant": "b"}),
        (["test"], [("baggage", "reqcov.test=a"), ("baggage", "reqcov.test=b")], {"test": "b"}),
        (["test"], {"baggage": "reqcov.test,=,;,reqcov.=x,reqcov.test"}, {}),
        (["test", "tenant=X-Tenant"], {"baggage": "reqcov.test=", "X-Tenant": ""}, {}),
        (["test"], {"baggage": "reqcov.test=%ff%C3%BC%zz+"}, {"test": "\ufffdü%zz+"}),
        (["test"], {}, {}),
        (["test=X-Test-Id"], {"baggage": TEST}, {}),
        (["test=X-Test-Id"], {"x-test-id": "a%20b c"}, {"test": "a%20b c"}),
        (["test = X-Id", "tenant"], {"X-ID": "1", "Baggage": "reqcov.tenant=2"}, {"test": "1", "tenant": "2"}),
        (["test"], {"baggage": "reqcov.test=" + "x" * 2_000}, {"test": "x" * LABEL_LENGTH}),
        (["test"], {"baggage": "a=b," * 3_000 + TEST}, {}),
        (["test"], {"baggage": "a=b," * 2_040 + "reqcov.test=" + "x" * 20 + ",c=d"}, {"test": "x" * 20}),
        (["test"], {"baggage": "a=b," * 2_040 + "reqcov.test=" + "x" * 21}, {}),
    ],
)  # fmt: skip
def test_headers(labels_of: LabelsOf, allowed: Any, headers: Any, expected: dict[str, str]) -> None:
    """A request brings the labels that are allowed, in the header that is allowed, and no others."""
    assert labels_of(allowed, headers) == expected


@pytest.mark.parametrize(("raw", "expected"), [("ü".encode(), "ü"), (b"\xff", "\ufffd"), (b"a, b", "a, b")])
def test_header_of_any_bytes(raw: bytes, expected: str) -> None:
    """They are taken for UTF-8 in both protocols, and never for an error."""
    assert labels_module.in_scope({"headers": [(b"host", b"a"), (b"x-test", raw)]}, "x-test") == expected
    assert labels_module.in_environ({"HTTP_X_TEST": raw.decode("latin-1")}, "x-test") == expected


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_what_is_written_is_read(value: str) -> None:
    """Any text travels in the header, among others' members, as printable ASCII without separators."""
    written = baggage.member("test", value)
    assert written.isascii()
    assert written.isprintable()
    assert not set(written) & set(' ",;\\')
    assert baggage.labels(f"a=b,{written},c=d;e") == ({"test": value} if len(written) < 8_000 else {})


@pytest.mark.parametrize("value", ["te st", "", "=X", "test=", "test=X Y", "test=X:", ["a", ""], 5, ["a", 5]])
def test_unusable(value: Any) -> None:
    """What names no label, or no header, is refused in a sentence."""
    with pytest.raises(ConfigError, match=r"^labels must (name|be a list)"):
        reqcov.Recorder(labels=value)


def test_from_the_environment(monkeypatch: pytest.MonkeyPatch, make_recorder: Make) -> None:
    """As all options."""
    monkeypatch.setenv("REQCOV_LABELS", "tenant, test=X-Test")
    sink = reqcov.MemorySink()
    app = reqcov.wrap(make_app("wsgi", bytes), recorder=make_recorder(include=[__file__], sinks=[sink]))
    get("wsgi", app, headers={"x-test": "a", "baggage": "reqcov.tenant=b"})
    assert sink.records[0].labels == {"test": "a", "tenant": "b"}


def test_from_the_app(labels_of: LabelsOf) -> None:
    """Whatever `labels=` allows to others; the later one wins, over those of headers as well."""

    def handler() -> None:
        reqcov.label("tenant", "acme")
        reqcov.label("plan", 5)
        reqcov.label("a=b", "c=d")
        reqcov.label("tenant", "globex")
        reqcov.label("test", "mine")

    given = labels_of(["test"], {"baggage": "reqcov.test=theirs"}, handler)
    assert given == {"tenant": "globex", "plan": "5", "a_b": "c=d", "test": "mine"}


def test_limits(labels_of: LabelsOf) -> None:
    """Long ones are cut, and what is too many is left out; one that is there already may still change."""

    def handler() -> None:
        for number in range(LABELS_AT_ONCE + 5):
            reqcov.label(f"{number:02}", "x")
        reqcov.label("07", "changed")
        reqcov.label("01", "v" * 2_000)

    given = labels_of(None, {}, handler)
    assert list(given) == [f"{number:02}" for number in range(LABELS_AT_ONCE)]
    assert (given["07"], given["01"]) == ("changed", "v" * LABEL_LENGTH)
    assert labels_of(None, {}, lambda: reqcov.label("k" * 2_000, "")) == {"k" * LABEL_LENGTH: ""}


def test_raises_nothing(labels_of: LabelsOf, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """What can't be made a text costs its label, and is logged; the request is answered and recorded."""
    monkeypatch.setattr(labels_module, "_faults", Faults())

    class Unprintable:
        def __str__(self) -> str:
            raise RuntimeError("no")

    assert labels_of(None, {}, lambda: reqcov.label("a", Unprintable())) == {}
    assert [entry.message for entry in caplog.records] == [
        "reqcov: a label could not be added (logged once; later ones are only counted)"
    ]


def test_outside_of_requests(make_recorder: Make) -> None:
    """Before, between and after recordings a label goes nowhere, also in a task that outlived its request."""
    sink = reqcov.MemorySink()
    recorder = make_recorder(include=[__file__], sinks=[sink])
    left_over: list[Callable[[], None]] = []
    reqcov.label("a", "before")
    with recorder.record("one"):
        reqcov.label("a", "1")
        context = contextvars.copy_context()
        left_over.append(lambda: context.run(reqcov.label, "a", "after"))
    left_over[0]()
    reqcov.label("a", "between")
    with recorder.record("two"):
        pass
    assert [record.labels for record in sink.records] == [{"a": "1"}, {}]


def test_overlapping_requests(make_recorder: Make) -> None:
    """Each keeps its own, whoever labels first: threads and tasks, and the tasks and threads that these start."""
    sink = reqcov.MemorySink()
    recorder = make_recorder(include=[__file__], sinks=[sink], labels=["test"])
    both = threading.Barrier(2, timeout=10)

    def wsgi(environ: Any, start_response: Any) -> list[bytes]:
        both.wait()
        reqcov.label("path", environ["PATH_INFO"])
        both.wait()
        start_response("200 OK", [])
        return [b""]

    app = reqcov.wrap(wsgi, recorder=recorder)
    requests = [Request(f"/{each}", headers={"baggage": f"reqcov.test={each}"}) for each in "ab"]
    threads = [threading.Thread(target=call_wsgi, args=(app, request)) for request in requests]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    async def asgi(scope: Any, receive: Any, send: Any) -> None:
        await met.wait()
        await asyncio.create_task(asyncio.to_thread(reqcov.label, "path", scope["path"]))
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def two() -> None:
        await asyncio.gather(*(call_asgi(reqcov.wrap(asgi, recorder=recorder), each) for each in requests), meet())

    async def meet() -> None:
        met.set()

    met = asyncio.Event()
    asyncio.run(two())
    assert sorted((record.path, record.labels["test"], record.labels["path"]) for record in sink.records) == [
        ("/a", "a", "/a"), ("/a", "a", "/a"), ("/b", "b", "/b"), ("/b", "b", "/b"),
    ]  # fmt: skip


def test_for_all_of_the_process(labels_of: LabelsOf, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each recording begins with them, without being told by headers; headers that are allowed win."""
    monkeypatch.setitem(labels_module.ambient, "test", "here")
    assert labels_of(None, {"baggage": "reqcov.test=there"}) == {"test": "here"}
    assert labels_of(["test"], {"baggage": "reqcov.test=there"}) == {"test": "there"}


def test_records_share_nothing(make_recorder: Make) -> None:
    """Who changes the labels of one record changes no other's."""
    sink = reqcov.MemorySink()
    recorder = make_recorder(include=[__file__], sinks=[sink])
    for _ in range(2):
        with recorder.record("job"):
            pass
    sink.records[0].labels["a"] = "b"  # type: ignore[index]
    assert [record.labels for record in sink.records] == [{"a": "b"}, {}]
