"""What differs from a commit is what git says, whatever somebody has configured."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from reqcov.analysis.source.masks import of
from reqcov.cli.git import changes_since, modules
from reqcov.errors import ReqcovError

CONFIG = """
[diff]
    noprefix = true
    mnemonicPrefix = true
    external = false
    relative = true
    interHunkContext = 9
    renames = false
[color]
    ui = always
[core]
    quotePath = false
"""


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One with a commit, of somebody with a will of his own."""
    home = tmp_path / "home"
    home.mkdir()
    (home / ".gitconfig").write_text(CONFIG)
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(home))
    folder = tmp_path / "repository"
    (folder / "sub").mkdir(parents=True)
    (folder / "sub" / "a.py").write_text("".join(f"line {n}\n" for n in range(20)))
    (folder / "caf\u00e9.py").write_text("one\n" * 9)
    (folder / ".gitignore").write_text("ignored.py\n")
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "first"]):
        own = ["-c", "user.name=me", "-c", "user.email=me@shop.example"]
        subprocess.run(["git", *own, *words], cwd=folder, check=True)
    return folder


def test_changes_moves_and_new_files(repository: Path) -> None:
    """From a folder below the top all of them are found, by their paths from the top; ignored ones are not."""
    text = (repository / "sub" / "a.py").read_text()
    (repository / "sub" / "a.py").write_text(text.replace("line 3\n", "").replace("line 7\n", "seven\n"))
    (repository / "caf\u00e9.py").rename(repository / "tea.py")
    (repository / "new.py").write_text("a\nb\n")
    (repository / "ignored.py").write_text("a\n")
    subprocess.run(["git", "add", "tea.py", "caf\u00e9.py"], cwd=repository, check=True)
    found = {change.path: change for change in changes_since("HEAD", repository / "sub")}
    assert found.keys() == {"sub/a.py", "tea.py", "new.py"}
    assert (found["sub/a.py"].old_lines, found["sub/a.py"].new_lines) == (of([4, 8]), of([7]))
    assert (found["tea.py"].old, found["new.py"].old, found["new.py"].new_lines) == ("caf\u00e9.py", None, of([1, 2]))
    assert modules(repository) == ["caf\u00e9.py", "new.py", "sub/a.py", "tea.py"][1:]


@pytest.mark.parametrize("revision", ["nowhere", "--output=x", "", "HEAD:sub"])
def test_a_revision_that_is_none(repository: Path, revision: str) -> None:
    """One sentence says so, and no option reaches git."""
    with pytest.raises(ReqcovError, match=r"^git knows no revision .+; give a commit.+\.$"):
        changes_since(revision, repository)
    assert not (repository / "x").exists()


def test_no_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One sentence says what to do, and so it is without git."""
    with pytest.raises(ReqcovError, match=r"in no git repository; .+ --diff\.$"):
        changes_since("HEAD", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ReqcovError, match=r"^git is not installed; .+ --diff instead\.$"):
        changes_since("HEAD", tmp_path)
