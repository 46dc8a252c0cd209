"""The shapes that Python code can take, one function each; the example apps serve them as `/shapes/<name>/<n>`.

Every shape passes the gate once, in the middle: a whole crowd is then somewhere inside these functions.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import Any

from tests.oracle import gate


def shout(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def louder(*args: Any, **kwargs: Any) -> Any:
        result = function(*args, **kwargs)
        return f"{result}!"

    return louder


def same(function: Any) -> Any: return function  # fmt: skip


def with_arguments(prefix: str) -> Callable[..., Any]:
    return lambda function: lambda *args: prefix + str(function(*args))


def branches(n: int) -> str:
    if n % 3 == 0:
        kind = "zero"
    elif n % 3 == 1:
        kind = "one"
        gate.wait()
        return kind
    else:
        kind = "two" if n > 4 else "few"
    gate.wait()
    if n > 100: kind = "never"  # fmt: skip  # noqa: E701
    return kind


def loops(n: int) -> int:
    total = 0
    for i in range(n):
        if i == 2:
            continue
        if i == 5:
            break
        total += i
    else:
        total += 100
    gate.wait()
    while total > 0:
        total -= 7
        if total == 3:
            break
    else:
        total = -1
    while n: n -= 1  # fmt: skip  # noqa: E701
    return total


def counted(n: int) -> Iterator[int]:
    try:
        for i in range(n):  # noqa: UP028
            yield i
    finally:
        n = 0


def doubled(n: int) -> Iterator[int]:
    yield from counted(n)
    gate.wait()
    got = yield -1
    if got is not None:
        yield got


def once(n: int) -> Iterator[int]: yield n  # fmt: skip


def generators(n: int) -> list[int]:
    iterator = doubled(n)
    result = [next(iterator) for _ in range(n + 1)]
    if n % 2:
        result.append(iterator.send(n))
    iterator.close()
    unfinished = counted(3)
    next(unfinished)
    unfinished.close()
    result.extend(once(n))
    return result


def comprehensions(n: int) -> list[Any]:
    listed = [i * 2 for i in range(n) if i % 2]
    nested = [
        j
        for i in range(n)
        for j in range(i)
        if j
    ]  # fmt: skip
    sets, dicts = {i % 2 for i in listed}, {i: str(i) for i in nested}
    gate.wait()
    total = sum(
        i
        for i in range(n)
        if i > 1
    )  # fmt: skip
    return [listed, nested, sorted(sets), dicts, total, any(i > 3 for i in listed)]


def add(a: int, b: int) -> int: return a + b  # fmt: skip


def several(a: int) -> int: a += 1; b = a * 2; return b  # fmt: skip  # noqa: E702


def looping(n: int) -> list[int]: return [i for i in range(n) if i]  # fmt: skip


def looping_over_lines(n: int) -> list[int]:
    return [
    add(i, 1)
    for i in range(n)
    if i % 2
]  # fmt: skip


def choosing(n: int) -> str:
    return "odd" if n % 2 else (
    "even")  # fmt: skip


@shout
def decorated(n: int) -> int: return n  # fmt: skip


@shout
@with_arguments("twice ")
@same
def decorated_often(
    n: int,
) -> int:
    return n


def one_liners(n: int) -> list[Any]:
    result: list[Any] = [add(n, 1), several(n), looping(n), looping_over_lines(n), choosing(n)]
    gate.wait()

    def inner(a: int) -> int: return a + n  # fmt: skip

    def unused(a: int) -> int: return a - n  # fmt: skip

    if n % 2:
        result.append(inner(n))
    return [*result, decorated(n), decorated_often(n)]


square = lambda n: n * n  # noqa: E731
adder = lambda a: lambda b: lambda c: a + b + c  # noqa: E731
spread = lambda n: (  # noqa: E731
    n if n > 2
    else -n
)  # fmt: skip
below = (  # noqa: E731
    lambda n:
    n - 1
)  # fmt: skip
shouted = shout(lambda n: n)
factorial = lambda n: 1 if n < 2 else n * factorial(n - 1)  # noqa: E731


def lambdas(n: int) -> list[Any]:
    names = sorted(["bb", "a", "ccc"], key=lambda name: -len(name) if n % 2 else len(name))
    pairs = sorted(
        [(1, "b"), (0, "c")],
        key=lambda pair: (
            pair[1],
            pair[0],
        ),
    )
    gate.wait()

    def default(a: int, function: Any = lambda a: a + 1) -> Any: return function(a) if n % 2 else a  # fmt: skip

    never = lambda: never()  # noqa: E731
    return [names, pairs, default(n), square(n), adder(1)(2)(n), spread(n), below(n), shouted(n), factorial(n)]


def risky(n: int) -> int:
    if n % 3 == 0:
        raise ValueError(n)
    if n % 3 == 1:
        raise KeyError(n)
    return n


def errors(n: int) -> list[str]:
    seen = []
    try:
        risky(n)
    except ValueError as error:
        seen.append(f"value {error}")
        gate.wait()
    except (KeyError, IndexError):
        seen.append("key")
        gate.wait()
    else:
        seen.append("fine")
        gate.wait()
    finally:
        seen.append("finally")
    for i in range(3):
        try:
            if i == n:
                continue
            if i == n + 1:
                break
            [][i]
        except IndexError:
            try:
                raise RuntimeError from None
            except RuntimeError:
                seen.append("again")
        finally:
            seen.append("round")
    try:
        try:
            raise ExceptionGroup("both", [ValueError(), TypeError()])
        except* ValueError:
            seen.append("group")
    except* TypeError:
        seen.append("rest")
    with contextlib.suppress(ValueError):
        risky(0)
        seen.append("never")
    return seen


@contextlib.contextmanager
def opened(name: str) -> Iterator[str]:
    before = name
    try:
        yield before
    finally:
        before = ""


class Guard:
    def __init__(self, swallows: bool) -> None: self.swallows = swallows  # fmt: skip

    def __enter__(self) -> Guard: return self  # fmt: skip

    def __exit__(self, *error: object) -> bool:
        return self.swallows


def contexts(n: int) -> str:
    with opened("a") as a, opened("b") as b:
        gate.wait()
        if n % 2:
            return a
    with (
        Guard(True) as guard,
        opened("c"),
    ):
        risky(0)
        return "never"
    return f"{b}{guard.swallows}"


def matching(n: int) -> str:
    subject: Any = [n, {"kind": n}, (n, n, n), str(n)][n % 4]
    gate.wait()
    match subject:
        case int():
            return "number"
        case {"kind": kind} if kind > 4:
            return f"kind {kind}"
        case {"kind": _}:
            return "kind"
        case [first, *rest]:
            return f"{first} and {len(rest)}"
        case _:
            return "text"


def nesting(n: int) -> list[int]:
    seen: list[int] = []

    @same
    def outer(depth: int) -> Callable[[], int]:
        nonlocal n
        n += 1

        def innermost() -> int:
            seen.append(depth)
            return depth + n

        if depth:
            return outer(depth - 1)
        return innermost

    gate.wait()
    function = outer(n % 3)
    if n % 2:
        seen.append(function())
    return seen


def classes(n: int) -> list[Any]:
    gate.wait()

    class Base:
        """A body that runs in the request and is no part of it."""

        limit = max(n, 3)
        if limit > 3:  # noqa: SIM108
            kind = "large"
        else:
            kind = "small"

        def __init__(self, value: int) -> None:
            self.value = value

        @property
        def twice(self) -> int:
            return self.value * 2

        @staticmethod
        def unused() -> None:
            return None

        class Inner:
            names = [name for name in ("a", "b") if name]  # noqa: RUF012

            def name(self) -> str:
                return self.names[0]

    class Derived(Base):
        def __init__(self) -> None:
            super().__init__(n)

    made = Derived() if n % 2 else Base(n)
    return [made.twice, made.kind, Derived.Inner().name()]


def terse_class(n: int) -> int:
    gate.wait()

    class Terse:
        def called(self) -> int: return n  # runs when odd  # fmt: skip

        def uncalled(self) -> int: return -n  # never runs  # fmt: skip

        stored = staticmethod(lambda k: k)  # never runs

        async def awaited(self) -> int: return n  # never runs  # fmt: skip

        def yielding(self) -> Iterator[int]: yield n  # runs when odd  # fmt: skip

    return next(Terse().yielding()) + Terse().called() if n % 2 else n


def lazily(n: int) -> str:
    gate.wait()
    from tests.apps import lazy

    if n % 2:
        return lazy.Lazy(n).text()
    return lazy.plain(n)


def statements(n: int) -> Any:
    value = (
        n
        + add(
            1,
            n,
        )
    )  # fmt: skip
    text = f"{value}" if n < 0 else """
        several
        lines
    """  # fmt: skip
    assert value > n, "never"
    if (walrus := value) and not (
        n > 1000
        or walrus < 0
    ):  # fmt: skip
        gate.wait()
    del walrus
    value = never_here(n) if n > 1000 else value  # pragma: no cover
    global latest
    latest = text
    return value, len(text)


def never_here(n: int) -> int:
    """Nothing calls it."""
    return n


latest = ""

SHAPES: dict[str, Callable[[int], Any]] = {
    function.__name__: function
    for function in (
        branches,
        loops,
        generators,
        comprehensions,
        one_liners,
        lambdas,
        errors,
        contexts,
        matching,
        nesting,
        classes,
        terse_class,
        lazily,
        statements,
    )
}
