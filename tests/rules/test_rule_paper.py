"""What only paper accounts do: fills without a queue and without impact, nothing charged for borrowed shares or money."""

from __future__ import annotations

from typing import Any

import pytest

from desk.exchange.config import AccountConfig

MORNING, LATER = "2008-09-02T14:00:00Z", "2008-09-05T14:00:00Z"
rule = pytest.mark.rule


@rule("PAP-301", "A limit is filled as soon as the quote meets it: there is no queue.", source="DOC", status="documented")
def test_no_queue(client: Any) -> None:
    quoted = client.get("/v2/stocks/quotes/latest", symbols="ABC")["quotes"]["ABC"]
    _, order = client.send(type="limit", limit_price=str(quoted["ap"]), qty="1")
    assert client.get(f"/v2/orders/{order['id']}")["status"] == "filled"


@rule("PAP-302", "An order moves no price, whatever its size.", source="DOC", status="documented")
def test_no_impact(client: Any) -> None:
    before = client.get("/v2/stocks/quotes/latest", symbols="ABC")
    prices = []
    for quantity in ("1", "900"):
        _, order = client.send(qty=quantity)
        prices.append(client.get(f"/v2/orders/{order['id']}")["filled_avg_price"])
    assert prices == [str(before["quotes"]["ABC"]["ap"])] * 2
    assert client.get("/v2/stocks/quotes/latest", symbols="ABC") == before


@rule("PAP-303", "Borrowed shares cost nothing.", source="DOC", status="documented")
def test_no_borrow_fee(client: Any) -> None:
    client.send(side="sell", qty="100")
    cash = client.get("/v2/account")["cash"]
    client.to(LATER)
    assert client.get("/v2/account")["cash"] == cash
    assert client.get("/v2/account/activities", category="non_trade_activity") == []


@rule("PAP-304", "Borrowed money costs nothing.", source="DOC", status="documented")
def test_no_interest(client: Any) -> None:
    client.send(qty="1500")
    cash = client.get("/v2/account")["cash"]
    assert float(cash) < 0
    client.to(LATER)
    assert client.get("/v2/account")["cash"] == cash


@rule(
    "PAP-305",
    "One owner has several paper accounts, with keys, money and orders of their own.",
    source="DOC",
    status="documented",
)
def test_accounts_apart(new_client: Any) -> None:
    client = new_client(accounts=(AccountConfig("second", "second-secret", cash_usd=5_000.0),))
    client.to(MORNING)
    other = client.stranger({"APCA-API-KEY-ID": "second", "APCA-API-SECRET-KEY": "second-secret"})
    client.send(client_order_id="mine")
    assert other.get("/v2/orders", params={"status": "all"}).json() == other.get("/v2/positions").json() == []
    assert other.get("/v2/account").json()["cash"] == "5000"
    order = {"symbol": "ABC", "side": "buy", "type": "market", "qty": "1", "time_in_force": "day", "client_order_id": "mine"}
    assert other.post("/v2/orders", json=order).status_code == 200


@rule(
    "PAP-306", "What is eligible and was filled in part is looked at again until it is done.", source="DOC", status="documented"
)
def test_rest_is_filled_later(new_client: Any) -> None:
    client = new_client(partial_fill_probability=1.0)
    client.to(MORNING)
    _, order = client.send(qty="100")
    assert client.get(f"/v2/orders/{order['id']}")["status"] == "partially_filled"
    client.to("2008-09-02T14:01:00Z")
    found = client.get(f"/v2/orders/{order['id']}")
    assert (found["status"], found["filled_qty"]) == ("filled", "100")
