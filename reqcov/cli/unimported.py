"""Files that coverage.py would measure, and nobody has imported: the one place that asks coverage.py for them."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import coverage
from coverage.exceptions import ConfigError as CoverageConfigError
from coverage.exceptions import CoverageException
from coverage.inorout import InOrOut

from reqcov.analysis.inputs.current import current_file, is_in
from reqcov.analysis.source.code import Code, decode, parse
from reqcov.cli.options import tracked
from reqcov.config import configured, excluded
from reqcov.errors import ConfigError


def here(imported: Collection[str]) -> dict[str, tuple[str, Code]] | None:
    """By path, text and code of the files of the current folder that nobody imported; None where it is no project's.

    Raises ConfigError where what to measure can't be worked out.
    """
    paths = find(Path.cwd(), imported)
    if paths is None:
        return None
    exclude, found = excluded(), {}
    for path in tracked(paths):
        content = current_file(path)
        if content is not None:
            text = decode(content)
            found[path] = text, parse(text, exclude)
    return found


def find(folder: Path, imported: Collection[str]) -> list[str] | None:
    """The paths of Python files below `folder` that are measured, and not among those `imported`.

    They are looked for where `source` is configured, else in the packages that something was imported from. None where
    none of the files imported lies in the folder: then it is not the project's. Raises ConfigError where what to
    measure can't be worked out.
    """
    here = sorted(path for path in imported if not Path(path).is_absolute() and is_in(folder, path))
    source = [name for name in _source() if (folder / name).is_dir()] or sorted({_package(folder, p) for p in here})
    known = [f"/{path}" for path in imported]
    found = list(_measured(folder, [name for name in source if name]))
    if not any(_ends_alike(f"/{path}", known) for path in (*found, *here)):
        return None
    return [path for path in found if not _ends_alike(f"/{path}", known)]


def _ends_alike(path: str, known: Collection[str]) -> bool:
    """Whether a path is that of a file as it lies here, or as it is installed."""
    return any(path.endswith(each) or each.endswith(path) for each in known)


def _source() -> Collection[str]:
    ours: Collection[str] | None = configured("source")
    return ours if ours is not None else coverage.Coverage(data_file=None).config.source or ()


def _package(folder: Path, path: str) -> str:
    """The outermost package that a file is in, or else its folder; empty where that is the project's."""
    package = (folder / path).parent
    while (package.parent / "__init__.py").is_file() and package.parent.is_relative_to(folder):
        package = package.parent
    return package.relative_to(folder).as_posix() if package != folder else ""


def _measured(folder: Path, source: Collection[str]) -> Iterator[str]:
    """All files below these folders that coverage.py is not configured to leave out."""
    if not source:
        return
    try:
        config: Any = coverage.Coverage(
            data_file=None,
            source=[str(folder / name) for name in source],
            include=configured("include"),
            omit=configured("omit"),
        ).config
        config.source_pkgs = []
        rules: Any = InOrOut(config, _ignore, None, include_namespace_packages=False)
        rules.plugins = SimpleNamespace(file_tracers=())
        names = sorted({name for name, _ in rules.find_possibly_unexecuted_files()})
        measured = [Path(name) for name in names if rules.should_trace(name, None).trace]
    except (CoverageException, CoverageConfigError) as error:  # of old, neither is the other
        raise ConfigError(f"What to measure can't be worked out: {error}") from error
    root = folder.resolve()
    for file in measured:
        if file.suffix in (".py", ".pyw") and file.resolve().is_relative_to(root):
            yield file.resolve().relative_to(root).as_posix()


def _ignore(msg: str, slug: str | None = None, once: bool = False) -> None:
    """What coverage.py warns of, it has told who recorded."""
