import pytest


def test_health(client):
    assert client.get("/health").get_json() == {"state": "fine"}


def test_stamp(client):
    assert client.get("/health").headers["X-Library"] == "town"


def test_nothing_here(client):
    assert client.get("/nowhere").status_code == 404


def test_no_books(client):
    assert client.get("/books").get_json() == []


def test_no_such_book(client):
    assert client.get("/books/7").status_code == 404


def test_adding_needs_a_key(client):
    assert client.post("/books", json={}).status_code == 403


def test_add(add):
    assert add() > 0


def test_add_twice(add):
    add(title="Emma")
    add(title=" emma", status=400)


@pytest.mark.parametrize(("pages", "days"), [(100, 14), (600, 21)])
def test_novels(client, add, pages, days):
    number = add("novel", "Ulysses", pages)
    assert client.get(f"/books/{number}").get_json()["days"] == days


def test_atlas(client, add):
    number = add("atlas", "World", 10)
    assert client.get(f"/books/{number}").get_json() == {
        "title": "World",
        "label": "World, an atlas",
        "days": 3,
        "weight": 100,
    }


def test_book(client, add):
    number = add()
    assert client.get(f"/books/{number}").get_json()["label"] == "Emma (100)"


def test_search(client, add):
    add(title="Emma")
    add(title="Persuasion")
    assert [book["title"] for book in client.get("/books?q=PERS").get_json()] == ["Persuasion"]


def test_search_finds_nothing(client, add):
    add()
    assert client.get("/books?q=x").get_json() == []


def test_no_such_kind(add):
    add(kind="map", status=500)


def test_method_is_not_there(client):
    assert client.put("/books").status_code == 405


@pytest.mark.parametrize("title", ["A", "B", "C"])
def test_titles(client, add, title):
    number = add(title=title)
    assert client.get(f"/books/{number}").get_json()["title"] == title
