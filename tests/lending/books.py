"""What is lent."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lending import db
from lending.registry import Kind, slug


class Book(Kind):
    days = 14

    def __init__(self, title: str, pages: int) -> None:
        self.title = title
        self.pages = pages
        self.weight = self.weigh()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Book) and slug(self.title) == slug(other.title)

    def __hash__(self) -> int:
        return hash(slug(self.title))

    def weigh(self) -> int:
        return self.pages * 2

    @property
    def label(self) -> str:
        return f"{self.title} ({self.pages})"

    def as_dict(self) -> dict[str, Any]:
        return {"title": self.title, "label": self.label, "days": self.lent_for(), "weight": self.weight}

    def lent_for(self) -> int:
        return self.days


class Novel(Book):
    def lent_for(self) -> int:
        return super().lent_for() + (7 if self.is_long() else 0)

    def is_long(self) -> bool:
        return self.pages > 500


class Atlas(Book):
    days = 3

    def weigh(self) -> int:
        return self.pages * 10

    @property
    def label(self) -> str:
        return f"{self.title}, an atlas"


def make(kind: str, title: str, pages: int) -> Book:
    return Kind.named(kind)(title, pages)


def add(kind: str, title: str, pages: int) -> int:
    book = make(kind, title, pages)
    if any(book == other for other in everything()):
        raise ValueError(title)
    with db.transaction() as here:
        return here.execute("INSERT INTO book (kind, title, pages) VALUES (?, ?, ?)", (kind, title, pages)).lastrowid


def find(number: int) -> Book | None:
    row = db.one("SELECT kind, title, pages FROM book WHERE id = ?", number)
    return make(*row) if row is not None else None


def everything() -> Iterator[Book]:
    for row in db.rows("SELECT kind, title, pages FROM book ORDER BY id"):
        yield make(*row)


def matching(text: str) -> list[Book]:
    def fits(book: Book) -> bool:
        return slug(text) in slug(book.title)

    return [book for book in everything() if fits(book)]
