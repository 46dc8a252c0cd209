"""Options: where each may come from, which place wins, and what is said about a bad one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import reqcov
from reqcov.config import Config, configured, resolve
from reqcov.errors import ConfigError


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: a project with a package `shop`, another named `depot`, and no configuration."""
    for package in ("shop", "depot", "attic", "cellar"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").touch()
    (tmp_path / "shop" / "cov.py").write_text(
        "import reqcov\nmemory = reqcov.MemorySink()\nnumber = 3\ndef seen(record): ...\ndef route(scope): ...\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def test_defaults() -> None:
    """With nothing said, everything is recorded, by the best core, for nobody."""
    config = resolve()
    assert (config.source, config.include, config.omit) == (None, None, None)
    assert (config.branch, config.core, config.sample, config.follow_threads) == (False, "auto", 1.0, False)
    assert (config.route, config.on_request, config.sinks) == (None, None, ())
    assert (config.store, config.build) == (None, None)


FOR_EACH_OPTION: list[tuple[str, Any, str, str, Any, Any]] = [
    # option, argument, REQCOV_*, [tool.reqcov]; the last two are what the second and the third mean
    ("source", ["shop"], "depot,attic", '["attic"]', ("depot", "attic"), ("attic",)),
    ("include", ["a/*"], "b/*", '["c/*"]', ("b/*",), ("c/*",)),
    ("omit", ["a/*"], "b/*, d/*", '["c/*"]', ("b/*", "d/*"), ("c/*",)),
    ("branch", False, "yes", "true", True, True),
    ("core", "auto", "settrace", '"settrace"', "settrace", "settrace"),
    ("sample", 0.1, "0.25", "0.5", 0.25, 0.5),
    ("follow_threads", False, "1", "true", True, True),
    ("store", Path("/a.db"), "/b/b.db", '"/c/c.db"', Path("/b/b.db"), Path("/c/c.db")),
    ("build", "1.0", "2.0", '"3.0"', "2.0", "3.0"),
]


@pytest.mark.parametrize(("option", "argument", "variable", "table", "from_variable", "from_table"), FOR_EACH_OPTION)
def test_order(
    option: str,
    argument: Any,
    variable: str,
    table: str,
    from_variable: Any,
    from_table: Any,
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An argument wins over a variable, a variable over the table in pyproject.toml, that over the default."""
    value: Callable[..., Any] = lambda **given: getattr(resolve(**given), option)  # noqa: E731
    default = value()
    (project / "pyproject.toml").write_text(f"[tool.reqcov]\n{option} = {table}\n")
    assert value() == from_table
    monkeypatch.setenv(f"REQCOV_{option.upper()}", variable)
    assert value() == from_variable
    given = value(**{option: argument})
    assert given == (tuple(argument) if isinstance(argument, list) else argument)
    monkeypatch.setenv(f"REQCOV_{option.upper()}", "")
    assert value() == from_table, "an empty variable is none"
    assert value(**{option: None}) == from_table, "an argument of None is none"
    assert default != from_table


def test_places_are_asked_option_by_option(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What one place does not say, the next one does."""
    (project / "pyproject.toml").write_text('[tool.reqcov]\nsample = 0.5\ncore = "settrace"\nsource = ["attic"]\n')
    monkeypatch.setenv("REQCOV_SOURCE", "depot")
    config = resolve(sample=1)
    assert (config.sample, config.source, config.core) == (1.0, ("depot",), "settrace")


RUN = {"source_pkgs": "depot", "omit": "*/secret.py", "branch": "true"}


def ini(section: str) -> str:
    """coverage.py's configuration as an .ini file has it."""
    return "\n".join([f"[{section}]", *(f"{name} = {value}" for name, value in RUN.items())])


COVERAGE_FILES = {
    ".coveragerc": ini("run"),
    "setup.cfg": ini("coverage:run"),
    "tox.ini": ini("coverage:run"),
    "pyproject.toml": '[tool.coverage.run]\nsource_pkgs = ["depot"]\nomit = ["*/secret.py"]\nbranch = true\n',
}


@pytest.mark.parametrize("file", COVERAGE_FILES)
def test_what_coverage_is_configured_with_comes_last(file: str, project: Path) -> None:
    """Whichever file coverage.py reads, what it is to measure there is measured here, unless something else is said."""
    (project / file).write_text(COVERAGE_FILES[file])
    config = resolve()
    assert config.branch is True
    assert config.coverage_config.source_pkgs == ["depot"]
    assert config.coverage_config.run_omit == ["*/secret.py"]
    said = resolve(branch=False, source=["shop"], omit=["x/*"])
    assert said.branch is False
    assert list(said.coverage_config.source) == ["shop"]
    assert said.coverage_config.source_pkgs == [], "our source takes the place of both of coverage.py's"
    assert list(said.coverage_config.run_omit) == ["x/*"]


def test_include_and_source_of_coverage(project: Path) -> None:
    """The other two settings of coverage.py that tell what is measured."""
    (project / ".coveragerc").write_text("[run]\nsource = attic\n")
    assert resolve().coverage_config.source == ["attic"]
    (project / ".coveragerc").write_text("[run]\ninclude = cellar/*\n")
    assert resolve().coverage_config.run_include == ["cellar/*"]


@pytest.mark.parametrize("option", ["on_request", "route"])
@pytest.mark.parametrize("name", ["shop.cov.{}", "shop.cov:{}"])
def test_functions_by_name(option: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A callback or a route function may be a dotted name, from an argument or a variable."""
    function = "seen" if option == "on_request" else "route"
    found = getattr(resolve(**{option: name.format(function)}), option)
    assert (found.__module__, found.__name__) == ("shop.cov", function)
    monkeypatch.setenv(f"REQCOV_{option.upper()}", name.format(function))
    assert getattr(resolve(), option) is found


def test_sinks_by_name_and_alone() -> None:
    """Sinks may be given by name, one by itself, or in a list; names and objects mixed."""
    named = resolve(sinks="shop.cov.memory").sinks
    assert [type(sink) for sink in named] == [reqcov.MemorySink]
    alone = reqcov.MemorySink()
    assert resolve(sinks=alone).sinks == (alone,)
    assert resolve(sinks=[alone, "shop.cov.memory"]).sinks == (alone, *named)


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("a/b.db", "{here}/a/b.db"),
        ("/a/b.db", "/a/b.db"),
        ("sqlite:///a/b.db", "{here}/a/b.db"),
        ("sqlite:////a/b%20c.db", "/a/b c.db"),
        ("C:/b.db", "{here}/C:/b.db"),
    ],
)
def test_where_a_store_is(url: str, path: str, project: Path) -> None:
    """A path or a URL; seen from the folder that the app starts in, wherever it goes later."""
    assert str(resolve(store=url).store) == path.format(here=project)
    assert str(resolve(store=Path("a/b.db")).store) == f"{project}/a/b.db"


def test_one_option_alone(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command asks where the store is, and is not disturbed by options that only a server can use."""
    assert configured("store") is None
    (project / "pyproject.toml").write_text('[tool.reqcov]\nstore = "a.db"\nsinks = ["no.such.sink"]\n')
    assert configured("store") == project / "a.db"
    monkeypatch.setenv("REQCOV_STORE", "b.db")
    assert configured("store") == project / "b.db"


BAD: list[tuple[dict[str, Any], str]] = [
    ({"source": []}, "source must be a list of names"),
    ({"source": ""}, "source must be a list of names"),
    ({"source": 3}, "source must be a list of names"),
    ({"source": ["shop", 3]}, "source must be a list of names"),
    ({"source": ["no_such_package"]}, "'no_such_package' is neither a folder nor a package"),
    ({"source": ["no/such/folder"]}, "'no/such/folder' is neither a folder nor a package"),
    ({"include": "a/*,,b/*"}, "include must be a list of names"),
    ({"branch": "perhaps"}, "branch must be true or false, not 'perhaps'"),
    ({"branch": 1}, "branch must be true or false, not 1"),
    ({"follow_threads": "2"}, "follow_threads must be true or false"),
    ({"core": "ptrace"}, 'core must be "auto", "monitoring" or "settrace", not \'ptrace\''),
    ({"sample": "all"}, "sample must be a number from 0 to 1, not 'all'"),
    ({"sample": 1.01}, "sample must be a number from 0 to 1"),
    ({"sample": -0.01}, "sample must be a number from 0 to 1"),
    ({"sample": float("nan")}, "sample must be a number from 0 to 1"),
    ({"sample": True}, "sample must be a number from 0 to 1"),
    ({"sample": [1]}, "sample must be a number from 0 to 1"),
    ({"on_request": 3}, "on_request must be a function or its dotted name"),
    ({"on_request": "shop.cov.number"}, "on_request must be a function or its dotted name"),
    ({"on_request": "shop.cov.missing"}, "on_request: 'shop.cov.missing' can't be imported"),
    ({"on_request": "missing.cov.seen"}, "on_request: 'missing.cov.seen' can't be imported"),
    ({"route": "route"}, "route: 'route' can't be imported"),
    ({"sinks": [print]}, "sinks must hold sinks"),
    ({"sinks": reqcov.MemorySink}, "sinks must hold sinks, such as reqcov.MemorySink()"),
    ({"sinks": "shop.cov.number"}, "sinks must hold sinks"),
    ({"store": "postgresql://host/db"}, "store 'postgresql://host/db' is neither a path nor sqlite:///path"),
    ({"store": "sqlite://host/a.db"}, "is neither a path nor sqlite:///path"),
    ({"store": "sqlite:///"}, "is neither a path nor sqlite:///path"),
    ({"store": 3}, "store must be a text"),
    ({"build": " "}, "build must be a text that is not empty"),
]


@pytest.mark.parametrize(("options", "said"), BAD, ids=[repr(options) for options, _ in BAD])
def test_bad_values(options: dict[str, Any], said: str) -> None:
    """Each bad value is refused with one sentence that names the option, what it must be and what it is."""
    with pytest.raises(ConfigError) as raised:
        resolve(**options)
    text = str(raised.value)
    assert said in text
    assert text.endswith(".")
    assert "\n" not in text
    assert isinstance(raised.value, reqcov.ReqcovError)
    assert isinstance(raised.value, ValueError)


def test_bad_values_of_variables_are_refused_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable is as strict as an argument."""
    monkeypatch.setenv("REQCOV_SAMPLE", "some")
    with pytest.raises(ConfigError, match="sample must be a number from 0 to 1, not 'some'"):
        resolve()


@pytest.mark.parametrize(
    ("unknown", "said"),
    [
        ("sauce", "did you mean 'source'?"),
        ("sinc", "did you mean 'sinks'?"),
        ("zzz", "the options are source, include"),
    ],
)
def test_unknown_options(unknown: str, said: str, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that is no option is refused, and the likely one is suggested."""
    with pytest.raises(ConfigError) as raised:
        resolve(**{unknown: 1})
    assert f"Unknown argument {unknown!r}: " in str(raised.value)
    assert said in str(raised.value)
    (project / "pyproject.toml").write_text(f"[tool.reqcov]\n{unknown} = 1\n")
    with pytest.raises(ConfigError) as raised:
        resolve()
    assert "[tool.reqcov] of pyproject.toml" in str(raised.value)
    assert said in str(raised.value)
    (project / "pyproject.toml").unlink()
    monkeypatch.setenv(f"REQCOV_{unknown.upper()}", "1")
    with pytest.raises(ConfigError) as raised:
        resolve()
    assert "REQCOV_… environment variable" in str(raised.value)
    assert said in str(raised.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("[tool.reqcov\n", "pyproject.toml can't be read: "),
        ("[tool]\nreqcov = 3\n", r"\[tool.reqcov\] in pyproject.toml must be a table"),
        ('[tool.reqcov]\nsample = "x"\n', "sample must be a number from 0 to 1, not 'x'"),
    ],
)
def test_unusable_pyproject(content: str, said: str, project: Path) -> None:
    """A pyproject.toml that can't be understood is an error at set-up, not a silent default."""
    (project / "pyproject.toml").write_text(content)
    with pytest.raises(ConfigError, match=said):
        resolve()


def test_unusable_coverage_configuration(project: Path) -> None:
    """What coverage.py can't read is said in our words, with its own behind."""
    (project / ".coveragerc").write_text("[run]\nbranch = perhaps\n")
    with pytest.raises(ConfigError, match=r"coverage.py's configuration can't be used: .*perhaps"):
        resolve()


def test_a_refused_recorder_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """An option that is refused late, with all others right, leaves no core behind (the autouse fixture looks)."""
    with pytest.raises(ConfigError, match=r'core="monitoring" can\'t be had: .*Use core="auto"'):
        reqcov.Recorder(core="monitoring", branch=True)


@pytest.mark.parametrize("value", ["1", "true", "YES", "on"])
def test_disabled(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A recorder does nothing, whichever way the switch is set."""
    monkeypatch.setenv("REQCOV_DISABLED", value)
    sink = reqcov.MemorySink()
    recorder = reqcov.Recorder(sinks=[sink])
    with recorder.record("job"):
        pass
    assert recorder.start("http") is None
    assert recorder.flush()
    recorder.close()
    stats = recorder.stats()
    assert (stats.core, stats.reason, stats.seen) == ("none", "REQCOV_DISABLED is set", 0)
    assert sink.records == []


@pytest.mark.parametrize("value", ["0", "false", "No", "off", ""])
def test_not_disabled(
    value: str, monkeypatch: pytest.MonkeyPatch, make_recorder: Callable[..., reqcov.Recorder]
) -> None:
    """The switch can be off as well as missing."""
    monkeypatch.setenv("REQCOV_DISABLED", value)
    assert make_recorder().stats().core != "none"


def test_disabled_by_something_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """A switch that is neither on nor off is refused by its name."""
    monkeypatch.setenv("REQCOV_DISABLED", "maybe")
    with pytest.raises(ConfigError, match="REQCOV_DISABLED must be true or false, not 'maybe'"):
        reqcov.Recorder()


def test_config_is_frozen() -> None:
    """Resolved options are a value."""
    with pytest.raises(AttributeError):
        Config().sample = 0.5  # type: ignore[misc]
