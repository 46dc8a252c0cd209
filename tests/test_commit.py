"""The commit that is checked out, in repositories that git itself made."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from reqcov.commit import DIGITS, current_commit
from tests.test_processes import in_child

pytestmark = pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")


def git(folder: Path, *arguments: str) -> str:
    """What git prints."""
    usual = ["-c", "user.name=me", "-c", "user.email=me@site.example", "-c", "protocol.file.allow=always"]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    command = ["git", *usual, "-C", str(folder), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, env=kept).stdout.strip()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A repository with two commits."""
    folder = tmp_path / "project"
    folder.mkdir()
    git(folder, "init", "-q")
    for number in range(2):
        git(folder, "commit", "-q", "--allow-empty", "-m", str(number))
    return folder


def detached(project: Path) -> Path:
    git(project, "checkout", "-q", "--detach", "HEAD~1")
    return project


def on_a_branch_with_a_slash(project: Path) -> Path:
    git(project, "checkout", "-q", "-b", "feature/store", "HEAD~1")
    return project


def packed(project: Path) -> Path:
    git(project, "tag", "-a", "-m", "first", "v1", "HEAD~1")
    git(project, "branch", "another", "HEAD~1")
    git(project, "pack-refs", "--all")
    return project


def packed_and_gone_on(project: Path) -> Path:
    packed(project)
    git(project, "commit", "-q", "--allow-empty", "-m", "later")
    return project


def in_a_folder(project: Path) -> Path:
    (project / "deep" / "down").mkdir(parents=True)
    return project / "deep" / "down"


def linked(project: Path) -> Path:
    git(project, "worktree", "add", "-q", "-b", "other", "../linked", "HEAD~1")
    return project.parent / "linked"


def linked_and_packed(project: Path) -> Path:
    linked(packed(project))
    git(project, "pack-refs", "--all")
    return project.parent / "linked"


def submodule(project: Path) -> Path:
    outer = project.parent / "outer"
    outer.mkdir()
    git(outer, "init", "-q")
    git(outer, "submodule", "--quiet", "add", str(project), "inner")
    git(outer, "commit", "-q", "-m", "with the other one")
    return outer / "inner"


@pytest.mark.parametrize(
    "shape",
    [lambda project: project, detached, on_a_branch_with_a_slash, packed, packed_and_gone_on, in_a_folder, linked,
     linked_and_packed, submodule],
)  # fmt: skip
def test_it_is_what_git_says(shape: Callable[[Path], Path], project: Path) -> None:
    """However the commit is written down."""
    folder = shape(project)
    assert current_commit(folder) == git(folder, "rev-parse", "HEAD")[:DIGITS]


def test_no_commit(tmp_path: Path) -> None:
    """Of a repository that has none yet, and of no repository."""
    assert current_commit(Path("/")) is None
    git(tmp_path, "init", "-q")
    assert current_commit(tmp_path) is None


@pytest.mark.parametrize("content", [b"gitdir: nowhere", b"\xff", b""])
def test_something_else_of_that_name(content: bytes, tmp_path: Path) -> None:
    """A file `.git` that git did not write is no commit, and no error."""
    (tmp_path / ".git").write_bytes(content)
    assert current_commit(tmp_path) is None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody who may not look into a folder")
def test_a_folder_that_may_not_be_looked_into(tmp_path: Path) -> None:
    """A server that gave up its rights in the folder it was started in starts all the same."""
    inside = tmp_path / "private" / "project"
    inside.mkdir(parents=True)
    inside.parent.chmod(0o700)

    def ask() -> None:
        os.chdir(inside)
        os.setuid(65534)
        assert current_commit(inside) is None

    assert in_child(ask) == 0
