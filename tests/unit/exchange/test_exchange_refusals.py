"""Refusals: status, code and words as Alpaca sends them."""

from __future__ import annotations

from typing import Any

import pytest

Body = dict[str, Any]
EXITS: Body = {"take_profit": {"limit_price": "115"}, "stop_loss": {"stop_price": "95"}}
BRACKET: Body = {"order_class": "bracket", **EXITS}
OCO: Body = {"order_class": "oco", "side": "sell", "type": "limit", **EXITS}


REFUSALS: list[tuple[Body, int, int, str]] = [
    ({"symbol": None}, 422, 40010001, "symbol is required"),
    ({"symbol": 7}, 422, 40010001, "symbol is required"),
    ({"symbol": "NONE"}, 422, 42210000, 'asset "NONE" not found'),
    ({"symbol": "NEW"}, 422, 42210000, 'asset "NEW" is not tradable'),
    ({"side": "long"}, 422, 40010001, "invalid side"),
    ({"type": "iceberg"}, 422, 40010001, "invalid order type"),
    ({"type": ["market"]}, 422, 40010001, "invalid order type"),
    ({"type": "trailing_stop"}, 422, 42210000, "type trailing_stop is not supported by this exchange yet"),
    ({"time_in_force": "forever"}, 422, 40010001, "invalid time_in_force"),
    ({"time_in_force": None}, 422, 40010001, "invalid time_in_force"),
    ({"qty": None}, 422, 40010001, "qty or notional is required"),
    ({"qty": "ten"}, 422, 40010001, "invalid qty"),
    ({"qty": True}, 422, 40010001, "invalid qty"),
    ({"qty": "NaN"}, 422, 40010001, "invalid qty"),
    ({"qty": 0}, 422, 42210000, "qty must be > 0"),
    ({"qty": -5}, 422, 42210000, "qty must be > 0"),
    ({"qty": "1.5"}, 403, 40310000, 'asset "ABC" is not fractionable'),
    ({"qty": None, "notional": "100"}, 403, 40310000, 'asset "ABC" is not fractionable'),
    ({"qty": "1.5", **BRACKET}, 422, 42210000, "fractional orders must be simple orders"),
    ({"client_order_id": "x" * 129}, 422, 40010001, "client_order_id must be no more than 128 characters"),
    ({"client_order_id": 5}, 422, 40010001, "client_order_id must be a string"),
    ({"limit_price": "100"}, 422, 40010001, "market orders require no stop or limit price"),
    ({"type": "limit"}, 422, 40010001, "limit orders require a limit price"),
    ({"type": "stop"}, 422, 40010001, "stop orders require a stop price"),
    ({"type": "limit", "limit_price": "-1"}, 422, 42210000, "limit_price must be > 0"),
    (
        {"type": "limit", "limit_price": 100.123},
        422,
        42210000,
        "invalid limit_price 100.123. sub-penny increment does not fulfill minimum pricing criteria",
    ),
    ({"extended_hours": True}, 422, 42210000, "extended hours order must be DAY or GTC limit orders"),
    ({"order_class": "oto"}, 422, 42210000, "order_class oto is not supported by this exchange yet"),
    (EXITS, 422, 40010001, "simple orders must not have take_profit or stop_loss"),
    (
        {"order_class": "bracket", "take_profit": EXITS["take_profit"]},
        422,
        40010001,
        "bracket orders require stop_loss.stop_price",
    ),
    ({**BRACKET, "take_profit": {}}, 422, 40010001, "bracket orders require take_profit.limit_price"),
    ({**BRACKET, "take_profit": "115"}, 422, 40010001, "invalid take_profit"),
    ({**OCO, "take_profit": None, "limit_price": "115"}, 422, 40010001, "oco orders require take_profit.limit_price"),
    (OCO, 422, 42210000, "oco orders must be exit orders"),
    ({"side": "sell"}, 403, 40310000, "account is not allowed to short"),
    ({**BRACKET, "side": "sell"}, 403, 40310000, "account is not allowed to short"),
    (
        {**BRACKET, "type": "limit", "limit_price": "100", "stop_loss": {"stop_price": "100"}},
        422,
        42210000,
        "stop_loss.stop_price must be <= base_price - 0.01",
    ),
    (
        {**BRACKET, "type": "limit", "limit_price": "115"},
        422,
        42210000,
        "take_profit.limit_price must be >= base_price + 0.01",
    ),
    ({"qty": "5000"}, 403, 40310000, "insufficient buying power"),
]


@pytest.mark.parametrize(("body", "status", "code", "message"), REFUSALS, ids=[str(case[0])[:70] for case in REFUSALS])
def test_refusal_has_alpacas_status_code_and_words(client: Any, body: Body, status: int, code: int, message: str) -> None:
    got, said = client.send(**body)
    assert (got, said["code"], said["message"]) == (status, code, message)
    assert client.get("/v2/orders", status="all") == []
    report = client.get("/admin/report")
    assert report["orders_rejected"] == 1 and report["rejections"][0]["message"] == message


def test_refusals_carry_their_figures(client: Any) -> None:
    _, poor = client.send(qty="5000", type="limit", limit_price="100")
    assert (poor["buying_power"], poor["cost_basis"]) == ("100000.00", "500000.00")
    _, moved = client.send(**BRACKET, type="limit", limit_price="90")
    assert moved["base_price"] == "90.00"


def test_bracket_opens_from_flat_only(client: Any) -> None:
    client.send(type="limit", limit_price="90")
    assert client.send(**BRACKET)[1]["message"] == "bracket orders must be entry orders"
    client.http.delete("/v2/orders")
    assert client.send(**BRACKET)[0] == 200
    assert client.send(**BRACKET)[1]["message"] == "bracket orders must be entry orders"


def test_client_order_id_is_unique_for_ever(client: Any) -> None:
    assert client.send(client_order_id="once", type="limit", limit_price="90")[0] == 200
    client.http.delete("/v2/orders")
    status, body = client.send(client_order_id="once")
    assert (status, body) == (422, {"code": 40010001, "message": "client_order_id must be unique"})


def test_shares_are_reserved_once_a_group_and_the_refusal_names_the_orders(client: Any) -> None:
    client.send(**BRACKET)
    target = client.get("/v2/orders")[0]
    status, body = client.send(side="sell", qty="1")
    assert status == 403
    assert body == {
        "code": 40310000,
        "message": "insufficient qty available for order (requested: 1, available: 0)",
        "available": "0",
        "existing_qty": "10",
        "held_for_orders": "10",
        "related_orders": [target["id"]],
        "symbol": "ABC",
    }
    assert client.http.delete("/v2/positions/ABC").json() == {**body, "message": body["message"].replace("1,", "10,")}
    assert client.get("/v2/positions/ABC")["qty_available"] == "0"


def replaced(client: Any, order_id: str, **body: object) -> tuple[int, Body]:
    answer = client.http.request("PATCH", f"/v2/orders/{order_id}", json=body)
    return answer.status_code, answer.json()


def test_leg_takes_a_new_price_but_no_new_quantity(client: Any) -> None:
    _, parent = client.send(**BRACKET)
    target, stop = parent["legs"]
    status, body = replaced(client, target["id"], qty=5)
    assert (status, body) == (422, {"code": 42210000, "message": "qty cannot be changed for advanced orders"})
    status, fresh = replaced(client, target["id"], limit_price=112)
    assert (status, fresh["status"], fresh["replaces"], fresh["group_id"]) == (200, "new", target["id"], parent["group_id"])
    status, fresh_stop = replaced(client, stop["id"], stop_price="96")
    assert (status, fresh_stop["status"], fresh_stop["stop_price"]) == (200, "held", "96")
    nested = client.get(f"/v2/orders/{parent['id']}", nested="true")
    assert [leg["id"] for leg in nested["legs"]] == [fresh["id"], fresh_stop["id"]]
    assert client.get(f"/v2/orders/{target['id']}")["replaced_by"] == fresh["id"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({}, "order parameters are not changed"),
        ({"limit_price": 90}, "order parameters are not changed"),
        ({"stop_price": 80}, "limit orders must not have stop_price"),
        ({"limit_price": 90.001}, "invalid limit_price 90.001. sub-penny increment does not fulfill minimum pricing criteria"),
        ({"qty": 2000}, "insufficient buying power"),
        ({"qty": "x"}, "invalid qty"),
    ],
)
def test_replacement_is_refused_with_the_reason(client: Any, change: Body, message: str) -> None:
    _, order = client.send(type="limit", limit_price="90")
    status, body = replaced(client, str(order["id"]), **change)
    assert status in (403, 422) and body["message"] == message
    assert len(client.get("/v2/orders")) == 1


def test_queued_order_cannot_be_replaced_but_cancelled(new_client: Any) -> None:
    client = new_client()
    _, order = client.send(type="limit", limit_price="90")
    assert order["status"] == "accepted"
    assert replaced(client, str(order["id"]), limit_price=91)[1]["message"] == "cannot replace order in accepted status"
    assert client.http.delete(f"/v2/orders/{order['id']}").status_code == 204


def test_finished_orders_cannot_be_cancelled_or_replaced(client: Any) -> None:
    _, order = client.send()
    answer = client.http.delete(f"/v2/orders/{order['id']}")
    assert (answer.status_code, answer.json()) == (422, {"code": 42210000, "message": 'order is already in "filled" state'})
    assert replaced(client, str(order["id"]), qty=5)[1]["message"] == 'order is already in "filled" state'


def test_unknown_order_is_404(client: Any) -> None:
    for method in ("GET", "DELETE", "PATCH"):
        answer = client.http.request(method, "/v2/orders/no-such", json={})
        assert (answer.status_code, answer.json()["code"]) == (404, 40410000)
    assert client.http.get("/v2/orders:by_client_order_id", params={"client_order_id": "none"}).status_code == 404
    assert client.http.get("/v2/positions/ABC").json() == {"code": 40410000, "message": "position does not exist"}
