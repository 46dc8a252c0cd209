BOSS = {"X-Key": "boss-key"}


def test_reports_need_a_key(client):
    assert client.get("/reports/stock").status_code == 403


def test_empty_stock(client):
    assert client.get("/reports/stock", headers=BOSS).text == "sections: 2"


def test_stock(client, add):
    add()
    assert client.get("/reports/stock", headers=BOSS).text.endswith("Emma (100);200")


def test_no_such_report(client):
    assert client.get("/reports/x", headers=BOSS).status_code == 404


def test_nothing_is_late(client, add):
    add()
    assert "Emma" not in client.get("/reports/late", headers=BOSS).text


def test_late(client, add):
    number = add()
    client.post(f"/books/{number}/loan", json={"member": "ann:basic"}, headers={"X-Day": "10"})
    assert "ann: Emma (100);100" in client.get("/reports/late", headers=BOSS).text
