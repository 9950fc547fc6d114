"""Changing orders: what a PATCH gives, and what it is refused for."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from desk.exchange.machine.book import Latency
from desk.exchange.switches import Switches

Body = dict[str, Any]
EXITS: Body = {"take_profit": {"limit_price": "115"}, "stop_loss": {"stop_price": "95"}}
BRACKET: Body = {"order_class": "bracket", **EXITS}
RESTING: Body = {"type": "limit", "limit_price": "90"}
MORNING = "2008-09-02T14:00:00Z"
SLOW = Latency(cancel=timedelta(minutes=5), replace=timedelta(minutes=5))
rule = pytest.mark.rule


def at(new_client: Callable[..., Any], **settings: object) -> Any:
    client = new_client(**settings)
    client.to(MORNING)
    return client


def change(client: Any, order: Body, **body: object) -> tuple[int, Body]:
    answer = client.http.request("PATCH", f"/v2/orders/{order['id']}", json=body)
    return answer.status_code, answer.json()


def words(client: Any, order: Body, **body: object) -> str:
    status, said = change(client, order, **body)
    assert status in (403, 422), said
    message: str = said["message"]
    return message


@rule(
    "REP-001",
    "A replacement is a new order that names the old one, which is replaced.",
    source="OAS",
    status="documented",
)
def test_replacement_is_a_new_order(client: Any) -> None:
    _, old = client.send(**RESTING)
    status, new = change(client, old, limit_price=91, qty=12, client_order_id="mine")
    assert (status, new["limit_price"], new["qty"], new["client_order_id"]) == (200, "91", "12", "mine")
    assert new["id"] != old["id"] and new["replaces"] == old["id"]
    gone = client.get(f"/v2/orders/{old['id']}")
    assert (gone["status"], gone["replaced_by"]) == ("replaced", new["id"]) and gone["replaced_at"]


@rule("REP-002", "An order that is accepted and not at the venue cannot be replaced.", source="3P-M", status="measured")
def test_queued_order_is_not_replaced(new_client: Callable[..., Any]) -> None:
    client = new_client()
    _, order = client.send(**RESTING)
    assert change(client, order, limit_price=91) == (
        422,
        {"code": 42210000, "message": "cannot replace order in accepted status"},
    )


@rule("REP-003", "Nor can one that is being cancelled.", source="OAS", status="documented")
def test_order_pending_cancel_is_not_replaced(new_client: Callable[..., Any]) -> None:
    client = at(new_client, latency=SLOW)
    _, order = client.send(**RESTING)
    client.to("2008-09-02T14:01:00Z")
    client.http.delete(f"/v2/orders/{order['id']}")
    assert words(client, order, limit_price=91) == "cannot replace order in pending_cancel status"


@rule("REP-004", "Nor can one that is being replaced, nor yet its successor.", source="3P", status="measured")
def test_chain_is_replaced_link_by_link(new_client: Callable[..., Any]) -> None:
    client = at(new_client, latency=SLOW)
    _, order = client.send(**RESTING)
    client.to("2008-09-02T14:01:00Z")
    status, next_one = change(client, order, limit_price=91)
    assert status == 200
    assert words(client, order, limit_price=92) == "cannot replace order in pending_replace status"
    assert words(client, next_one, limit_price=92) == "order chain not fully replaced"
    client.to("2008-09-02T14:10:00Z")
    assert change(client, next_one, limit_price=92)[0] == 200


@rule("REP-005", "A change that changes nothing is refused.", source="3P", status="documented")
@pytest.mark.parametrize("body", [{}, {"limit_price": 90}, {"qty": 10}, {"time_in_force": "gtc"}, {"client_order_id": "new"}])
def test_nothing_changes(client: Any, body: Body) -> None:
    _, order = client.send(**RESTING)
    assert change(client, order, **body) == (422, {"code": 42210000, "message": "order parameters are not changed"})


@rule("REP-006", "The quantity of a group's members is fixed; the leg stays live.", source="3P-M", status="measured")
def test_quantity_of_a_leg_is_fixed(client: Any) -> None:
    _, parent = client.send(**BRACKET)
    for leg in parent["legs"]:
        assert change(client, leg, qty=5) == (
            422,
            {"code": 42210000, "message": "qty cannot be changed for advanced orders"},
        )
    assert [leg["status"] for leg in client.get(f"/v2/orders/{parent['id']}", nested="true")["legs"]] == ["new", "held"]


@rule("REP-007", "The price of a leg may change; the successor stays in its group.", source="3P-M", status="measured")
def test_price_of_a_leg_changes(client: Any) -> None:
    _, parent = client.send(**BRACKET)
    target, stop = parent["legs"]
    status, new_target = change(client, target, limit_price=112)
    assert (status, new_target["status"], new_target["group_id"]) == (200, "new", parent["group_id"])
    status, new_stop = change(client, stop, stop_price="96")
    assert (status, new_stop["status"], new_stop["stop_price"], new_stop["group_role"]) == (200, "held", "96", "stop_loss")
    nested = client.get(f"/v2/orders/{parent['id']}", nested="true")
    assert [leg["id"] for leg in nested["legs"]] == [new_target["id"], new_stop["id"]]


@rule("REP-008", "The leg of an OTO may have another price and stays an OTO's.", source="3P-M", status="measured")
def test_price_of_an_oto_leg_changes(client: Any) -> None:
    _, parent = client.send(order_class="oto", stop_loss={"stop_price": "95"})
    status, stop = change(client, parent["legs"][0], stop_price="96")
    assert (status, stop["order_class"], stop["stop_price"]) == (200, "oto", "96")


@rule("REP-009", "A held stop's price may change, unless switched off.", source="UNVERIFIED", status="unknown")
def test_held_stop_can_be_made_fast(new_client: Callable[..., Any]) -> None:
    client = at(new_client, switches=Switches(held_stop_is_replaceable=False))
    _, parent = client.send(**BRACKET)
    target, stop = parent["legs"]
    assert words(client, stop, stop_price=96) == "unable to replace order, order isn't sent to exchange yet"
    assert change(client, target, limit_price=112)[0] == 200


@rule("REP-010", "A marketable price for the take-profit sells the position at once.", source="FORUM", status="documented")
def test_marketable_target_exits(client: Any) -> None:
    _, parent = client.send(**BRACKET)
    assert change(client, parent["legs"][0], limit_price=99)[0] == 200
    assert client.get("/v2/positions") == [] and client.get("/v2/orders") == []


@rule("REP-011", "Changed exits stay on their sides of each other and of the market.", source="DOC", status="documented")
def test_exits_stay_apart(client: Any) -> None:
    _, parent = client.send(**BRACKET)
    target, stop = parent["legs"]
    assert words(client, target, limit_price=95) == "take_profit.limit_price must be > stop_loss.stop_price"
    status, body = change(client, stop, stop_price="100.08")
    assert (status, body["base_price"]) == (422, "100.08")
    assert body["message"] == "stop_loss.stop_price must be <= base_price - 0.01"
    assert change(client, stop, stop_price="100.07")[0] == 200


@rule("REP-012", "A changed entry stays between its exits.", source="UNVERIFIED", status="unknown")
@pytest.mark.parametrize(
    ("price", "message"),
    [
        ("95", "stop_loss.stop_price must be <= base_price - 0.01"),
        ("115", "take_profit.limit_price must be >= base_price + 0.01"),
    ],
)
def test_entry_stays_between_its_exits(client: Any, price: str, message: str) -> None:
    _, entry = client.send(**BRACKET, type="limit", limit_price="97")
    assert words(client, entry, limit_price=price) == message
    assert change(client, entry, limit_price="96")[0] == 200


@rule("REP-013", "A quantity cannot fall to what is filled already.", source="DOC", status="documented")
def test_quantity_stays_above_what_is_filled(new_client: Callable[..., Any]) -> None:
    client = at(new_client, partial_fill_probability=1.0)
    _, order = client.send(type="limit", limit_price="101", qty="100")
    filled = int(client.get(f"/v2/orders/{order['id']}")["filled_qty"])
    assert 0 < filled < 100
    assert words(client, order, qty=filled) == "qty must be > filled_qty"
    assert change(client, order, qty=filled + 1)[0] == 200


@rule("REP-014", "A replaced order is not replaced again, a finished one not at all.", source="DOC", status="documented")
def test_done_orders_are_not_replaced(client: Any) -> None:
    _, order = client.send(**RESTING)
    _, next_one = change(client, order, limit_price=91)
    assert words(client, order, limit_price=92) == "order already replaced"
    client.http.delete(f"/v2/orders/{next_one['id']}")
    assert words(client, next_one, limit_price=92) == 'order is already in "canceled" state'
    _, filled = client.send()
    assert words(client, filled, qty=5) == 'order is already in "filled" state'


@rule("REP-015", "Only whole shares are patched, and only prices that the order has.", source="OAS", status="documented")
@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"qty": "10.5"}, "qty must be integer"),
        ({"qty": 0}, "qty must be > 0"),
        ({"qty": "x"}, "invalid qty"),
        ({"stop_price": 80}, "limit orders must not have stop_price"),
        ({"trail": 1}, "limit orders must not have trail"),
        ({"time_in_force": "week"}, "invalid time_in_force"),
        ({"limit_price": 90.001}, "invalid limit_price 90.001. sub-penny increment does not fulfill minimum pricing criteria"),
        ({"notional": 100}, "notional orders cannot be replaced"),
    ],
)
def test_amendment_itself_is_checked(client: Any, body: Body, message: str) -> None:
    _, order = client.send(**RESTING)
    assert words(client, order, **body) == message
    assert len(client.get("/v2/orders", status="all")) == 1


@rule("REP-016", "What the successor costs is checked, the old order's reserve given back.", source="OAS", status="documented")
def test_successor_is_paid_for(new_client: Callable[..., Any]) -> None:
    client = at(new_client, multiplier=1)
    _, order = client.send(**RESTING, qty="1000")
    assert words(client, order, qty=2000) == "insufficient buying power"
    assert change(client, order, qty=1100)[0] == 200


@rule("REP-017", "A sell grows into free shares only.", source="3P", status="documented")
def test_larger_sell_needs_shares(client: Any) -> None:
    client.send()
    _, order = client.send(side="sell", type="limit", limit_price="115", qty="4")
    status, body = change(client, order, qty=11)
    assert (status, body["message"]) == (403, "insufficient qty available for order (requested: 11, available: 10)")
    assert change(client, order, qty=10)[0] == 200


@rule("REP-018", "A successor's client order id is unique for ever too.", source="OAS", status="documented")
def test_successors_id_is_unique(client: Any) -> None:
    client.send(client_order_id="once")
    _, order = client.send(**RESTING)
    status, body = change(client, order, limit_price=91, client_order_id="once")
    assert (status, body) == (422, {"code": 40010001, "message": "client_order_id must be unique"})


@rule("REP-019", "trail changes a trailing stop in its own kind.", source="OAS", status="documented")
@pytest.mark.parametrize(("kind", "old", "new"), [("trail_price", "5", "3"), ("trail_percent", "5", "2.5")])
def test_trail_changes(client: Any, kind: str, old: str, new: str) -> None:
    client.send()
    _, order = client.send(side="sell", type="trailing_stop", **{kind: old})
    status, body = change(client, order, trail=new)
    other = "trail_percent" if kind == "trail_price" else "trail_price"
    assert (status, body[kind], body[other]) == (200, new, None)
    assert words(client, body, stop_price="90") == "trailing stop orders must not have stop_price"


@rule("REP-020", "A trailing stop's quantity is fixed unless so switched.", source="UNVERIFIED", status="unknown")
def test_quantity_of_a_trailing_stop(new_client: Callable[..., Any]) -> None:
    for is_allowed in (False, True):
        client = at(new_client, switches=Switches(trailing_quantity_is_replaceable=is_allowed))
        client.send()
        _, order = client.send(side="sell", type="trailing_stop", trail_price="5")
        assert change(client, order, qty=5)[0] == (200 if is_allowed else 422)


@rule("REP-021", "A group keeps its time in force.", source="UNVERIFIED", status="unknown")
def test_time_in_force_of_a_group_is_fixed(client: Any) -> None:
    _, parent = client.send(**BRACKET)
    assert words(client, parent["legs"][0], time_in_force="day") == "time_in_force cannot be changed for advanced orders"


@rule("REP-022", "A plain order's time in force may change to one that its type can have.", source="OAS", status="documented")
def test_time_in_force_changes(client: Any) -> None:
    _, order = client.send(**RESTING)
    status, body = change(client, order, time_in_force="day")
    assert (status, body["time_in_force"]) == (200, "day")
    _, stop = client.send(type="stop", stop_price="120")
    assert words(client, stop, time_in_force="ioc") == "stop orders must be DAY or GTC orders"


@rule(
    "REP-023",
    "The quantity of a fractional order cannot change.",
    source="OAS",
    status="documented",
)
def test_fractional_orders_keep_their_size(client: Any) -> None:
    _, order = client.send(**RESTING, qty="1.5", time_in_force="day")
    assert words(client, order, qty=2) == "qty of fractional orders cannot be changed"
    assert change(client, order, limit_price=91)[0] == 200


@rule("REP-024", "An order by dollars cannot be replaced.", source="OAS", status="documented")
def test_orders_by_dollars_stay(new_client: Callable[..., Any]) -> None:
    client = new_client()
    _, order = client.send(qty=None, notional="100", time_in_force="day")
    assert words(client, order, qty=1) == "notional orders cannot be replaced"


@rule("REP-025", "A partly filled order keeps what it has: the successor goes on from it.", source="DOC", status="documented")
def test_successor_goes_on_from_what_is_filled(new_client: Callable[..., Any]) -> None:
    client = at(new_client, partial_fill_probability=1.0)
    _, order = client.send(type="limit", limit_price="101", qty="100")
    filled = client.get(f"/v2/orders/{order['id']}")["filled_qty"]
    status, body = change(client, order, limit_price="100.5")
    assert status == 200 and body["qty"] in ("100", str(100 - int(filled)))


@rule("REP-026", "A stop that has been triggered is not changed any more.", source="OAS", status="documented")
def test_elected_stop_stays(new_client: Callable[..., Any]) -> None:
    client = at(new_client, partial_fill_probability=1.0)
    _, order = client.send(type="stop", stop_price="100.20", qty="100")
    while client.get(f"/v2/orders/{order['id']}")["status"] == "new":
        client.http.post("/admin/advance", json={"to": "2008-09-03T20:00:00Z"})
    assert client.get(f"/v2/orders/{order['id']}")["status"] == "partially_filled"
    assert words(client, order, qty=120) == "cannot replace an elected stop order"


@rule("REP-027", "A multi-leg order is not replaced, nor is one of its legs cancelled alone.", source="DOC", status="documented")
def test_multi_leg_order_is_not_replaced(client: Any) -> None:
    found = client.get("/v2/options/contracts", underlying_symbols="ABC", type="call", expiration_date_lte="2008-10-31")
    symbols = [contract["symbol"] for contract in found["option_contracts"][:2]]
    legs = [
        {"symbol": symbol, "side": side, "ratio_qty": "1", "position_intent": f"{side}_to_open"}
        for symbol, side in zip(symbols, ("buy", "sell"), strict=True)
    ]
    asked = {"order_class": "mleg", "symbol": None, "side": None, "type": "limit", "limit_price": "0.01", "time_in_force": "day"}
    status, order = client.send(**asked, qty="1", legs=legs)
    assert status == 200, order
    assert change(client, order, limit_price="0.02") == (403, {"code": 40310000, "message": "replace mleg order is disabled"})
    leg = order["legs"][0]
    answer = client.http.delete(f"/v2/orders/{leg['id']}")
    assert (answer.status_code, answer.json()["message"]) == (422, "leg order is already in new state")
