"""Tests of apps that are served in the process of the tests; `test_pytest_plugin.py` copies this, and runs it."""

import asyncio
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from urllib.request import urlopen

import django
import httpx
import pytest
from django.conf import settings
from django.http import HttpResponse
from django.urls import path
from fastapi import FastAPI
from flask import Flask
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

import reqcov
from reqcov.adapters.flask import ReqCov

recorder = reqcov.Recorder(store="kept.sqlite3", include=[__file__], labels=["test"])

flask_app = Flask(__name__)
ReqCov(flask_app, recorder=recorder)
flask_client = flask_app.test_client()


@flask_app.get("/flask/<name>")
def in_flask(name):
    return name


async def in_starlette(request):
    return PlainTextResponse(request.path_params["name"])


starlette_app = reqcov.wrap(Starlette(routes=[Route("/starlette/{name}", in_starlette)]), recorder=recorder)
fastapi_app = FastAPI()


@fastapi_app.get("/fastapi/{name}")
def in_fastapi(name: str):
    return name


measured_fastapi = reqcov.wrap(fastapi_app, recorder=recorder)


def in_django(request, name):
    return HttpResponse(name)


urlpatterns = [path("django/<name>", in_django)]

settings.configure(
    ROOT_URLCONF=__name__,
    STATIC_URL="static/",
    ALLOWED_HOSTS=["*"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    MIDDLEWARE=["reqcov.adapters.django.CoverageMiddleware"],
    REQCOV={"recorder": recorder},
)
django.setup()

from django.test import Client, LiveServerTestCase  # noqa: E402  they need the settings


def ask_flask(name="it", **options):
    assert flask_client.get(f"/flask/{name}", **options).text == name


def ask_starlette(app=starlette_app, place="/starlette/it"):
    with TestClient(app) as client:
        assert client.get(place).is_success


ask_flask("collected")


@pytest.fixture(scope="session")
def of_the_first():
    ask_starlette()


@pytest.fixture
def asking(of_the_first):
    yield
    ask_flask("torn-down")


def test_fixtures(asking): ...


def test_flask():
    ask_flask()
    ask_flask()


def test_starlette():
    ask_starlette()


@pytest.mark.parametrize("name", ["a", "b"])
def test_two_apps(name):
    ask_starlette()
    ask_flask(name)


def test_fastapi_on_threads():
    with ThreadPoolExecutor() as pool:
        pool.submit(ask_starlette, measured_fastapi, "/fastapi/pool").result()
    thread = threading.Thread(target=ask_starlette, args=(measured_fastapi, "/fastapi/thread"))
    thread.start()
    thread.join()


def test_fastapi_in_a_loop():
    async def ask():
        async with httpx.AsyncClient(transport=httpx.ASGITransport(measured_fastapi), base_url="http://it") as client:
            assert (await client.get("/fastapi/loop")).is_success

    asyncio.run(ask())


def test_django():
    assert Client().get("/django/it").content == b"it"


class TestLive(LiveServerTestCase):
    def test_live_server(self):
        with urlopen(f"{self.live_server_url}/django/live") as answer:
            assert answer.read() == b"live"


def test_of_a_header(reqcov_headers):
    ask_flask(headers=reqcov_headers)


def test_fork():
    from reqcov.labels import ambient

    assert ambient == {"test": "test_it.py::test_fork"}
    child = os.fork()
    if not child:
        os._exit(bool(ambient))
    assert os.waitpid(child, 0)[1] == 0
