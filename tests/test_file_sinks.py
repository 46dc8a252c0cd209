"""The sinks that write files: what is in them, who can read them, and what happens where they can't be written."""

from __future__ import annotations

import errno
import json
import logging
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from coverage import CoverageData

import reqcov
from reqcov.record import Executed
from tests.test_record import make_record

Make = Callable[..., reqcov.Recorder]


def ran(context: str, file: str, *lines: int, arcs: Any = None) -> reqcov.RequestRecord:
    """A record of `context` that ran these lines of one file."""
    method, _, route = context.rpartition(" ")
    numbers = {file: frozenset(lines)}
    return make_record(Executed(None, None, (numbers, arcs, "print")), method=method or None, route=route)


@contextmanager
def opened(file: Path) -> Iterator[CoverageData]:
    """A coverage.py data file; before coverage.py 7.11 there is nothing to close."""
    data = CoverageData(str(file))
    data.read()
    yield data
    getattr(data, "close", int)()


def read(file: Path) -> dict[str, dict[str, set[int]]]:
    """What a coverage.py data file holds: context to file to lines."""
    found: dict[str, dict[str, set[int]]] = {}
    with opened(file) as data:
        for context in data.measured_contexts():
            data.set_query_context(context)
            found[context] = {name: set(data.lines(name) or ()) for name in data.measured_files() if data.lines(name)}
    return found


def lines_of(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_json_lines(tmp_path: Path, make_recorder: Make) -> None:
    """A line a record, which reads back as the record; appended to what is there."""
    file = tmp_path / "requests.jsonl"
    file.write_text("{}\n")
    memory = reqcov.MemorySink()
    recorder = make_recorder(include=[__file__], sinks=[memory, reqcov.JsonLinesSink(file)])
    for name in ("a", "Schlüssel \u2028 🔑"):
        with recorder.record(name):
            lines_of(file)
    recorder.close()
    first, *rest = lines_of(file)
    assert first == {}
    assert memory.records[0].lines
    assert [reqcov.RequestRecord.from_dict(values) for values in rest] == memory.records


def test_coverage_data(tmp_path: Path) -> None:
    """coverage.py reads the lines back by context; equal contexts are one; nothing is left beside the file."""
    file = tmp_path / "requests.cov"
    sink = reqcov.CoverageDataSink(file)
    for batch in (["GET /a"], ["GET /a", "GET /b"]):
        for number, context in enumerate(batch, 1):
            sink.accept(ran(context, "/shop.py", number, number * 10, len(batch) * 100))
        sink.flush()
    sink.flush()
    assert read(file) == {"GET /a": {"/shop.py": {1, 10, 100, 200}}, "GET /b": {"/shop.py": {2, 20, 200}}}
    assert list(tmp_path.iterdir()) == [file]


def test_coverage_data_with_branches(tmp_path: Path) -> None:
    """Arcs are written where branches were measured."""
    file = tmp_path / "requests.cov"
    sink = reqcov.CoverageDataSink(file)
    sink.accept(ran("GET /a", "/shop.py", 1, 2, arcs={"/shop.py": frozenset({(-1, 1), (1, 2), (2, -1)})}))
    sink.flush()
    with opened(file) as data:
        assert data.has_arcs()
        assert set(data.arcs("/shop.py") or ()) == {(-1, 1), (1, 2), (2, -1)}


def test_coverage_data_through_a_link(tmp_path: Path) -> None:
    """A link stays a link, and what it points to is written."""
    (tmp_path / "data").mkdir()
    link = tmp_path / ".coverage"
    link.symlink_to(tmp_path / "data" / "real")
    sink = reqcov.CoverageDataSink(link)
    for number in (1, 2):
        sink.accept(ran("GET /a", "/shop.py", number))
        sink.flush()
    assert link.is_symlink()
    assert read(tmp_path / "data" / "real") == {"GET /a": {"/shop.py": {1, 2}}}


SHOP = "def pay(amount):\n    if amount:\n        return 'paid'\n    return 'nothing'\n"


@pytest.mark.parametrize("branch", [False, True])
def test_coverage_reports(branch: bool, tmp_path: Path, make_recorder: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """`coverage report` and `coverage html --show-contexts` take the file, and name the route at the line it ran."""
    (tmp_path / "shop.py").write_text(SHOP)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "shop", raising=False)
    import shop  # type: ignore[import-not-found]

    recorder = make_recorder(
        include=[str(tmp_path / "shop.py")], branch=branch, sinks=[reqcov.CoverageDataSink(tmp_path / ".coverage")]
    )
    with recorder.record("paying"):
        shop.pay(1)
    recorder.close()

    def coverage(*arguments: str) -> str:
        command = [sys.executable, "-m", "coverage", *arguments]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    assert "shop.py" in coverage("report", "--show-missing")
    coverage("html", "--show-contexts")
    [page] = (tmp_path / "htmlcov").glob("*shop_py.html")
    assert "paying" in page.read_text()
    assert read(tmp_path / ".coverage")["paying"] == {str(tmp_path / "shop.py"): {2, 3}}


WRITER = """\
import sys
import reqcov

class_name, path, number = sys.argv[1:]
recorder = reqcov.Recorder(core="settrace", sinks=[getattr(reqcov, class_name)(path)], include=[sys.argv[0]])

def work():
    return 1

print("ready", flush=True)
sys.stdin.readline()
for turn in range(30):
    with recorder.record(f"job {number} {turn}"):
        work()
    if turn % 5 == 0:
        assert recorder.flush()
recorder.close()
print(recorder.stats().failed)
"""


@pytest.mark.parametrize("class_name", ["JsonLinesSink", "CoverageDataSink"])
def test_several_processes_write_one_file(class_name: str, tmp_path: Path) -> None:
    """Four processes at once: every record of each is in the file, whole."""
    (tmp_path / "writer.py").write_text(WRITER)
    file = tmp_path / "records"
    command = [sys.executable, str(tmp_path / "writer.py"), class_name, str(file)]
    writers = [
        subprocess.Popen([*command, str(number)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for number in range(4)
    ]
    try:
        for writer in writers:
            assert writer.stdout is not None
            assert writer.stdout.readline() == "ready\n"
        for writer in writers:
            assert writer.stdin is not None
            writer.stdin.write("go\n")
            writer.stdin.flush()
        outputs = [writer.communicate(timeout=60)[0] for writer in writers]
    finally:
        for writer in writers:
            writer.kill()
            writer.wait()
    assert outputs == ["{}\n"] * 4
    jobs = {f"job {number} {turn}" for number in range(4) for turn in range(30)}
    if class_name == "JsonLinesSink":
        assert sorted(values["context"] for values in lines_of(file)) == sorted(jobs)
    else:
        assert read(file) == {job: {str(tmp_path / "writer.py"): {8}} for job in jobs}


FILE_SINKS: list[Callable[[Path], reqcov.Sink]] = [reqcov.JsonLinesSink, reqcov.CoverageDataSink]


def contexts(file: Path) -> set[str]:
    """The contexts that are in a file of either kind."""
    try:
        return {values["context"] for values in lines_of(file)}
    except UnicodeDecodeError:
        return set(read(file))


@pytest.mark.parametrize("make_sink", FILE_SINKS)
def test_folder_gone(make_sink: Callable[[Path], reqcov.Sink], tmp_path: Path, make_recorder: Make) -> None:
    """While the folder is gone records are lost and failures counted; once it is back, writing goes on."""
    folder = tmp_path / "out"
    folder.mkdir()
    file = folder / "records"
    sink = make_sink(file)
    recorder = make_recorder(include=[__file__], sinks=[sink])
    for name in ("before", "gone", "after"):
        if name == "gone":
            folder.rename(tmp_path / "away")
        elif name == "after":
            (tmp_path / "away").rename(folder)
        with recorder.record(name):
            ran(name, "x")
        assert recorder.flush()
    assert contexts(file) == {"before", "after"}
    assert recorder.stats().failed == {type(sink).__name__: 1}


@pytest.fixture
def file_size_limit() -> Iterator[Callable[[int | None], None]]:
    """Sets how large files of this process may grow, which is a full file system to it; None is as large as before."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)

    def limit(size: int | None) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, before if size is None else (size, before[1]))

    yield limit
    limit(None)


@pytest.mark.parametrize("make_sink", FILE_SINKS)
def test_file_system_full(
    make_sink: Callable[[Path], reqcov.Sink], tmp_path: Path, file_size_limit: Callable[[int | None], None]
) -> None:
    """What was written before stays readable, what comes while it is full is lost, and later records arrive."""
    file = tmp_path / "records"
    sink = make_sink(file)

    def write(name: str) -> None:
        sink.accept(ran(name, f"/{name}.py", *range(1, 200_000, 2)))
        sink.flush()

    write("before")
    file_size_limit(file.stat().st_size + 100)
    for name in ("full1", "full2"):
        with pytest.raises(Exception, match=r"room|disk|full"):
            write(name)
        assert contexts(file) == {"before"}
    file_size_limit(None)
    write("after")
    assert contexts(file) == {"before", "after"}
    assert list(tmp_path.iterdir()) == [file]


def test_no_room_at_all(tmp_path: Path, make_recorder: Make, caplog: pytest.LogCaptureFixture) -> None:
    """The kernel's own full device: every batch fails, the log says so once, requests go on."""
    full = tmp_path / "full"
    full.symlink_to("/dev/full")
    recorder = make_recorder(sinks=[reqcov.JsonLinesSink(full)])
    for _ in range(3):
        with recorder.record("job"):
            pass
        assert recorder.flush()
    assert recorder.stats().failed == {"JsonLinesSink": 3}
    assert recorder.stats().faults == {"JsonLinesSink failed to flush: OSError": 3}
    [logged] = caplog.records
    assert logged.levelno == logging.WARNING
    assert logged.exc_info is not None
    assert isinstance(logged.exc_info[1], OSError)
    assert logged.exc_info[1].errno == errno.ENOSPC


@pytest.mark.parametrize("make_sink", FILE_SINKS)
def test_a_forked_child_forgets_what_its_parent_will_write(make_sink: Callable[[Path], Any], tmp_path: Path) -> None:
    """What was accepted before the fork and not flushed is written by the parent alone."""
    sink = make_sink(tmp_path / "records")
    sink.accept(ran("GET /parent", "/shop.py", 1))
    sink.after_fork()
    sink.accept(ran("GET /child", "/shop.py", 1))
    sink.flush()
    assert contexts(tmp_path / "records") == {"GET /child"}
