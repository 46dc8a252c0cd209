"""What happens between books and members."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from lending import db
from lending.books import Book, find
from lending.members import Member, tariff


class Refused(Exception):
    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why

    def told(self) -> dict[str, str]:
        return {"refused": self.why}


def lend(number: int, member: Member, day: int) -> int:
    book = find(number)
    if book is None:
        raise Refused("no such book")
    if not member.may_borrow():
        raise Refused("too many books")
    with db.transaction() as here:
        if here.execute("SELECT 1 FROM loan WHERE book = ?", (number,)).fetchone():
            raise Refused("lent already")
        here.execute("INSERT INTO loan VALUES (?, ?, ?)", (number, member.name, day))
    return due(book, day)


def due(book: Book, day: int) -> int:
    return day + book.lent_for()


def give_back(number: int, plan: str, day: int) -> int:
    row = db.one("SELECT day FROM loan WHERE book = ?", number)
    book = find(number)
    if row is None or book is None:
        raise Refused("not lent")
    with db.transaction() as here:
        here.execute("DELETE FROM loan WHERE book = ?", (number,))
    return fine(plan)(day - due(book, row[0]))


def fine(plan: str) -> Callable[[int], int]:
    cents = tariff(plan)["cents"]

    def for_days(days: int) -> int:
        return max(0, days) * cents

    return for_days


def overdue(day: int) -> Iterator[str]:
    for number, member, since in db.rows("SELECT book, member, day FROM loan ORDER BY book"):
        book = find(number)
        if book is not None and due(book, since) < day:
            yield reminder(book, member)


def reminder(book: Book, member: str) -> str:
    return f"{member}: {book.label}"
