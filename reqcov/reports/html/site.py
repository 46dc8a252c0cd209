"""All pages of a store by name; the same ones for a folder and for a server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property, partial
from importlib.resources import files
from typing import Any

from reqcov.analysis.heat import Heat
from reqcov.analysis.inputs.tested import Covered
from reqcov.analysis.overview import overview
from reqcov.analysis.report import Report, report
from reqcov.analysis.routes import Routes, routes
from reqcov.analysis.view import View
from reqcov.reports.html import links, scripts
from reqcov.reports.html.answers import Answers, Unimported
from reqcov.reports.html.charts import bars, days_of_a_bar
from reqcov.reports.html.filepage import file_context
from reqcov.reports.html.routepage import route_context
from reqcov.reports.html.templating import environment, given
from reqcov.reports.text import printable

ASSETS = files("reqcov.reports.html") / "assets"
TOP = 20
"""Routes and files that the first page lists."""


class Site:
    """The pages of what was chosen from a store. Links between them are relative, and no page asks any file system."""

    def __init__(
        self,
        view: View,
        *,
        stamp: str = "",
        live: bool = False,
        actions: bool = False,
        tested: Callable[[], Covered] | None = None,
        unimported: Unimported | None = None,
    ) -> None:
        """Pages of the requests of `view`, of which there is at least one.

        - `stamp`: tells this state of the store from others, for live pages.
        - `live`: they are served, and ask whether there is anything new.
        - `actions`: the server has a page `store.html`.
        - `tested`: what tests covered of the files of `view`; it may raise ReqcovError. None where nobody told.
        - `unimported`: files of the project that no process imported, as `dead` has them; None where nobody looked.
        """
        self.stamp = stamp
        self._view = view
        self._heat = Heat(view)
        self._answers = Answers(view, tested, unimported)
        self._templates = environment()
        self._overview = overview(view)
        self._templates.globals |= {"live": live, "actions": actions, "stamp": stamp, "overview": self._overview}
        self._files = {links.file_page(path): path for path in view.files}
        self._routes = {
            links.route_page(context): context
            for context in sorted({view.routes[hit.route].context for hit in view.hits})
        }
        self._sides = {side.script: side for side in scripts.sides(view)}
        self._fixed: dict[str, Callable[[], str]] = {
            "index.html": self._index,
            "routes.html": lambda: self._page("routes.html", answer=self._by_traffic),
            "files.html": lambda: self._page("files.html", answer=self._report),
            **{name: partial(self._answer, name) for name in self._answers.pages},
            "compare.html": self._compare,
            "search.html": lambda: self._page("search.html"),
            "data/requests.js": lambda: given("requests", scripts.requests(self._heat, stamp)),
            "data/code.js": lambda: given("code", scripts.code(view)),
            **{f"assets/{each.name}": partial(each.read_text, "utf-8") for each in ASSETS.iterdir()},
        }

    def names(self) -> Iterator[str]:
        """Of every page and script, and of what belongs to them."""
        for names in (self._fixed, self._routes, self._files, self._sides):
            yield from names

    def render(self, name: str) -> bytes:
        """What is called `name`, in UTF-8; its suffix tells what kind of text that is. Raises KeyError for no name."""
        if name in self._files:
            made = self._page("file.html", name, **self._file(self._files[name]))
        elif name in self._routes:
            made = self._page("route.html", name, **route_context(self._view, self._routes[name]))
        elif name in self._sides:
            side = self._sides[name]
            made = given(name, scripts.side(self._view, side.hits))
        else:
            made = self._fixed[name]()
        return made.encode()

    @cached_property
    def _report(self) -> Report:
        return report(self._view)

    @cached_property
    def _by_traffic(self) -> Routes:
        return routes(self._view)

    def _index(self) -> str:
        size = days_of_a_bar(len(self._overview.days))
        ranked = sorted(self._report.files, key=lambda row: (row.missed - row.statements, row.path))
        return self._page(
            "index.html",
            routes=self._by_traffic,
            report=self._report,
            files=ranked[:TOP],
            top=TOP,
            bars=bars(self._overview.days),
            period={1: "a day", 7: "a week"}.get(size, f"{size // 7} weeks"),
        )

    def find_answers(self) -> None:
        """Those to the questions, which are otherwise found when their pages are asked for."""
        self._answers.find()

    def _answer(self, name: str) -> str:
        return self._page(name, **self._answers.pages[name]())

    def _file(self, path: str) -> dict[str, Any]:
        return file_context(self._view, self._heat, path, self._answers.untested(path))

    def _compare(self) -> str:
        sides = [[side.kind, printable(side.name), side.script] for side in self._sides.values()]
        return self._page("compare.html", sides=sides)

    def _page(self, template: str, name: str | None = None, **values: Any) -> str:
        name = name or template
        return self._templates.get_template(template).render(name=name, up=links.up(name), **values)
