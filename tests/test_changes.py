"""A diff says which lines of which files changed, whoever made it."""

from __future__ import annotations

import difflib
import itertools
import random
import subprocess
from pathlib import Path

import pytest

from reqcov.analysis.inputs.changes import Change, added, changed_lines, read_diff
from reqcov.analysis.source.masks import of
from reqcov.errors import ReqcovError

NAMES = (
    "plain.py",
    "with blank.py",
    "caf\u00e9.py",
    'quo"te\\d.py',
    "tab\there.py",
    "caf\u00e9 with blank.py",
    "a/in a.py",
    "b/x b/x.py",
    "x b/x b/y",
)


def git(folder: Path, *words: str) -> bytes:
    """Run git, as nobody in particular."""
    own = ["-c", "user.name=me", "-c", "user.email=me@shop.example", "-c", "init.defaultBranch=main"]
    return subprocess.run(["git", *own, *words], cwd=folder, check=True, capture_output=True).stdout


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """One with a file of each name in its first commit."""
    git(tmp_path, "init", "-q")
    for name in NAMES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(f"one\ntwo\nthree\n{name}".encode())
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "first")
    return tmp_path


def by_path(content: bytes) -> dict[str, Change]:
    """The changes, of which no two have the same path."""
    changes = read_diff(content)
    found = {change.path: change for change in changes}
    assert len(found) == len(changes)
    return found


@pytest.mark.parametrize("options", [(), ("--no-prefix",), ("--src-prefix=i/", "--dst-prefix=w/", "-U0")], ids=str)
@pytest.mark.parametrize("name", NAMES)
def test_whatever_a_file_is_called(repository: Path, name: str, options: tuple[str, ...]) -> None:
    """Edited, renamed, made executable, deleted or made, a file comes out under its own name, with its lines."""
    file = repository / name
    file.write_bytes(f"one\n2\nthree\nfour\n{name}".encode())
    (change,) = read_diff(git(repository, "diff", *options))
    assert (change.old, change.new, change.old_lines, change.new_lines) == (name, name, of([2]), of([2, 4]))
    git(repository, "checkout", "-q", ".")
    file.chmod(0o755)
    (change,) = read_diff(git(repository, "diff", *options))
    assert (change.old, change.new, change.old_lines, change.new_lines) == (name, name, 0, 0)
    git(repository, "checkout", "-q", ".")
    git(repository, "mv", name, f"{name} moved.py")
    changes = by_path(git(repository, "diff", "-M", "--cached", *options))
    assert changes.keys() == {f"{name} moved.py"}
    assert changes[f"{name} moved.py"].old == name
    changes = by_path(git(repository, "diff", "--no-renames", "--cached", *options))
    assert (changes[name].old, changes[name].new, changes[name].old_lines) == (name, None, of([1, 2, 3, 4]))
    new = changes[f"{name} moved.py"]
    assert (new.old, new.new, new.new_lines) == (None, f"{name} moved.py", of([1, 2, 3, 4]))
    assert changed_lines(changes.values()) == {f"{name} moved.py": of([1, 2, 3, 4])}


TEXTS = (b"", b"a\n", b"a", b"a\nb\n", b"a\r\nb\r\n", b"\xff\x0c\x85\n-- a\n++ b\n", b"one\rtwo\n\n\n", b"a\n\nb")


@pytest.mark.parametrize("context", ["-U0", "-U3"])
def test_either_side_makes_the_other(tmp_path: Path, context: str) -> None:
    """Of any two texts, with each at hand, the diff tells which of them it is, and what the other was."""
    for number, texts in enumerate(itertools.permutations(TEXTS, 2)):
        if number % 2 != (context == "-U0"):  # half of the time is enough for either
            continue
        for name, text in zip(("one", "other"), texts, strict=True):
            (tmp_path / name).write_bytes(text)
        options = ("--no-index", "--text", context)
        done = subprocess.run(["git", "diff", *options, "one", "other"], cwd=tmp_path, capture_output=True, check=False)
        (change,) = read_diff(done.stdout)
        for content in texts:
            sides = change.sides(content)
            assert sides is not None, (texts, content)
            assert list(map(lines_of, sides)) == list(map(lines_of, texts))


def lines_of(content: bytes) -> list[bytes]:
    """Each with the end that a diff can't always give back."""
    lines = content.replace(b"\r\n", b"\n").split(b"\n")
    return [line + b"\n" for line in (lines if lines[-1] else lines[:-1])]


def test_a_file_that_is_neither_side_is_neither(repository: Path) -> None:
    """A text that has other lines where the diff has its own is not taken for one of the two."""
    (repository / "plain.py").write_bytes(b"one\n2\nthree\n")
    (change,) = read_diff(git(repository, "diff", "-U0"))
    assert change.sides(b"one\nzwei\nthree\n") is None
    assert change.sides(b"") is None


def test_random_edits() -> None:
    """Whatever lines go and come, difflib's diff of it names them, and can be taken back."""
    for seed in range(60):
        chance = random.Random(seed)
        one = [f"line {chance.randrange(9)}\n" for _ in range(chance.randrange(1, 30))]
        other = [line for line in one if chance.random() > 0.2]
        for _ in range(chance.randrange(1, 6)):
            other.insert(chance.randint(0, len(other)), f"new {chance.randrange(9)}\n")
        text = "".join(difflib.unified_diff(one, other, "v1/src/shop.py", "v2/src/shop.py", n=chance.randrange(3)))
        (change,) = read_diff(text.encode())
        assert (change.old, change.new) == ("src/shop.py", "src/shop.py")
        kept = [line for number, line in enumerate(other, 1) if not change.new_lines >> number & 1]
        assert kept == [line for number, line in enumerate(one, 1) if not change.old_lines >> number & 1]
        sides = change.sides("".join(other).encode())
        assert sides is not None
        assert sides == ("".join(one).encode(), "".join(other).encode())


def test_a_binary_file_is_told(repository: Path) -> None:
    """It has no lines, and nothing can be taken back."""
    (repository / "plain.py").write_bytes(b"\0\1")
    (change,) = read_diff(git(repository, "diff"))
    assert (change.old, change.new, change.binary, change.new_lines) == ("plain.py", "plain.py", True, 0)
    assert change.sides(b"\0\1") is None


def test_a_file_from_nothing() -> None:
    """All lines of a file that git does not know yet came."""
    change = added("shop/new.py", b"a\nb")
    assert (change.old, change.path, change.new_lines) == (None, "shop/new.py", of([1, 2]))


@pytest.mark.parametrize(
    "content",
    [
        b"no diff\n",
        b"--- a/x\n+++ b/x\n@@ -1,5 +1,5 @@\n-a\n+b\n",
        b"diff --cc x\n@@@ -1 -1 +1 @@@\n",
        b"@@ -1 +1 @@\n-a\n+b\n",
    ],
)
def test_what_is_no_diff_is_refused(content: bytes) -> None:
    """In one sentence that says what to give."""
    with pytest.raises(ReqcovError, match=r"^[^\n]+git diff[^\n]+\.$"):
        read_diff(content)


def test_no_change_is_no_fault() -> None:
    """An empty diff has no changes."""
    assert read_diff(b"") == []
