from __future__ import annotations

import pytest
from lending import db
from lending.app import create_app

from reqcov.adapters.flask import ReqCov


@pytest.fixture(scope="session")
def app():
    app = create_app()
    ReqCov(app)
    return app


@pytest.fixture
def client(app):
    yield app.test_client()
    if db._connection is not None:
        db._connection.rollback()
        db._connection.execute("DELETE FROM book")
        db._connection.execute("DELETE FROM loan")


@pytest.fixture
def add(client):
    def add(kind="book", title="Emma", pages=100, status=201):
        answer = client.post(
            "/books", json={"kind": kind, "title": title, "pages": pages}, headers={"X-Key": "clerk-key"}
        )
        assert answer.status_code == status
        return (answer.get_json() or {}).get("id")

    return add
