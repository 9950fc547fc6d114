"""Rules of watchlists."""

from __future__ import annotations

from typing import Any

import pytest
from alpaca.trading.models import Watchlist

PATH = "/v2/watchlists"
BY_NAME = "/v2/watchlists:by_name"


def make(client: Any, name: str = "mine", symbols: tuple[str, ...] = ("XYZ", "ABC")) -> dict[str, Any]:
    answer = client.http.post(PATH, json={"name": name, "symbols": list(symbols)})
    assert answer.status_code == 200, answer.text
    made: dict[str, Any] = answer.json()
    return made


def symbols_of(shape: dict[str, Any]) -> list[str]:
    return [asset["symbol"] for asset in shape["assets"]]


@pytest.mark.rule("ACC-201", "a watchlist keeps its assets in the order of the client", source="OAS", status="documented")
def test_a_watchlist_keeps_its_order(client: Any) -> None:
    made = make(client)
    assert symbols_of(made) == ["XYZ", "ABC"] and client.get(f"{PATH}/{made['id']}") == made
    parsed = Watchlist(**made)
    assert parsed.assets is not None and str(parsed.account_id) == client.get("/v2/account")["id"]


@pytest.mark.rule("ACC-202", "the list of watchlists comes without assets", source="OAS", status="documented")
def test_the_list_of_lists_has_no_assets(client: Any) -> None:
    made = [make(client, name) for name in ("one", "two")]
    listed = client.get(PATH)
    assert [each["name"] for each in listed] == ["one", "two"] and all("assets" not in each for each in listed)
    assert [each["id"] for each in listed] == [each["id"] for each in made]


@pytest.mark.rule("ACC-203", "a watchlist's name is unique in the account: 422 40010001", source="ISSUE", status="measured")
def test_a_name_is_taken_once(client: Any) -> None:
    make(client)
    answer = client.http.post(PATH, json={"name": "mine", "symbols": []})
    assert (answer.status_code, answer.json()) == (422, {"code": 40010001, "message": "watchlist name must be unique"})
    assert len(client.get(PATH)) == 1


@pytest.mark.rule("ACC-204", "an unknown symbol or watchlist is a 404", source="DOC", status="documented")
def test_unknown_symbols_and_lists_are_not_found(client: Any) -> None:
    assert client.http.post(PATH, json={"name": "a", "symbols": ["NONE"]}).status_code == 404
    made = make(client)
    for answer in (
        client.http.post(f"{PATH}/{made['id']}", json={"symbol": "NONE"}),
        client.http.delete(f"{PATH}/{made['id']}/NEW"),
        client.http.get(f"{PATH}/00000000-0000-0000-0000-000000000000"),
        client.http.get(BY_NAME, params={"name": "other"}),
    ):
        assert (answer.status_code, answer.json()["code"]) == (404, 40410000)
    assert client.get(f"{PATH}/{made['id']}") == made


@pytest.mark.rule(
    "ACC-205", "an asset is appended by POST and taken out by DELETE of its symbol", source="OAS", status="documented"
)
def test_assets_come_and_go_one_by_one(client: Any) -> None:
    path = f"{PATH}/{make(client, symbols=('ABC',))['id']}"
    assert symbols_of(client.http.post(path, json={"symbol": "XYZ"}).json()) == ["ABC", "XYZ"]
    assert client.http.post(path, json={"symbol": "XYZ"}).status_code == 422
    assert symbols_of(client.http.delete(f"{path}/ABC").json()) == ["XYZ"]


@pytest.mark.rule("ACC-206", "PUT replaces the name, the symbols, or both", source="OAS", status="documented")
def test_an_update_replaces_what_it_names(client: Any) -> None:
    path = f"{PATH}/{make(client)['id']}"
    renamed = client.http.request("PUT", path, json={"name": "new"}).json()
    assert (renamed["name"], symbols_of(renamed)) == ("new", ["XYZ", "ABC"])
    assert symbols_of(client.http.request("PUT", path, json={"symbols": ["ABC"]}).json()) == ["ABC"]
    assert client.http.request("PUT", path, json={}).status_code == 422


@pytest.mark.rule("ACC-207", "every call by id has its like by name", source="OAS", status="documented")
def test_lists_are_reached_by_name(client: Any) -> None:
    made, name = make(client), {"name": "mine"}
    assert client.get(BY_NAME, **name) == made
    assert symbols_of(client.http.post(BY_NAME, params=name, json={"symbol": "NEW"}).json()) == ["XYZ", "ABC", "NEW"]
    assert client.http.request("PUT", BY_NAME, params=name, json={"symbols": ["ABC"]}).status_code == 200
    assert client.http.delete(BY_NAME, params=name).status_code == 204
    assert client.get(PATH) == []


@pytest.mark.rule("ACC-208", "a deleted watchlist is gone for good", source="OAS", status="documented")
def test_a_deleted_list_is_gone(client: Any) -> None:
    path = f"{PATH}/{make(client)['id']}"
    gone = client.http.delete(path)
    assert (gone.status_code, gone.content) == (204, b"")
    assert client.http.delete(path).status_code == client.http.get(path).status_code == 404
