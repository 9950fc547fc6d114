"""Who gets in, what broken requests get, and what the exchange keeps on record."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from desk.exchange.api.accesslog import AccessLog
from desk.exchange.api.app import Server

Body = dict[str, Any]
KEYS = {"APCA-API-KEY-ID": "key-for-tests", "APCA-API-SECRET-KEY": "secret-for-tests"}
EXITS: Body = {"take_profit": {"limit_price": "115"}, "stop_loss": {"stop_price": "95"}}
BRACKET: Body = {"order_class": "bracket", **EXITS}
MORNING = "2008-09-02T14:00:00Z"


@pytest.mark.parametrize("keys", [{}, {**KEYS, "APCA-API-SECRET-KEY": "wrong"}, {"APCA-API-KEY-ID": "key-for-tests"}])
def test_wrong_keys_get_401_everywhere(keys: dict[str, str], new_client: Any) -> None:
    stranger = new_client().stranger(keys)
    for path in ("/v2/account", "/admin/status", "/v2/stocks/bars", "/nowhere"):
        answer = stranger.get(path)
        assert (answer.status_code, answer.json()["code"]) == (401, 40110000)


def test_page_needs_no_keys_but_the_name_of_this_machine(client: Any) -> None:
    assert "<title>Lumidesk exchange" in client.stranger({}).get("/").text
    assert client.stranger({}, "elsewhere.example:1").get("/page.json").status_code == 401


def test_unknown_paths_and_methods_answer_in_json(client: Any) -> None:
    assert client.http.get("/v2/nothing").json() == {"code": 40410000, "message": "endpoint not found"}
    assert client.http.request("PUT", "/v2/orders").status_code == 405


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"x"', b"null", b"NaN", b'{"qty": NaN}', b"\xff\xfe"])
def test_broken_json_is_refused_without_a_traceback(client: Any, body: bytes) -> None:
    answer = client.http.post("/v2/orders", content=body)
    assert (answer.status_code, answer.json()["code"]) == (422, 40010000)
    assert client.http.post("/admin/advance", content=body).status_code == 422


def test_same_seed_and_calls_give_the_same_answers(new_client: Any) -> None:
    def story(seed: int) -> str:
        client = new_client(seed=seed, partial_fill_probability=0.5)
        client.to(MORNING)
        client.send(**BRACKET, qty="100")
        client.send(symbol="XYZ", type="limit", limit_price="51", qty="60")
        client.to("2008-09-06T00:00:00Z")
        shown = [client.get("/v2/orders", status="all"), client.get("/v2/account/activities"), client.get("/admin/report")]
        return json.dumps(shown)

    assert story(3) == story(3)
    assert story(3) != story(4)


def test_a_bug_answers_500_in_json_and_the_server_goes_on(new_client: Any) -> None:
    def buggy() -> None:
        raise KeyError("a bug")

    client = new_client()
    client.server = Server(client.exchange, AccessLog(None), on_save=buggy, on_shutdown=lambda: None)
    client.http = client.stranger(KEYS)
    answer = client.http.post("/admin/save")
    assert (answer.status_code, answer.json()["message"]) == (500, "internal server error occurred")
    assert client.get("/healthz")["status"] == "ok"


def test_access_log_tells_requests_and_events_but_no_keys(tmp_path: Path, new_client: Any) -> None:
    client = new_client(log=tmp_path / "access.log")
    client.to(MORNING)
    client.send(client_order_id="mine")
    text = (tmp_path / "access.log").read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    post = next(line for line in lines if line.get("method") == "POST" and line["path"] == "/v2/orders")
    assert post == {"at": MORNING, "method": "POST", "path": "/v2/orders", "status": 200, "client_order_id": "mine"}
    assert [line["event"] for line in lines if "event" in line] == ["new", "fill"]
    assert not any(secret in text for secret in KEYS.values())


def test_page_data_shows_position_with_stop_and_target(client: Any) -> None:
    client.send(**BRACKET)
    page = client.get("/page.json")
    (row,) = page["positions"]
    assert row[:2] == ["ABC", "10"] and row[4:6] == ["95.00", "115.00"] and row[-1] == "protected"
    assert [order[-1] for order in page["orders"]] == ["new", "watched"]
    assert len(page["curve"]) == 2
