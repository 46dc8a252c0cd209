"""Django with sync views under WSGI: function and class views, middleware, streams, error pages."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import django
from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.urls import include, path
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.http import require_http_methods

from tests.apps.shapes import SHAPES, branches
from tests.calls import Request
from tests.oracle import App, gate

if not settings.configured:
    settings.configure(
        ROOT_URLCONF=__name__,
        MIDDLEWARE=[f"{__name__}.stamping"],
        SECRET_KEY="of no use",
        LOGGING_CONFIG=None,
        ALLOWED_HOSTS=["*"],
    )


def stamping(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    def middleware(request: HttpRequest) -> HttpResponse:
        if request.method == "POST":
            request.META["posted"] = True
        response = get_response(request)
        if response.status_code >= 400:
            response.headers["X-Sorry"] = "yes"
        return response

    return middleware


def warm(request: HttpRequest) -> HttpResponse:
    return HttpResponse("warm")


def shape(request: HttpRequest, name: str, n: int) -> HttpResponse:
    return HttpResponse(repr(SHAPES[name](n)))


@require_http_methods(["GET"])
def guarded(request: HttpRequest, n: int) -> HttpResponse:
    return HttpResponse(branches(n))


class Thing(View):
    @method_decorator(lambda function: lambda *args, **kwargs: function(*args, **kwargs))
    def get(self, request: HttpRequest, n: int) -> HttpResponse:
        gate.wait()
        if n > 3:
            raise Http404
        return JsonResponse({"squares": [i * i for i in range(n)]})

    def post(self, request: HttpRequest, n: int) -> HttpResponse:
        gate.wait()
        return HttpResponse(request.body.upper(), status=201)


def streamed(request: HttpRequest, n: int) -> StreamingHttpResponse:
    def chunks() -> Iterator[str]:
        yield "begin"
        gate.wait()
        for i in range(n):
            if i % 2:
                yield str(i)

    return StreamingHttpResponse(chunks())


def broken(request: HttpRequest) -> HttpResponse:
    gate.wait()
    raise LookupError("broken")


def file(request: HttpRequest) -> FileResponse:
    gate.wait()
    return FileResponse(open(__file__, "rb"))  # noqa: PTH123


def missing(request: HttpRequest, exception: Exception) -> HttpResponse:
    if request.path == "/nowhere":
        gate.wait()
    return HttpResponse("nothing here", status=404)


def failed(request: HttpRequest) -> HttpResponse:
    return HttpResponse("sorry", status=500)


handler404 = missing
handler500 = failed
urlpatterns = [
    path("warm", warm),
    path("shapes/<name>/<int:n>", shape),
    path("nested/", include([path("guarded/<int:n>", guarded), path("things/<int:n>", Thing.as_view())])),
    path("lambda/<int:n>", lambda request, n: gate.wait() or HttpResponse(str(n))),
    path("streamed/<int:n>", streamed),
    path("broken", broken),
    path("file", file),
]


def make() -> Any:
    django.setup(set_prefix=False)
    return WSGIHandler()


APP = App(
    protocol="wsgi",
    source=["tests.apps"],
    make=make,
    warm_up=[Request("/warm")],
    requests=[
        *(Request(f"/shapes/{name}/{n}") for name, n in zip(SHAPES, [6, 4, 5, 3] * 4, strict=False)),
        Request("/nested/guarded/3"),
        Request("/nested/guarded/7"),
        Request("/nested/things/3"),
        Request("/nested/things/4", status=404),
        Request("/nested/things/3", method="POST", body="hello", status=201),
        Request("/lambda/1"),
        Request("/streamed/0"),
        Request("/streamed/4"),
        Request("/broken", status=500),
        Request("/file"),
        Request("/nowhere", status=404),
    ],
)
