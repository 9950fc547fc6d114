"""Instants at the edges of sessions: the closing one itself, the hours after it, and those after the last close of all."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from unit.exchange.conftest import DAYS, MORNING, Client, market

from desk.exchange import state
from desk.exchange.machine.book import MEASURED_LATENCY
from desk.exchange.market.sessions import nyse_sessions

CLOSE, EVENING_ENDS = "2008-09-02T20:00:00Z", "2008-09-03T00:00:00Z"
LAST_CLOSE, LAST_EVENING_ENDS = "2008-09-08T20:00:00Z", "2008-09-09T00:00:00Z"
EXTENDED = {"type": "limit", "limit_price": "105", "qty": "100", "time_in_force": "day", "extended_hours": True}
UNRELATED = {"type": "limit", "limit_price": "50", "qty": "1", "time_in_force": "day", "extended_hours": True}


def standing_at(instant: str, **given: Any) -> Client:
    client = Client(**given)
    client.to(instant)
    return client


def status(client: Client, order: dict[str, Any]) -> str:
    found: str = client.get(f"/v2/orders/{order['id']}")["status"]
    return found


def patch(client: Client, order: dict[str, Any], **changes: object) -> dict[str, Any]:
    answer = client.http.request("PATCH", f"/v2/orders/{order['id']}", json=changes)
    assert answer.status_code == 200, answer.text
    made: dict[str, Any] = answer.json()
    return made


# the rest of a partial fill


def test_rest_of_an_evening_fill_needs_nobody_elses_request() -> None:
    client = standing_at("2008-09-02T21:00:00Z", partial_fill_probability=1.0)
    order = client.send(**EXTENDED)[1]
    client.to("2008-09-03T03:00:00Z")
    found = client.get(f"/v2/orders/{order['id']}")
    assert (found["status"], found["filled_at"]) == ("filled", "2008-09-02T21:01:00Z")


@pytest.mark.slow
@settings(max_examples=15, deadline=None)
@given(st.integers(0, 179), st.lists(st.integers(1, 200), max_size=4).map(sorted))
def test_other_orders_change_nothing_about_an_evening_fill(minute: int, others: list[int]) -> None:
    """`others` are minutes after the order at which somebody asks for something else."""
    found = []
    for minutes in ([], others):
        client = standing_at(f"2008-09-02T{20 + (minute + 30) // 60}:{(minute + 30) % 60:02d}:00Z", partial_fill_probability=1.0)
        order = client.send(**EXTENDED)[1]
        start = client.exchange.now
        for each in minutes:
            client.to((start + timedelta(minutes=each)).isoformat())
            client.send(**UNRELATED)
        client.to("2008-09-03T13:00:00Z")
        told = client.get(f"/v2/orders/{order['id']}")
        found.append([told[name] for name in ("status", "filled_qty", "filled_at", "filled_avg_price")])
    assert found[0] == found[1]


# the closing instant


def test_closing_instant_is_closed_to_requests() -> None:
    client = standing_at(MORNING)
    client.send(qty="10", time_in_force="day")
    order = client.send(side="sell", qty="10", type="limit", limit_price="110")[1]
    client.to(CLOSE)
    assert client.get("/v2/clock")["is_open"] is False
    successor = patch(client, order, limit_price="90")
    assert status(client, successor) == "new"
    client.to("2008-09-03T13:30:01Z")
    assert status(client, successor) == "filled"


@pytest.mark.parametrize("kind", ["limit", "stop"])
def test_request_at_the_closing_instant_meets_no_resting_order(kind: str) -> None:
    """What nobody executed at the close is not executed because somebody asks for something else at that instant."""
    price = {"limit_price": "90"} if kind == "limit" else {"stop_price": "90"}
    client = standing_at(MORNING)
    client.send(qty="10", time_in_force="day")
    order = client.send(side="sell", qty="10", type=kind, **({"limit_price": "110"} if kind == "limit" else price))[1]
    client.to(CLOSE)
    before = len(client.exchange.first.ledger.executions)
    client.send(type="limit", limit_price="101.50", qty="1", extended_hours=True, time_in_force="day")
    assert status(client, order) == "new" and len(client.exchange.first.ledger.executions) <= before + 1


def test_two_lookups_differ_in_the_closing_instant_alone() -> None:
    table = nyse_sessions(tuple(market().sessions()))
    first = table.sessions[0]
    assert table.open_at(first.opens_at) is first and table.open_at(first.closes_at) is None
    assert table.open_or_closing_at(first.opens_at) is first and table.open_or_closing_at(first.closes_at) is first
    assert len(table.days) == len(DAYS)


# after the last close


def test_what_was_asked_for_ends_after_the_last_close_too() -> None:
    client = standing_at("2008-09-08T19:00:00Z", latency=MEASURED_LATENCY)
    one, other = (client.send(type="limit", limit_price="50")[1] for _ in range(2))
    client.to("2008-09-08T20:05:00Z")
    assert client.http.delete(f"/v2/orders/{one['id']}").status_code == 204
    successor = patch(client, other, limit_price="51")
    client.to("2008-09-08T20:06:00Z")
    assert [status(client, each) for each in (one, other, successor)] == ["canceled", "replaced", "new"]


def test_extended_day_order_expires_in_the_last_evening() -> None:
    client = standing_at("2008-09-08T19:00:00Z")
    order = client.send(**{**EXTENDED, "limit_price": "50"})[1]
    client.to(LAST_CLOSE)
    assert status(client, order) == "new"
    client.to(LAST_EVENING_ENDS)
    assert status(client, order) == "expired"


def test_rest_of_a_fill_executes_after_the_last_close() -> None:
    client = standing_at("2008-09-08T19:00:00Z", partial_fill_probability=1.0)
    order = client.send(**{**EXTENDED, "limit_price": "50"})[1]
    client.to("2008-09-08T20:30:00Z")
    successor = patch(client, order, limit_price="105")
    assert status(client, successor) == "partially_filled"
    client.to("2008-09-08T20:31:00Z")
    assert status(client, successor) == "filled"


# halts and restarts


def test_halt_by_fault_ends_with_a_restart(tmp_path: Path) -> None:
    """Faults are not saved, so what rested through one meets the market when the exchange goes on."""
    client = standing_at(MORNING)
    assert client.http.post("/admin/faults", json={"kind": "halted_symbol", "when": {"symbol": "ABC"}}).status_code == 200
    order = client.send(qty="10", time_in_force="day")[1]
    client.to("2008-09-02T14:10:00Z")
    assert status(client, order) == "new"
    state.save(client.exchange, tmp_path / "state.json")
    other = Client()
    state.resume(other.exchange, tmp_path / "state.json")
    other.to("2008-09-02T14:11:00Z")
    assert status(other, order) == "filled" and not other.exchange.first.book.halted
