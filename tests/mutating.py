"""Mutates each function of an app, one at a time, and holds what its tests say against what `reqcov impact` says."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
APP = ROOT / "tests" / "lending"

OUTCOME = re.compile(r"^(FAILED|ERROR) (\S+\.py(?:::[^\s\[]+(?:\[[^\]]*\])?)?)", re.MULTILINE)


@dataclass(frozen=True)
class Outcome:
    """What one mutation did."""

    function: str
    """Its file and its qualified name."""
    failed: frozenset[str]
    listed: frozenset[str]

    @property
    def missed(self) -> frozenset[str]:
        return self.failed - self.listed


class Lab:
    """The app and its suite in a repository of their own, recorded once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        shutil.copytree(APP, folder / "lending", ignore=shutil.ignore_patterns("__pycache__", "suite"))
        (folder / "tests").mkdir()
        for file in (APP / "suite").glob("*.py"):
            shutil.copy(file, folder / "tests" / file.name.replace("suite_", "test_"))
        (folder / ".gitignore").write_text("__pycache__\n.reqcov\n")
        (folder / "pyproject.toml").write_text(
            '[tool.reqcov]\nsource = ["lending"]\nstore = ".reqcov/reqcov.sqlite3"\n'
        )
        for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "first"]):
            self._run("git", "-c", "user.name=me", "-c", "user.email=me@shop.example", *words)
        done = self._test(recorded=True)
        assert not OUTCOME.search(done), done
        self.tests = frozenset(re.findall(r"^(\S+::.+?) PASSED", done, re.MULTILINE))

    def mutations(self) -> Iterator[tuple[Path, str]]:
        """Every function of the app: its file and its qualified name."""
        for file in sorted((self.folder / "lending").glob("*.py")):
            for name, _ in functions(ast.parse(file.read_text("utf-8")).body):
                yield file, name

    def mutate(self, file: Path, name: str) -> Outcome:
        """Let the function raise, see which tests fail, and take it back."""
        text = file.read_text("utf-8")
        file.write_text(raising(text, name), "utf-8")
        try:
            listed = frozenset(
                self._run(sys.executable, "-m", "reqcov", "impact", "--since", "HEAD", "--tests").splitlines()
            )
            failed: set[str] = set()
            for _, what in OUTCOME.findall(done := self._test(recorded=False)):
                failed |= {test for test in self.tests if test == what or test.startswith(f"{what}::")}
            if not re.search(r"\d+ (passed|failed|error)", done):  # not even conftest.py could be imported
                failed = set(self.tests)
        finally:
            file.write_text(text, "utf-8")
        return Outcome(f"{file.name}:{name}", frozenset(failed), listed)

    def _test(self, *, recorded: bool) -> str:
        options = ["-v", "-rfE", "--tb=no", "-p", "no:cacheprovider"]
        if recorded:
            options += ["-p", "reqcov.testing.plugin", "--reqcov"]
        return self._run(sys.executable, "-m", "pytest", *options, check=False, disabled="" if recorded else "1")

    def _run(self, *words: str, check: bool = True, disabled: str = "") -> str:
        environment = {
            **{
                name: value
                for name, value in os.environ.items()
                if not name.startswith(("REQCOV_", "COVERAGE_", "GIT_", "PYTEST_"))
            },
            "PYTHONPATH": os.pathsep.join((str(self.folder), str(ROOT))),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",  # an installed reqcov brings the plugin as well
            **({"REQCOV_DISABLED": disabled} if disabled else {}),
        }
        done = subprocess.run(words, cwd=self.folder, env=environment, capture_output=True, text=True, check=False)
        assert not check or done.returncode == 0, done.stderr
        return done.stdout


def functions(body: list[ast.stmt], prefix: str = "") -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    """Every function with its qualified name, nested ones too."""
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield prefix + node.name, node
            yield from functions(node.body, f"{prefix}{node.name}.<locals>.")
        elif isinstance(node, ast.ClassDef):
            yield from functions(node.body, f"{prefix}{node.name}.")


def raising(text: str, name: str) -> str:
    """The text with a function that fails whenever it is called."""
    node = dict(functions(ast.parse(text).body))[name]
    first = node.body[0]
    at = min([first.lineno, *(each.lineno for each in getattr(first, "decorator_list", ()))])
    lines = text.splitlines(keepends=True)
    lines.insert(at - 1, f"{' ' * first.col_offset}raise RuntimeError({name!r})\n")
    return "".join(lines)
