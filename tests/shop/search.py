"""Finds products."""

from __future__ import annotations

import re

from shop.stock import SHELF


def find(words: str) -> list[int]:
    wanted = split(words)
    found = [number for number, name in SHELF.items() if all(word in name for word in wanted)]
    if not found:
        found = guess(wanted)
    return found


def split(words: str) -> list[str]:
    return [word.lower() for word in re.split(r"\W+", words) if word]


def guess(words: list[str]) -> list[int]:
    best = []
    for number, name in SHELF.items():
        if any(set(word) <= set(name) for word in words):
            best.append(number)
    return best
