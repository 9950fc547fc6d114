"""Trailing stops: how they are asked for, how the mark and the stop move, what triggers them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from desk.exchange.switches import Switches

Body = dict[str, Any]
TRAILING: Body = {"type": "trailing_stop", "side": "sell"}
MORNING, CLOSE, NEXT_DAY = "2008-09-02T14:00:00Z", "2008-09-02T20:00:00Z", "2008-09-03T20:00:00Z"
CRASH = "2008-09-04T13:30:00Z"  # ABC closed at 102 and opens at 90
rule = pytest.mark.rule


def order_of(client: Any, order: Body) -> Body:
    found: Body = client.get(f"/v2/orders/{order['id']}")
    return found


def marks(client: Any, order: Body) -> tuple[float, float]:
    """(hwm, stop_price)"""
    now = order_of(client, order)
    return float(now["hwm"]), float(now["stop_price"])


def last(client: Any) -> float:
    price: float = client.get("/v2/stocks/trades/latest", symbols="ABC")["trades"]["ABC"]["p"]
    return price


@pytest.fixture
def owner(client: Any) -> Any:
    """A client that owns ten shares of ABC."""
    client.send()
    return client


@rule("TRL-001", "It shows hwm and the stop_price that follows from it.", source="OAS", status="documented")
def test_mark_and_stop_are_told(owner: Any) -> None:
    _, order = owner.send(**TRAILING, trail_price="2")
    price = last(owner)
    assert marks(owner, order) == (price, price - 2)
    assert order_of(owner, order)["trail_price"] == "2"


@rule("TRL-002", "trail_percent is a number of percent: 5 is five hundredths.", source="DOC", status="documented")
def test_percent(owner: Any) -> None:
    _, order = owner.send(**TRAILING, trail_percent="5.0")
    mark, stop = marks(owner, order)
    assert stop == pytest.approx(mark * 0.95, abs=0.01)
    assert order_of(owner, order)["trail_price"] is None


@rule("TRL-003", "The mark rises with the trades and never falls, day after day.", source="DOC", status="documented")
def test_mark_rises(owner: Any) -> None:
    _, order = owner.send(**TRAILING, trail_price="6")
    owner.to(CLOSE)
    first = marks(owner, order)
    owner.to(NEXT_DAY)  # the day's high is 103, its close 102
    assert first[0] < 103 and marks(owner, order) == (103, 97)
    assert order_of(owner, order)["status"] == "new"


@rule("TRL-004", "A buy trails a falling price.", source="DOC", status="documented")
def test_buy_trails_down(client: Any) -> None:
    client.send(side="sell")
    _, order = client.send(type="trailing_stop", trail_price="20")
    client.to(CRASH)
    assert marks(client, order) == (90, 110)


@rule("TRL-005", "Triggered it is a market order: a gap sells where the market opens.", source="DOC", status="documented")
def test_gap(owner: Any) -> None:
    _, order = owner.send(**TRAILING, trail_price="6")
    owner.to(CRASH)
    found = order_of(owner, order)
    assert (found["status"], found["filled_avg_price"], found["filled_at"]) == ("filled", "89.99", CRASH)


@rule("TRL-006", "It sells at the first trade that is as far from the best as its trail.", source="DOC", status="documented")
def test_intraday(owner: Any) -> None:
    _, order = owner.send(**TRAILING, trail_price="0.50")
    owner.to(NEXT_DAY)
    found = order_of(owner, order)
    assert found["status"] == "filled"
    assert 0 <= float(found["stop_price"]) - float(found["filled_avg_price"]) < 0.5
    assert float(found["hwm"]) - float(found["stop_price"]) == pytest.approx(0.5)


@rule("TRL-007", "A trailing stop lives for a day or until cancelled.", source="DOC", status="documented")
def test_lifetimes(owner: Any) -> None:
    for lifetime in ("opg", "cls", "ioc", "fok"):
        assert owner.send(**TRAILING, trail_price="20", time_in_force=lifetime)[0] == 422
    _, order = owner.send(**TRAILING, trail_price="20", time_in_force="day")
    owner.to(CLOSE)
    assert order_of(owner, order)["status"] == "expired"


@rule("TRL-008", "It works in regular hours alone.", source="DOC", status="documented")
def test_regular_hours(owner: Any) -> None:
    assert owner.send(**TRAILING, trail_price="6", extended_hours=True)[0] == 422
    owner.to("2008-09-02T21:00:00Z")
    _, order = owner.send(**TRAILING, trail_price="6")
    assert (order["status"], order["hwm"]) == ("accepted", None)
    owner.to("2008-09-03T13:29:00Z")
    assert order_of(owner, order)["hwm"] is None
    owner.to("2008-09-03T13:31:00Z")
    assert order_of(owner, order)["status"] == "new" and marks(owner, order)[0] >= 101


@rule("TRL-009", "A changed trail keeps the mark, or begins again when so switched.", source="UNVERIFIED", status="unknown")
@pytest.mark.parametrize("keeps", [True, False])
def test_changed_trail(new_client: Callable[..., Any], keeps: bool) -> None:
    client = new_client(switches=Switches(trailing_replace_keeps_mark=keeps))
    client.to(MORNING)
    client.send()
    _, order = client.send(**TRAILING, trail_price="20")
    client.to("2008-09-03T19:00:00Z")
    price, (best, _) = last(client), marks(client, order)
    assert price < best
    changed = client.http.request("PATCH", f"/v2/orders/{order['id']}", json={"trail": "10"}).json()
    mark = best if keeps else price
    assert marks(client, changed) == (mark, mark - 10)


@rule("TRL-010", "A trailing stop reserves its shares like any sell.", source="OAS", status="documented")
def test_reserves(owner: Any) -> None:
    owner.send(**TRAILING, trail_price="20", qty="7")
    assert owner.get("/v2/positions/ABC")["qty_available"] == "3"
