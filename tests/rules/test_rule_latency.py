"""The moments between a request and what comes of it: cancels, releases and replacements take their time, and may lose."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from live_exchange import KEY, SECRET, LiveExchange, Socket, live_exchange

from desk.exchange.machine.book import MEASURED_LATENCY, Latency

Body = dict[str, Any]
MORNING = "2008-09-02T14:00:00Z"
SELL: Body = {"side": "sell", "type": "limit", "limit_price": "115"}
OVER_NIGHT = Latency(cancel=timedelta(days=3), replace=timedelta(days=3))
CRASH = "2008-09-04T14:00:00Z"  # ABC opens at 90
rule = pytest.mark.rule


@pytest.fixture
def slow(new_client: Any) -> Any:
    """A client of an exchange as slow as a paper account, that owns ten shares."""
    client = new_client(latency=MEASURED_LATENCY)
    client.to(MORNING)
    client.send()
    client.to("2008-09-02T14:00:01Z")
    return client


def status_of(client: Any, order: Body) -> str:
    status: str = client.get(f"/v2/orders/{order['id']}")["status"]
    return status


def free(client: Any) -> str:
    available: str = client.get("/v2/positions/ABC")["qty_available"]
    return available


@rule("RES-501", "An order is pending_new until the venue has it.", source="3P-M", status="measured")
def test_pending_new(slow: Any) -> None:
    _, order = slow.send(**SELL)
    assert (order["status"], status_of(slow, order)) == ("pending_new", "pending_new")
    slow.to("2008-09-02T14:00:01.010Z")
    assert status_of(slow, order) == "new"


@rule(
    "RES-502",
    "A cancel that is taken is pending_cancel first, canceled 15 ms later, and its shares are free 63 ms after that.",
    source="3P-M",
    status="measured",
)
def test_three_moments_of_a_cancel(slow: Any) -> None:
    _, order = slow.send(**SELL)
    slow.to("2008-09-02T14:00:02Z")
    assert slow.http.delete(f"/v2/orders/{order['id']}").status_code == 204
    seen = []
    for instant in ("02.000", "02.014", "02.015", "02.077", "02.078"):
        slow.to(f"2008-09-02T14:00:{instant}Z")
        seen.append((status_of(slow, order), free(slow)))
    assert seen == [("pending_cancel", "0"), ("pending_cancel", "0"), ("canceled", "0"), ("canceled", "0"), ("canceled", "10")]


@rule("RES-503", "Between the cancel and the release an order for the shares is refused.", source="3P-M", status="measured")
def test_between_cancel_and_release(slow: Any) -> None:
    _, order = slow.send(**SELL)
    slow.to("2008-09-02T14:00:02Z")
    slow.http.delete(f"/v2/orders/{order['id']}")
    slow.to("2008-09-02T14:00:02.020Z")
    status, body = slow.send(side="sell", type="stop", stop_price="90")
    assert (status, body["code"], body["held_for_orders"], body["related_orders"]) == (403, 40310000, "10", [order["id"]])
    slow.to("2008-09-02T14:00:02.087Z")
    assert slow.send(side="sell", type="stop", stop_price="90")[0] == 200


@rule("RES-504", "An order may be stuck in pending_cancel, and keeps its shares so long.", source="ISSUE", status="measured")
def test_stuck_cancel(client: Any) -> None:
    client.send()
    client.http.post("/admin/faults", json={"kind": "stuck_pending_cancel"})
    _, order = client.send(**SELL)
    client.http.delete(f"/v2/orders/{order['id']}")
    client.to("2008-09-03T14:00:00Z")
    assert (status_of(client, order), free(client)) == ("pending_cancel", "0")
    client.http.delete("/admin/faults")
    client.to("2008-09-03T14:00:01Z")
    assert (status_of(client, order), free(client)) == ("canceled", "10")


@rule("RES-505", "An order that fills before its cancel arrives is filled.", source="OAS", status="documented")
def test_fill_overtakes_cancel(new_client: Any) -> None:
    client = new_client(latency=OVER_NIGHT)
    client.to(MORNING)
    _, order = client.send(type="limit", limit_price="95")
    client.http.delete(f"/v2/orders/{order['id']}")
    client.to("2008-09-08T14:00:00Z")
    found = client.get(f"/v2/orders/{order['id']}")
    assert (found["status"], found["canceled_at"], found["filled_avg_price"]) == ("filled", None, "90.01")


@rule("REP-501", "A replacement is asked for, and takes the order's place a moment later.", source="OAS", status="documented")
def test_pending_replace(slow: Any) -> None:
    _, order = slow.send(**SELL)
    slow.to("2008-09-02T14:00:02Z")
    fresh = slow.http.request("PATCH", f"/v2/orders/{order['id']}", json={"limit_price": "116"}).json()
    assert (status_of(slow, order), fresh["status"], fresh["replaces"]) == ("pending_replace", "pending_new", order["id"])
    assert free(slow) == "0"
    slow.to("2008-09-02T14:00:02.015Z")
    assert (status_of(slow, order), status_of(slow, fresh)) == ("replaced", "new")


@pytest.fixture
def live() -> Iterator[LiveExchange]:
    with live_exchange(latency=OVER_NIGHT) as made:
        made.to(MORNING)
        yield made


def heard(socket: Socket) -> list[tuple[str, str]]:
    """Event and order id of everything that is told, until it is quiet."""
    found = []
    while True:
        try:
            data = socket.hear(0.3)["data"]
        except TimeoutError:
            return found
        found.append((data["event"], data["order"]["id"]))


@rule(
    "REP-502", "A replacement whose order fills first is rejected, and the stream tells of it.", source="DOC", status="documented"
)
def test_replacement_loses_the_race(live: LiveExchange) -> None:
    with live.socket("/stream") as socket:
        socket.ask(action="auth", key=KEY, secret=SECRET)
        socket.ask(action="listen", data={"streams": ["trade_updates"]})
        order = live.order(type="limit", limit_price="95")
        fresh = live.request("PATCH", f"/v2/orders/{order['id']}", json={"limit_price": "80"}).json()
        heard(socket)
        live.to(CRASH)
        assert heard(socket) == [("fill", order["id"])]
        live.to("2008-09-08T14:00:00Z")
        assert heard(socket) == [("order_replace_rejected", order["id"]), ("rejected", fresh["id"])]
        found = [live.request("GET", f"/v2/orders/{each['id']}").json() for each in (order, fresh)]
        assert [each["status"] for each in found] == ["filled", "rejected"]
        assert found[0]["replaced_by"] is None
