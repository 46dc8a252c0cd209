"""An export as Cobertura's XML: a folder is a package, a file a class, a function a method."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable
from itertools import groupby
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from reqcov import __version__
from reqcov.analysis.export import Export, ExportedFile, ExportedLine

DTD = "http://cobertura.sourceforge.net/xml/coverage-04.dtd"

_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def cobertura(answer: Export, *, folder: str, seconds: float) -> str:
    """Lines are function statements, and hits are requests.

    `folder` is the one that the paths are seen from, `seconds` since the epoch is when the export was made.
    """
    valid, covered = sum(len(file.lines) for file in answer.files), sum(file.ran for file in answer.files)
    root = Element(
        "coverage",
        {
            "version": __version__,
            "timestamp": str(int(seconds * 1000)),
            "lines-valid": str(valid),
            "lines-covered": str(covered),
            "branches-valid": "0",
            "branches-covered": "0",
        }
        | _rates(covered, valid),
    )
    SubElement(SubElement(root, "sources"), "source").text = _allowed(folder)
    packages = SubElement(root, "packages")
    by_folder = sorted(answer.files, key=lambda file: posixpath.dirname(file.path))
    for name, group in groupby(by_folder, lambda file: posixpath.dirname(file.path)):
        files = list(group)
        rates = _rates(sum(file.ran for file in files), sum(len(file.lines) for file in files))
        package = SubElement(packages, "package", {"name": _allowed(name.replace("/", ".") or ".")} | rates)
        classes = SubElement(package, "classes")
        for file in files:
            _add_class(classes, file)
    ElementTree.indent(root)
    text = ElementTree.tostring(root, "unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE coverage SYSTEM "{DTD}">\n{text}\n'


def _add_class(classes: Element, file: ExportedFile) -> None:
    names = {"name": _allowed(posixpath.basename(file.path)), "filename": _allowed(file.path)}
    made = SubElement(classes, "class", names | _rates(file.ran, len(file.lines)))
    methods = SubElement(made, "methods")
    by_number = {line.line: line for line in file.lines}
    for function in file.functions:
        own = [by_number[number] for number in function.statements]
        rates = _rates(sum(line.requests > 0 for line in own), len(own))
        _add_lines(SubElement(methods, "method", {"name": _allowed(function.name), "signature": ""} | rates), own)
    _add_lines(made, file.lines)


def _add_lines(parent: Element, lines: Iterable[ExportedLine]) -> None:
    made = SubElement(parent, "lines")
    for line in lines:
        SubElement(made, "line", {"number": str(line.line), "hits": str(line.requests), "branch": "false"})


def _rates(covered: int, valid: int) -> dict[str, str]:
    """Of nothing everything is covered, as coverage.py has it too."""
    rate = f"{covered / valid:.4g}" if valid else "1"
    return {"line-rate": rate, "branch-rate": "0", "complexity": "0"}


def _allowed(text: str) -> str:
    """XML can't hold every character, not even escaped."""
    return _FORBIDDEN.sub("\N{REPLACEMENT CHARACTER}", text)
