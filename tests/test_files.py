"""Which files are measured: what coverage.py itself would measure, and never anything else."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import json
import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import reqcov
from reqcov.config import resolve
from reqcov.cores.files import OWN_FOLDER, Files, is_function, path_in_project
from reqcov.errors import ConfigError
from tests.test_file_sinks import opened


def code_in(filename: str) -> types.CodeType:
    """Code that says it comes from `filename`."""
    return compile("1", filename, "exec")


def measures(files: Files, filename: str) -> bool:
    return files.measured(code_in(filename), None) is not None


APP = """\
import json
import sys
from pathlib import Path

import flask
import {library}

app = flask.Flask(__name__, template_folder=str(Path(__file__).parent / "pages"))


@app.get("/")
def home():
    json.dumps({{"a": [1, 2]}}, indent=2)
    namespace = {{}}
    exec(compile("def made(): return 1", "<made>", "exec"), namespace)
    namespace["made"]()
    return flask.render_template("home.html", names=[{library}.name(), "b"])


def requests():
    client = app.test_client()
    assert client.get("/").data == b"lib b "
"""

RECORDED = """\
import json, sys
import reqcov
import shop
from reqcov.adapters.flask import ReqCov

sink = reqcov.MemorySink()
extension = ReqCov(shop.app, sinks=[sink], core=sys.argv[1])
shop.requests()
extension.recorder.close()
print(json.dumps([sorted(record.lines) for record in sink.records]))
"""

MEASURED = "import shop\nshop.requests()\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with a template; and a library in a folder of another name than site-packages."""
    (tmp_path / "pages").mkdir()
    (tmp_path / "pages" / "home.html").write_text("{% for name in names %}{{ name }} {% endfor %}")
    (tmp_path / "shop.py").write_text(APP.format(library="neighbour"))
    (tmp_path / "neighbour.py").write_text("def name():\n    return 'lib'\n")
    (tmp_path / "recorded.py").write_text(RECORDED)
    (tmp_path / "measured.py").write_text(MEASURED)
    return tmp_path


def run(project: Path, *arguments: str) -> str:
    """What a Python with these arguments prints in the project's folder."""
    done = subprocess.run(
        [sys.executable, *arguments], cwd=project, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_with_nothing_said_what_coverage_measures(project: Path, core: str) -> None:
    """The user's code; no standard library, installed package, template or file of ours: as coverage.py has it."""
    run(project, "-m", "coverage", "run", "measured.py")
    with opened(project / ".coverage") as data:
        by_coverage = data.measured_files()
    by_us = {*json.loads(run(project, "recorded.py", core))[0]}
    assert by_us == {str(project / name) for name in ("shop.py", "neighbour.py")}
    assert by_us == {name for name in by_coverage if name.endswith(".py")} - {str(project / "measured.py")}


def test_kinds_of_files(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer for one file of each kind, with nothing said."""
    monkeypatch.chdir(project)
    files = Files(resolve().coverage_config)
    assert measures(files, str(project / "shop.py"))
    for other in (json.__file__, pytest.__file__, reqcov.__file__, "<string>", str(project / "pages" / "home.html")):
        assert not measures(files, other), other


def test_reqcov_is_not_measured_and_its_neighbours_are() -> None:
    """A folder whose name only begins like ours is somebody's code."""
    neighbour = Path(OWN_FOLDER).with_name("reqcov_shop") / "views.py"
    files = Files(resolve(include=["*"]).coverage_config)
    assert not measures(files, str(Path(OWN_FOLDER) / "asgi.py"))
    assert measures(files, str(neighbour))


@pytest.mark.parametrize(
    ("options", "measured"),
    [
        ({"source": ["{project}"]}, {"shop.py", "neighbour.py"}),
        ({"source": ["shop"]}, {"shop.py"}),
        ({"include": ["*/neigh*"]}, {"neighbour.py"}),
        ({"source": ["{project}"], "omit": ["shop*"]}, {"neighbour.py"}),
        ({"include": ["nothing"]}, set()),
    ],
)
def test_source_include_omit(
    options: dict[str, list[str]], measured: set[str], project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The three options mean what they mean to coverage.py."""
    monkeypatch.chdir(project)
    monkeypatch.syspath_prepend(str(project))
    spelled = {option: [text.format(project=project) for text in texts] for option, texts in options.items()}
    files = Files(resolve(**spelled).coverage_config)
    assert {name for name in ("shop.py", "neighbour.py") if measures(files, str(project / name))} == measured


def test_plugins_measure_nothing(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A plugin of coverage.py that measures templates is left to coverage.py."""
    (project / "pages_plugin.py").write_text(
        "import coverage\n"
        "class Pages(coverage.CoveragePlugin):\n"
        "    def file_tracer(self, filename):\n"
        "        raise AssertionError('asked')\n"
        "def coverage_init(reg, options):\n"
        "    reg.add_file_tracer(Pages())\n"
    )
    (project / ".coveragerc").write_text("[run]\nplugins = pages_plugin\n")
    monkeypatch.chdir(project)
    monkeypatch.syspath_prepend(str(project))
    assert measures(Files(resolve().coverage_config), str(project / "shop.py"))


def test_each_file_is_asked_about_once(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rules are slow, so answers are remembered, refusals too."""
    monkeypatch.chdir(project)
    files = Files(resolve().coverage_config)
    asked: list[str] = []
    rules = files._rules.should_trace

    def should_trace(filename: str, frame: types.FrameType | None = None) -> Any:
        asked.append(filename)
        return rules(filename, frame)

    monkeypatch.setattr(files._rules, "should_trace", should_trace)
    names = [str(project / "shop.py"), json.__file__]
    for _ in range(3):
        assert [measures(files, name) for name in names] == [True, False]
    assert asked == names


def test_sources_are_named_from_the_project(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By path in the project, and by content; a file that is gone has a source all the same."""
    monkeypatch.chdir(project)
    (project / "copy.py").write_text((project / "shop.py").read_text())
    files = Files(resolve().coverage_config)
    names = ["shop.py", "copy.py", "neighbour.py", "gone.py"]
    assert all(measures(files, str(project / name)) for name in names)
    sources = [files.sources[str(project / name)] for name in names]
    assert [source.path for source in sources] == names
    assert sources[0].digest == sources[1].digest == hashlib.sha256((project / "shop.py").read_bytes()).hexdigest()
    assert len({source.digest for source in sources}) == 3


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("/srv/shop/cart.py", "cart.py"),
        ("/srv/shop/src/shop/cart.py", "src/shop/cart.py"),
        ("/srv/shop/.venv/lib/python3/site-packages/lib/a.py", "lib/a.py"),
        ("/usr/lib/python3/dist-packages/lib/a.py", "lib/a.py"),
        ("/elsewhere/libs/deep/a.py", "a.py"),
        ("/elsewhere/libs/b.py", "b.py"),
        ("/nowhere/c.py", "/nowhere/c.py"),
    ],
)
def test_paths_do_not_tell_the_machine(name: str, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file is named from the folder of packages, the project, or the nearest folder of modules."""
    monkeypatch.setattr(sys, "path", ["", "/elsewhere/libs", "/elsewhere/libs/deep", "/srv/shop/src"])
    assert path_in_project(name, Path("/srv/shop")) == path


def test_imported_files_are_met(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A measured module is known once it is imported, though nothing of it ran; by its package's name, too."""
    monkeypatch.syspath_prepend(project)
    files = Files(resolve(source=["neighbour"]).coverage_config)
    files.meet_imported()
    assert files.sources == {}
    monkeypatch.setitem(sys.modules, "neighbour", importlib.import_module("neighbour"))
    files.meet_imported()
    assert [source.path for source in files.sources.values()] == ["neighbour.py"]


def test_rules_that_contradict_each_other() -> None:
    """What coverage.py refuses to work with is refused at set-up."""
    config = resolve().coverage_config
    config.source = 3
    with pytest.raises(ConfigError, match="What to measure can't be worked out"):
        Files(config)


FUNCTIONS = """\
class Shop:
    name = "shop"

    def sell(self):
        return [x for x in self.name]


async def buy():
    yield lambda: 1
"""


def test_functions_and_not_bodies_of_modules_and_classes() -> None:
    """What runs when something is called is a function; what runs at import is not."""

    def inside(code: types.CodeType) -> list[types.CodeType]:
        nested = [const for const in code.co_consts if isinstance(const, types.CodeType)]
        return [code, *(deep for one in nested for deep in inside(one))]

    codes = inside(compile(FUNCTIONS, "shop.py", "exec"))
    functions = {code.co_name for code in codes if is_function(code)}
    assert functions - {"<listcomp>"} == {"sell", "buy", "<lambda>"}
    assert {code.co_name for code in codes if not is_function(code)} == {"<module>", "Shop"}


def test_errors_of_the_rules_stay_with_us(
    core: str, monkeypatch: pytest.MonkeyPatch, make_recorder: Callable[..., reqcov.Recorder]
) -> None:
    """Rules that raise leave a request unmeasured, and are counted."""
    sink = reqcov.MemorySink()
    recorder = make_recorder(include=[__file__], core=core, sinks=[sink])

    def broken(*_: Any) -> None:
        raise OSError("no rules today")

    monkeypatch.setattr(recorder._files, "measured", broken)
    with recorder.record("job"):
        assert code_in("x").co_name == "<module>"
    assert [record.lines for record in sink.records] == [{}]
    assert sum(recorder.stats().faults.values()) >= 1


def test_lazy_modules_stay_lazy(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Looking for imported files loads no module that is loaded when it is first used, and minds no stand-in."""
    (project / "lazy.py").write_text("loaded = True\n")
    spec = importlib.util.spec_from_file_location("lazy", project / "lazy.py")
    assert spec is not None
    assert spec.loader is not None
    spec.loader = importlib.util.LazyLoader(spec.loader)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setitem(sys.modules, "lazy", module)
    monkeypatch.setitem(sys.modules, "stand_in", object())  # type: ignore[arg-type]
    monkeypatch.chdir(project)
    files = Files(resolve().coverage_config)
    files.meet_imported()
    assert "loaded" not in object.__getattribute__(module, "__dict__")
    assert str(project / "lazy.py") in files.sources
    assert module.loaded
