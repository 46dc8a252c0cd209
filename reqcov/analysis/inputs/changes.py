"""What a unified diff changes: files, and lines on either side."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import takewhile
from typing import NamedTuple

from unidiff.errors import UnidiffParseError
from unidiff.patch import Hunk, PatchedFile, PatchSet

from reqcov.analysis.source.masks import Mask, of
from reqcov.errors import ReqcovError

NOWHERE = "/dev/null"
"""What a diff calls the file that is not there."""

PREFIX = re.compile("[abciow12]/")
"""What git puts before a path, so that the two sides differ."""

SAID = (
    "--- ",
    "+++ ",
    "rename from ",
    "rename to ",
    "copy to ",
    "new file mode ",
    "deleted file mode ",
    "index ",
    "Binary files ",
    "GIT binary patch",
)
"""What is of use in what git says before the lines."""

ESCAPED = re.compile(rb"\\([abfnrtv\"\\]|[0-7]{3})")
LETTERS = dict(zip(b"abfnrtv", b"\a\b\f\n\r\t\v", strict=True))


class Exchange(NamedTuple):
    """Lines in place of others, each without its end."""

    old_first: int
    """How many lines of the old side come before."""
    new_first: int
    old: tuple[str, ...]
    new: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Change:
    """What happened to one file."""

    old: str | None
    """Its path before, from where the diff was made, with `/`; None where it is new."""
    new: str | None
    """Its path now; None where it is deleted."""
    binary: bool = False
    """Whether the diff says that it differs, and not how."""
    old_lines: Mask = 0
    """The lines that are no more, by their numbers before."""
    new_lines: Mask = 0
    """The lines that came, by their numbers now."""
    exchanges: tuple[Exchange, ...] = ()
    """From the first line on."""
    blobs: tuple[str, str] = ("", "")
    """How git's digests of the two sides begin; empty where the diff doesn't say."""

    @property
    def path(self) -> str:
        """What to call it: the path now, or the last one that it had."""
        return self.new or self.old or ""

    def sides(self, content: bytes) -> tuple[bytes, bytes] | None:
        """The file before and after, of which `content` is one; None where it is neither, or can't be told.

        Lines end with a line feed in what is made up. Where it may be both, it is the one after.
        """
        before, after = self._undone(content), self._done(content)
        if after is not None and _is_blob(content, self.blobs[0]) and not _is_blob(content, self.blobs[1]):
            return content, after
        if before is not None:
            return before, content
        return (content, after) if after is not None else None

    def _done(self, content: bytes) -> bytes | None:
        pieces = [(each.old_first, each.old, each.new) for each in self.exchanges]
        return None if self.binary else _exchanged(content, pieces)

    def _undone(self, content: bytes) -> bytes | None:
        pieces = [(each.new_first, each.new, each.old) for each in self.exchanges]
        return None if self.binary else _exchanged(content, pieces)


def changed_lines(changes: Iterable[Change]) -> dict[str, Mask]:
    """By their path now, the lines that came to files that are still there."""
    return {change.new: change.new_lines for change in changes if change.new is not None}


def added(path: str, content: bytes) -> Change:
    """The change that made a file of `content` from nothing."""
    new = tuple(_lines(content))
    return Change(old=None, new=path, new_lines=of(range(1, len(new) + 1)), exchanges=(Exchange(0, 0, (), new),))


def read_diff(content: bytes) -> list[Change]:
    """What a unified diff says, be it of git (with any prefixes, or none) or of another tool.

    Raises ReqcovError where it can't be read, or where something else is given than a diff.
    """
    text = content.decode("utf-8", "surrogateescape")
    if re.search(r"^diff --(cc|combined) ", text, re.MULTILINE):
        raise ReqcovError("The diff is a merge's, of more than two sides; give one of two: git diff A B.")
    first, *by_git = re.split(r"^diff --git ", text, flags=re.MULTILINE)
    try:
        changes = [*map(_of_tool, PatchSet(first)), *map(_of_git, by_git)]
    except (UnidiffParseError, ValueError) as error:
        said = " ".join(str(error).split())
        raise ReqcovError(f"The diff can't be read: {said}; give one as git diff makes it.") from error
    if text.strip() and not changes:
        raise ReqcovError("There is no diff in what was given; give one as git diff makes it.")
    return changes


def _of_tool(file: PatchedFile) -> Change:
    """One file of a diff that names it twice, and says no more."""
    old, new = file.source_file, file.target_file
    if NOWHERE in (old, new):
        old, new = _without_prefixes(old, new)
    else:
        pairs = zip(reversed(old.split("/")), reversed(new.split("/")), strict=False)
        common = [one for one, _ in takewhile(lambda pair: pair[0] == pair[1], pairs)]
        old = new = "/".join(reversed(common)) or new
    return _change(old, new, file)


def _of_git(text: str) -> Change:
    """One file of a diff that git made: what follows `diff --git `."""
    # unidiff reads the lines; the names it would take apart wrongly, where there are blanks or quotes in them.
    header, at, body = text.partition("\n@@ ")
    lines = header.split("\n")
    said = {key: line.removeprefix(key) for line in lines[1:] for key in SAID if line.startswith(key)}
    names = said.get("--- "), said.get("+++ ")
    both, middle = lines[0], len(lines[0]) // 2
    halves = _unquoted(both[:middle]), _unquoted(both[middle + 1 :])
    if "rename to " in said or "copy to " in said:
        old, new = said.get("rename from ", NOWHERE), said.get("rename to ") or said["copy to "]
        old, new = _unquoted(old), _unquoted(new)
    elif names[0] and names[1]:
        old, new = (_unquoted(name.split("\t")[0]) for name in names if name)
        if halves[0] != halves[1]:  # where they are the same, no prefix tells them apart
            old, new = _without_prefixes(old, new)
    else:  # nothing but the first line has them
        old, new = _without_prefixes(*halves)
        old, new = NOWHERE if "new file mode " in said else old, NOWHERE if "deleted file mode " in said else new
    hunks = PatchSet(f"--- a\n+++ b{at}{body}") if at else ()
    binary = "Binary files " in said or "GIT binary patch" in said
    blobs = re.match(r"([0-9a-f]+)\.\.([0-9a-f]+)", said.get("index ", ""))
    return _change(old, new, *hunks, binary=binary, blobs=(blobs[1], blobs[2]) if blobs else ("", ""))


def _change(
    old: str, new: str, hunks: Iterable[Hunk] = (), *, binary: bool = False, blobs: tuple[str, str] = ("", "")
) -> Change:
    hunks = list(hunks)
    return Change(
        old=None if old == NOWHERE else old,
        new=None if new == NOWHERE else new,
        binary=binary,
        old_lines=of(line.source_line_no or 0 for hunk in hunks for line in hunk if line.is_removed),
        new_lines=of(line.target_line_no or 0 for hunk in hunks for line in hunk if line.is_added),
        exchanges=tuple(map(_exchange, hunks)),
        blobs=blobs,
    )


def _without_prefixes(old: str, new: str) -> tuple[str, str]:
    """The two paths less what git puts before them; of two that are the same it is part of the name."""
    sides = [side for side in (old, new) if side != NOWHERE]
    if all(map(PREFIX.match, sides)) and (len(sides) == 1 or old[0] != new[0]):
        old, new = (side if side == NOWHERE else side[2:] for side in (old, new))
    return old, new


def _unquoted(name: str) -> str:
    """A path that git has put in quotes, for it has letters of other alphabets or worse, as it is."""
    if len(name) < 2 or not name.startswith('"') or not name.endswith('"'):
        return name
    raw = name[1:-1].encode("utf-8", "surrogateescape")

    def letter(found: re.Match[bytes]) -> bytes:
        code = found[1]
        return bytes([int(code, 8) & 255]) if len(code) == 3 else bytes([LETTERS.get(code[0], code[0])])

    return ESCAPED.sub(letter, raw).decode("utf-8", "surrogateescape")


def _exchange(hunk: Hunk) -> Exchange:
    old, new = (
        tuple(line.value.removesuffix("\n").removesuffix("\r") for line in side)
        for side in (hunk.source_lines(), hunk.target_lines())
    )
    # A side of no lines is told by the line before.
    return Exchange(hunk.source_start - bool(old), hunk.target_start - bool(new), old, new)


def _lines(content: bytes) -> Iterator[str]:
    """Lines as git counts them, without their ends."""
    lines = content.decode("utf-8", "surrogateescape").split("\n")
    return (line.removesuffix("\r") for line in (lines if lines[-1] else lines[:-1]))


def _exchanged(content: bytes, pieces: Iterable[tuple[int, tuple[str, ...], tuple[str, ...]]]) -> bytes | None:
    """`content` with lines in place of others, told by how many lines come before; None where those aren't there."""
    lines = list(_lines(content))
    for first, before, after in reversed(list(pieces)):
        if first > len(lines) or tuple(lines[first : first + len(before)]) != before:
            return None
        lines[first : first + len(before)] = after
    return "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape")


def _is_blob(content: bytes, digest: str) -> bool:
    """Whether git's digest of the content begins so."""
    kind = hashlib.sha1 if len(digest) <= 40 else hashlib.sha256
    own = kind(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
    return bool(digest.strip("0")) and own.startswith(digest)
