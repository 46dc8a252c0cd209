"""Files as they are now."""

from __future__ import annotations

import os
from pathlib import Path


def current_file(path: str) -> bytes | None:
    """The file of that path in the current folder, as it is now; None where there is none.

    A store may be somebody else's: what it calls a path opens no device, and nothing outside the folder.
    """
    folder = Path.cwd()
    try:
        return Path(folder, path).read_bytes() if is_in(folder, path) else None
    except OSError:
        return None


def is_in(folder: Path, path: str) -> bool:
    """Whether there is a file of that path below the folder; no store can make anybody look elsewhere."""
    file = Path(os.path.normpath(folder / path))
    try:
        return file.is_relative_to(folder) and file.is_file()
    except (OSError, ValueError):  # no file system has such a name
        return False
