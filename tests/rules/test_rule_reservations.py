"""Shares that open orders hold: qty_available, the refusal that names them, and when they come free."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from desk.exchange.machine.book import Latency

Body = dict[str, Any]
EXITS: Body = {"take_profit": {"limit_price": "115"}, "stop_loss": {"stop_price": "95"}}
OCO: Body = {"order_class": "oco", "side": "sell", "type": "limit", **EXITS}
LIMIT: Body = {"side": "sell", "type": "limit", "limit_price": "115"}
MORNING = "2008-09-02T14:00:00Z"
rule = pytest.mark.rule


def free(client: Any) -> str:
    available: str = client.get("/v2/positions/ABC")["qty_available"]
    return available


@rule("RES-001", "qty_available is the position less what open sells reserve.", source="OAS", status="documented")
def test_open_sells_reserve_their_shares(client: Any) -> None:
    client.send()
    assert free(client) == "10"
    client.send(**LIMIT, qty="4")
    assert free(client) == "6"
    client.send(side="sell", type="stop", stop_price="90", qty="5")
    assert free(client) == "1"


@rule("RES-002", "The exits of a group reserve their shares once.", source="3P-M", status="measured")
def test_group_reserves_once(client: Any) -> None:
    client.send(order_class="bracket", **EXITS)
    assert free(client) == "0"
    client.http.delete("/v2/orders")
    client.send(**OCO, qty="6")
    assert free(client) == "4"


@rule("RES-003", "A sell of reserved shares is refused with the figures and the orders.", source="3P", status="documented")
def test_refusal_names_figures_and_orders(client: Any) -> None:
    _, parent = client.send(order_class="bracket", **EXITS)
    status, body = client.send(side="sell", qty="1")
    assert status == 403
    assert body == {
        "code": 40310000,
        "message": "insufficient qty available for order (requested: 1, available: 0)",
        "available": "0",
        "existing_qty": "10",
        "held_for_orders": "10",
        "related_orders": [parent["legs"][0]["id"]],
        "symbol": "ABC",
    }


@rule("RES-004", "An OCO and a plain stop beside it each reserve, and both are named.", source="3P-M", status="measured")
def test_oco_and_stop_coexist(client: Any) -> None:
    client.send(qty="3")
    _, oco = client.send(**OCO, qty="2")
    _, stop = client.send(side="sell", type="stop", stop_price="90", qty="1")
    status, body = client.send(side="sell", qty="1")
    assert (status, body["available"], body["held_for_orders"]) == (403, "0", "3")
    assert set(body["related_orders"]) == {oco["id"], stop["id"]}


@rule("RES-005", "Closing a position does not cancel its orders: reserved shares are refused.", source="3P", status="documented")
def test_closing_does_not_cancel(client: Any) -> None:
    client.send()
    client.send(**OCO)
    answer = client.http.delete("/v2/positions/ABC")
    assert (answer.status_code, answer.json()["held_for_orders"]) == (403, "10")
    assert len(client.get("/v2/orders")) == 1


@rule("RES-006", "Closing everything with cancel_orders frees the shares first.", source="OAS", status="documented")
def test_close_all_cancels_when_asked(client: Any) -> None:
    client.send()
    client.send(**OCO)
    [refused] = client.http.delete("/v2/positions").json()
    assert (refused["symbol"], refused["status"], refused["body"]["code"]) == ("ABC", 403, 40310000)
    [closed] = client.http.request("DELETE", "/v2/positions", params={"cancel_orders": "true"}).json()
    assert closed["status"] == 200 and client.get("/v2/positions") == []


@rule("RES-007", "A cancelled order's shares come free later than the cancel is confirmed.", source="3P-M", status="measured")
def test_release_lags_the_cancel(new_client: Callable[..., Any]) -> None:
    client = new_client(latency=Latency(cancel=timedelta(minutes=1), release=timedelta(minutes=4)))
    client.to(MORNING)
    client.send()
    _, order = client.send(**LIMIT)
    client.http.delete(f"/v2/orders/{order['id']}")
    assert (client.get(f"/v2/orders/{order['id']}")["status"], free(client)) == ("pending_cancel", "0")
    client.to("2008-09-02T14:02:00Z")
    assert (client.get(f"/v2/orders/{order['id']}")["status"], free(client)) == ("canceled", "0")
    status, body = client.send(side="sell", qty="10")
    assert (status, body["held_for_orders"], body["related_orders"]) == (403, "10", [order["id"]])
    client.to("2008-09-02T14:06:00Z")
    assert free(client) == "10"
    assert client.send(side="sell", qty="10")[0] == 200


@rule("RES-008", "A cancelled group's shares come free together, and once.", source="3P-M", status="measured")
def test_group_is_released_once(new_client: Callable[..., Any]) -> None:
    client = new_client(latency=Latency(cancel=timedelta(minutes=1), release=timedelta(minutes=4)))
    client.to(MORNING)
    client.send()
    _, oco = client.send(**OCO, qty="6")
    client.http.delete(f"/v2/orders/{oco['id']}")
    client.to("2008-09-02T14:02:00Z")
    assert free(client) == "4"
    client.to("2008-09-02T14:06:00Z")
    assert free(client) == "10"


@rule("RES-009", "Covering orders reserve a short position; its figures are negative.", source="3P", status="documented")
def test_buys_reserve_a_short(client: Any) -> None:
    client.send(side="sell")
    _, cover = client.send(type="limit", limit_price="90", qty="4")
    assert free(client) == "-6"
    status, body = client.send(type="limit", limit_price="90", qty="7")
    assert (status, body["message"]) == (403, "insufficient qty available for order (requested: 7, available: 6)")
    assert (body["available"], body["existing_qty"], body["held_for_orders"]) == ("-6", "-10", "-4")
    assert body["related_orders"] == [cover["id"]]


@rule("RES-010", "What a half-filled bracket has bought is held for its legs.", source="UNVERIFIED", status="unknown")
def test_half_filled_bracket_holds_what_it_bought(new_client: Callable[..., Any]) -> None:
    client = new_client(partial_fill_probability=1.0)
    client.to(MORNING)
    _, entry = client.send(order_class="bracket", qty="100", **EXITS)
    bought = client.get(f"/v2/orders/{entry['id']}")["filled_qty"]
    assert 0 < int(bought) < 100 and free(client) == "0"


@rule("RES-011", "An execution takes from the reservation what it sells.", source="OAS", status="documented")
def test_partial_sale_reserves_the_rest(new_client: Callable[..., Any]) -> None:
    client = new_client(partial_fill_probability=1.0)
    client.to(MORNING)
    client.send(qty="100")
    client.to("2008-09-02T14:05:00Z")
    _, order = client.send(side="sell", qty="50", type="limit", limit_price="90")
    sold = int(client.get(f"/v2/orders/{order['id']}")["filled_qty"])
    assert 0 < sold < 50
    assert (client.get("/v2/positions/ABC")["qty"], free(client)) == (str(100 - sold), "50")


@rule("RES-012", "A fraction of a position can be sold beside what is reserved.", source="DOC", status="documented")
def test_fractions_are_counted(client: Any) -> None:
    client.send(qty="2.5", time_in_force="day")
    client.send(**LIMIT, qty="2")
    assert free(client) == "0.5"
    status, body = client.send(side="sell", qty="0.6", time_in_force="day")
    assert (status, body["available"], body["existing_qty"]) == (403, "0.5", "2.5")
    assert client.send(side="sell", qty="0.5", time_in_force="day")[0] == 200
