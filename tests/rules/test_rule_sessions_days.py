"""Which session an order belongs to and how long it stays, beyond the single day."""

from __future__ import annotations

from typing import Any

import pytest

Body = dict[str, Any]
CLOSE, NEXT_CLOSE, CRASH = "2008-09-02T20:00:00Z", "2008-09-03T20:00:00Z", "2008-09-04T13:30:00Z"
SATURDAY, MONDAY_EARLY, MONDAY_OPEN = "2008-09-06T15:00:00Z", "2008-09-08T08:00:00Z", "2008-09-08T13:30:00Z"
rule = pytest.mark.rule


def order_of(client: Any, order: Body) -> Body:
    found: Body = client.get(f"/v2/orders/{order['id']}")
    return found


@rule("SES-001", "An order sent between 04:00 and the open goes to the venue at the open.", source="3P-M", status="measured")
def test_sent_before_the_open(new_client: Any) -> None:
    client = new_client()  # it is 08:00 in New York
    _, order = client.send(type="limit", limit_price="90")
    client.to("2008-09-02T13:29:59Z")
    assert order_of(client, order)["status"] == "accepted"
    client.to("2008-09-02T13:30:00Z")
    assert order_of(client, order)["status"] == "new"


@rule("SES-002", "An order sent at the closing instant is for the next session.", source="DOC", status="documented")
def test_closing_instant(client: Any) -> None:
    client.to(CLOSE)
    _, order = client.send(time_in_force="day")
    assert (order["status"], order["expires_at"]) == ("accepted", NEXT_CLOSE)


@rule(
    "SES-003",
    "An order sent on a Saturday is new on Monday at 04:00 New York and trades at the open.",
    source="DOC",
    status="documented",
)
def test_weekend(client: Any) -> None:
    client.to(SATURDAY)
    _, order = client.send()
    client.to("2008-09-08T07:59:59Z")
    assert order_of(client, order)["status"] == "accepted"
    client.to(MONDAY_EARLY)
    assert order_of(client, order)["status"] == "new"
    client.to(MONDAY_OPEN)
    assert (order_of(client, order)["status"], order_of(client, order)["filled_at"]) == ("filled", MONDAY_OPEN)


@rule("SES-004", "A GTC order waits for its price for days.", source="DOC", status="documented")
def test_gtc_waits(client: Any) -> None:
    _, order = client.send(type="limit", limit_price="95")
    client.to(NEXT_CLOSE)
    assert order_of(client, order)["status"] == "new"
    client.to(CRASH)
    assert (order_of(client, order)["status"], order_of(client, order)["filled_avg_price"]) == ("filled", "90.01")


@rule("SES-005", "A DAY order that is half filled expires with what it has.", source="DOC", status="documented")
def test_half_filled_day_order(new_client: Any) -> None:
    client = new_client(partial_fill_probability=1.0)
    client.to("2008-09-02T19:59:30Z")
    _, order = client.send(type="limit", limit_price="150", qty="100", time_in_force="day")
    part = order_of(client, order)
    assert part["status"] == "partially_filled"
    client.http.request("PATCH", f"/v2/orders/{order['id']}", json={"limit_price": "1"})
    client.to(CLOSE)
    [successor] = client.get("/v2/orders", status="closed", limit=1)
    assert (successor["status"], successor["filled_qty"]) == ("expired", part["filled_qty"])
    assert client.get("/v2/positions/ABC")["qty"] == part["filled_qty"]


@rule("SES-006", "An elected stop-limit that finds no price expires with its day.", source="DOC", status="documented")
def test_elected_and_unfilled(client: Any) -> None:
    client.send()
    client.to(NEXT_CLOSE)
    _, order = client.send(side="sell", type="stop_limit", stop_price="95", limit_price="94", time_in_force="day")
    client.to("2008-09-04T20:00:00Z")
    assert order_of(client, order)["status"] == "expired"
    assert client.get("/v2/positions/ABC")["qty_available"] == "10"


@rule(
    "SES-007",
    "A GTC limit for extended hours stays through the night and trades before the next open.",
    source="DOC",
    status="documented",
)
def test_extended_gtc(client: Any) -> None:
    _, order = client.send(type="limit", limit_price="95", extended_hours=True)
    client.to("2008-09-04T21:00:00Z")
    assert order_of(client, order)["status"] == "filled"
    client.to("2008-09-05T01:00:00Z")
    _, night = client.send(type="limit", limit_price="95", extended_hours=True, qty="1")
    assert night["status"] == "accepted"
    client.to("2008-09-05T08:00:00Z")
    assert (order_of(client, night)["status"], order_of(client, night)["filled_at"]) == ("filled", "2008-09-05T08:00:00Z")
