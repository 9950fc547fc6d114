"""Listings, account, positions and virtual time over HTTP."""

from __future__ import annotations

from typing import Any

import pytest

Body = dict[str, Any]
EXITS: Body = {"take_profit": {"limit_price": "115"}, "stop_loss": {"stop_price": "95"}}
BRACKET: Body = {"order_class": "bracket", **EXITS}
OCO: Body = {"order_class": "oco", "side": "sell", "type": "limit", **EXITS}
MORNING = "2008-09-02T14:00:00Z"


def test_flat_open_list_hides_held_legs_and_nested_rolls_them_up(client: Any) -> None:
    _, parent = client.send(**BRACKET, type="limit", limit_price="97")
    flat = client.get("/v2/orders")
    assert [order["id"] for order in flat] == [parent["id"]] and flat[0]["legs"] is None
    nested = client.get("/v2/orders", nested="true")
    assert [leg["status"] for leg in nested[0]["legs"]] == ["held", "held"]
    everything = client.get("/v2/orders", status="all")
    assert len(everything) == 3


def test_after_the_entry_only_the_target_is_an_open_order(client: Any) -> None:
    _, parent = client.send(**BRACKET)
    flat = client.get("/v2/orders")
    assert [(order["group_role"], order["status"]) for order in flat] == [("take_profit", "new")]
    assert client.get("/v2/orders", nested="true") == []
    closed = client.get("/v2/orders", nested="true", status="all")
    assert [leg["status"] for leg in closed[0]["legs"]] == ["new", "held"]
    assert parent["status"] == "pending_new" and [leg["status"] for leg in parent["legs"]] == ["held", "held"]


def test_listing_filters(client: Any) -> None:
    ids = [client.send(symbol=symbol, type="limit", limit_price="30", client_order_id=f"o{place}")[1]["id"]
           for place, symbol in enumerate(["ABC", "XYZ", "ABC"])]  # fmt: skip

    def listed(**query: object) -> list[str]:
        return [order["id"] for order in client.get("/v2/orders", **query)]

    assert listed() == ids[::-1]
    assert listed(direction="asc", limit=2) == ids[:2]
    assert listed(symbols="XYZ") == [ids[1]]
    assert listed(symbols="ABC,XYZ", side="sell") == []
    assert listed(after=MORNING) == []
    assert listed(until="2008-09-03") == ids[::-1]
    assert listed(status="closed") == []
    for wrong in ({"limit": "501"}, {"status": "some"}, {"after": "noon"}, {"direction": "up"}):
        assert client.http.get("/v2/orders", params=wrong).status_code == 422
    assert client.get("/v2/orders:by_client_order_id", client_order_id="o1")["id"] == ids[1]


def test_account_and_position_are_marked_at_the_path(client: Any) -> None:
    client.send(qty="100")
    account = client.get("/v2/account")
    position = client.get("/v2/positions/ABC")
    value = float(position["market_value"])
    latest = client.get("/v2/stocks/trades/latest", symbols="ABC")["trades"]["ABC"]["p"]
    assert float(position["current_price"]) == latest
    assert float(account["cash"]) + value == pytest.approx(float(account["equity"]))
    assert position["lastday_price"] == "100"
    assert account["last_equity"] == "100000"
    client.to("2008-09-02T21:00:00Z")
    position = client.get("/v2/positions/ABC")
    assert (position["current_price"], position["lastday_price"], position["change_today"]) == ("101", "100", "0.01")
    client.to("2008-09-03T12:00:00Z")
    assert client.get("/v2/account")["last_equity"] == client.get("/v2/account")["equity"] != "100000"
    assert client.get("/v2/positions/ABC")["lastday_price"] == "101"
    assert "daytrade_count" not in account


def test_positions_close_in_part_by_percentage_and_all_at_once(client: Any) -> None:
    client.send(qty="10")
    client.send(symbol="XYZ", qty="4")
    assert client.http.delete("/v2/positions/ABC", params={"percentage": "45"}).json()["qty"] == "4"
    assert client.get("/v2/positions/ABC")["qty"] == "6"
    assert client.http.delete("/v2/positions/ABC", params={"percentage": "200"}).status_code == 422
    oco = {**OCO, "qty": "6"}
    assert client.send(**oco)[0] == 200
    kept = client.http.delete("/v2/positions").json()
    assert [(item["symbol"], item["status"]) for item in kept] == [("ABC", 403), ("XYZ", 200)]
    gone = client.http.delete("/v2/positions", params={"cancel_orders": "true"})
    assert gone.status_code == 207 and [item["status"] for item in gone.json()] == [200]
    assert client.get("/v2/positions") == []
    fills = client.get("/v2/account/activities", activity_types="FILL")
    assert [fill["side"] for fill in fills] == ["sell", "sell", "sell", "buy", "buy"]
    assert len({fill["id"] for fill in fills}) == 5


def test_assets_say_what_can_be_traded_now(client: Any) -> None:
    assert [asset["tradable"] for asset in client.get("/v2/assets")] == [True, False, True]
    asset = client.get("/v2/assets/ABC")
    assert client.get(f"/v2/assets/{asset['id']}") == asset
    assert client.http.get("/v2/assets/NONE").status_code == 404


def test_clock_and_calendar_follow_virtual_time(new_client: Any) -> None:
    client = new_client()
    clock = client.get("/v2/clock")
    assert clock["timestamp"] == "2008-09-02T08:00:00-04:00" and clock["is_open"] is False
    assert clock["next_open"] == "2008-09-02T09:30:00-04:00"
    client.to("2008-09-02T13:30:00Z")
    assert client.get("/v2/clock")["is_open"] is True
    client.to("2008-09-02T20:00:00Z")
    clock = client.get("/v2/clock")
    assert clock["is_open"] is False and clock["next_open"] == "2008-09-03T09:30:00-04:00"
    days = client.get("/v2/calendar", start="2008-09-01", end="2008-09-04")
    assert [day["date"] for day in days] == ["2008-09-02", "2008-09-03", "2008-09-04"]
    assert days[0]["settlement_date"] == "2008-09-03"
    client.to("2008-09-09T00:00:00Z")
    answer = client.http.post("/admin/advance", json={"to": "2008-09-09T13:30:00Z"})
    assert (answer.status_code, answer.json()["message"].split("is ")[1]) == (422, "beyond the data, which ends with 2008-09-08")
    assert client.get("/v2/clock")["next_open"].startswith("2008-09-09")


def test_time_never_goes_back_and_stands_still_by_itself(client: Any) -> None:
    assert client.http.post("/admin/advance", json={"to": "2008-09-01T00:00:00Z"}).status_code == 422
    assert client.http.post("/admin/advance", json={"to": "soon"}).status_code == 422
    assert client.get("/admin/status")["now"] == MORNING


def test_advance_stops_at_the_first_event(client: Any) -> None:
    client.send(type="limit", limit_price="92")
    said = client.http.post("/admin/advance", json={"to": "2008-09-05T20:00:00Z"}).json()
    assert said == {"now": "2008-09-04T13:30:00Z", "events_emitted": 2, "reached": False}
    assert client.get("/v2/positions/ABC")["avg_entry_price"] == "90.01"


def test_queued_order_waits_for_the_open(new_client: Any) -> None:
    client = new_client()
    _, order = client.send()
    assert order["status"] == "accepted"
    client.to("2008-09-02T13:29:59Z")
    assert client.get("/v2/positions") == []
    client.to("2008-09-02T13:30:00Z")
    fill = client.get("/v2/account/activities")[0]
    assert (fill["transaction_time"], fill["price"]) == ("2008-09-02T13:30:00Z", "100.01")


def test_stop_that_gaps_fills_at_the_open_and_is_reported(client: Any) -> None:
    client.send(**BRACKET)
    client.to("2008-09-05T00:00:00Z")
    report = client.get("/admin/report")
    assert report["gapped_stops"] == [
        {"symbol": "ABC", "at": "2008-09-04T13:30:00Z", "stop_price": 95.0, "fill_price": 89.99, "shares": 10}
    ]
    assert report["unprotected_share_seconds"] == 0


def test_bare_shares_are_counted_day_and_night(client: Any) -> None:
    client.send(qty="3")
    client.to("2008-09-03T14:00:00Z")
    assert client.get("/admin/report")["unprotected_by_symbol"] == {"ABC": 3 * 24 * 3600.0}
    client.send(side="sell", type="stop", stop_price="50", qty="3")
    client.to("2008-09-03T15:00:00Z")
    assert client.get("/admin/report")["unprotected_share_seconds"] == 3 * 24 * 3600.0


def test_symbol_without_a_bar_today_does_not_trade(client: Any) -> None:
    client.to("2008-09-03T14:00:00Z")
    assert client.send(symbol="XYZ", qty="1")[0] == 200
    client.to("2008-09-04T14:00:00Z")
    assert client.send(symbol="XYZ", qty="1")[1]["message"] == 'asset "XYZ" is not tradable'
    assert client.get("/v2/positions/XYZ")["current_price"] == "52"
    assert client.send(symbol="NEW", qty="1")[0] == 200
