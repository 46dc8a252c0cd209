"""Files that nobody imported are those that coverage.py would measure, and the store has not."""

from __future__ import annotations

from pathlib import Path

import pytest

from reqcov.cli.unimported import find

PYPROJECT = """
[tool.coverage.run]
{run}

[tool.reqcov]
{reqcov}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a package, tests, scripts, and an environment."""
    monkeypatch.chdir(tmp_path)
    for name in (
        "setup.py",
        "shop/__init__.py",
        "shop/web.py",
        "shop/old.py",
        "shop/admin/__init__.py",
        "shop/admin/tools.py",
        "shop/no_package/script.py",
        "shop/admin/test_tools.py",
        "tests/__init__.py",
        "tests/test_web.py",
        ".venv/lib/site-packages/other/__init__.py",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x = 1\n")
    return tmp_path


def configure(folder: Path, *, run: str = "", reqcov: str = "") -> None:
    (folder / "pyproject.toml").write_text(PYPROJECT.format(run=run, reqcov=reqcov))


ALL = ["shop/admin/__init__.py", "shop/admin/test_tools.py", "shop/admin/tools.py", "shop/old.py"]


def test_of_the_packages_that_were_imported(folder: Path) -> None:
    """Without `source`, the packages count that something was imported from, all of each and nothing else."""
    assert find(folder, ["shop/__init__.py", "shop/web.py"]) == ALL
    assert find(folder, ["shop/__init__.py", "shop/web.py", "shop/admin/tools.py"]) == [*ALL[:2], ALL[3]]
    assert find(folder, ["shop/admin/tools.py"]) == ["shop/__init__.py", *ALL[:2], "shop/old.py", "shop/web.py"]


@pytest.mark.parametrize("where", ["run", "reqcov"])
def test_as_configured(folder: Path, where: str) -> None:
    """`source` and `omit` say which, be they coverage.py's own or ours."""
    configure(folder, **{where: 'source = ["shop/admin"]\nomit = ["*/test_*"]'})
    assert find(folder, ["shop/web.py"]) == ["shop/admin/__init__.py", "shop/admin/tools.py"]


def test_omitted(folder: Path) -> None:
    """What is omitted is left out without `source`, too."""
    configure(folder, run='omit = ["*/admin/*"]')
    assert find(folder, ["shop/__init__.py", "shop/web.py"]) == ["shop/old.py"]


def test_a_package_by_name(folder: Path) -> None:
    """A `source` that is no folder here, but a package somewhere, leaves it to what was imported."""
    (folder / "src").mkdir()
    (folder / "shop").rename(folder / "src" / "shop")
    configure(folder, reqcov='source = ["shop"]')
    assert find(folder, ["src/shop/__init__.py", "src/shop/web.py"]) == [f"src/{path}" for path in ALL]


def test_a_package_that_was_installed(folder: Path) -> None:
    """A file is the same whether it was imported from here or from where packages are installed."""
    (folder / "src").mkdir()
    (folder / "shop").rename(folder / "src" / "shop")
    configure(folder, reqcov='source = ["src/shop"]')
    assert find(folder, ["shop/__init__.py", "shop/web.py"]) == [f"src/{path}" for path in ALL]


def test_in_another_folder(folder: Path) -> None:
    """Where nothing is that was imported, it is not the project's folder, and all would seem not to be imported."""
    assert find(folder, ["app/main.py", "/somewhere/shop/web.py"]) is None
    configure(folder, reqcov='source = ["shop"]')
    assert find(folder, ["app/main.py"]) is None
