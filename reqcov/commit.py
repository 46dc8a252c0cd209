"""The commit that is checked out, read without git."""

from __future__ import annotations

from pathlib import Path

DIGITS = 12


def current_commit(folder: Path) -> str | None:
    """The first digits of the commit that `folder` is a checkout of; None where it is none, or has no commit yet."""
    try:
        for above in (folder, *folder.parents):
            if (above / ".git").exists():
                return _head(above / ".git")
    except (OSError, UnicodeDecodeError):  # also of a folder that we may not look into
        pass
    return None


def _head(git: Path) -> str | None:
    if git.is_file():  # a linked work tree, or a submodule
        git = git.parent / git.read_text("utf-8").removeprefix("gitdir:").strip()
    head = (git / "HEAD").read_text("utf-8").strip()
    if not head.startswith("ref:"):
        return head[:DIGITS]
    name = head.removeprefix("ref:").strip()
    shared = git / "commondir"
    folders = [git, git / shared.read_text("utf-8").strip()] if shared.exists() else [git]
    for folder in folders:
        if (folder / name).exists():
            return (folder / name).read_text("utf-8").strip()[:DIGITS]
        if (folder / "packed-refs").exists():
            for line in (folder / "packed-refs").read_text("utf-8").splitlines():
                if line.endswith(f" {name}"):
                    return line[:DIGITS]
    return None
