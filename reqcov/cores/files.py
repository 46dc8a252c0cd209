"""Which files are measured: coverage.py's own rules, asked once a file."""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path
from types import CodeType, FrameType, SimpleNamespace
from typing import Any, cast

from coverage.inorout import InOrOut

from reqcov.errors import ConfigError, logger
from reqcov.types import Source

OWN_FOLDER = str(Path(__file__).resolve().parent.parent) + os.sep

CO_OPTIMIZED = 0x0001
"""The flag of code objects that are bodies of functions, not of modules or classes."""


def is_function(code: CodeType) -> bool:
    """Whether `code` runs when something is called, and not when a module is imported or a class is made."""
    return bool(code.co_flags & CO_OPTIMIZED) and not code.co_name.startswith(("__annotate__", "<generic parameters"))


class Files:
    """Answers which files are measured, and remembers each answer."""

    def __init__(self, coverage_config: Any) -> None:
        self._root = Path.cwd()
        try:
            self._rules = InOrOut(coverage_config, _warn, None, include_namespace_packages=False)
        except Exception as error:
            raise ConfigError(f"What to measure can't be worked out: {error}") from error
        # Plugins measure templates and other files that are no Python source; those are not recorded.
        self._rules.plugins = SimpleNamespace(file_tracers=())  # type: ignore[assignment]
        self._answers: dict[str, str | None] = {}
        self._modules_looked_at = 0
        self.sources: dict[str, Source] = {}
        """Each measured file met so far, with its source as it was when it was first met."""

    def measured(self, code: CodeType, frame: FrameType | None) -> str | None:
        """The absolute name under which the file of `code` is measured, or None where it is not."""
        try:
            return self._answers[code.co_filename]
        except KeyError:
            answer = self._answers[code.co_filename] = self._ask(code.co_filename, frame)
            return answer

    def meet_imported(self) -> None:
        """Note the files of all modules that are imported by now, whether or not a function of theirs has run."""
        modules = list(sys.modules.values())
        if len(modules) == self._modules_looked_at:
            return
        self._modules_looked_at = len(modules)
        for module in modules:
            try:
                names = object.__getattribute__(module, "__dict__")  # any other way would load a lazy module
            except AttributeError:  # what is no module may stand in for one
                continue
            filename = names.get("__file__")
            if isinstance(filename, str) and filename.endswith((".py", ".pyw")) and filename not in self._answers:
                self._answers[filename] = self._ask(filename, cast(FrameType, SimpleNamespace(f_globals=names)))

    def _ask(self, filename: str, frame: FrameType | None) -> str | None:
        if not filename.endswith((".py", ".pyw")) and Path(filename).suffix:
            return None
        disposition = self._rules.should_trace(filename, frame)
        name = disposition.source_filename
        if not disposition.trace or name is None or name.startswith(OWN_FOLDER):
            return None
        self.sources[name] = Source(path_in_project(name, self._root), _digest(name))
        return name


def path_in_project(name: str, root: Path) -> str:
    """Where the file lies seen from what does not differ between machines: an installed package, or the project.

    That is the folder of installed packages, else `root`, else the nearest folder that modules are imported from.
    """
    path = Path(name)
    for place, part in reversed(list(enumerate(path.parts))):
        if part in ("site-packages", "dist-packages"):
            return Path(*path.parts[place + 1 :]).as_posix()
    folders = sorted(
        (Path(folder) for folder in sys.path if folder), key=lambda folder: len(folder.parts), reverse=True
    )
    for folder in (root, *folders):
        if path.is_relative_to(folder):
            return path.relative_to(folder).as_posix()
    return path.as_posix()


def _warn(msg: str, slug: str | None = None, once: bool = False) -> None:  # noqa: ARG001
    logger.warning("reqcov: %s", msg)


def _digest(name: str) -> str:
    try:
        content = Path(name).read_bytes()
    except OSError:
        content = name.encode("utf-8", "surrogateescape")
    return hashlib.sha256(content).hexdigest()
