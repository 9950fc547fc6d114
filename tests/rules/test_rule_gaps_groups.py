"""Brackets, OCOs and OTOs through their lives: who is held, who works, who goes with whom."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from live_exchange import KEY, SECRET, LiveExchange, live_exchange

from desk.exchange.switches import Switches

New = Callable[..., Any]
DOC = {"source": "DOC", "status": "documented"}
MORNING, EVENING = "2008-09-02T14:00:00Z", "2008-09-02T20:30:00Z"
TARGET_DAY_CLOSE, GAP_DAY = "2008-09-03T20:00:00Z", "2008-09-04T14:00:00Z"  # ABC opens at 102, then at 90
EXITS = {"take_profit": {"limit_price": "120"}, "stop_loss": {"stop_price": "95"}}
BRACKET = {"order_class": "bracket", **EXITS}
NEAR_TARGET = {"order_class": "bracket", "take_profit": {"limit_price": "102.5"}, "stop_loss": {"stop_price": "80"}}
OCO = {"side": "sell", "type": "limit", "order_class": "oco", **EXITS}


def place(client: Any, **body: object) -> dict[str, Any]:
    status, order = client.send(**body)
    assert status == 200, order
    return dict(order)


def statuses(client: Any, order: dict[str, Any]) -> list[str]:
    """Of the parent and its legs."""
    found = client.get(f"/v2/orders/{order['id']}", nested="true")
    return [found["status"], *(leg["status"] for leg in found["legs"])]


@contextmanager
def listened() -> Iterator[tuple[LiveExchange, Callable[[int], list[tuple[str, str, str]]]]]:
    """A live exchange in its first morning, and what its stream tells: event, type and status of the next so many orders."""
    with live_exchange() as exchange, exchange.socket("/stream") as stream:
        exchange.to(MORNING)
        stream.ask(action="auth", key=KEY, secret=SECRET)
        stream.ask(action="listen", data={"streams": ["trade_updates"]})

        def hear(count: int) -> list[tuple[str, str, str]]:
            heard = [stream.hear()["data"] for _ in range(count)]
            return [(each["event"], each["order"]["type"], each["order"]["status"]) for each in heard]

        yield exchange, hear


@pytest.mark.rule("GRP-201", "Legs are held until the entry has filled completely: a half-filled entry has no protection", **DOC)
def test_legs_wait_for_the_whole_entry(new_client: New) -> None:
    client = new_client(partial_fill_probability=1.0)
    client.to(MORNING)
    order = place(client, **BRACKET)
    assert statuses(client, order) == ["partially_filled", "held", "held"]
    client.to("2008-09-02T14:30:00Z")
    assert statuses(client, order) == ["filled", "new", "held"]


@pytest.mark.rule(
    "GRP-202",
    "With the entry filled the take-profit works and says so; the stop stays held",
    source="FORUM, DOC",
    status="measured",
)
def test_one_live_order_a_group() -> None:
    with listened() as (exchange, hear):
        exchange.order(**BRACKET)
        assert hear(3) == [("new", "market", "new"), ("fill", "market", "filled"), ("new", "limit", "new")]


@pytest.mark.rule(
    "GRP-203", "A triggered stop takes over: the take-profit is replaced, the stop works and fills, and all three are told",
    source="ISSUE, 3P", status="measured",
)  # fmt: skip
def test_a_triggered_stop_replaces_the_target() -> None:
    with listened() as (exchange, hear):
        order = exchange.order(**BRACKET)
        hear(3)
        exchange.to(GAP_DAY)
        assert hear(3) == [("replaced", "limit", "replaced"), ("new", "stop", "new"), ("fill", "stop", "filled")]
        found = exchange.request("GET", f"/v2/orders/{order['id']}?nested=true").json()
        assert [leg["status"] for leg in found["legs"]] == ["replaced", "filled"]
        assert exchange.request("GET", "/v2/positions").json() == []


@pytest.mark.rule(
    "GRP-204", "A filled take-profit cancels the stop, and no update tells of it", source="ISSUE", status="measured"
)
def test_a_filled_target_cancels_the_stop_unheard() -> None:
    with listened() as (exchange, hear):
        order = exchange.order(**NEAR_TARGET)
        hear(3)
        exchange.to(TARGET_DAY_CLOSE)
        exchange.order(type="limit", limit_price="50", client_order_id="after")
        # Nothing comes between the fill and what the next order brings.
        assert hear(1) == [("fill", "limit", "filled")]
        exchange.to("2008-09-04T09:00:00Z")
        assert hear(1) == [("new", "limit", "new")]
        found = exchange.request("GET", f"/v2/orders/{order['id']}?nested=true").json()
        assert [leg["status"] for leg in found["legs"]] == ["filled", "canceled"]


@pytest.mark.rule("GRP-205", "A take-profit that fills in part takes the stop down to what is left", **DOC)
@pytest.mark.parametrize(("resizes", "left"), [(True, True), (False, False)])
def test_a_partly_filled_target_resizes_the_stop(new_client: New, resizes: bool, left: bool) -> None:
    client = new_client(partial_fill_probability=1.0, switches=Switches(partial_target_resizes_stop=resizes))
    client.to(MORNING)
    order = place(client, **NEAR_TARGET, qty="100")
    client.to("2008-09-03T13:30:00Z")
    target, stop = (order["legs"][number]["id"] for number in (0, 1))
    while client.get(f"/v2/orders/{target}")["status"] == "new":
        said = client.http.post("/admin/advance", json={"to": TARGET_DAY_CLOSE}).json()
        assert not said["reached"]
    sold = client.get(f"/v2/orders/{target}")
    assert sold["status"] == "partially_filled"
    assert int(client.get(f"/v2/orders/{stop}")["qty"]) == (100 - int(sold["filled_qty"]) if left else 100)


@pytest.mark.rule("GRP-206", "Cancelling any member cancels the rest of the group; what is held stays", **DOC)
@pytest.mark.parametrize("leg", [0, 1])
def test_cancelling_a_leg_cancels_its_sibling(client: Any, leg: int) -> None:
    order = place(client, **BRACKET)
    assert client.http.delete(f"/v2/orders/{order['legs'][leg]['id']}").status_code == 204
    assert statuses(client, order) == ["filled", "canceled", "canceled"]
    assert [each["qty_available"] for each in client.get("/v2/positions")] == ["10"]


@pytest.mark.rule("GRP-207", "Cancelling an entry that has not filled cancels its legs", **DOC)
def test_cancelling_the_entry_cancels_its_legs(client: Any) -> None:
    order = place(client, **BRACKET, type="limit", limit_price="98")
    assert client.http.delete(f"/v2/orders/{order['id']}").status_code == 204
    assert statuses(client, order) == ["canceled", "canceled", "canceled"]


@pytest.mark.rule(
    "GRP-208",
    "A bracket cancelled when half filled leaves what it bought without exits; a switch keeps them",
    source="UNVERIFIED",
    status="unknown",
)
@pytest.mark.parametrize(("keeps", "legs"), [(False, ["canceled", "canceled"]), (True, ["new", "held"])])
def test_cancelling_a_half_filled_entry(new_client: New, keeps: bool, legs: list[str]) -> None:
    client = new_client(partial_fill_probability=1.0, switches=Switches(cancelled_entry_keeps_exits=keeps))
    client.to(MORNING)
    order = place(client, **BRACKET, qty="100")
    assert client.http.delete(f"/v2/orders/{order['id']}").status_code == 204
    assert statuses(client, order) == ["canceled", *legs]
    held = client.get("/v2/positions")[0]["qty"]
    found = client.get(f"/v2/orders/{order['id']}", nested="true")
    assert {leg["qty"] for leg in found["legs"]} == ({held} if keeps else {"100"})


@pytest.mark.rule("GRP-209", "The entry of a bracket is a market, limit, stop or stop-limit order", **DOC)
@pytest.mark.parametrize(
    "entry",
    [
        {"type": "market"},
        {"type": "limit", "limit_price": "98"},
        {"type": "stop", "stop_price": "110"},
        {"type": "stop_limit", "stop_price": "110", "limit_price": "111"},
    ],
    ids=lambda entry: entry["type"],
)
def test_entries_are_of_four_types(client: Any, entry: dict[str, str]) -> None:
    order = place(client, **BRACKET, **entry)
    assert (order["type"], len(order["legs"])) == (entry["type"], 2)


@pytest.mark.rule("GRP-210", "A group has one time in force, whole shares and no extended hours", **DOC)
def test_a_group_has_one_time_in_force(client: Any) -> None:
    order = place(client, **BRACKET, time_in_force="day")
    assert {each["time_in_force"] for each in (order, *order["legs"])} == {"day"}
    assert {each["extended_hours"] for each in (order, *order["legs"])} == {False}
    for wrong in ({"qty": "1.5"}, {"extended_hours": True, "type": "limit", "limit_price": "98"}, {"time_in_force": "ioc"}):
        assert client.send(**{**BRACKET, "symbol": "XYZ", **wrong})[0] == 422


@pytest.mark.rule("GRP-211", "An OCO's take-profit is the parent, its stop the only leg, held", source="3P-M", status="measured")
def test_the_target_of_an_oco_is_the_parent(client: Any) -> None:
    place(client)
    order = place(client, **OCO)
    assert (order["type"], order["limit_price"], order["group_role"]) == ("limit", "120", "take_profit")
    assert [(leg["type"], leg["status"], leg["group_role"]) for leg in order["legs"]] == [("stop", "held", "stop_loss")]
    assert statuses(client, order) == ["new", "held"]


@pytest.mark.rule(
    "GRP-212", "Cancelling the parent of an OCO ends both, and cancelling its stop too", source="3P-M, DOC", status="measured"
)
@pytest.mark.parametrize("of_stop", [False, True])
def test_an_oco_goes_together(client: Any, of_stop: bool) -> None:
    place(client)
    order = place(client, **OCO)
    assert client.http.delete(f"/v2/orders/{(order['legs'][0] if of_stop else order)['id']}").status_code == 204
    assert statuses(client, order) == ["canceled", "canceled"]


@pytest.mark.rule("GRP-213", "A triggered stop of an OCO replaces its parent", **DOC)
def test_the_stop_of_an_oco_takes_over(client: Any) -> None:
    place(client)
    order = place(client, **OCO)
    client.to(GAP_DAY)
    assert statuses(client, order) == ["replaced", "filled"]
    assert client.get("/v2/positions") == []


@pytest.mark.rule("GRP-214", "An OCO protects a short with buys as well", **DOC)
def test_an_oco_covers_a_short(client: Any) -> None:
    place(client, side="sell")
    order = place(
        client, side="buy", type="limit", order_class="oco", take_profit={"limit_price": "91"}, stop_loss={"stop_price": "120"}
    )
    client.to(GAP_DAY)
    assert statuses(client, order) == ["filled", "canceled"]
    assert client.get("/v2/positions") == []


@pytest.mark.rule(
    "GRP-215",
    "The leg of an OTO is held until the entry has filled; then it works by itself",
    source="3P-M, DOC",
    status="measured",
)
@pytest.mark.parametrize(
    "leg", [{"stop_loss": {"stop_price": "95"}}, {"take_profit": {"limit_price": "120"}}], ids=lambda leg: next(iter(leg))
)
def test_the_leg_of_an_oto_works_by_itself(client: Any, leg: dict[str, Any]) -> None:
    waiting = place(client, order_class="oto", type="limit", limit_price="98", symbol="ABC", **leg)
    assert [each["status"] for each in waiting["legs"]] == ["held"]
    client.http.delete(f"/v2/orders/{waiting['id']}")
    order = place(client, order_class="oto", **leg)
    assert statuses(client, order) == ["filled", "new"]
    assert order["legs"][0]["id"] in {each["id"] for each in client.get("/v2/orders")}


@pytest.mark.rule("GRP-216", "The stop of an OTO sells when it is triggered", **DOC)
def test_the_stop_of_an_oto_sells(client: Any) -> None:
    order = place(client, order_class="oto", stop_loss={"stop_price": "95"})
    client.to(GAP_DAY)
    assert statuses(client, order) == ["filled", "filled"]
    assert client.get("/v2/positions") == []


@pytest.mark.rule("GRP-217", "The legs of a DAY bracket expire at the close: the position is naked overnight", **DOC)
def test_a_day_bracket_leaves_the_night_unprotected(client: Any) -> None:
    order = place(client, **BRACKET, time_in_force="day")
    client.to(EVENING)
    assert statuses(client, order) == ["filled", "expired", "expired"]
    assert [(each["qty"], each["qty_available"]) for each in client.get("/v2/positions")] == [("10", "10")]


@pytest.mark.rule(
    "GRP-218", "A price that only touches the take-profit by day, or the stop by night, does nothing to a held stop", **DOC
)
def test_a_held_stop_waits_for_regular_hours(client: Any) -> None:
    order = place(client, **BRACKET)
    client.to("2008-09-04T13:29:00Z")
    assert statuses(client, order) == ["filled", "new", "held"]
