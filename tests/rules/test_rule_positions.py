"""Positions: their fields, what is free of them, and closing them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

CALL, PUT = "ABC080919C00105000", "ABC080919P00095000"
FIELDS = {
    "asset_id", "symbol", "exchange", "asset_class", "asset_marginable", "qty", "qty_available", "side", "avg_entry_price",
    "market_value", "cost_basis", "unrealized_pl", "unrealized_plpc", "unrealized_intraday_pl", "unrealized_intraday_plpc",
    "current_price", "lastday_price", "change_today",
}  # fmt: skip
NUMBERS = FIELDS - {"asset_id", "symbol", "exchange", "asset_class", "asset_marginable", "side"}


def hold(client: Any, **order: object) -> dict[str, Any]:
    """A market order's position after it has filled."""
    status, said = client.send(**{"time_in_force": "day", **order})
    assert status == 200, said
    client.to("2008-09-02T14:00:01Z")
    found: dict[str, Any] = client.get(f"/v2/positions/{said['symbol']}")
    return found


def decimals(position: dict[str, Any], *names: str) -> tuple[Decimal, ...]:
    return tuple(Decimal(position[name]) for name in names)


@pytest.mark.rule("POS-101", "A position has every documented field, its numbers as strings", source="OAS", status="documented")
def test_position_has_every_field_and_numbers_are_strings(client: Any) -> None:
    position = hold(client)
    assert set(position) == FIELDS and all(isinstance(position[name], str) for name in NUMBERS)
    assert client.get("/v2/positions") == [position]
    value, cost, gain, part = decimals(position, "market_value", "cost_basis", "unrealized_pl", "unrealized_plpc")
    assert gain == value - cost and abs(part - gain / cost) < Decimal("0.000001")


@pytest.mark.rule(
    "POS-102", "A short position has negative quantities and values and a positive entry price", source="OAS", status="documented"
)
def test_short_position_is_negative(client: Any) -> None:
    position = hold(client, side="sell")
    assert (position["qty"], position["qty_available"], position["side"]) == ("-10", "-10", "short")
    value, cost, entry, gain = decimals(position, "market_value", "cost_basis", "avg_entry_price", "unrealized_pl")
    assert value < 0 and cost == -10 * entry < 0 and gain == value - cost
    client.to("2008-09-04T15:00:00Z")  # the price has fallen by a tenth
    position = client.get("/v2/positions/ABC")
    assert Decimal(position["unrealized_pl"]) > 90 and Decimal(position["unrealized_plpc"]) > Decimal("0.09")


@pytest.mark.rule(
    "POS-103",
    "An option's position has an empty exchange, class us_option, and values of a hundred shares",
    source="OAS",
    status="documented",
)
def test_option_position_counts_a_hundred_shares(client: Any) -> None:
    position = hold(client, symbol=CALL, qty="2")
    assert (position["exchange"], position["asset_class"], position["qty"]) == ("", "us_option", "2")
    price, value, entry, cost = decimals(position, "current_price", "market_value", "avg_entry_price", "cost_basis")
    assert value == 200 * price and cost == 200 * entry
    contract = client.get(f"/v2/options/contracts/{CALL}")
    assert position["asset_id"] == contract["id"]


@pytest.mark.rule("POS-104", "change_today is measured from the last close, as a factor of 1", source="OAS", status="documented")
def test_change_today_is_measured_from_the_last_close(client: Any) -> None:
    hold(client)
    client.to("2008-09-03T15:00:00Z")
    position = client.get("/v2/positions/ABC")
    price, close, change = decimals(position, "current_price", "lastday_price", "change_today")
    assert close == 101 and abs(change - (price / close - 1)) < Decimal("0.000001")


@pytest.mark.rule(
    "POS-105",
    "The intraday gain is measured from the last close for what was held then, from the entry for what came today",
    source="OAS",
    status="documented",
)
def test_intraday_gain_is_measured_from_the_close_or_the_entry(client: Any) -> None:
    first = hold(client)
    assert first["unrealized_intraday_pl"] == first["unrealized_pl"]
    client.to("2008-09-03T15:00:00Z")
    position = client.get("/v2/positions/ABC")
    price, gain, part = decimals(position, "current_price", "unrealized_intraday_pl", "unrealized_intraday_plpc")
    assert gain == 10 * (price - 101) and abs(part - gain / 1010) < Decimal("0.000001")
    assert decimals(position, "unrealized_pl") != (gain,)


@pytest.mark.rule(
    "POS-106", "qty_available leaves out what open orders would close, a group once", source="OAS", status="measured"
)
def test_open_orders_take_from_what_is_available(client: Any) -> None:
    hold(client)
    exits = {"order_class": "oco", "take_profit": {"limit_price": "120"}, "stop_loss": {"stop_price": "90"}}
    assert client.send(side="sell", qty="4", type="limit", **exits)[0] == 200
    assert client.get("/v2/positions/ABC")["qty_available"] == "6"
    assert client.send(side="sell", qty="6", type="stop", stop_price="80")[0] == 200
    assert client.get("/v2/positions/ABC")["qty_available"] == "0"
    client.http.delete("/v2/orders")
    assert client.get("/v2/positions/ABC")["qty_available"] == "10"


@pytest.mark.rule(
    "POS-107", "Shares that cover a sold call are locked: not available, and not to be sold", source="OAS", status="documented"
)
def test_shares_that_cover_a_sold_call_are_locked(client: Any) -> None:
    hold(client, qty="150")
    client.send(symbol=CALL, side="sell", qty="1", time_in_force="day")
    client.to("2008-09-02T14:00:02Z")
    assert client.get("/v2/positions/ABC")["qty_available"] == "50"
    status, said = client.send(side="sell", qty="51")
    assert (status, said["message"]) == (403, "insufficient qty available for order (requested: 51, available: 50)")
    assert client.send(side="sell", qty="50")[0] == 200


@pytest.mark.rule("POS-108", "A position that is not there answers 404 40410000", source="OAS", status="documented")
def test_missing_position_is_not_found(client: Any) -> None:
    for method in ("GET", "DELETE"):
        answer = client.http.request(method, "/v2/positions/ABC")
        assert (answer.status_code, answer.json()) == (404, {"code": 40410000, "message": "position does not exist"})


@pytest.mark.rule(
    "POS-109", "A position is found by symbol and by asset id, an option's by its contract id", source="OAS", status="documented"
)
def test_position_is_found_by_id(client: Any) -> None:
    for symbol in ("ABC", CALL):
        position = hold(client, symbol=symbol, qty="1")
        assert client.get(f"/v2/positions/{position['asset_id']}")["symbol"] == symbol


@pytest.mark.rule(
    "POS-110", "Closing takes a quantity or a percentage, not both, and answers the order", source="OAS", status="documented"
)
def test_position_is_closed_by_quantity_or_percentage(client: Any) -> None:
    hold(client)
    both = client.http.delete("/v2/positions/ABC", params={"qty": "1", "percentage": "50"})
    assert both.status_code == 422
    order = client.http.delete("/v2/positions/ABC", params={"percentage": "40"}).json()
    assert (order["side"], order["qty"], order["type"], order["position_intent"]) == ("sell", "4", "market", "sell_to_close")
    client.to("2008-09-02T14:00:02Z")
    assert client.http.delete("/v2/positions/ABC", params={"qty": "5"}).json()["qty"] == "5"
    client.to("2008-09-02T14:00:03Z")
    assert client.get("/v2/positions/ABC")["qty"] == "1"


@pytest.mark.rule(
    "POS-111", "Closing a position leaves its orders, so reserved shares refuse it with 403", source="DOC", status="measured"
)
def test_closing_leaves_orders_in_the_way(client: Any) -> None:
    hold(client)
    _, stop = client.send(side="sell", type="stop", stop_price="80")
    answer = client.http.delete("/v2/positions/ABC")
    assert answer.status_code == 403 and answer.json() == {
        "available": "0",
        "code": 40310000,
        "existing_qty": "10",
        "held_for_orders": "10",
        "message": "insufficient qty available for order (requested: 10, available: 0)",
        "related_orders": [stop["id"]],
        "symbol": "ABC",
    }


@pytest.mark.rule(
    "POS-112",
    "Closing all answers 207 with a status and a body for each symbol; cancel_orders goes first",
    source="OAS",
    status="documented",
)
def test_closing_all_answers_for_each_symbol(client: Any) -> None:
    hold(client)
    hold(client, symbol="XYZ", side="sell")
    client.send(side="sell", type="stop", stop_price="80")
    answer = client.http.delete("/v2/positions")
    assert answer.status_code == 207 and [(each["symbol"], each["status"]) for each in answer.json()] == [
        ("ABC", 403),
        ("XYZ", 200),
    ]
    client.to("2008-09-02T14:00:02Z")
    answer = client.http.delete("/v2/positions", params={"cancel_orders": "true"})
    assert [(each["symbol"], each["status"]) for each in answer.json()] == [("ABC", 200)]
    client.to("2008-09-02T14:00:03Z")
    assert client.get("/v2/positions") == []
