"""A store in which whatever can be a text tries to be more than that."""

from __future__ import annotations

import hashlib
from pathlib import Path

from reqcov.types import Source
from tests import stores
from tests.stores import Request, Server

MARKUP = (
    "<script>hacked = 1; alert(1)</script>",
    "</script><script>hacked = 1</script>",
    '"><img src=x onerror="hacked = 1">',
    "' onmouseover='hacked = 1' x='",
    "</title></style></textarea><b>bold</b>",
    "<!-- --> <![CDATA[ ]]> <?php ?>",
    "javascript:hacked=1",
    "{{ 7*7 }} {% raw %} ${7*7} #{7*7} %(x)s {0}",
    "&lt;b&gt; &amp;amp; &#60; %3Cb%3E \\u003cb\\x3e",
)
"""Each of them sets the variable `hacked`, or shows as something else than itself, where it is taken for code."""

ODD = (
    "ünïcödé ☃ 🦄 👩‍👩‍👧",
    "שלום עולם مرحبا",
    "\u202egpj.exe\u202c \u2066isolated\u2069 \u200bzero\u200dwidth",
    "line\u2028and\u2029paragraph\x85next",
    "control \x01\x07\x1b[31m\x7f",
    "nul\0nul",
    "tab\tquote\"apostrophe'backslash\\",
    "toString __proto__ constructor",
    "null NaN -0 1e9 =1+1 +1 @x",
    "  spaces  around  ",
    "?query&a=b#fragment+plus;semi%20%2F%2e%2e%00",
)

PATHS = (
    "__proto__",
    "con",
    "..",
    "../../../etc/passwd",
    "/etc/passwd",
    "//example.com/x.py",
    "file:///etc/passwd",
    "shop/%2e%2e/%2e%2e/x.py",
    "..\\..\\windows\\x.py",
    "shop/case.py",
    "shop/Case.py",
    "Shop/case.py",
    "shop/case.py.",
    "shop_case.py",
    "shop-case.py",
    "index.html",
    f"{'deep/' * 60}x.py",
    f"shop/{'long' * 75}.py",
    f"shop/{'long' * 75}_.py",
    f"shop/{'breite' * 10}-ä🦄-{'x' * 250}.py",
)
"""Names that mean something to a file system, a URL or a script, or are too long or too much alike for one of them."""

FUNCTION = "def {name}(value):\n    if value:\n        return {value}\n    return None\n"


def texts() -> dict[str, tuple[bytes, list[str]]]:
    """By the path of a file its content, and the lines that it must be shown with."""
    found = {f"shop/{each}.py": _plain(FUNCTION.format(name="f", value=1)) for each in (*MARKUP, *ODD)}
    found |= {path: _plain(FUNCTION.format(name="f", value=number)) for number, path in enumerate(PATHS)}
    quoted = "".join(
        f"def f{number}(value):\n    # {each}\n    return {each!r}, value  # {each}\n\n\n"
        for number, each in enumerate((*MARKUP, *ODD[:3], *ODD[6:]))
    )
    long = f"def f(value):\n    return {' + '.join(['value'] * 600)}  # {'<b>' * 200}\n\n\n# {'x' * 5_000}\n"
    latin = "# -*- coding: latin-1 -*-\ndef café(value):\n    return 'déjà <b>vu</b> ÿ'\n"
    tabs = "def f(value):\n\tif value:\n\t\treturn 'a\tb'\n\f\n\treturn None\n"
    return found | {
        "text/quoted.py": _plain(quoted),
        "text/long.py": _plain(long),
        "text/latin_1.py": (latin.encode("latin-1"), latin.split("\n")),
        "text/bom.py": (b"\xef\xbb\xbf" + FUNCTION.format(name="f", value="'ü'").encode(), _lines("'ü'")),
        "text/crlf.py": (FUNCTION.format(name="f", value=2).replace("\n", "\r\n").encode(), _lines("2")),
        "text/cr.py": (FUNCTION.format(name="f", value=3).replace("\n", "\r").encode(), _lines("3")),
        "text/tabs.py": _plain(tabs),
        "text/separators.py": _plain("def f(value):\n    return 'a\u2028b\x0bc\x1cd\x85e'\n"),
        "text/names.py": _plain(FUNCTION.format(name="مرحبا", value=4) + FUNCTION.format(name="ﬁ", value=5)),
        "text/unended.py": _plain("def f(value):\n    return value"),
        "text/empty.py": _plain(""),
        "text/blank.py": _plain("\n\n\n"),
        "text/broken.py": _plain("def f(value:\n    return <script>hacked = 1</script>\n"),
        "text/nul.py": _plain("def f(value):\n    return '\0'\n"),
        "text/undecodable.py": (b"def f(value):\n    return '\xff'\n", ["def f(value):", "    return '\ufffd'", ""]),
        "text/unknown_coding.py": _plain("# coding: <script>\ndef f(value):\n    return value\n"),
    }


NOT_KEPT = "text/edited.py"
"""A file that had changed before it could be read."""


def _plain(text: str) -> tuple[bytes, list[str]]:
    return text.encode(), text.split("\n")


def _lines(value: str) -> list[str]:
    return FUNCTION.format(name="f", value=value).split("\n")


class Project(stores.Project):
    """Files that are called otherwise on disk, where they could not be called so."""

    def __init__(self, folder: Path, contents: dict[str, bytes]) -> None:
        self.sources, self.files = {}, {}
        for number, (path, content) in enumerate(contents.items()):
            file = folder / f"{number}.py"
            file.write_bytes(content)
            self.sources[path] = Source(path, hashlib.sha256(content).hexdigest())
            self.files[self.sources[path]] = str(file)


def fill(folder: Path) -> Path:
    """Make the store; everything that has a name has each of `MARKUP` and `ODD` for one."""
    store = folder / "reqcov.sqlite3"
    contents = {path: content for path, (content, _) in texts().items()} | {NOT_KEPT: b"def f(value):\n    return 1\n"}
    project = Project(folder, contents)
    Path(project.files[project.sources[NOT_KEPT]]).write_text("edited")
    ran = tuple((path, frozenset(range(1, 80))) for path in contents)
    names = (*MARKUP, *ODD)
    for number, name in enumerate(names):
        some = tuple((path, frozenset({2, 3} if number % 2 else {2, 4})) for path, _ in ran[number % 3 :: 3])
        Server(project, f"{number:02}", build=name).serve(
            store,
            Request(f"/{name}", ran, method="GET", labels=((name, names[-number]), ("tenant", name))),
            Request(name, some, method="POST", status=number % 6, labels=(("tenant", name),)),
            Request("", some[:5], method=name if number == 0 else "GET", status=4),
        )
    return store
