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


@rule("GRP-001", "A bracket needs both a take-profit limit and a stop-loss stop.", source="3P", status="documented")
@pytest.mark.parametrize(
    ("missing", "message"),
    [
        ("take_profit", "bracket orders require take_profit.limit_price"),
        ("stop_loss", "bracket orders require stop_loss.stop_price"),
    ],
)
def test_bracket_needs_both_exits(client: Any, missing: str, message: str) -> None:
    body = {name: value for name, value in BRACKET.items() if name != missing}
    assert refused(client, **body)[::2] == (422, message)


@rule("GRP-002", "The entry of a bracket may be market, limit, stop or stop-limit.", source="DOC", status="documented")
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


@rule("GRP-003", "Groups live for a day or until cancelled, and a leg lives as its entry.", source="DOC", status="documented")
def test_groups_are_day_or_gtc(client: Any) -> None:
    for lifetime in ("opg", "cls", "ioc", "fok"):
        assert refused(client, **BRACKET, time_in_force=lifetime)[:2] == (422, 42210000)
    for lifetime in ("day", "gtc"):
        _, parent = client.send(**RESTING, time_in_force=lifetime)
        assert {order["time_in_force"] for order in family(client, parent)} == {lifetime}
        client.http.delete("/v2/orders")


@rule("GRP-004", "A bracket is for regular hours only.", source="DOC", status="documented")
def test_no_extended_hours(client: Any) -> None:
    assert refused(client, **RESTING, extended_hours=True)[:2] == (422, 42210000)


@rule("GRP-005", "A bracket is of whole shares.", source="3P", status="documented")
def test_whole_shares(client: Any) -> None:
    assert refused(client, **BRACKET, qty="1.5", time_in_force="day") == (
        422,
        42210000,
        "fractional orders must be simple orders",
    )


@rule("GRP-006", "A buy's take-profit lies above its stop-loss, a sell's below.", source="DOC", status="documented")
def test_exits_do_not_cross(client: Any) -> None:
    crossed = {"take_profit": {"limit_price": "95"}, "stop_loss": {"stop_price": "96"}}
    assert refused(client, **{**RESTING, **crossed})[0] == 422
    assert refused(client, **BRACKET, side="sell")[0] == 422
    right = {"take_profit": {"limit_price": "90"}, "stop_loss": {"stop_price": "110"}}
    assert client.send(**{**BRACKET, **right}, side="sell")[0] == 200


@rule(
    "GRP-007",
    "A stop-loss lies a cent or more below its base price: the entry's limit, the market.",
    source="DOC",
    status="documented",
)
@pytest.mark.parametrize(("entry", "base"), [({"type": "limit", "limit_price": "97"}, "97"), ({"type": "market"}, None)])
def test_base_price(client: Any, entry: Body, base: str | None) -> None:
    if base is None:
        base = client.get("/v2/stocks/trades/latest", symbols="ABC")["trades"]["ABC"]["p"]
    stop = {"stop_loss": {"stop_price": base}}
    status, body = client.send(**{**BRACKET, **entry, **stop})
    assert (status, body["code"]) == (422, 42210000)
    assert body["message"] == "stop_loss.stop_price must be <= base_price - 0.01"
    assert float(body["base_price"]) == float(base)
    beyond = {"stop_loss": {"stop_price": f"{float(base) - 0.01:.2f}"}}
    assert client.send(**{**BRACKET, **entry, **beyond})[0] == 200


@rule("GRP-008", "A bracket that would close a position is refused.", source="3P", status="measured")
def test_not_an_exit(client: Any) -> None:
    client.send()
    down = {"take_profit": {"limit_price": "90"}, "stop_loss": {"stop_price": "110"}}
    assert refused(client, **{**BRACKET, **down}, side="sell") == ENTRY_ONLY
    client.http.delete("/v2/positions/ABC")
    client.send(side="sell")
    assert refused(client, **BRACKET) == ENTRY_ONLY


@rule("GRP-009", "A bracket on top of a position of its side is refused.", source="3P", status="measured")
def test_not_an_addition(client: Any) -> None:
    client.send(qty="1")
    assert refused(client, **BRACKET) == ENTRY_ONLY


@rule("GRP-010", "A bracket beside a working order in its symbol is refused.", source="UNVERIFIED", status="unknown")
def test_not_beside_a_working_order(client: Any) -> None:
    client.send(type="limit", limit_price="90")
    assert refused(client, **BRACKET) == ENTRY_ONLY
    other = {"take_profit": {"limit_price": "60"}, "stop_loss": {"stop_price": "40"}}
    assert client.send(**{**BRACKET, **other}, symbol="XYZ")[0] == 200


@rule("GRP-011", "Both legs are there at once, held, with client ids of the server's making.", source="OAS", status="documented")
def test_answer_has_both_legs(client: Any) -> None:
    _, parent = client.send(**RESTING, client_order_id="mine")
    target, stop = parent["legs"]
    assert (parent["client_order_id"], parent["order_class"], parent["status"]) == ("mine", "bracket", "pending_new")
    for leg in (target, stop):
        assert (leg["status"], leg["side"], leg["qty"], leg["order_class"]) == ("held", "sell", "10", "bracket")
        assert (leg["position_intent"], leg["time_in_force"]) == ("sell_to_close", "gtc")
    assert (target["type"], target["limit_price"], stop["type"], stop["stop_price"]) == ("limit", "115", "stop", "95")
    ids = {order[name] for order in (parent, target, stop) for name in ("id", "client_order_id")}
    assert len(ids) == 6


@rule("GRP-012", "A stop-loss with a limit is a stop-limit order.", source="OAS", status="documented")
def test_stop_limit_leg(client: Any) -> None:
    _, parent = client.send(**{**RESTING, "stop_loss": {"stop_price": "95", "limit_price": "94"}})
    stop = parent["legs"][1]
    assert (stop["type"], stop["stop_price"], stop["limit_price"]) == ("stop_limit", "95", "94")


@rule("GRP-013", "Members of a group share group_id, and group_role says what each is for.", source="OAS", status="documented")
def test_group_id_and_role(client: Any) -> None:
    _, parent = client.send(**BRACKET)
    target = parent["legs"][0]
    moved = client.http.request("PATCH", f"/v2/orders/{target['id']}", json={"limit_price": "116"}).json()
    found = client.get("/v2/orders", status="all")
    assert {order["group_id"] for order in found} == {parent["group_id"]}
    roles = {order["id"]: order["group_role"] for order in found}
    assert (roles[parent["id"]], roles[target["id"]], roles[moved["id"]]) == ("entry", "take_profit", "take_profit")
    assert "stop_loss" in roles.values()
    _, simple = client.send(symbol="XYZ", qty="1")
    assert "group_id" not in simple and "group_role" not in simple


@rule("GRP-014", "Legs stay held until the entry is completely filled.", source="DOC", status="documented")
def test_held_until_filled(new_client: Callable[..., Any]) -> None:
    client, parent = half_filled(new_client)
    assert statuses(client, parent) == ["partially_filled", "held", "held"]
    client.to("2008-09-02T14:02:00Z")
    assert statuses(client, parent) == ["filled", "new", "held"]


@rule("GRP-015", "Nothing protects what a half-filled bracket has bought.", source="DOC", status="documented")
def test_half_filled_is_bare(new_client: Callable[..., Any]) -> None:
    client, parent = half_filled(new_client, type="limit", limit_price="101.90")
    bought = float(client.get(f"/v2/orders/{parent['id']}")["filled_qty"])
    assert 0 < bought < 100
    client.to("2008-09-02T14:00:30Z")
    assert client.get("/admin/report")["unprotected_by_symbol"] == {"ABC": bought * 30}


@rule("GRP-016", "After the entry the take-profit is new and the stop still held.", source="FORUM", status="documented")
def test_one_live_order(client: Any) -> None:
    _, parent = client.send(**BRACKET)
    assert statuses(client, parent) == ["filled", "new", "held"]
    assert [order["group_role"] for order in client.get("/v2/orders")] == ["take_profit"]


@rule(
    "GRP-017",
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


@rule("GRP-018", "A filled take-profit leaves its stop canceled.", source="ISSUE", status="documented")
def test_filled_target(client: Any) -> None:
    _, parent = client.send(**{**BRACKET, **NEAR})
    client.to(NEXT_DAY)
    target, stop = family(client, parent)[1:]
    assert (target["status"], float(target["filled_avg_price"]) >= 102.5) == ("filled", True)
    assert (stop["status"], stop["canceled_at"]) == ("canceled", target["filled_at"])
    assert client.get("/v2/positions") == []


@rule("GRP-019", "A take-profit filled in part takes its stop down to the rest.", source="DOC", status="documented")
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


@rule("GRP-020", "Cancelling any member cancels the group and leaves the position.", source="DOC", status="documented")
@pytest.mark.parametrize("place", [1, 2])
def test_cancel_one_cancels_all(client: Any, place: int) -> None:
    _, parent = client.send(**BRACKET)
    member = family(client, parent)[place]
    assert client.http.delete(f"/v2/orders/{member['id']}").status_code == 204
    assert statuses(client, parent) == ["filled", "canceled", "canceled"]
    assert client.get("/v2/positions/ABC")["qty_available"] == "10"


@rule("GRP-021", "Cancelling any member of a bracket that has not begun cancels all three.", source="DOC", status="documented")
@pytest.mark.parametrize("place", [0, 1, 2])
def test_cancel_before_the_entry(client: Any, place: int) -> None:
    _, parent = client.send(**RESTING)
    client.http.delete(f"/v2/orders/{family(client, parent)[place]['id']}")
    assert statuses(client, parent) == ["canceled", "canceled", "canceled"]


@rule(
    "GRP-022",
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


@rule("GRP-023", "The flat list of open orders leaves held legs out.", source="3P-M", status="measured")
def test_flat_list_hides_held_legs(client: Any) -> None:
    _, parent = client.send(**RESTING)
    assert [order["id"] for order in client.get("/v2/orders")] == [parent["id"]]
    assert len(client.get("/v2/orders", status="all")) == 3


@rule("GRP-024", "A bracket whose entry is filled is not in the nested list of open orders.", source="ISSUE", status="unknown")
def test_open_and_nested(client: Any) -> None:
    _, parent = client.send(**BRACKET)
    assert client.get("/v2/orders", nested="true") == []
    [found] = client.get("/v2/orders", nested="true", status="all")
    assert [leg["status"] for leg in found["legs"]] == ["new", "held"]
    assert family(client, parent)[0]["status"] == "filled"


@rule("GRP-025", "A day's bracket leaves its position without exits overnight.", source="DOC", status="documented")
def test_day_bracket(client: Any) -> None:
    _, parent = client.send(**BRACKET, time_in_force="day")
    client.to("2008-09-02T20:00:00Z")
    assert statuses(client, parent) == ["filled", "expired", "expired"]
    assert client.get("/v2/positions/ABC")["qty_available"] == "10"


@rule("GRP-026", "A short is opened by a bracket the other way round.", source="DOC", status="documented")
def test_short_bracket(client: Any) -> None:
    down = {"take_profit": {"limit_price": "92"}, "stop_loss": {"stop_price": "105"}}
    _, parent = client.send(**{**BRACKET, **down}, side="sell")
    assert client.get("/v2/positions/ABC")["qty"] == "-10"
    assert {leg["side"] for leg in parent["legs"]} == {"buy"}
    client.to(CRASH)
    assert statuses(client, parent) == ["filled", "filled", "canceled"]


@rule("GRP-027", "A held stop is triggered by trades, not by the bid that falls below it.", source="DOC", status="documented")
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


@rule("GRP-028", "Brackets are of stocks alone.", source="DOC", status="documented")
def test_no_brackets_of_options(client: Any) -> None:
    contracts = client.get("/v2/options/contracts", underlying_symbols="ABC", expiration_date_lte="2008-12-31")
    symbol = contracts["option_contracts"][0]["symbol"]
    assert refused(client, **BRACKET, symbol=symbol, qty="1")[0] == 422
