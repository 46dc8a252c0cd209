"""What the sources of a store consist of, each worked out once."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Callable, Collection, Iterable

import coverage

from reqcov import __version__
from reqcov.analysis.source.code import Code, decode, lines, parse
from reqcov.store.reading import StoreReader

Track = Callable[[Collection[str]], Iterable[str]]
"""Shows how far something that takes long has come."""

NOT_KEPT = Code(problem="its text was not kept, for it was edited while the server ran; restart the server after edits")


class Parsed:
    """The sources of a store by digest; what an earlier reader has worked out is taken from the store."""

    def __init__(self, reader: StoreReader, exclude: str, track: Track = iter) -> None:
        self._reader = reader
        self._exclude = exclude
        self._track = track
        versions = __version__, platform.python_version(), coverage.__version__, exclude
        self._rules = hashlib.sha256(repr(versions).encode()).hexdigest()[:16]
        self._remembered = reader.parsed(self._rules)
        self._codes: dict[str, Code] = {}
        self._texts: dict[str, str | None] = {}

    def prepare(self, digests: Iterable[str]) -> None:
        """Parse these, as far as that has not been done, and spare later readers the work."""
        new = [
            digest
            for digest in dict.fromkeys(digests)
            if digest not in self._remembered and digest not in self._codes and self.text(digest) is not None
        ]
        if new:
            for digest in self._track(new):
                self._codes[digest] = self.read(self.text(digest) or "")
            codes = {digest: json.dumps(self._codes[digest].to_dict()).encode() for digest in new}
            self._reader.remember_parsed(self._rules, codes)

    def text(self, digest: str) -> str | None:
        """The source; None where it was not kept."""
        if digest not in self._texts:
            content = self._reader.content(digest)
            self._texts[digest] = None if content is None else decode(content)
        return self._texts[digest]

    def code(self, digest: str) -> Code:
        """What the source consists of."""
        if digest not in self._codes:
            text = self.text(digest)
            if text is None:
                self._codes[digest] = NOT_KEPT
            else:
                remembered = self._remembered.get(digest)
                self._codes[digest] = (remembered and _believed(remembered, text)) or self.read(text)
        return self._codes[digest]

    def read(self, text: str) -> Code:
        """What any text consists of, by the same rules."""
        return parse(text, self._exclude)


def _believed(remembered: bytes, text: str) -> Code | None:
    """What an earlier reader worked out; None where it can't be of this text, for a store may be somebody else's."""
    try:
        values = json.loads(remembered)
        most = len(lines(text))
        if all(0 < first <= body <= last <= most for _, first, body, last, _ in values["functions"]):
            return Code.from_dict(values)
    except (KeyError, TypeError, ValueError):
        pass
    return None
