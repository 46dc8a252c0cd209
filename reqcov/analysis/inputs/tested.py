"""What a test suite covered, read from the files that coverage.py and others write."""

from __future__ import annotations

import contextlib
import re
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from glob import glob, has_magic
from pathlib import Path
from xml.parsers import expat

from coverage import CoverageData
from coverage.exceptions import CoverageException

from reqcov.analysis.inputs.matching import match
from reqcov.analysis.source.masks import Mask, of
from reqcov.errors import ReqcovError

Lines = dict[str, set[int]]
"""By the name that the file was measured under, the lines that ran."""

LONGEST = 1_000_000
"""Lines of a file; a number above is a mistake, and would take as much memory as it is high."""

_SQLITE = b"SQLite format 3\0"
_XML = re.compile(rb"(\xef\xbb\xbf)?\s*<")
_LCOV = re.compile(rb"(TN|SF|VER|DA|FN|LF|LH|BRF|BRH):|end_of_record")
_DA = re.compile(r"DA:\s*(\d{1,9})\s*,\s*([^,\s]+)")


@dataclass(frozen=True, kw_only=True)
class Covered:
    """What tests covered of the files of a store."""

    lines: dict[str, Mask]
    """By path, the lines that ran, as they were written down."""
    unknown: list[str]
    """Measured files that are not in the store, as they were written down."""
    unclear: list[str]
    """Measured files that may be several files of the store, or share one with others: not in `lines`."""


def tested(files: Iterable[Path], paths: Iterable[str], folder: Path) -> Covered:
    """What `files` say of `paths`, which is what the store calls its files; `folder` is the current one.

    Raises ReqcovError where one can't be read, or none of them says anything of any of the paths.
    """
    found: Lines = defaultdict(set)
    files = list(files)
    for file in files:
        for name, lines in read(file).items():
            found[name] |= lines
    paths = list(paths)
    matched = match(sorted(found), paths, folder.as_posix())
    if not matched.paths:
        named = " and ".join(map(str, files[:3])) + (" and others" if len(files) > 3 else "")
        if not found:
            raise ReqcovError(f"No file was measured in {named}: run the tests again, with coverage.py's `source` set.")
        raise ReqcovError(
            f"{named} tell{'s' if len(files) == 1 else ''} nothing of the files in the store: "
            f"{min(found)} is measured there, {min(paths, default='nothing')} here. "
            "Name what the tests of this very project covered, and its store with --store."
        )
    masks: dict[str, Mask] = defaultdict(int)
    for name, path in matched.paths.items():
        masks[path] |= of(line for line in found[name] if 0 < line <= LONGEST)
    return Covered(lines=dict(masks), unknown=matched.unknown, unclear=matched.unclear)


def find(names: Iterable[str]) -> list[Path]:
    """The files that are meant: by their names, by patterns, and by folders that coverage.py's data files lie in.

    Raises ReqcovError where there is none.
    """
    found: dict[Path, None] = {}
    for name in names:
        path = Path(name)
        if path.is_dir():
            some = [each for pattern in (".coverage", ".coverage.*") for each in sorted(path.glob(pattern))]
            some = [each for each in some if each.is_file() and not each.name.endswith(("-journal", "-wal", "-shm"))]
            if not some:
                raise ReqcovError(f"There is no coverage.py data file in the folder {path}; name the file itself.")
        elif not path.exists() and has_magic(name):
            some = [Path(each) for each in sorted(glob(name, recursive=True, include_hidden=True))]  # noqa: PTH207 - it takes absolute ones too
        else:
            some = [path]
        if not some or not all(map(Path.is_file, some)):
            raise ReqcovError(f"There is no file {name}; run the tests with `coverage run -m pytest` first.")
        found.update(dict.fromkeys(some))
    return list(found)


def read(file: Path) -> Lines:
    """The lines that ran, of a coverage.py data file, an lcov tracefile or Cobertura's XML, whatever its name is.

    Raises ReqcovError where it is none of these, or can't be read.
    """
    try:
        with file.open("rb") as stream:
            head = stream.read(65_536)
        return _kind(head)(file)
    except (OSError, sqlite3.Error, CoverageException, expat.ExpatError, ValueError) as error:
        raise ReqcovError(
            f"{file} can't be read: {error}. Give --tests a data file of coverage.py, lcov, or Cobertura's XML."
        ) from error


def _kind(head: bytes) -> Callable[[Path], Lines]:
    if head.startswith(_SQLITE):
        return _coverage
    if _XML.match(head):
        return _cobertura
    if any(_LCOV.match(line) for line in head.splitlines()):
        return _lcov
    raise ValueError("it is neither a data file of coverage.py, nor lcov, nor Cobertura's XML")


def _coverage(file: Path) -> Lines:
    """What coverage.py wrote, with or without contexts, lines or arcs."""
    with contextlib.closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as connection:
        # coverage.py would turn another program's database, as our own store, into one of its own.
        connection.execute("SELECT version FROM coverage_schema")
    data = CoverageData(basename=str(file))
    try:
        data.read()
        return {name: set(data.lines(name) or ()) for name in data.measured_files()}
    finally:
        if hasattr(data, "close"):  # before coverage.py 7.11 nothing stays open
            data.close()


def _lcov(file: Path) -> Lines:
    found: Lines = defaultdict(set)
    name = None
    with file.open(encoding="utf-8", errors="surrogateescape", newline="\n") as lines:
        for line in lines:
            if line.startswith("SF:"):
                name = line.removeprefix("SF:").strip("\r\n")
                found[name]  # of a file that no test ran it is known too
            elif line.startswith("end_of_record"):
                name = None
            elif line.startswith("DA:"):
                number = _DA.match(line)
                if number is None or name is None:
                    raise ValueError(f"lcov has no such line as {line.strip()[:80]!r} there")
                if float(number[2]) > 0:
                    found[name].add(int(number[1]))
    return dict(found)


def _cobertura(file: Path) -> Lines:
    reader = _Cobertura()
    with file.open("rb") as stream:
        reader.parser.ParseFile(stream)
    if not reader.is_cobertura:
        raise ValueError("it is XML, but not Cobertura's")
    return dict(reader.lines())


class _Cobertura:
    """What is found while the parser goes through Cobertura's XML; it fetches nothing, and expands nothing."""

    def __init__(self) -> None:
        self.is_cobertura = False
        self.parser = expat.ParserCreate()
        self.parser.buffer_text = True
        self.parser.EntityDeclHandler = self._entity
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self._folders: list[str] = []
        self._package = ""
        self._packages: dict[str, set[str]] = defaultdict(set)
        self._classes: Lines = defaultdict(set)
        self._class: set[int] = set()

    def lines(self) -> Iterator[tuple[str, set[int]]]:
        """By name, seen from the one folder that is given; of several nobody says which it is.

        Raises ValueError where names of different files are the same.
        """
        folder = self._folders[0] if len(self._folders) == 1 else ""
        for name, lines in self._classes.items():
            if len(self._folders) > 1 and len(self._packages[name]) > 1:
                raise ValueError(f"{name!r} is more than one file there, each in a folder of its own")
            yield f"{folder}/{name}" if folder and not name.startswith("/") else name, lines

    def _entity(self, name: str, *_: object) -> None:
        raise ValueError(f"it declares an entity, {name!r}, which Cobertura never does")

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        if tag == "source":
            self._folders.append("")
            self.parser.CharacterDataHandler = self._folder
        elif tag == "package":
            self._package = attributes.get("name", "")
        elif tag == "class" and "filename" in attributes:
            self.is_cobertura = True
            self._class = self._classes[attributes["filename"]]
            self._packages[attributes["filename"]].add(self._package)
        elif tag == "line" and float(attributes.get("hits", 0)) > 0:
            self._class.add(int(attributes.get("number", 0)))

    def _folder(self, text: str) -> None:
        self._folders[-1] += text.strip()

    def _end(self, tag: str) -> None:
        if tag == "source":
            self.parser.CharacterDataHandler = None
            if not self._folders[-1]:
                self._folders.pop()
