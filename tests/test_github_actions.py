"""The workflow that docs/github-actions.md shows is one, and its steps do what the page says."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.gaps_shop import FILES, deploy, serve

PAGE = Path(__file__).resolve().parent.parent / "docs" / "github-actions.md"

GH = """\
#!/bin/sh
case "$*" in
    "run list --workflow store.yml --status success --limit 1 --json databaseId --jq .[0].databaseId") echo 17;;
    "run download 17 --name reqcov --dir .reqcov") mkdir .reqcov; cp "$STORE" .reqcov/;;
    *) echo "gh knows no $*" >&2; exit 1;;
esac
"""
"""GitHub's command, as far as it is asked: for a run, and for its artifact."""


def workflow() -> Any:
    found = re.search(r"^```yaml\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    assert found
    return yaml.safe_load(found[1])


def git(*arguments: str, cwd: Path) -> None:
    command = ["git", "-c", "user.name=me", "-c", "user.email=me@localhost", "-c", "init.defaultBranch=main"]
    subprocess.run([*command, *arguments], cwd=cwd, check=True, capture_output=True)


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, dict[str, str]]:
    """A change of a project with a store, checked out; and the environment of the job."""
    if shutil.which("git") is None or shutil.which("bash") is None:
        pytest.skip("git or bash is not installed")
    server, origin, here, commands = (tmp_path / name for name in ("server", "origin", "here", "bin"))
    deploy(server)
    kinds = ["plain"] * 3 + ["coupon"] * 2 + ["lost"]
    store = serve(server, kinds, monkeypatch)
    deploy(origin)
    git("init", "-q", cwd=origin)
    git("add", ".", cwd=origin)
    git("commit", "-qm", "one", cwd=origin)
    git("clone", "-q", str(origin), str(here), cwd=tmp_path)
    changed = FILES["shop/prices.py"].replace("return cents * percent // 100", "return cents * percent // 99")
    (here / "shop/prices.py").write_text(changed.replace("return 490", "return 400 + 90"))
    git("commit", "-qam", "two", cwd=here)
    commands.mkdir()
    (commands / "gh").write_text(GH)
    (commands / "gh").chmod(0o755)
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("REQCOV_", "COV", "GITHUB_"))}
    path = os.pathsep.join([str(commands), str(Path(sys.executable).parent), os.environ["PATH"]])
    return here, {**environ, "PATH": path, "STORE": str(store), "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md")}


def test_the_workflow_prints_the_gaps_of_a_change(checkout: tuple[Path, dict[str, str]]) -> None:
    """Every step but the installation is run as GitHub runs it; the gaps are in the log and in the summary."""
    here, environ = checkout
    told = workflow()
    assert told["permissions"] == {"actions": "read", "contents": "read"}
    assert told[True] == "pull_request"  # YAML 1.1 takes `on` for a truth value
    shell = {"bash": ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c"]}[told["defaults"]["run"]["shell"]]
    known = {"${{ github.token }}": "secret", "${{ github.base_ref }}": "main"}
    log = ""
    for step in told["jobs"]["gaps"]["steps"]:
        own = {name: known[value] for name, value in step.get("env", {}).items()}
        if "run" in step and step["name"] != "Install":
            done = subprocess.run(
                [*shell, step["run"]], cwd=here, env={**environ, **own}, text=True, capture_output=True, check=False
            )
            assert done.returncode == 0, done.stdout + done.stderr
            log += done.stdout
    text = " ".join(log.split())
    assert "2 28.6% shop/prices.py 24 discounted.<locals>.off (changed) GET /order (2)" in text
    assert "1 line in 1 gap." in text
    assert "7 requests ran 2 changed function statements" in text
    summary = Path(environ["GITHUB_STEP_SUMMARY"]).read_text()
    assert summary.startswith("### Untested lines")
    assert "    1 line in 1 gap.\n" in summary
