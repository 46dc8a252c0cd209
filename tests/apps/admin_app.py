"""Django's own admin and auth, measured as their own project: pages of the admin over a small database."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import django
from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.urls import path

from tests.calls import Request
from tests.oracle import App, gate

# Requests that write wait for each other, where SQLite would refuse the second.
OPTIONS = {"timeout": 60, "transaction_mode": "IMMEDIATE"}

settings.configure(
    ROOT_URLCONF=__name__,
    SECRET_KEY="of no use",
    ALLOWED_HOSTS=["*"],
    LOGGING_CONFIG=None,
    USE_TZ=True,
    STATIC_URL="/static/",
    DEFAULT_AUTO_FIELD="django.db.models.AutoField",
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": str(Path("admin.db")), "OPTIONS": OPTIONS}},
    PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
    INSTALLED_APPS=[
        "django.contrib.admin",
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.sessions",
        "django.contrib.messages",
        "django.contrib.staticfiles",
    ],
    MIDDLEWARE=[
        f"{__name__}.gated",
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.common.CommonMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django.contrib.messages.middleware.MessageMiddleware",
    ],
    TEMPLATES=[
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "APP_DIRS": True,
            "OPTIONS": {
                "context_processors": [
                    "django.template.context_processors.request",
                    "django.contrib.auth.context_processors.auth",
                    "django.contrib.messages.context_processors.messages",
                ]
            },
        }
    ],
)


def gated(get_response: Any) -> Any:
    def middleware(request: Any) -> Any:
        gate.wait()
        return get_response(request)

    return middleware


def fill_database() -> str:
    """Tables, users and groups; returns the key of a session in which somebody is logged in."""
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
    from django.contrib.auth.models import Group, User
    from django.contrib.sessions.backends.db import SessionStore
    from django.core.management import call_command
    from django.db import connections

    call_command("migrate", verbosity=0)
    boss = User.objects.create_superuser("boss", password="open")
    for n in range(5):
        User.objects.create_user(f"user{n}", is_staff=n % 2 == 0)
        Group.objects.create(name=f"group {n}")
    session = SessionStore()
    session[SESSION_KEY] = str(boss.pk)
    session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
    session[HASH_SESSION_KEY] = boss.get_session_auth_hash()
    session.create()
    connections.close_all()
    return str(session.session_key)


django.setup()
from django.contrib import admin  # noqa: E402

urlpatterns = [path("admin/", admin.site.urls)]

SESSION = fill_database()
TOKEN = "a" * 32
LOGGED_IN = {"Cookie": f"sessionid={SESSION}; csrftoken={TOKEN}"}
STRANGER = {"Cookie": f"csrftoken={TOKEN}"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def make() -> Any:
    from django.db import connections

    mine = f"{os.getpid()}.db"
    shutil.copy("admin.db", mine)
    connections.databases["default"]["NAME"] = mine
    return WSGIHandler()


def page(path: str, query: str = "", status: int = 200) -> Request:
    return Request(f"/admin/{path}", query=query, headers=LOGGED_IN, status=status)


def form(path: str, body: str, status: int = 302) -> Request:
    body = f"csrfmiddlewaretoken={TOKEN}&{body}"
    return Request(f"/admin/{path}", method="POST", body=body, headers=LOGGED_IN | FORM, status=status)


REQUESTS = [
    page(""),
    Request("/admin/", status=302),
    Request("/admin/login/", headers=STRANGER),
    Request(
        "/admin/login/",
        method="POST",
        body=f"csrfmiddlewaretoken={TOKEN}&username=boss&password=wrong",
        headers=STRANGER | FORM,
    ),
    page("auth/"),
    page("auth/user/"),
    page("auth/user/", "q=user&o=-1&is_staff__exact=1"),
    page("auth/user/", "nothing=1", status=302),
    page("auth/user/1/change/"),
    page("auth/user/2/password/"),
    page("auth/user/add/"),
    page("auth/user/999/change/", status=302),
    page("auth/group/"),
    page("auth/group/1/change/"),
    page("auth/group/1/history/"),
    page("auth/group/1/delete/"),
    form("auth/group/2/change/", "name=renamed&_save=Save"),
    form("auth/group/2/change/", "name=&_save=Save", status=200),
    form("auth/group/", "action=delete_selected&_selected_action=3", status=200),
    page("password_change/"),
    page("jsi18n/"),
    page("autocomplete/", status=403),
    page("nowhere/", status=404),
]

APP = App(
    protocol="wsgi",
    source=["django.contrib.admin", "django.contrib.auth"],
    make=make,
    warm_up=REQUESTS,  # templates are compiled once, with the tags of the admin
    requests=REQUESTS,
)
