"""Tells people."""

from __future__ import annotations

SENT: list[str] = []


def confirm(number: int, amount: int) -> None:
    send(f"Order {number}: {amount / 100:.2f} €")


def send(text: str) -> None:
    SENT.append(text)


def remind(number: int) -> None:
    send(f"Order {number} is still to be paid")


class Newsletter:
    """Nobody reads it."""

    def __init__(self, subject: str) -> None:
        self.subject = subject

    def send(self) -> None:
        send(self.subject)
