"""The views."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, abort, request
from flask.views import MethodView
from lending import books, loans, members
from lending.registry import needs_key

pages = Blueprint("pages", __name__)


@pages.get("/health")
def health() -> dict[str, str]:
    return {"state": "fine"}


class Books(MethodView):
    def get(self) -> list[dict[str, Any]]:
        return [book.as_dict() for book in books.matching(request.args.get("q", ""))]

    @needs_key("clerk")
    def post(self) -> tuple[dict[str, int], int]:
        given = asked()
        return {"id": books.add(given["kind"], given["title"], int(given["pages"]))}, 201


pages.add_url_rule("/books", view_func=Books.as_view("books"))


@pages.get("/books/<int:number>")
def book(number: int) -> dict[str, Any]:
    found = books.find(number)
    if found is None:
        abort(404)
    return found.as_dict()


def asked() -> dict[str, str]:
    return request.get_json()


@pages.post("/books/<int:number>/loan")
def lend(number: int) -> dict[str, int]:
    return {"due": loans.lend(number, members.parse(asked()["member"]), today())}


@pages.delete("/books/<int:number>/loan")
def give_back(number: int) -> dict[str, int]:
    return {"fine": loans.give_back(number, request.args.get("plan", "basic"), today())}


def today() -> int:
    return int(request.headers.get("X-Day", "100"))


@pages.get("/reports/<name>")
@needs_key("boss")
def report(name: str) -> str:
    from lending import reports

    if name not in reports.SECTIONS:
        abort(404)
    return reports.write(name, today())


@pages.errorhandler(loans.Refused)
def refused(error: loans.Refused) -> tuple[dict[str, str], int]:
    return error.told(), 409


@pages.errorhandler(ValueError)
def twice(error: ValueError) -> tuple[dict[str, str], int]:
    return {"twice": str(error)}, 400
