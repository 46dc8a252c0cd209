"""The apps that are measured: a small project on a large framework, and a large project that loops a lot."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

App = Callable[[Any, Any, Any], Awaitable[None]]

SMALL = """
from fastapi import FastAPI
from pydantic import BaseModel
from sqlalchemy import create_engine, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from sqlalchemy.pool import StaticPool


class Base(DeclarativeBase):
    pass


class Item(Base):
    __tablename__ = "item"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    price: Mapped[int]


class Shown(BaseModel):
    id: int
    name: str
    price: float


engine = create_engine("sqlite://", connect_args={"check_same_thread": False}, poolclass=StaticPool)
Base.metadata.create_all(engine)
with Session(engine) as session:
    session.add_all([Item(name=f"item {number}", price=number) for number in range(200)])
    session.commit()

app = FastAPI()


def gross(item):
    rate = 0.07 if item.price < 100 else 0.19
    return round(item.price * (1 + rate), 2)


@app.get("/")
async def listing(limit: int = 100) -> list[Shown]:
    with Session(engine) as session:
        items = session.scalars(select(Item).order_by(Item.price.desc()).limit(limit))
        return [Shown(id=item.id, name=item.name, price=gross(item)) for item in items]
"""

FUNCTIONS = 60
LINES = 34
TURNS = 49
"""60 functions of 34 lines that are run 49 times make 2,040 distinct lines and about 100,000 line events."""


def looping_source() -> str:
    """An ASGI app whose every request runs about 2,000 distinct lines, 100,000 times in all."""
    parts = ["import asyncio", "", ""]
    for number in range(FUNCTIONS):
        parts.append(f"def step{number}(value):")
        parts.append(f"    for turn in range({TURNS}):")
        parts += [f"        value = (value * 3 + {line} + turn) % 1000003" for line in range(LINES - 2)]
        parts += ["    return value", "", ""]
    parts += ["async def app(scope, receive, send):", "    value = 1"]
    for number in range(FUNCTIONS):
        parts.append(f"    value = step{number}(value)")
        if number % 10 == 0:
            parts.append("    await asyncio.sleep(0)")
    parts += [
        "    await send({'type': 'http.response.start', 'status': 200, 'headers': []})",
        "    await send({'type': 'http.response.body', 'body': str(value).encode()})",
    ]
    return "\n".join(parts) + "\n"


WORKLOADS = {"small": SMALL, "loops": looping_source()}


def load(name: str, folder: Path) -> App:
    """Write the project into `folder`, as package `project`, and import its app."""
    package = folder / "project"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "web.py").write_text(WORKLOADS[name])
    sys.path.insert(0, str(folder))
    return importlib.import_module("project.web").app  # type: ignore[no-any-return]
