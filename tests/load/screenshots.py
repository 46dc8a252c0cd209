"""What the pages look like, and what is wrong with them: `python -m tests.load.screenshots`."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from urllib.parse import urlencode

import click
from playwright.sync_api import Browser

from tests import hostile_store, shop_store
from tests.pages.browser import SCHEMES, SIZES, Window, overhanging, started, violations

STORES = {"shop": shop_store.made, "hostile": hostile_store.fill}


@click.command()
@click.option("-o", "--output", type=click.Path(path_type=Path), default=Path("build/screenshots"), show_default=True)
@click.option("--store", default="shop", show_default=True, help="shop, hostile, or a store of your own.")
@click.option(
    "--page", "wanted", multiple=True, help="A page, with its query and fragment; otherwise one of each kind."
)
@click.option("--tests", multiple=True, help="What tests covered, as `reqcov html` takes it.")
@click.option("--whole", is_flag=True, help="All of the page, not only what is in the window.")
def main(output: Path, store: str, wanted: tuple[str, ...], tests: tuple[str, ...], whole: bool) -> None:
    """Write the pages of a store, and a picture of each kind in two sizes and two colour schemes."""
    output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, started() as browser:
        path = STORES[store](Path(folder)) if store in STORES else Path(store)
        site = Path(folder, "html")
        told = [each for name in tests for each in ("--tests", name)]
        subprocess.run([sys.executable, "-m", "reqcov", "html", "--store", path, "-o", site, *told], check=True)
        for page in wanted or kinds(site):
            name = page.replace("/", "-").split(".html")[0]
            for size in SIZES:
                for scheme in SCHEMES:
                    file = output / f"{Path(store).stem}-{name}-{size}-{scheme}.png"
                    _look(browser, f"{site.as_uri()}/", page, size, scheme, file, whole)


def kinds(site: Path) -> list[str]:
    """Of each kind of page one, in a state that shows something; of those that there are many of, the longest."""
    route, file = (max(site.glob(f"{kind}/*.html"), key=lambda each: each.stat().st_size) for kind in ("route", "file"))
    ran = re.search(r'id="(L\d+)" class="l ran', file.read_text("utf-8"))
    data = re.search(r'id="page-data">(.*?)</script>', (site / "compare.html").read_text("utf-8"))
    assert data is not None
    sides = sorted(json.loads(data[1]))[:2]  # builds, where there are some
    compared = urlencode(
        [(end, f"{kind}:{name}") for end, (kind, name, _) in zip(("left", "right"), sides, strict=False)]
    )
    return [
        "index.html",
        "routes.html",
        "files.html",
        f"compare.html?{compared}",
        "gaps.html",
        "dead.html",
        "dedupe.html",
        "search.html?q=s",
        f"route/{route.name}",
        f"file/{file.name}{f'#{ran[1]}' if ran else ''}",
    ]


def _look(browser: Browser, site: str, page: str, size: str, scheme: str, file: Path, whole: bool) -> None:
    window = Window(browser, site, page, SIZES[size], scheme)
    window.page.wait_for_load_state("networkidle")
    window.page.screenshot(path=file, full_page=whole)
    faults = [*overhanging(window.page), *violations(window.page)]
    window.close()
    print(file)
    for each in [*window.wrong, *faults]:
        print("   ", *each.split())


if __name__ == "__main__":
    main()
