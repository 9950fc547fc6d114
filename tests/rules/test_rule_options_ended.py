"""What becomes of multi-leg orders after they are taken, and of options when they end."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from live_exchange import KEY, SECRET, live_exchange

New = Callable[..., Any]
DOC = {"source": "DOC", "status": "documented"}
OAS = {"source": "OAS", "status": "documented"}
PUT_95, PUT_100, CALL_85 = "ABC080905P00095000", "ABC080905P00100000", "ABC080905C00085000"
MORNING, LAST_DAY, DAY_AFTER = "2008-09-02T14:00:00Z", "2008-09-05", "2008-09-08T14:00:00Z"


def leg(symbol: str, intent: str, ratio: int = 1) -> dict[str, Any]:
    return {"symbol": symbol, "side": intent.partition("_")[0], "ratio_qty": str(ratio), "position_intent": intent}


BULL_PUT = [leg(PUT_100, "sell_to_open"), leg(PUT_95, "buy_to_open")]
BACKSPREAD = [leg(PUT_100, "sell_to_open"), leg(PUT_95, "buy_to_open", 2)]


def spread(client: Any, legs: list[dict[str, Any]], qty: int = 1, limit: str | None = None) -> dict[str, Any]:
    price = {"type": "market"} if limit is None else {"type": "limit", "limit_price": limit}
    body = {"order_class": "mleg", "qty": str(qty), "time_in_force": "day", "legs": legs, **price}
    answer = client.http.post("/v2/orders", json=body)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def nested(client: Any, order: dict[str, Any]) -> dict[str, Any]:
    return dict(client.get(f"/v2/orders/{order['id']}", nested="true"))


def net(order: dict[str, Any]) -> Decimal:
    """What its legs cost a unit."""
    signs = {"buy": 1, "sell": -1}
    return sum(
        (signs[each["side"]] * Decimal(each["filled_avg_price"]) * int(each["ratio_qty"]) for each in order["legs"]), Decimal(0)
    )


@pytest.mark.rule("MLG-201", "A leg's quantity is its ratio times the units; a DAY order's legs expire at 16:00 New York", **OAS)
def test_legs_multiply_and_expire(client: Any) -> None:
    order = spread(client, BACKSPREAD, 3, "-20.00")
    assert [(each["qty"], each["ratio_qty"], each["limit_price"]) for each in order["legs"]] == [
        ("3", "1", None),
        ("6", "2", None),
    ]
    assert {each["expires_at"] for each in order["legs"]} == {"2008-09-02T20:00:00Z"}


@pytest.mark.rule("MLG-202", "All legs fill together; the parent's average price is the signed net price of a unit", **OAS)
def test_average_price_of_the_parent_is_net(client: Any) -> None:
    order = nested(client, spread(client, BULL_PUT, 2))
    assert {each["status"] for each in (order, *order["legs"])} == {"filled"}
    assert Decimal(order["filled_avg_price"]) == net(order) < 0
    assert (order["filled_qty"], [each["filled_qty"] for each in order["legs"]]) == ("2", ["2", "2"])


@pytest.mark.rule("MLG-203", "A multi-leg order that fills in part fills whole units of every leg", **DOC)
def test_parts_are_whole_units(new_client: New) -> None:
    client = new_client(partial_fill_probability=1.0)
    client.to(MORNING)
    order = nested(client, spread(client, BACKSPREAD, 7))
    units = int(order["filled_qty"])
    assert order["status"] == "partially_filled" and 0 < units < 7
    assert [each["filled_qty"] for each in order["legs"]] == [str(units), str(2 * units)]


@pytest.mark.rule("MLG-204", "One update tells a multi-leg execution: each leg's price and quantity, positions by symbol", **DOC)
def test_one_update_tells_all_legs() -> None:
    with live_exchange() as exchange, exchange.socket("/stream") as stream:
        exchange.to(MORNING)
        stream.ask(action="auth", key=KEY, secret=SECRET)
        stream.ask(action="listen", data={"streams": ["trade_updates"]})
        body = {"order_class": "mleg", "qty": "2", "type": "market", "time_in_force": "day", "legs": BULL_PUT}
        assert exchange.request("POST", "/v2/orders", json=body).status_code == 200
        heard = stream.hear()
        while heard["data"]["event"] != "fill":
            heard = stream.hear()
    data = heard["data"]
    assert data["position_qtys"] == {PUT_100: "-2", PUT_95: "2"}
    assert [(each["symbol"], each["qty"]) for each in data["legs"]] == [(PUT_100, "2"), (PUT_95, "2")]
    assert "position_qty" not in data and data["order"]["order_class"] == "mleg"


@pytest.mark.rule("MLG-205", "Cancelling the parent cancels its legs; they are listed nested, never by themselves", **DOC)
def test_the_parent_is_cancelled_with_its_legs(client: Any) -> None:
    order = spread(client, BULL_PUT, 1, "-20.00")
    assert [each["id"] for each in client.get("/v2/orders")] == [order["id"]]
    assert [len(each["legs"]) for each in client.get("/v2/orders", nested="true")] == [2]
    assert client.http.delete(f"/v2/orders/{order['id']}").status_code == 204
    found = nested(client, order)
    assert {each["status"] for each in (found, *found["legs"])} == {"canceled"}


@pytest.mark.rule(
    "OPT-301",
    "What is exercised or assigned at expiry shows as activities, with the trade of the shares, and in no trade update",
    **DOC,
)
def test_the_end_of_an_option_is_told_by_activities_alone(client: Any) -> None:
    spread(client, BULL_PUT)
    client.to(f"{LAST_DAY}T19:59:00Z")
    told = client.get("/admin/status")["events_emitted"]
    client.to(DAY_AFTER)
    assert client.get("/admin/status")["events_emitted"] == told
    said = {
        (each["activity_type"], each["symbol"], each["qty"])
        for each in client.get("/v2/account/activities", category="non_trade_activity")
    }
    assert said == {
        ("OPASN", PUT_100, "1"),
        ("OPTRD", "ABC", "100"),
        ("OPEXC", PUT_95, "-1"),
        ("OPTRD", "ABC", "-100"),
    }
    assert client.get("/v2/positions") == []


@pytest.mark.rule("OPT-302", "What is worth nothing at expiry is gone, with an OPEXP activity", **DOC)
def test_a_worthless_option_expires(client: Any) -> None:
    assert client.send(symbol="ABC080905C00105000", qty="1", type="market", time_in_force="day")[0] == 200
    client.to(DAY_AFTER)
    assert client.get("/v2/positions") == []
    assert [(each["activity_type"], each["qty"]) for each in client.get("/v2/account/activities/OPEXP")] == [("OPEXP", "-1")]


@pytest.mark.rule(
    "OPT-303", "A long option that the account could not pay the exercise of is sold for it before the last close", **DOC
)
def test_what_cannot_be_exercised_is_liquidated(client: Any) -> None:
    client.to("2008-09-04T14:00:00Z")
    assert client.send(symbol=CALL_85, qty="60", type="market", time_in_force="day")[0] == 200
    client.to(f"{LAST_DAY}T19:29:00Z")
    assert [each["qty"] for each in client.get("/v2/positions")] == ["60"]
    client.to(f"{LAST_DAY}T19:59:00Z")
    assert client.get("/v2/positions") == []
    last = client.get("/v2/orders", status="closed")[0]
    assert (last["symbol"], last["side"], last["type"], last["status"]) == (CALL_85, "sell", "market", "filled")
