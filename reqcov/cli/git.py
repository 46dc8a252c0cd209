"""What git knows of the current folder."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from reqcov.analysis.inputs.changes import Change, added, read_diff
from reqcov.errors import ReqcovError

DIFF = (
    "diff",
    "--no-ext-diff",
    "--no-textconv",
    "--no-color",
    "--no-relative",
    "--submodule=short",
    "--src-prefix=a/",
    "--dst-prefix=b/",
    "--inter-hunk-context=0",
    "-M",
    "-U0",
)
"""Whatever somebody has configured, the same comes out."""


def top(folder: Path) -> Path | None:
    """The folder of the repository that `folder` is in; None where it is in none, or git is not installed."""
    try:
        return Path(os.fsdecode(_git(folder, "rev-parse", "--show-toplevel")).removesuffix("\n"))
    except ReqcovError:
        return None


def changes_since(revision: str, folder: Path) -> list[Change]:
    """What differs in the repository around `folder` from `revision`, new files that git does not know yet included.

    Raises ReqcovError where there is no git, no repository, or no such revision.
    """
    home = Path(os.fsdecode(_git(folder, "rev-parse", "--show-toplevel")).removesuffix("\n"))
    try:
        # What begins with a dash would be an option.
        commit = (
            _git(home, "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}") if revision[:1] != "-" else b""
        )
    except ReqcovError:
        commit = b""
    if not commit:
        raise ReqcovError(
            f"git knows no revision {revision!r} here; give a commit, a tag or a branch, and fetch it first."
        )
    changes = read_diff(_git(home, *DIFF, commit.decode().strip(), "--"))
    for name in map(os.fsdecode, filter(None, _git(home, "ls-files", "-o", "--exclude-standard", "-z").split(b"\0"))):
        content = (home / name).read_bytes() if (home / name).is_file() else None
        if content is not None:
            changes.append(added(name, content))
    return changes


def modules(folder: Path) -> list[str]:
    """The Python files below the top of a repository, but for those that are ignored; the paths begin there."""
    names = _git(folder, "ls-files", "-co", "--exclude-standard", "-z", "--", "*.py").split(b"\0")
    return sorted(set(map(os.fsdecode, filter(None, names))))


def _git(folder: Path, *words: str) -> bytes:
    """What git prints. Raises ReqcovError where it fails."""
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}
    try:
        done = subprocess.run(
            ["git", "-c", "core.quotePath=true", *words],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
    except FileNotFoundError as error:
        raise ReqcovError("git is not installed; give a diff with --diff instead.") from error
    if done.returncode:
        said = " ".join(done.stderr.decode("utf-8", "replace").split()) or f"status {done.returncode}"
        if "not a git repository" in said:
            raise ReqcovError(f"{folder} is in no git repository; go to one, or give a diff with --diff.")
        raise ReqcovError(f"git {words[0]} failed: {said}")
    return done.stdout
