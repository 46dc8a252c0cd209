"""`reqcov export lcov|xml|json`: other programs read what was recorded."""

from __future__ import annotations

import dataclasses
import io
import itertools
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from reqcov.analysis.export import Export, ExportedFile, ExportedFunction, ExportedLine
from reqcov.reports.cobertura import cobertura
from reqcov.reports.json import as_json
from reqcov.reports.lcov import lcov
from reqcov.reports.schemas import schema
from tests.export_shop import FILES, STRANGE, Project, make_project  # noqa: F401

RATES = "line-rate branch-rate complexity"
ELEMENTS = {
    "condition": ("EMPTY", "number type coverage", {}),
    "conditions": ("(condition*)", "", {}),
    "line": ("(conditions*)", "number hits", {"branch": "false", "condition-coverage": "100%"}),
    "lines": ("(line*)", "", {}),
    "method": ("(lines)", f"name signature {RATES}", {}),
    "methods": ("(method*)", "", {}),
    "class": ("(methods, lines)", f"name filename {RATES}", {}),
    "classes": ("(class*)", "", {}),
    "package": ("(classes)", f"name {RATES}", {}),
    "packages": ("(package*)", "", {}),
    "source": ("(#PCDATA)", "", {}),
    "sources": ("(source*)", "", {}),
    "coverage": (
        "(sources?, packages)",
        f"version timestamp lines-valid lines-covered branches-valid branches-covered {RATES}",
        {},
    ),
}
"""What Cobertura's coverage-04.dtd says: what an element contains, the attributes that it must have, and may have."""


def dtd() -> etree.DTD:
    """Cobertura's; no package that could be installed ships it."""
    text = ""
    for name, (content, required, optional) in ELEMENTS.items():
        text += f"<!ELEMENT {name} {content}>\n"
        text += "".join(f"<!ATTLIST {name} {attribute} CDATA #REQUIRED>\n" for attribute in required.split())
        text += "".join(f'<!ATTLIST {name} {attribute} CDATA "{value}">\n' for attribute, value in optional.items())
    return etree.DTD(io.StringIO(text))


def serve(project: Project) -> None:
    """Three requests to two routes."""
    cart, strange = project.module("shop/cart.py"), project.module(STRANGE)
    project.module("shop/quiet.py")
    project.module("shop/constants.py")
    with project.served() as send:
        for prices in ([1], [2000]):
            send("/orders", lambda prices=prices: cart.Cart(prices).total)
        send("/about", lambda: (strange.about(), cart.shipping(5), cart.Cart([])))


WANTED = {
    "shop/__init__.py": {},
    "shop/cart.py": {8: 3, 12: 2, 13: 2, 14: 2, 15: 1, 16: 2, 17: 2, 21: 0, 31: 1, 32: 1, 36: 0, 39: 0},
    "shop/constants.py": {},
    "shop/quiet.py": {2: 0},
    STRANGE: {2: 1, 3: 1, 7: 0},
}
"""Requests by path and line."""
FUNCTIONS = {
    "shop/cart.py": {"Cart.__init__": 3, "Cart.total": 2, "Cart.total@19": 0, "shipping": 1, "<lambda>": 0},
    "shop/quiet.py": {"quiet": 0},
    STRANGE: {"about": 1, "never": 0},
}


def read_lcov(text: str) -> dict[str, dict[str, Any]]:
    """By path, what a tracefile says, as geninfo(1) has it."""
    files: dict[str, dict[str, Any]] = {}
    for record in text.split("end_of_record\n")[:-1]:
        rows = [line.partition(":") for line in record.removesuffix("\n").split("\n")]
        assert rows[0] == ("TN", ":", "")
        found: dict[str, Any] = {"FN": {}, "FNDA": {}, "DA": {}}
        for key, _, value in rows[1:]:
            if key in ("FN", "FNDA", "DA"):
                first, second = value.split(",", 1)
                name, number = (int(first), int(second)) if key == "DA" else (second, int(first))
                assert name not in found[key]
                found[key][name] = number
            else:
                found[key] = value if key == "SF" else int(value)
        files[found["SF"]] = found
    assert text.endswith("end_of_record\n") or not text
    return files


def test_lcov_counts_requests(project: Project) -> None:
    """Lines are function statements, with the requests that ran them; functions are counted too."""
    serve(project)
    files = read_lcov(project.export("lcov"))
    assert {path: file["DA"] for path, file in files.items()} == WANTED
    assert {path: file["FNDA"] for path, file in files.items() if file["FN"]} == FUNCTIONS
    assert files["shop/cart.py"]["FN"]["Cart.total"] == 12
    totals = {key: files["shop/cart.py"][key] for key in ("LF", "LH", "FNF", "FNH")}
    assert totals == {"LF": 12, "LH": 9, "FNF": 5, "FNH": 3}
    only = read_lcov(project.export("lcov", "--route", "/about"))
    assert only["shop/cart.py"]["DA"] == {line: int(line in (8, 31, 32)) for line in WANTED["shop/cart.py"]}


@pytest.mark.skipif(shutil.which("genhtml") is None, reason="genhtml is not installed: apt-get install lcov")
def test_genhtml_reads_it(project: Project) -> None:
    """lcov's own program makes pages of it, without a warning, and finds the same totals."""
    serve(project)
    project.reqcov("export", "lcov", "-o", "coverage.info")
    done = subprocess.run(
        ["genhtml", "--output-directory", "pages", "coverage.info"], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert not re.search("warning|error", done.stdout, re.IGNORECASE)
    lines = [hits for file in WANTED.values() for hits in file.values()]
    functions = [hits for file in FUNCTIONS.values() for hits in file.values()]
    for what, hits in (("lines", lines), ("functions", functions)):
        hit = sum(map(bool, hits))
        assert re.search(rf"{what}\.*: {100 * hit / len(hits):.1f}% \({hit} of {len(hits)} {what}\)", done.stdout)
    assert list(Path("pages").rglob("*mehr*.gcov.html"))


def read_xml(root: Any) -> dict[str, dict[int, int]]:
    """By path, the hits of lines; what is summed up is right, on each level."""
    files = {}
    for package in root.iter("package"):
        for each in package.iter("class"):
            lines = {int(line.get("number")): int(line.get("hits")) for line in each.find("lines")}
            methods = [int(line.get("number")) for line in each.find("methods").iter("line")]
            assert sorted(methods) == list(lines)
            files[each.get("filename")] = lines
            check_rate(each, lines.values())
            for method in each.find("methods"):
                check_rate(method, [int(line.get("hits")) for line in method.iter("line")])
        check_rate(package, [hits for each in package.iter("class") for hits in files[each.get("filename")].values()])
    hits = [hits for lines in files.values() for hits in lines.values()]
    check_rate(root, hits)
    assert root.get("lines-valid") == str(len(hits))
    assert root.get("lines-covered") == str(sum(map(bool, hits)))
    return files


def test_a_folder_is_one_package() -> None:
    """Also where paths in their order go into another folder in between."""
    nothing = {"digest": "", "ran": 0, "lines": [], "functions": [], "import_time": [], "excluded": []}
    files = [ExportedFile(path=path, **nothing) for path in ("a.py", "b/c.py", "b/d/e.py", "b/f.py", "g.py")]
    root = etree.fromstring(cobertura(Export(requests=1, routes={}, files=files), folder="/", seconds=0).encode())
    assert {package.get("name"): package.xpath(".//class/@filename") for package in root.iter("package")} == {
        ".": ["a.py", "g.py"],
        "b": ["b/c.py", "b/f.py"],
        "b.d": ["b/d/e.py"],
    }
    assert len(root.find("packages")) == 3


def check_rate(element: Any, hits: Any) -> None:
    covered = [bool(each) for each in hits]
    rate = sum(covered) / len(covered) if covered else 1.0
    assert float(element.get("line-rate")) == pytest.approx(rate, abs=0.0001)


def test_xml_is_valid_and_counts_requests(project: Project) -> None:
    """It is what Cobertura's DTD asks for, and names each file, function and line with its requests."""
    serve(project)
    project.reqcov("export", "xml", "-o", "coverage.xml")
    root = etree.parse("coverage.xml").getroot()
    dtd().assertValid(root)
    assert read_xml(root) == WANTED
    assert root.xpath("sources/source/text()") == [str(project.folder)]
    assert root.xpath("//package/@name") == ["shop"]
    assert root.xpath("//class[@name='cart.py']//method/@name") == [
        "Cart.__init__",
        "Cart.total",
        "Cart.total",
        "shipping",
        "<lambda>",
    ]


@pytest.mark.parametrize(
    "break_it",
    [
        lambda root: root.remove(root.find("packages")),
        lambda root: root.find(".//line").attrib.pop("hits"),
        lambda root: root.find(".//method").attrib.pop("signature"),
        lambda root: root.find(".//line").set("requests", "1"),
        lambda root: root.find(".//class").append(etree.Element("methods")),
    ],
)
def test_the_dtd_can_refuse(project: Project, break_it: Any) -> None:
    """What is missing, too much or out of order is not valid."""
    serve(project)
    root = etree.fromstring(project.export("xml").encode())
    assert dtd().validate(root)
    break_it(root)
    assert not dtd().validate(root)


def test_json_tells_everything(project: Project) -> None:
    """Each function statement comes with its requests and routes, each file with its functions and other lines."""
    serve(project)
    answer = json.loads(project.export("json"))
    jsonschema.validate(answer, schema(Export))
    assert {key: answer[key] for key in ("answer", "version", "requests", "routes")} == {
        "answer": "export",
        "version": 1,
        "requests": 3,
        "routes": {"GET /about": 1, "GET /orders": 2},
    }
    files = {file["path"]: file for file in answer["files"]}
    assert {path: {line["line"]: line["requests"] for line in file["lines"]} for path, file in files.items()} == WANTED
    cart = files["shop/cart.py"]
    assert [line["routes"] for line in cart["lines"] if line["line"] in (8, 15, 31, 36)] == [
        ["GET /about", "GET /orders"],
        ["GET /orders"],
        ["GET /about"],
        [],
    ]
    assert cart["functions"][2] == {
        "name": "Cart.total",
        "first": 19,
        "last": 23,
        "requests": 0,
        "statements": [21],
    }
    assert (cart["ran"], cart["import_time"], cart["excluded"]) == (9, [1, 3, 6, 7, 10, 11, 19, 20, 29, 30], [25, 26])


def test_everywhere_the_same(project: Project) -> None:
    """coverage.py, reading the data file, finds the same lines run and missing as the other three formats tell."""
    serve(project)
    project.reqcov("export", "coverage", "-o", ".coverage")
    told = {path: {line: bool(names) for line, names in lines.items()} for path, lines in project.told().items()}
    assert told == {path: {line: hits > 0 for line, hits in lines.items()} for path, lines in WANTED.items()}


texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)


@st.composite
def files(draw: st.DrawFn) -> ExportedFile:
    """A file whose functions share its statements out among them."""
    numbers = sorted(draw(st.sets(st.integers(1, 500), max_size=12)))
    cuts = sorted(draw(st.sets(st.integers(1, max(len(numbers) - 1, 1)))))
    shares = [numbers[start:end] for start, end in itertools.pairwise([0, *cuts, len(numbers)])]
    lines = [
        ExportedLine(line=number, requests=draw(st.integers(0, 10**9)), routes=draw(st.lists(texts, max_size=2)))
        for number in numbers
    ]
    requests = {line.line: line.requests for line in lines}
    return ExportedFile(
        path=draw(texts),
        digest="",
        ran=sum(line.requests > 0 for line in lines),
        lines=lines,
        functions=[
            ExportedFunction(
                name=draw(st.sampled_from(["f", "Cart.<lambda>", "été"]) | texts),
                first=share[0],
                last=share[-1],
                requests=max(requests[number] for number in share),
                statements=share,
            )
            for share in shares
            if share
        ],
        import_time=[],
        excluded=[],
    )


answers = st.lists(files(), max_size=3, unique_by=lambda file: re.sub(r"[^ -~]", "\ufffd", file.path)).map(
    lambda files: Export(requests=1, routes={}, files=files)
)


@given(answers)
def test_lcov_says_all_of_it(answer: Export) -> None:
    """Whatever names there are, each value takes one line, and reads back as it was."""
    read = read_lcov(lcov(answer))
    assert len(read) == len(answer.files)
    for file, found in zip(answer.files, read.values(), strict=True):
        assert found["SF"] == re.sub(r"[\x00-\x1f\x7f]", "\ufffd", file.path)
        assert found["DA"] == {line.line: line.requests for line in file.lines}
        assert found["FN"].keys() == found["FNDA"].keys()
        assert list(found["FNDA"].values()) == [function.requests for function in file.functions]
        assert list(found["FN"].values()) == [function.statements[0] for function in file.functions]
        assert (found["LF"], found["LH"]) == (len(file.lines), file.ran)
        assert found["FNF"] == len(file.functions)
        assert found["FNH"] == sum(function.requests > 0 for function in file.functions)


@given(answers, texts)
def test_xml_says_all_of_it(answer: Export, folder: str) -> None:
    """Whatever names there are, it is valid, and reads back as it was."""
    text = cobertura(answer, folder=folder, seconds=1.5).encode()
    root = etree.fromstring(text)
    dtd().assertValid(root)
    read = read_xml(root)
    assert root.get("timestamp") == "1500"
    assert sorted(read.values(), key=repr) == sorted(
        ({line.line: line.requests for line in file.lines} for file in answer.files), key=repr
    )
    names = [function.name for file in answer.files for function in file.functions]
    plain = [name for name in names if name.isprintable()]
    assert not set(plain) - {method.get("name") for method in root.iter("method")}
    assert ElementTree.fromstring(text).tag == "coverage"


@given(answers)
def test_json_says_all_of_it(answer: Export) -> None:
    """It reads back as it was, on one line."""
    text = as_json(answer, compact=True)
    assert "\n" not in text
    read = json.loads(text)
    assert read == {"answer": "export", "version": 1} | dataclasses.asdict(answer)
