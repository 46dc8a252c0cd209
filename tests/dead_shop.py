"""An app with what hides from measuring, and functions that no request to it runs."""

from __future__ import annotations

from textwrap import dedent

WEB = """
    import contextlib
    import threading

    from shop.tools import counted, memo, registered, told

    ROUTES = {}


    def route(path):
        def keep(view):
            ROUTES[path] = view
            return view
        return keep


    @route("/one")
    @counted
    def one(query):
        return "".join(numbers(3))


    @route("/two")
    @told("two")
    def two(query):
        from shop import lazy
        return lazy.answer(query)


    @route("/three")
    def three(query):
        import asyncio
        return asyncio.run(gathered())


    @route("/four")
    def four(query):
        made = type("Made", (Base,), {"name": lambda self: helper("made")})
        return made().told() + str(sorted(["b", "a"], key=lambda text: text.upper()))


    @route("/five")
    def five(query):
        with entered() as value:
            thread = threading.Thread(target=in_thread)
            thread.start()
            thread.join()
            return value + Base.total([1, 2]) + memo("x")


    @route("/dead")
    @counted
    def dead_view(query):
        return dead_of_dead_view()


    def dead_of_dead_view():
        def dead_inner():
            return 1
        return dead_inner()


    def numbers(most):
        for number in range(most):
            yield digit(number)


    def dead_numbers():
        yield 1


    def digit(number): return str(number)


    async def gathered():
        found = [each async for each in ticking()]
        return "".join([text async for text in texts(found)])


    async def ticking():
        for each in (1, 2):
            yield each


    async def texts(found):
        for each in found:
            yield str(each)


    async def dead_coroutine():
        return 1


    class Base:
        def told(self):
            return self.name() + self.own

        def name(self):
            return "dead: every class that is made has its own"

        @property
        def own(self):
            return (lambda: "own")()

        @staticmethod
        def total(numbers):
            return str(sum(number for number in numbers if kept(number)))

        @classmethod
        def dead_method(cls):
            return cls


    class DeadClass:
        def __init__(self):
            self.x = 1

        def method(self):
            return self.x


    def kept(number):
        return number > 0


    def helper(text):
        return text


    @contextlib.contextmanager
    def entered():
        yield "in"


    def in_thread():
        return 1


    nine = lambda number: number * number
    dead_lambda = lambda number: (
        number + 1)


    def at_import():
        return deeper_at_import()


    def deeper_at_import():
        return 1


    VALUE = at_import()


    @registered
    def called_when_registered():
        return 1


    def app(environ, start_response):
        body = ROUTES[environ["PATH_INFO"]](environ["QUERY_STRING"])
        start_response("200 OK", [])
        return [body.encode()]
"""

TOOLS = """
    import functools
    from abc import ABC, abstractmethod
    from typing import Protocol, overload


    def counted(view):
        @functools.wraps(view)
        def wrapper(query):
            return view(query)
        return wrapper


    def told(name):
        def decorate(view):
            class Wrapped:
                def __call__(self, query):
                    return view(query)

                def dead_of_wrapped(self):
                    return name
            return Wrapped()
        return decorate


    def registered(function):
        function()
        return function


    def unused_decorator(view):
        def wrapper():
            return view()
        return wrapper


    @functools.cache
    def memo(text):
        return text


    class Shape(ABC):
        @abstractmethod
        def area(self):
            return 1

        def later(self):
            raise NotImplementedError("later")

        def nothing(self): ...


    class Sized(Protocol):
        def size(self) -> int:
            return 1


    @overload
    def either(x: int) -> int: ...
    @overload
    def either(x: str) -> str: ...
    def either(x):
        return x
"""

LAZY = """
    def answer(query):
        return f"{query}{[double(each) for each in (1, 2)]}"


    def double(number):
        return 2 * number


    def dead_in_lazy():
        return 1
"""

NEVER = """
    def never():
        return 1


    class Never:
        def method(self):
            return 2
"""

MODULES = {
    name: dedent(text)
    for name, text in {"__init__": "", "web": WEB, "tools": TOOLS, "lazy": LAZY, "never": NEVER}.items()
}

PATHS = ("/one", "/two?a", "/three", "/four", "/five")

DEAD = {
    "dead_view",
    "dead_of_dead_view",
    "dead_numbers",
    "dead_coroutine",
    "Base.name",
    "Base.dead_method",
    "DeadClass.__init__",
    "DeadClass.method",
    "<lambda>",
    "told.<locals>.decorate.<locals>.Wrapped.dead_of_wrapped",
    "unused_decorator",
    "either",
    "dead_in_lazy",
}
"""All that nothing speaks for; `nine` too, which shares its name with `dead_lambda`."""

STARTUP = {
    "route",
    "counted",
    "told",
    "registered",
    "called_when_registered",
    "at_import",
    "deeper_at_import",
}
