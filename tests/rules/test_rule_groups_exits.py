"""OCOs, which close, and OTOs, which have one exit; what the stream says of a group and what it keeps to itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from live_exchange import KEY, SECRET, LiveExchange, Socket, live_exchange

Body = dict[str, Any]
EXITS: Body = {"take_profit": {"limit_price": "115"}, "stop_loss": {"stop_price": "95"}}
NEAR: Body = {"take_profit": {"limit_price": "102.50"}, "stop_loss": {"stop_price": "95"}}
OCO: Body = {"order_class": "oco", "side": "sell", "type": "limit", **EXITS}
MORNING, NEXT_DAY, CRASH = "2008-09-02T14:00:00Z", "2008-09-03T20:00:00Z", "2008-09-04T13:30:00Z"
QUIET = 0.3
rule = pytest.mark.rule


def refused(client: Any, **body: object) -> tuple[int, int, str]:
    status, answer = client.send(**body)
    return status, answer["code"], answer["message"]


def family(client: Any, parent: Body) -> list[Body]:
    nested = client.get(f"/v2/orders/{parent['id']}", nested="true")
    return [nested, *nested["legs"]]


def statuses(client: Any, parent: Body) -> list[str]:
    return [order["status"] for order in family(client, parent)]


# OCO


@rule("GRP-101", "An OCO's take-profit is the parent, its stop the only leg, held.", source="3P-M", status="measured")
def test_oco_answer(client: Any) -> None:
    client.send()
    _, parent = client.send(**OCO)
    assert (parent["type"], parent["limit_price"], parent["group_role"]) == ("limit", "115", "take_profit")
    [stop] = parent["legs"]
    assert (stop["type"], stop["stop_price"], stop["status"], stop["group_role"]) == ("stop", "95", "held", "stop_loss")
    assert statuses(client, parent) == ["new", "held"]
    assert [order["id"] for order in client.get("/v2/orders")] == [parent["id"]]


@rule("GRP-102", "Cancelling an OCO leaves no orphan.", source="3P-M", status="measured")
def test_cancelled_oco(client: Any) -> None:
    client.send()
    _, parent = client.send(**OCO)
    client.http.delete(f"/v2/orders/{parent['id']}")
    assert statuses(client, parent) == ["canceled", "canceled"]
    assert client.get("/v2/positions/ABC")["qty_available"] == "10"


@rule("GRP-103", "Of an OCO one fills and the other goes.", source="DOC", status="documented")
@pytest.mark.parametrize(
    ("exits", "until", "ends"), [(EXITS, CRASH, ["replaced", "filled"]), (NEAR, NEXT_DAY, ["filled", "canceled"])]
)
def test_one_cancels_the_other(client: Any, exits: Body, until: str, ends: list[str]) -> None:
    client.send()
    _, parent = client.send(**{**OCO, **exits})
    client.to(until)
    assert statuses(client, parent) == ends
    assert client.get("/v2/positions") == []


@rule("GRP-104", "An OCO also buys a short back.", source="DOC", status="documented")
def test_oco_for_a_short(client: Any) -> None:
    client.send(side="sell")
    up = {"side": "buy", "take_profit": {"limit_price": "92"}, "stop_loss": {"stop_price": "105"}}
    _, parent = client.send(**{**OCO, **up})
    client.to(CRASH)
    assert statuses(client, parent) == ["filled", "canceled"]
    assert client.get("/v2/positions") == []


@rule(
    "GRP-105",
    "Adding to a protected position: a simple buy, then an OCO for what it bought.",
    source="UNVERIFIED",
    status="unknown",
)
def test_tranches(client: Any) -> None:
    client.send(order_class="bracket", **EXITS)
    assert client.send(qty="5")[0] == 200
    assert client.get("/v2/positions/ABC")["qty_available"] == "5"
    assert client.send(**OCO, qty="5")[0] == 200
    client.to(CRASH)
    assert client.get("/v2/positions") == []


# OTO


@rule(
    "GRP-106", "The exit of an OTO is held until its entry is filled and then works at the venue.", source="3P", status="measured"
)
@pytest.mark.parametrize("name", ["take_profit", "stop_loss"])
def test_oto_leg_becomes_new(client: Any, name: str) -> None:
    _, parent = client.send(order_class="oto", type="limit", limit_price="97", **{name: EXITS[name]})
    assert statuses(client, parent) == ["new", "held"]
    client.http.delete("/v2/orders")
    _, parent = client.send(order_class="oto", **{name: EXITS[name]})
    assert statuses(client, parent) == ["filled", "new"]
    assert [order["group_role"] for order in client.get("/v2/orders")] == [name]


@rule("GRP-107", "The stop of an OTO sells by itself.", source="DOC", status="documented")
def test_oto_stop(client: Any) -> None:
    _, parent = client.send(order_class="oto", stop_loss=EXITS["stop_loss"])
    client.to(CRASH)
    assert statuses(client, parent) == ["filled", "filled"]


@rule("GRP-108", "Cancelling an OTO that has not begun cancels its exit.", source="DOC", status="documented")
def test_cancelled_oto(client: Any) -> None:
    _, parent = client.send(order_class="oto", type="limit", limit_price="90", stop_loss={"stop_price": "80"})
    client.http.delete(f"/v2/orders/{parent['id']}")
    assert statuses(client, parent) == ["canceled", "canceled"]


# the stream


@pytest.fixture
def live() -> Iterator[LiveExchange]:
    with live_exchange() as made:
        made.to(MORNING)
        yield made


def listen(socket: Socket) -> None:
    socket.ask(action="authenticate", data={"key_id": KEY, "secret_key": SECRET})
    socket.ask(action="listen", data={"streams": ["trade_updates"]})


def heard(socket: Socket) -> list[tuple[str, str]]:
    """Event and role of everything that is told, until it is quiet."""
    found = []
    while True:
        try:
            data = socket.hear(QUIET)["data"]
        except TimeoutError:
            return found
        found.append((data["event"], data["order"]["group_role"]))


@rule("GRP-109", "A stop that takes its target's place tells of both.", source="ISSUE", status="documented")
def test_stream_of_a_stop(live: LiveExchange) -> None:
    with live.socket("/stream") as socket:
        listen(socket)
        live.order(order_class="bracket", **EXITS)
        assert heard(socket) == [("new", "entry"), ("fill", "entry"), ("new", "take_profit")]
        live.to(CRASH)
        assert heard(socket) == [("replaced", "take_profit"), ("new", "stop_loss"), ("fill", "stop_loss")]


@rule("GRP-110", "That a filled take-profit cancels the held stop is not told.", source="ISSUE", status="documented")
def test_stream_is_silent_about_the_stop(live: LiveExchange) -> None:
    with live.socket("/stream") as socket:
        listen(socket)
        parent = live.order(order_class="bracket", **NEAR)
        heard(socket)
        live.to(NEXT_DAY)
        assert heard(socket) == [("fill", "take_profit")]
        stop = parent["legs"][1]["id"]
        assert live.request("GET", f"/v2/orders/{stop}").json()["status"] == "canceled"


@rule(
    "GRP-111",
    "Of a cancelled group the stream tells of the members that worked and of the one asked for.",
    source="ISSUE",
    status="unknown",
)
def test_stream_of_a_cancel(live: LiveExchange) -> None:
    with live.socket("/stream") as socket:
        listen(socket)
        live.order(order_class="bracket", type="limit", limit_price="97", **EXITS)
        heard(socket)
        live.request("DELETE", "/v2/orders")
        assert ("canceled", "entry") in heard(socket)
