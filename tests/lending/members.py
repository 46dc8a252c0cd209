"""Who borrows."""

from __future__ import annotations

from functools import lru_cache

from lending import db
from lending.registry import Checked


class Member(metaclass=Checked):
    FIELDS = ("name", "plan")

    def __init__(self, name: str, plan: str) -> None:
        self.name = name
        self.plan = plan

    def quota(self) -> int:
        return tariff(self.plan)["books"]

    def may_borrow(self) -> bool:
        return self.borrowed() < self.quota()

    def borrowed(self) -> int:
        row = db.one("SELECT count(*) FROM loan WHERE member = ?", self.name)
        return row[0] if row else 0


@lru_cache
def tariff(plan: str) -> dict[str, int]:
    return {"books": limit_of(plan), "cents": cents_of(plan)}


def limit_of(plan: str) -> int:
    return 5 if plan == "gold" else 2


def cents_of(plan: str) -> int:
    return 0 if plan == "gold" else 20


def parse(text: str) -> Member:
    return Member(*text.split(":"))
