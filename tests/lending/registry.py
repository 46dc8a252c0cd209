"""Decorators, and a class that knows its subclasses."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, ClassVar

from flask import abort, request

SECTIONS: dict[str, Callable[..., Any]] = {}


def slug(name: str) -> str:
    return name.strip().lower().replace(" ", "-")


class Kind:
    """Every subclass is found under its name."""

    known: ClassVar[dict[str, type[Kind]]] = {}

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        Kind.known[slug(cls.__name__)] = cls

    @classmethod
    def named(cls, name: str) -> type[Kind]:
        return cls.known[slug(name)]


class Checked(type):
    """A metaclass: classes of it say how many fields they have."""

    def __new__(mcs, name: str, bases: tuple[type, ...], space: dict[str, Any]) -> Checked:
        made = super().__new__(mcs, name, bases, space)
        made.width = count_fields(space)
        return made

    def __call__(cls, *args: Any) -> Any:
        if len(args) != cls.width:
            abort(400)
        return super().__call__(*args)


def count_fields(space: dict[str, Any]) -> int:
    return len(space.get("__annotations__", space.get("FIELDS", ())))


def needs_key(role: str) -> Callable[..., Any]:
    def decorate(view: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(view)
        def guarded(*args: Any, **options: Any) -> Any:
            if request.headers.get("X-Key") != expected(role):
                abort(403)
            return view(*args, **options)

        return guarded

    return decorate


def expected(role: str) -> str:
    return f"{role}-key"


def section(function: Callable[..., Any]) -> Callable[..., Any]:
    SECTIONS[slug(function.__name__)] = function
    return function
