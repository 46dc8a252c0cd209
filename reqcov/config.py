"""Options, and where each may come from: arguments, `REQCOV_*`, `[tool.reqcov]`, then coverage.py's configuration."""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import os
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, TypeAlias, cast

import coverage
from coverage.exceptions import ConfigError as CoverageConfigError
from coverage.exceptions import CoverageException
from coverage.misc import join_regex

from reqcov.errors import ConfigError
from reqcov.record import OnRequest, Sink
from reqcov.store.locate import store_path
from reqcov.types import Route

CoreChoice: TypeAlias = Literal["auto", "monitoring", "settrace"]

TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
"""RFC 9110; so are names of headers, and keys in `baggage`."""

_FALSE = {"0", "false", "no", "off", ""}
_TRUE = {"1", "true", "yes", "on"}


@dataclass(frozen=True, kw_only=True)
class Config:
    """Every option, resolved.

    `source`, `include` and `omit` of None mean what coverage.py is configured with, and in the end
    what coverage.py would measure in this process by itself.
    """

    source: tuple[str, ...] | None = None
    include: tuple[str, ...] | None = None
    omit: tuple[str, ...] | None = None
    branch: bool = False
    core: CoreChoice = "auto"
    sample: float = 1.0
    route: Route | None = None
    on_request: OnRequest | None = None
    sinks: tuple[Sink, ...] = ()
    store: Path | None = None
    build: str | None = None
    follow_threads: bool = False
    labels: Mapping[str, str | None] = field(default_factory=dict)
    """By key, the header that a request may carry it in; None for a member of `baggage`."""
    coverage_config: Any = field(default=None, repr=False)
    """coverage.py's own configuration with `source`, `include` and `omit` laid over it."""


def disabled() -> bool:
    """Whether `REQCOV_DISABLED` tells every wrapper to hand its app back untouched."""
    return _boolean("REQCOV_DISABLED", os.environ.get("REQCOV_DISABLED", ""))


def resolve(**arguments: Any) -> Config:
    """Look each option up in its places; an argument of None counts as not given.

    Raises ConfigError where a name is unknown or a value unusable.
    """
    given = _known("argument", arguments)
    merged = {
        name: value
        for layer in (_from_pyproject(Path("pyproject.toml")), _from_environment(os.environ), given)
        for name, value in layer.items()
        if value is not None
    }
    options = {name: _PARSERS[name](name, value) for name, value in merged.items()}
    measured = _coverage_config(options)
    options.setdefault("branch", bool(measured.branch))
    return Config(**options, coverage_config=measured)


def configured(name: str) -> Any:
    """What `REQCOV_*` or `[tool.reqcov]` says of one option; None where neither does.

    Raises ConfigError where that is unusable.
    """
    for layer in (_from_environment(os.environ), _from_pyproject(Path("pyproject.toml"))):
        if layer.get(name) is not None:
            return _PARSERS[name](name, layer[name])
    return None


def excluded() -> str:
    """The regular expression for the lines that coverage.py is configured to leave out. Raises ConfigError."""
    try:
        return join_regex(coverage.Coverage(data_file=None).get_exclude_list("exclude"))
    except (CoverageException, CoverageConfigError) as error:  # of old, neither is the other
        raise ConfigError(f"coverage.py's configuration can't be used: {error}") from error


def _known(where: str, options: Mapping[str, Any]) -> dict[str, Any]:
    for name in options:
        if name not in _PARSERS:
            close = difflib.get_close_matches(name, _PARSERS, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"the options are {', '.join(_PARSERS)}."
            raise ConfigError(f"Unknown {where} {name!r}: {hint}")
    return dict(options)


def _from_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    ours = {
        name.removeprefix("REQCOV_").lower(): value for name, value in environ.items() if name.startswith("REQCOV_")
    }
    for name in ("disabled", "token"):  # of every wrapper; of `reqcov serve`
        ours.pop(name, None)
    return {name: value for name, value in _known("option in a REQCOV_… environment variable:", ours).items() if value}


def _from_pyproject(path: Path) -> dict[str, Any]:
    try:
        table = tomllib.loads(path.read_text("utf-8")).get("tool", {}).get("reqcov", {})
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path} can't be read: {error}; mend it or move it away.") from error
    if not isinstance(table, dict):
        raise ConfigError(f"[tool.reqcov] in {path} must be a table.")
    return _known(f"option in [tool.reqcov] of {path}:", table)


def _coverage_config(options: Mapping[str, Any]) -> Any:
    source: tuple[str, ...] | None = options.get("source")
    for name in source or ():
        if not Path(name).is_dir() and not _importable(name):
            raise ConfigError(
                f"source {name!r} is neither a folder nor a package that can be imported; check its name."
            )
    try:
        measured = coverage.Coverage(
            data_file=None, source=source, include=options.get("include"), omit=options.get("omit")
        )
        if source is not None:
            measured.set_option("run:source_pkgs", [])
    except (CoverageException, CoverageConfigError) as error:  # of old, neither is the other
        raise ConfigError(f"coverage.py's configuration can't be used: {error}") from error
    return measured.config


def _importable(name: str) -> bool:
    try:
        return importlib.util.find_spec(name.partition(".")[0]) is not None
    except (ImportError, ValueError):
        return False


def _boolean(name: str, value: object) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in _FALSE | _TRUE:
        return value.lower() in _TRUE
    raise ConfigError(f"{name} must be true or false, not {value!r}.")


def _names(name: str, value: object) -> tuple[str, ...]:
    values = value.split(",") if isinstance(value, str) else value
    if isinstance(values, Iterable):
        names = tuple(str(v).strip() if isinstance(v, str | os.PathLike) else "" for v in values)
        if names and all(names):
            return names
    raise ConfigError(f"{name} must be a list of names (separated by commas in a string), not {value!r}.")


def _labels(name: str, value: object) -> dict[str, str | None]:
    allowed: dict[str, str | None] = {}
    for each in _names(name, value):
        key, equals, header = (part.strip() for part in each.partition("="))
        if not TOKEN.fullmatch(key) or (equals and not TOKEN.fullmatch(header)):
            raise ConfigError(
                f'{name} must name labels that requests may carry, "test", or "test=X-Test-Id" for those in a header '
                f"of that name, not {each!r}."
            )
        allowed[key] = header.lower() if equals else None
    return allowed


def _core(name: str, value: object) -> CoreChoice:
    if value == "auto" or value == "monitoring" or value == "settrace":
        return value
    raise ConfigError(f'{name} must be "auto", "monitoring" or "settrace", not {value!r}.')


def _fraction(name: str, value: object) -> float:
    try:
        fraction = float(cast(Any, value))
    except (TypeError, ValueError):
        fraction = -1.0
    if not 0 <= fraction <= 1 or isinstance(value, bool):
        raise ConfigError(f"{name} must be a number from 0 to 1, not {value!r}.")
    return fraction


def _callable(name: str, value: object) -> Callable[..., Any]:
    found = _imported(name, value) if isinstance(value, str) else value
    if callable(found):
        return cast(Callable[..., Any], found)
    raise ConfigError(f'{name} must be a function or its dotted name ("shop.cov.seen"), not {value!r}.')


def _text(name: str, value: object) -> str:
    if isinstance(value, str | os.PathLike) and str(value).strip():
        return str(value)
    raise ConfigError(f"{name} must be a text that is not empty, not {value!r}.")


def _path(name: str, value: object) -> Path:
    return store_path(_text(name, value)).absolute()


def _sinks(name: str, value: object) -> tuple[Sink, ...]:
    values = (value,) if isinstance(value, str) or not isinstance(value, Iterable) else tuple(value)
    sinks = tuple(_imported(name, v) if isinstance(v, str) else v for v in values)
    for sink in sinks:
        missing = [method for method in ("immediate", "accept", "flush", "close") if not hasattr(sink, method)]
        if missing or isinstance(sink, type):
            raise ConfigError(f"{name} must hold sinks, such as reqcov.MemorySink(), not {sink!r}.")
    return sinks


def _imported(name: str, dotted: str) -> Any:
    module, _, attribute = dotted.replace(":", ".").rpartition(".")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigError(f"{name}: {dotted!r} can't be imported: {error}.") from error


_PARSERS: dict[str, Callable[[str, Any], Any]] = {
    "source": _names,
    "include": _names,
    "omit": _names,
    "branch": _boolean,
    "core": _core,
    "sample": _fraction,
    "route": _callable,
    "on_request": _callable,
    "sinks": _sinks,
    "store": _path,
    "build": _text,
    "follow_threads": _boolean,
    "labels": _labels,
}
assert set(_PARSERS) == {f.name for f in fields(Config)} - {"coverage_config"}
