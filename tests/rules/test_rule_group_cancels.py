"""Cancels and changes of groups that cross on their way, closing everything, and collars wherever a buy stop comes from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from unit.exchange.conftest import DAYS, frame

from desk.data.source import Instrument, Source
from desk.exchange.machine.book import MEASURED_LATENCY

Body = dict[str, Any]
EXITS: Body = {"take_profit": {"limit_price": "115"}, "stop_loss": {"stop_price": "95"}}
BRACKET: Body = {"order_class": "bracket", **EXITS}
OCO: Body = {"order_class": "oco", "side": "sell", "type": "limit", **EXITS}
SHORT: Body = {"side": "sell", "take_profit": {"limit_price": "50"}, "stop_loss": {"stop_price": "102.50"}}
MORNING, LATER, LATER_STILL = "2008-09-02T14:00:00Z", "2008-09-02T14:05:00Z", "2008-09-02T14:06:00Z"
GAP = "2008-09-03T14:00:00Z"
PENDING_CANCEL: Body = {"code": 42210000, "message": "cannot replace order in pending_cancel status"}
PENDING_REPLACE: Body = {"code": 42210000, "message": "order pending replace"}
rule = pytest.mark.rule


@pytest.fixture
def slow(new_client: Callable[..., Any]) -> Any:
    """A client of an exchange as slow as a paper account."""
    client = new_client(latency=MEASURED_LATENCY)
    client.to(MORNING)
    return client


def protected(client: Any, **body: object) -> list[Body]:
    """Entry, take-profit and stop-loss of a bracket whose entry is filled."""
    status, order = client.send(**{**BRACKET, **body})
    assert status == 200, order
    client.to(LATER)
    return family(client, order)


def family(client: Any, order: Body) -> list[Body]:
    nested = client.get(f"/v2/orders/{order['id']}", nested="true")
    return [nested, *sorted(nested["legs"], key=lambda leg: str(leg["group_role"]), reverse=True)]


def statuses(client: Any, order: Body) -> list[str]:
    return [each["status"] for each in family(client, order)]


def change(client: Any, order: Body, **body: object) -> tuple[int, Body]:
    answer = client.http.request("PATCH", f"/v2/orders/{order['id']}", json=body)
    return answer.status_code, answer.json()


def cancel(client: Any, order: Body) -> tuple[int, Body]:
    answer = client.http.delete(f"/v2/orders/{order['id']}")
    return answer.status_code, answer.json() if answer.content else {}


@rule("GRP-201", "While one member of a group is being cancelled none of them is replaced.", source="3P-M", status="measured")
@pytest.mark.parametrize("asked", ["take_profit", "stop_loss"])
def test_no_member_is_replaced_during_a_cancel(slow: Any, asked: str) -> None:
    entry, target, stop = protected(slow)
    by_role = {leg["group_role"]: leg for leg in (target, stop)}
    assert cancel(slow, by_role[asked])[0] == 204
    assert change(slow, stop, stop_price="96") == (422, PENDING_CANCEL)
    assert change(slow, target, limit_price="116") == (422, PENDING_CANCEL)
    slow.to(LATER_STILL)
    assert statuses(slow, entry) == ["filled", "canceled", "canceled"]


@rule("GRP-202", "A cancel of any member ends the group although another was being replaced.", source="DOC", status="documented")
def test_cancel_beats_a_replacement_on_its_way(slow: Any) -> None:
    entry, target, stop = protected(slow)
    _, fresh = change(slow, target, limit_price="116")
    assert cancel(slow, stop)[0] == 204
    slow.to(LATER_STILL)
    assert statuses(slow, entry)[0] == "filled" and slow.get("/v2/orders") == []
    ended = [slow.get(f"/v2/orders/{order['id']}")["status"] for order in (target, stop, fresh)]
    assert ended == ["canceled", "canceled", "rejected"]


@rule("GRP-203", "Cancelling everything reports what goes with its group as cancelled.", source="OAS", status="documented")
def test_cancel_all_reports_the_whole_group(slow: Any) -> None:
    _, target, _ = protected(slow)
    change(slow, target, limit_price="116")
    slow.to("2008-09-02T14:05:01Z")
    assert [each["status"] for each in slow.http.delete("/v2/orders").json()] == [200, 200]
    slow.to(LATER_STILL)
    assert slow.get("/v2/orders") == [] and slow.get("/v2/positions/ABC")["qty_available"] == "10"


@rule("GRP-204", "The stop that buys a short back is collared as every buy stop is.", source="DOC", status="documented")
@pytest.mark.parametrize("kind", ["bracket", "oco", "oto"])
def test_exit_of_a_short_is_collared(monkeypatch: pytest.MonkeyPatch, new_client: Callable[..., Any], kind: str) -> None:
    client = gapping(monkeypatch, new_client)
    body = {**SHORT, "order_class": kind}
    if kind == "oto":
        del body["take_profit"]
    if kind == "oco":
        client.send(side="sell")
        body |= {"side": "buy", "type": "limit"}
    status, order = client.send(**body)
    assert status == 200, order
    client.to(GAP)  # opens at 130
    stop = next(each for each in family(client, order) if each["group_role"] == "stop_loss")
    assert (stop["status"], client.get("/v2/positions/ABC")["qty"]) == ("new", "-10")


@rule("REP-503", "The successor of an order that is being replaced is not cancelled either.", source="OAS", status="documented")
def test_successor_on_its_way_is_not_cancelled(slow: Any) -> None:
    _, order = slow.send(type="limit", limit_price="90")
    slow.to(LATER)
    _, fresh = change(slow, order, limit_price="91")
    assert [cancel(slow, each) for each in (order, fresh)] == [(422, PENDING_REPLACE)] * 2
    slow.to(LATER_STILL)
    assert slow.get(f"/v2/orders/{fresh['id']}")["status"] == "new"
    assert cancel(slow, fresh)[0] == 204


@rule("REP-504", "The collar and the reserve of a buy stop follow its price.", source="DOC", status="documented")
def test_collar_follows_the_stop(monkeypatch: pytest.MonkeyPatch, new_client: Callable[..., Any]) -> None:
    changed, sent = (gapping(monkeypatch, new_client) for _ in range(2))
    _, order = changed.send(type="stop", stop_price="103")
    status, order = change(changed, order, stop_price="128")
    sent.send(type="stop", stop_price="128")
    powers = {client.get("/v2/account")["buying_power"] for client in (changed, sent)}
    assert status == 200 and len(powers) == 1
    changed.to(GAP)
    assert changed.get(f"/v2/orders/{order['id']}")["status"] == "filled"


@rule("TRL-201", "An elected trailing buy is a market order and has no collar.", source="DOC", status="documented")
def test_trailing_buy_has_no_collar(monkeypatch: pytest.MonkeyPatch, new_client: Callable[..., Any]) -> None:
    client = gapping(monkeypatch, new_client)
    _, order = client.send(type="trailing_stop", trail_price="5")
    client.to(GAP)
    found = client.get(f"/v2/orders/{order['id']}")
    assert found["status"] == "filled" and float(found["filled_avg_price"]) == pytest.approx(130, abs=0.1)


@rule(
    "RES-506",
    "Closing everything with cancel_orders has the cancels confirmed and the shares free before it closes.",
    source="OAS",
    status="documented",
)
def test_close_all_waits_for_its_cancels(slow: Any) -> None:
    entry, *_ = protected(slow)
    [closed] = slow.http.request("DELETE", "/v2/positions", params={"cancel_orders": "true"}).json()
    assert (closed["symbol"], closed["status"], closed["body"]["qty"]) == ("ABC", 200, "10")
    assert statuses(slow, entry) == ["filled", "canceled", "canceled"]
    slow.to(LATER_STILL)
    assert slow.get("/v2/positions") == []


@rule("RES-507", "What cannot be cancelled keeps its shares when everything is closed.", source="SDK", status="documented")
def test_close_all_tells_of_shares_that_a_stuck_order_keeps(slow: Any) -> None:
    entry, *_ = protected(slow)
    slow.http.post("/admin/faults", json={"kind": "stuck_pending_cancel"})
    [refused] = slow.http.request("DELETE", "/v2/positions", params={"cancel_orders": "true"}).json()
    assert (refused["status"], refused["body"]["code"], refused["body"]["held_for_orders"]) == (403, 40310000, "10")
    assert statuses(slow, entry) == ["filled", "pending_cancel", "held"]


def gapping(monkeypatch: pytest.MonkeyPatch, new_client: Callable[..., Any]) -> Any:
    """A client of a market that closes at 101 and opens at 130 the next day."""
    prices = frame(DAYS, [100, 101, 130, 130, 130, 130], [100, 100, 130, 130, 130, 130])
    source = Source("gap", "a market with a gap", {"ABC": prices}, {"ABC": Instrument("ABC", "ABC Inc.")})
    monkeypatch.setattr("unit.exchange.conftest.market", lambda: source)
    client = new_client()
    client.to(MORNING)
    return client
