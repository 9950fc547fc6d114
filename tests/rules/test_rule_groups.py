"""Brackets: what they need, when their legs wake, and what members do to one another."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from desk.exchange.switches import AS_DOCUMENTED, Switches

Body = dict[str, Any]
EXITS: Body = {"take_profit": {"limit_price": "115"}, "stop_loss": {"stop_price": "95"}}
NEAR: Body = {"take_profit": {"limit_price": "102.50"}, "stop_loss": {"stop_price": "95"}}
BRACKET: Body = {"order_class": "bracket", **EXITS}
RESTING: Body = {**BRACKET, "type": "limit", "limit_price": "97"}
MORNING, NEXT_DAY, CRASH = "2008-09-02T14:00:00Z", "2008-09-03T20:00:00Z", "2008-09-04T13:30:00Z"
ENTRY_ONLY = (422, 42210000, "bracket orders must be entry orders")
rule = pytest.mark.rule


def refused(client: Any, **body: object) -> tuple[int, int, str]:
    status, answer = client.send(**body)
    return status, answer["code"], answer["message"]


def family(client: Any, parent: Body) -> list[Body]:
    """The parent and its legs as they are now."""
    nested = client.get(f"/v2/orders/{parent['id']}", nested="true")
    return [nested, *nested["legs"]]


def statuses(client: Any, parent: Body) -> list[str]:
    return [order["status"] for order in family(client, parent)]


def half_filled(new_client: Callable[..., Any], switches: Switches = AS_DOCUMENTED, **body: object) -> tuple[Any, Body]:
    """A bracket whose entry has just been filled in part."""
    client = new_client(partial_fill_probability=1.0, switches=switches)
    client.to(MORNING)
    _, parent = client.send(**{**BRACKET, "qty": "100", **body})
    return client, parent


@rule("GRP-001", "The entry of a bracket may be market, limit, stop or stop-limit.", source="DOC", status="documented")
@pytest.mark.parametrize(
    "entry",
    [
        {"type": "market"},
        {"type": "limit", "limit_price": "97"},
        {"type": "stop", "stop_price": "105"},
        {"type": "stop_limit", "stop_price": "105", "limit_price": "106"},
    ],
)
def test_entry_of_every_type(client: Any, entry: Body) -> None:
    status, parent = client.send(**BRACKET, **entry)
    assert (status, parent["type"], [leg["status"] for leg in parent["legs"]]) == (200, entry["type"], ["held", "held"])


@rule("GRP-002", "Legs stay held until the entry is completely filled.", source="DOC", status="documented")
def test_held_until_filled(new_client: Callable[..., Any]) -> None:
    client, parent = half_filled(new_client)
    assert statuses(client, parent) == ["partially_filled", "held", "held"]
    client.to("2008-09-02T14:02:00Z")
    assert statuses(client, parent) == ["filled", "new", "held"]


@rule("GRP-003", "Nothing protects what a half-filled bracket has bought.", source="DOC", status="documented")
def test_half_filled_is_bare(new_client: Callable[..., Any]) -> None:
    client, parent = half_filled(new_client, type="limit", limit_price="101.90")
    bought = float(client.get(f"/v2/orders/{parent['id']}")["filled_qty"])
    assert 0 < bought < 100
    client.to("2008-09-02T14:00:30Z")
    assert client.get("/admin/report")["unprotected_by_symbol"] == {"ABC": bought * 30}


@rule("GRP-004", "After the entry the take-profit is new and the stop still held.", source="FORUM", status="documented")
def test_one_live_order(client: Any) -> None:
    _, parent = client.send(**BRACKET)
    assert statuses(client, parent) == ["filled", "new", "held"]
    assert [order["group_role"] for order in client.get("/v2/orders")] == ["take_profit"]


@rule(
    "GRP-005",
    "A triggered stop takes its target's place: the target is replaced, the stop sells.",
    source="ISSUE",
    status="documented",
)
def test_triggered_stop(client: Any) -> None:
    _, parent = client.send(**BRACKET)
    client.to(CRASH)
    entry, target, stop = family(client, parent)
    assert [order["status"] for order in (entry, target, stop)] == ["filled", "replaced", "filled"]
    assert (target["replaced_by"], stop["replaces"], stop["filled_avg_price"]) == (stop["id"], target["id"], "89.99")
    assert client.get("/v2/positions") == []


@rule("GRP-006", "A filled take-profit leaves its stop canceled.", source="ISSUE", status="documented")
def test_filled_target(client: Any) -> None:
    _, parent = client.send(**{**BRACKET, **NEAR})
    client.to(NEXT_DAY)
    target, stop = family(client, parent)[1:]
    assert (target["status"], float(target["filled_avg_price"]) >= 102.5) == ("filled", True)
    assert (stop["status"], stop["canceled_at"]) == ("canceled", target["filled_at"])
    assert client.get("/v2/positions") == []


@rule("GRP-007", "A take-profit filled in part takes its stop down to the rest.", source="DOC", status="documented")
@pytest.mark.parametrize("resizes", [True, False])
def test_partial_target(new_client: Callable[..., Any], resizes: bool) -> None:
    client, parent = half_filled(new_client, Switches(partial_target_resizes_stop=resizes))
    client.to("2008-09-02T14:02:00Z")
    target = family(client, parent)[1]
    client.http.request("PATCH", f"/v2/orders/{target['id']}", json={"limit_price": "98"})
    members = {order["group_role"]: order for order in family(client, parent)}
    target, stop = members["take_profit"], members["stop_loss"]
    left = float(client.get("/v2/positions/ABC")["qty"])
    assert (target["status"], stop["status"]) == ("partially_filled", "held")
    assert 0 < left == 100 - float(target["filled_qty"]) < 100
    assert float(stop["qty"]) == (left if resizes else 100)


@rule("GRP-008", "Cancelling any member cancels the group and leaves the position.", source="DOC", status="documented")
@pytest.mark.parametrize("place", [1, 2])
def test_cancel_one_cancels_all(client: Any, place: int) -> None:
    _, parent = client.send(**BRACKET)
    member = family(client, parent)[place]
    assert client.http.delete(f"/v2/orders/{member['id']}").status_code == 204
    assert statuses(client, parent) == ["filled", "canceled", "canceled"]
    assert client.get("/v2/positions/ABC")["qty_available"] == "10"


@rule("GRP-009", "Cancelling any member of a bracket that has not begun cancels all three.", source="DOC", status="documented")
@pytest.mark.parametrize("place", [0, 1, 2])
def test_cancel_before_the_entry(client: Any, place: int) -> None:
    _, parent = client.send(**RESTING)
    client.http.delete(f"/v2/orders/{family(client, parent)[place]['id']}")
    assert statuses(client, parent) == ["canceled", "canceled", "canceled"]


@rule(
    "GRP-010",
    "Cancelling a half-filled entry leaves what it bought without exits; a switch keeps them.",
    source="UNVERIFIED",
    status="unknown",
)
@pytest.mark.parametrize(("keeps", "legs"), [(False, ["canceled", "canceled"]), (True, ["new", "held"])])
def test_cancelled_half_filled_entry(new_client: Callable[..., Any], keeps: bool, legs: list[str]) -> None:
    client, parent = half_filled(new_client, Switches(cancelled_entry_keeps_exits=keeps))
    client.http.delete(f"/v2/orders/{parent['id']}")
    assert statuses(client, parent) == ["canceled", *legs]
    position = client.get("/v2/positions/ABC")
    assert position["qty_available"] == ("0" if keeps else position["qty"])
    if keeps:
        assert {leg["qty"] for leg in family(client, parent)[1:]} == {position["qty"]}


@rule("GRP-011", "A day's bracket leaves its position without exits overnight.", source="DOC", status="documented")
def test_day_bracket(client: Any) -> None:
    _, parent = client.send(**BRACKET, time_in_force="day")
    client.to("2008-09-02T20:00:00Z")
    assert statuses(client, parent) == ["filled", "expired", "expired"]
    assert client.get("/v2/positions/ABC")["qty_available"] == "10"


@rule("GRP-012", "A short is opened by a bracket the other way round.", source="DOC", status="documented")
def test_short_bracket(client: Any) -> None:
    down = {"take_profit": {"limit_price": "92"}, "stop_loss": {"stop_price": "105"}}
    _, parent = client.send(**{**BRACKET, **down}, side="sell")
    assert client.get("/v2/positions/ABC")["qty"] == "-10"
    assert {leg["side"] for leg in parent["legs"]} == {"buy"}
    client.to(CRASH)
    assert statuses(client, parent) == ["filled", "filled", "canceled"]


@rule("GRP-013", "A held stop is triggered by trades, not by the bid that falls below it.", source="DOC", status="documented")
def test_held_stop_looks_at_trades(new_client: Callable[..., Any]) -> None:
    client = new_client(spread_bps=400)
    client.to(MORNING)
    quoted = client.get("/v2/stocks/quotes/latest", symbols="ABC")["quotes"]["ABC"]
    last = client.get("/v2/stocks/trades/latest", symbols="ABC")["trades"]["ABC"]["p"]
    between = round((quoted["bp"] + last) / 2, 2)
    assert quoted["bp"] < between < last
    _, parent = client.send(**{**BRACKET, "stop_loss": {"stop_price": str(between)}})
    client.to("2008-09-02T14:00:30Z")
    assert statuses(client, parent) == ["filled", "new", "held"]


@rule("GRP-014", "Brackets are of stocks alone.", source="DOC", status="documented")
def test_no_brackets_of_options(client: Any) -> None:
    contracts = client.get("/v2/options/contracts", underlying_symbols="ABC", expiration_date_lte="2008-12-31")
    symbol = contracts["option_contracts"][0]["symbol"]
    assert refused(client, **BRACKET, symbol=symbol, qty="1")[0] == 422
