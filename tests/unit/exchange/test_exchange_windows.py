"""The report on shares that stood without an exit, window by window, whether time is stepped or real."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from live_exchange import LiveExchange, live_exchange

from desk.exchange import state
from desk.exchange.machine.book import AT_ONCE, MEASURED_LATENCY, Latency

New = Callable[..., Any]
MORNING = "2008-09-02T14:00:00Z"
OCO = {
    **{"side": "sell", "type": "limit", "limit_price": "150", "order_class": "oco"},
    **{"take_profit": {"limit_price": "150"}, "stop_loss": {"stop_price": "50"}},
}


def told(client: Any) -> list[tuple[object, ...]]:
    report = client.get("/admin/report")
    assert report["unprotected_window_count"] == len(report["unprotected_windows"])
    assert sum(window["share_seconds"] for window in report["unprotected_windows"]) == report["unprotected_share_seconds"]
    names = ("symbol", "from", "to", "most_shares", "share_seconds")
    return [tuple(window[name] for name in names) for window in report["unprotected_windows"]]


def test_a_window_is_open_as_long_as_any_share_is_bare_market_or_not(client: Any) -> None:
    client.send(qty="10")
    client.to("2008-09-02T14:00:01Z")
    assert told(client) == [("ABC", "2008-09-02T14:00:00Z", None, 10.0, 10.0)]
    client.send(qty="4", **OCO)
    client.to("2008-09-03T14:00:01Z")
    assert told(client) == [("ABC", "2008-09-02T14:00:00Z", None, 10.0, 10.0 + 6 * 86400.0)]
    client.send(qty="6", **OCO)
    closed = [("ABC", "2008-09-02T14:00:00Z", "2008-09-03T14:00:01Z", 10.0, 10.0 + 6 * 86400.0)]
    assert told(client) == closed
    client.to("2008-09-03T15:00:00Z")
    assert told(client) == closed


def test_a_window_in_which_no_time_passes_is_none(client: Any) -> None:
    client.send(qty="10")
    _, oco = client.send(qty="10", **OCO)
    client.to("2008-09-02T15:00:00Z")
    client.http.delete(f"/v2/orders/{oco['id']}")
    assert client.get("/admin/report")["unprotected_windows"] == []
    client.send(qty="10", **OCO)
    client.to("2008-09-02T16:00:00Z")
    assert told(client) == []


def test_a_trim_leaves_the_shares_bare_from_the_cancel_until_the_next_exit(new_client: New) -> None:
    client = new_client(latency=MEASURED_LATENCY, holdings=(("ABC", 10),))
    client.to(MORNING)
    _, oco = client.send(qty="10", **OCO)
    client.to("2008-09-02T15:00:00Z")
    client.http.delete(f"/v2/orders/{oco['id']}")
    client.to("2008-09-02T15:00:00.078Z")
    assert client.get("/v2/positions/ABC")["qty_available"] == "10"
    client.send(qty="10", **OCO)
    client.to("2008-09-02T15:00:01Z")
    from_the_start = ("ABC", "2008-09-02T12:00:00Z", MORNING, 10.0, 10 * 7200.0)
    assert told(client) == [from_the_start, ("ABC", "2008-09-02T15:00:00.015000Z", "2008-09-02T15:00:00.078000Z", 10.0, 0.63)]


def test_windows_come_back_with_the_state_and_go_on(new_client: New, tmp_path: Path) -> None:
    client, again = new_client(), new_client()
    client.to(MORNING)
    client.send(qty="10")
    client.to("2008-09-02T14:00:01Z")
    state.save(client.exchange, tmp_path / "state.json")
    state.resume(again.exchange, tmp_path / "state.json")
    assert told(again) == told(client) == [("ABC", MORNING, None, 10.0, 10.0)]
    again.to("2008-09-02T14:00:02Z")
    assert told(again) == [("ABC", MORNING, None, 10.0, 20.0)]


# the clock of the wall


@pytest.fixture(params=[MEASURED_LATENCY, AT_ONCE], ids=["measured", "at once"])
def latency(request: pytest.FixtureRequest) -> Latency:
    chosen: Latency = request.param
    return chosen


@pytest.fixture
def ticking(latency: Latency) -> Iterator[LiveExchange]:
    """An exchange that keeps the pace of the wall's clock, with ten shares, half an hour into the session."""
    with live_exchange(speed=1.0, latency=latency, holdings=(("ABC", 10),)) as made:
        made.to(MORNING)
        yield made


def parsed(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.mark.slow
def test_trims_against_the_clock_of_the_wall_leave_a_window_each(ticking: LiveExchange, latency: Latency) -> None:
    """No window is missed, however short: its ends are the instants that the orders themselves bear."""
    oco, gaps = ticking.order(qty="10", **OCO), []
    for _ in range(5):
        while ticking.request("GET", f"/v2/orders/{oco['id']}").json()["status"] != "new":
            pass
        asked = parsed(ticking.request("GET", "/admin/status").json()["now"])
        ticking.request("DELETE", f"/v2/orders/{oco['id']}")
        while ticking.request("GET", "/v2/positions/ABC").json()["qty_available"] != "10":
            pass
        following = ticking.order(qty="10", **OCO)
        ended = ticking.request("GET", f"/v2/orders/{oco['id']}").json()["canceled_at"]
        gaps.append((ended, following["created_at"]))
        assert parsed(ended) >= asked + latency.cancel
        assert parsed(following["created_at"]) >= parsed(ended) + latency.release
        oco = following
    report = ticking.request("GET", "/admin/report").json()
    assert [(window["from"], window["to"]) for window in report["unprotected_windows"][1:]] == gaps
    for window in report["unprotected_windows"][1:]:
        length = (parsed(window["to"]) - parsed(window["from"])) / timedelta(seconds=1)
        assert window["share_seconds"] == pytest.approx(10 * length) and length > 0
