"""What tests covered is read from files of several formats, and matched to the files of a store."""

from __future__ import annotations

from pathlib import Path

import pytest
from coverage import CoverageData
from hypothesis import given
from hypothesis import strategies as st

from reqcov.analysis.inputs.matching import match
from reqcov.analysis.inputs.tested import Covered, find, read
from reqcov.analysis.inputs.tested import tested as covered
from reqcov.analysis.source.masks import of
from reqcov.errors import ReqcovError
from tests.gaps_shop import closed
from tests.reading import add, hit

XML = """<?xml version="1.0" ?>
<!DOCTYPE coverage SYSTEM "http://cobertura.sourceforge.net/xml/coverage-04.dtd">
<coverage><sources>{sources}</sources><packages>{packages}</packages></coverage>
"""
PACKAGE = '<package name="{name}"><classes><class filename="{file}"><lines>{lines}</lines></class></classes></package>'


def xml(*files: tuple[str, str, dict[int, int]], sources: tuple[str, ...] = ("/ci/proj",)) -> str:
    """Of package, name and hits by line."""
    packages = "".join(
        PACKAGE.format(name=name, file=file, lines="".join(f'<line number="{n}" hits="{h}"/>' for n, h in hits.items()))
        for name, file, hits in files
    )
    return XML.format(sources="".join(f"<source>{each}</source>" for each in sources), packages=packages)


def matched(names: list[str], paths: list[str], folder: str = "/home/me/x") -> dict[str, str]:
    """What names mean; that nothing is lost is checked on the way."""
    found = match(names, paths, folder)
    assert sorted([*found.paths, *found.unknown, *found.unclear]) == sorted(set(names))
    return found.paths


def test_any_root() -> None:
    """Names of any machine mean what they end in, however far up they begin, or below the store's root."""
    for root in ("/ci/proj/", "/app/", "", "./", "C:\\ci\\proj\\", "C:/ci/", "/venv/lib/python3.12/site-packages/"):
        names = [f"{root}shop{chr(92) if chr(92) in root else '/'}cart.py", f"{root}other.py"]
        assert matched(names, ["shop/cart.py", "shop/web.py"]) == {names[0]: "shop/cart.py"}
    assert matched(["cart.py"], ["src/shop/cart.py"]) == {"cart.py": "src/shop/cart.py"}
    assert matched(["/app/shop/cart.py"], ["src/shop/cart.py"]) == {"/app/shop/cart.py": "src/shop/cart.py"}


def test_the_last_part_alone_is_no_match() -> None:
    """Every package has an `__init__.py`; a name that only ends in the same one is another file."""
    assert matched(["/ci/proj/tests/__init__.py", "/ci/proj/lib/cart.py"], ["shop/__init__.py", "shop/cart.py"]) == {}
    assert matched(["/ci/proj/shop/wcart.py"], ["cart.py"]) == {}


def test_the_longest_wins() -> None:
    """Of files of the store that a name ends in, it is the longest."""
    assert matched(["/ci/lib/app.py"], ["app.py", "lib/app.py"]) == {"/ci/lib/app.py": "lib/app.py"}
    names = ["/ci/app.py", "/ci/lib/app.py"]
    assert matched(names, ["app.py", "lib/app.py"]) == dict(zip(names, ["app.py", "lib/app.py"], strict=True))


def test_what_may_be_two_files_is_none() -> None:
    """A name that fits two files of the store equally, or two names of one tree that fit one, are unclear."""
    found = match(["cart.py"], ["shop/cart.py", "old/cart.py"], "/home/me")
    assert (found.paths, found.unclear) == ({}, ["cart.py"])
    names = ["/ci/app.py", "/ci/lib/app.py"]
    found = match(names, ["app.py"], "/home/me")
    assert (found.paths, found.unclear) == ({}, names)
    assert matched(names, ["app.py"], "/ci") == {names[0]: "app.py"}
    assert matched(names, ["app.py"], "/ci/lib") == {names[1]: "app.py"}


@pytest.mark.parametrize("alone", [False, True])
def test_one_folder_is_the_root(alone: bool) -> None:
    """What other names make the root tells which of two files is meant; and that one alone is not, if it lies below."""
    sure = ["/ci/mono/back/shop/cart.py", "/ci/mono/back/shop/web.py"]
    paths = ["app.py", "shop/cart.py", "shop/web.py"]
    for other in ("/ci/mono/back/lib/app.py", "/ci/mono/app.py"):
        names = [*sure, other] if alone else [*sure, other, "/ci/mono/back/app.py"]
        found = match(names, paths, "/ci/mono")
        assert found.paths == dict(zip([name for name in names if name != other], paths[1:] + paths[:1], strict=False))
        assert found.unknown == [other]


def test_several_roots() -> None:
    """Two folders may stand for two of the store, one of them below the other."""
    names = {"/x/app/shop/a.py": "src/shop/a.py", "/x/app/shop/b.py": "src/shop/b.py", "/x/gen/c.py": "tools/gen/c.py"}
    assert matched(list(names), list(names.values())) == names


def test_machines_side_by_side() -> None:
    """Parts of one suite that ran in several folders mean the same files."""
    carts, webs = ["/ci/1/shop/cart.py", "/ci/2/shop/cart.py"], ["/ci/2/shop/web.py", "shop/web.py"]
    expected = {**dict.fromkeys(carts, "shop/cart.py"), **dict.fromkeys(webs, "shop/web.py")}
    assert matched([*carts, *webs], ["shop/cart.py", "shop/web.py"]) == expected


parts = st.lists(st.sampled_from(["a", "b", "c.py"]), min_size=1, max_size=4).map("/".join)


@given(st.sets(parts, min_size=1), st.sampled_from(["/", "/ci/", "/a/", "/a/b/", ""]))
def test_a_whole_tree_means_itself(paths: set[str], root: str) -> None:
    """Whatever files lie in one folder, each of their names means the file, and no other."""
    names = {f"{root}{path}": path for path in sorted(paths)}
    found = match(names, paths, "/home/me/x")
    assert {name: names[name] for name in found.paths} == found.paths
    if root != "":
        assert found.paths == names


def test_formats(tmp_path: Path) -> None:
    """Lines that ran at least once, whatever the file is called."""
    file = tmp_path / "file"
    file.write_text(
        "TN:\nSF:/ci/proj/shop/cart.py\nFN:2,total\nDA:1,1\nDA:2,0\nDA:3,7,c2Fs\nDA:4,-1\nDA:5,1e3\nBRDA:3,0,0,1\nend_of_record\nSF:b.py\r\nDA:4,2\r\nend_of_record\n"
    )
    assert read(file) == {"/ci/proj/shop/cart.py": {1, 3, 5}, "b.py": {4}}
    file.write_text(xml(("shop", "shop/cart.py", {1: 1, 2: 0, 3: 7}), (".", "/abs/b.py", {4: 2})))
    assert read(file) == {"/ci/proj/shop/cart.py": {1, 3}, "/abs/b.py": {4}}
    file.unlink()
    for arcs in (False, True):
        data = CoverageData(basename=str(file))
        for context, lines in (("one", {1: None, 2: None}), ("", {3: None})):
            data.set_context(context)
            if arcs:
                data.add_arcs({"/ci/cart.py": [(-1, line) for line in lines] + [(max(lines), -1)]})
            else:
                data.add_lines({"/ci/cart.py": lines})
        data.write()
        closed(data)
        assert read(file) == {"/ci/cart.py": {1, 2, 3}}
        file.unlink()


def test_several_folders_of_sources(tmp_path: Path) -> None:
    """Cobertura doesn't say in which of several folders a file lies: it is matched by its own name, if that is one."""
    file = tmp_path / "coverage.xml"
    folders = ("/ci/shop", "/ci/lib")
    file.write_text(xml(("a", "cart.py", {1: 1}), ("a", "cart.py", {2: 1}), sources=folders))
    assert read(file) == {"cart.py": {1, 2}}
    file.write_text(xml(("a", "cart.py", {1: 1}), ("b", "cart.py", {2: 1}), sources=folders))
    with pytest.raises(ReqcovError, match=r"'cart\.py' is more than one file there"):
        read(file)


ENTITY = '<!DOCTYPE coverage [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;">]>'


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "neither a data file of coverage.py, nor lcov"),
        (b"hello", "neither a data file of coverage.py, nor lcov"),
        (b"SQLite format 3\0 and nothing more", "not a database|malformed|file is encrypted"),
        (b"SF:a.py\nDA:one,1\nend_of_record\n", "no such line as 'DA:one,1'"),
        (b"TN:\nDA:1,1\n", "no such line as 'DA:1,1'"),
        (b"SF:a.py\nDA:1,many\n", "could not convert"),
        (b"<report/>", "XML, but not Cobertura's"),
        (b"<coverage>", "no element found"),
        (f"{ENTITY}<coverage>&b;</coverage>".encode(), "declares an entity, 'a'"),
        (b'<!DOCTYPE c [<!ENTITY % p SYSTEM "http://localhost/x"> %p;]><coverage/>', "declares an entity, 'p'"),
        (b'<coverage><class filename="a"><line number="x" hits="1"/></class></coverage>', "invalid literal"),
    ],
)
def test_what_can_not_be_read(tmp_path: Path, content: bytes, why: str) -> None:
    """One sentence says why, and what to give instead."""
    file = tmp_path / "file"
    file.write_bytes(content)
    with pytest.raises(ReqcovError, match=why) as error:
        read(file)
    assert str(error.value).startswith(f"{file} can't be read: ")
    assert "Give --tests a data file of coverage.py, lcov, or Cobertura's XML." in str(error.value)


def test_a_store_stays_as_it_is(tmp_path: Path) -> None:
    """coverage.py makes any SQLite file without its tables one of its own; that must not happen to our store."""
    store = tmp_path / "reqcov.sqlite3"
    add(store, [(hit("/"), 1)])
    before = store.read_bytes()
    with pytest.raises(ReqcovError, match="no such table: coverage_schema"):
        read(store)
    assert store.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir() if "journal" in file.name] == []


def test_what_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files, folders of coverage.py's parts and patterns; each file once."""
    monkeypatch.chdir(tmp_path)
    for name in ("a/.coverage", "a/.coverage.host.1", "a/.coverage.host.1-journal", "a/.coveragerc", "b/[x].info"):
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).touch()
    parts = [Path("a/.coverage"), Path("a/.coverage.host.1")]
    assert find(["a", "a/.coverage"]) == parts
    assert find(["a/.coverage", "a/.cover*1"]) == parts
    assert find(["b/[x].info"]) == [Path("b/[x].info")]
    assert find([str(tmp_path / "*" / "*.info")]) == [tmp_path / "b/[x].info"]
    for name, why in (("b", "no coverage.py data file in the folder b"), ("c*", "no file c*"), ("d", "no file d")):
        with pytest.raises(ReqcovError, match=why.replace("*", r"\*")):
            find([name])


def test_files_are_put_together(tmp_path: Path) -> None:
    """What several files say of one file of the store is one; what is no line number is left out."""
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_text(
        "SF:/ci/shop/cart.py\nDA:1,1\nDA:0,1\nDA:999999999,1\nend_of_record\nSF:/ci/tests/a.py\nend_of_record"
    )
    two.write_text("SF:shop/cart.py\nDA:2,1\nend_of_record\n")
    found = covered([one, two], ["shop/cart.py", "shop/web.py"], tmp_path)
    assert found == Covered(lines={"shop/cart.py": of([1, 2])}, unknown=["/ci/tests/a.py"], unclear=[])


def test_tests_of_another_project(tmp_path: Path) -> None:
    """Where nothing matches it is an error that shows what is called how."""
    file = tmp_path / "lcov.info"
    file.write_text("SF:/ci/other.py\nDA:1,1\nend_of_record\n")
    with pytest.raises(ReqcovError, match=r"tells nothing of .*: /ci/other.py is measured there, shop/cart.py here\."):
        covered([file], ["shop/cart.py"], tmp_path)
    file.write_text("TN:\n")
    with pytest.raises(ReqcovError, match="No file was measured in"):
        covered([file], ["shop/cart.py"], tmp_path)
