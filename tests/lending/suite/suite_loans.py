import pytest


@pytest.fixture
def lend(client):
    def lend(number, member="ann:basic", day=100):
        return client.post(f"/books/{number}/loan", json={"member": member}, headers={"X-Day": str(day)})

    return lend


def test_lend(add, lend):
    assert lend(add()).get_json() == {"due": 114}


def test_lend_an_atlas(add, lend):
    assert lend(add("atlas", "World", 5)).get_json() == {"due": 103}


def test_lend_what_is_not_there(lend):
    assert lend(9).get_json() == {"refused": "no such book"}


def test_lend_twice(add, lend):
    number = add()
    lend(number)
    assert lend(number, "bob:basic").get_json() == {"refused": "lent already"}


def test_too_many(add, lend):
    for title in "ab":
        assert lend(add(title=title)).status_code == 200
    assert lend(add(title="c")).get_json() == {"refused": "too many books"}


def test_gold_has_more(add, lend):
    for title in "abc":
        assert lend(add(title=title), "ann:gold").status_code == 200


def test_member_without_a_plan(add, lend):
    assert lend(add(), "ann").status_code == 400


def test_give_back(client, add, lend):
    number = add()
    lend(number)
    assert client.delete(f"/books/{number}/loan").get_json() == {"fine": 0}


def test_give_back_late(client, add, lend):
    number = add()
    lend(number, day=80)
    assert client.delete(f"/books/{number}/loan").get_json() == {"fine": 120}


def test_gold_pays_nothing(client, add, lend):
    number = add()
    lend(number, "ann:gold", day=50)
    assert client.delete(f"/books/{number}/loan?plan=gold").get_json() == {"fine": 0}


def test_give_back_what_is_not_lent(client, add):
    assert client.delete(f"/books/{add()}/loan").status_code == 409


def test_lend_again(client, add, lend):
    number = add()
    lend(number)
    client.delete(f"/books/{number}/loan")
    assert lend(number).status_code == 200
