"""Corners of orders and positions: what is referred to when, and what a race decides."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from live_exchange import KEY, SECRET, live_exchange

from desk.exchange.machine.book import Latency

New = Callable[..., Any]
DOC = {"source": "DOC", "status": "documented"}
OAS = {"source": "OAS", "status": "documented"}
MORNING, EVENING, NIGHT = "2008-09-02T14:00:00Z", "2008-09-02T20:30:00Z", "2008-09-03T03:00:00Z"
LOW = {"type": "limit", "limit_price": "60"}


def buying_power(client: Any) -> Decimal:
    return Decimal(client.get("/v2/account")["buying_power"])


def cost_basis(client: Any) -> Decimal:
    """Of a market buy that nobody could pay for, a share."""
    status, said = client.send(qty="1000000", time_in_force="day")
    assert (status, said["code"]) == (403, 40310000)
    return Decimal(said["cost_basis"]) / 1_000_000


@pytest.mark.rule("ORD-213", "An Idempotency-Key does nothing for orders: the client order id alone tells them apart", **OAS)
def test_only_the_client_order_id_tells_orders_apart(client: Any) -> None:
    body = {"symbol": "ABC", "side": "buy", "qty": "1", "time_in_force": "gtc", **LOW}
    headers = {"Idempotency-Key": "61e69015-8549-4bfd-b9c3-01e75843f47d"}
    assert [client.http.post("/v2/orders", json=body, headers=headers).status_code for _ in range(2)] == [200, 200]
    assert len(client.get("/v2/orders")) == 2


@pytest.mark.rule(
    "ORD-214", "A fraction of an asset that is not fractionable is refused: 403 40310000", source="3P", status="documented"
)
def test_not_every_asset_is_fractionable(new_client: New) -> None:
    client = new_client(not_fractionable=frozenset({"ABC"}))
    client.to(MORNING)
    status, said = client.send(qty="0.5", time_in_force="day")
    assert (status, said["code"], said["message"]) == (403, 40310000, 'asset "ABC" is not fractionable')
    assert client.send(symbol="XYZ", qty="0.5", time_in_force="day")[0] == 200
    assert client.get("/v2/assets/ABC")["fractionable"] is False


@pytest.mark.rule(
    "ACC-404", "A market buy is valued at the ask in the session, at the midpoint beside it, at the last trade at night", **DOC
)
def test_the_reference_price_depends_on_the_hour(client: Any) -> None:
    collar = Decimal("1.025")
    for instant, name in ((MORNING, "ask"), (EVENING, "midpoint"), (NIGHT, "last")):
        client.to(instant)
        quote = client.get("/v2/stocks/quotes/latest", symbols="ABC", feed="iex")["quotes"]["ABC"]
        last = client.get("/v2/stocks/trades/latest", symbols="ABC", feed="iex")["trades"]["ABC"]["p"]
        reference = {"ask": quote["ap"], "midpoint": (quote["ap"] + quote["bp"]) / 2, "last": last}[name]
        assert abs(cost_basis(client) - Decimal(str(reference)) * collar) <= Decimal("0.01"), name


@pytest.mark.rule("REP-101", "While a replacement is pending the larger of the two is reserved", **DOC)
def test_a_pending_replacement_reserves_the_larger(new_client: New) -> None:
    client = new_client(latency=Latency(replace=timedelta(seconds=10)))
    client.to(MORNING)
    before = buying_power(client)
    order = client.send(**LOW)[1]
    assert before - buying_power(client) == 600
    up = client.http.request("PATCH", f"/v2/orders/{order['id']}", json={"limit_price": "80"})
    assert up.status_code == 200 and before - buying_power(client) == 800
    client.to("2008-09-02T14:00:11Z")
    down = client.http.request("PATCH", f"/v2/orders/{up.json()['id']}", json={"limit_price": "50"})
    assert down.status_code == 200 and before - buying_power(client) == 800
    client.to("2008-09-02T14:00:22Z")
    assert before - buying_power(client) == 500


@pytest.mark.rule(
    "REP-102",
    "An order that fills while its replacement is pending stands: the replacement is rejected, and both are told",
    **DOC,
)
def test_a_fill_beats_a_pending_replacement() -> None:
    with live_exchange(latency=Latency(replace=timedelta(minutes=10))) as exchange, exchange.socket("/stream") as stream:
        exchange.to(MORNING)
        old = exchange.order(type="limit", limit_price="95")
        exchange.to("2008-09-04T13:25:00Z")
        stream.ask(action="auth", key=KEY, secret=SECRET)
        stream.ask(action="listen", data={"streams": ["trade_updates"]})
        new = exchange.request("PATCH", f"/v2/orders/{old['id']}", json={"limit_price": "94"}).json()
        exchange.to("2008-09-04T14:00:00Z")
        heard = [stream.hear()["data"]["event"] for _ in range(4)]
        found = {each: exchange.request("GET", f"/v2/orders/{each}").json()["status"] for each in (old["id"], new["id"])}
    assert {"fill", "order_replace_rejected"} <= set(heard)
    assert found == {old["id"]: "filled", new["id"]: "rejected"}


@pytest.mark.rule("POS-201", "A position has the last trade's price while stocks trade, and the official close after that", **OAS)
def test_positions_are_valued_at_the_close_at_night(client: Any) -> None:
    client.send()
    last = client.get("/v2/stocks/trades/latest", symbols="ABC", feed="iex")["trades"]["ABC"]["p"]
    assert Decimal(client.get("/v2/positions/ABC")["current_price"]) == Decimal(str(last))
    client.to(NIGHT)
    assert Decimal(client.get("/v2/positions/ABC")["current_price"]) == 101


@pytest.mark.rule("SES-219", "An aged GTC order is cancelled by way of pending_cancel", source="DOC, OAS", status="documented")
def test_aged_orders_are_pending_before_they_go(monkeypatch: pytest.MonkeyPatch) -> None:
    import pandas as pd
    from unit.exchange import conftest

    from desk.data.source import Instrument, Source

    days = [f"{day:%Y-%m-%d}" for day in pd.bdate_range("2008-08-29", "2008-12-05") if f"{day:%m-%d}" not in ("09-01", "11-27")]
    prices = conftest.frame(days, [100.0] * len(days))
    source = Source("long", "a long market", {"ABC": prices}, {"ABC": Instrument("ABC", "ABC Inc.")})
    monkeypatch.setattr("live_exchange.market", lambda: source)
    with live_exchange() as exchange, exchange.socket("/stream") as stream:
        exchange.to(MORNING)
        exchange.order(**LOW)
        stream.ask(action="auth", key=KEY, secret=SECRET)
        stream.ask(action="listen", data={"streams": ["trade_updates"]})
        exchange.to("2008-12-01T21:20:00Z")
        assert [stream.hear()["data"]["event"] for _ in range(2)] == ["pending_cancel", "canceled"]
