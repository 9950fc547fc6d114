"""An order that closes never opens: resting exits when exercise, assignment, liquidation or a split takes their position."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from desk.exchange.market.corporate import CorporateActions, Split

Body = dict[str, Any]
New = Callable[..., Any]
MORNING, LAST_DAY, DAY_AFTER = "2008-09-02T14:00:00Z", "2008-09-05", "2008-09-08T20:00:00Z"
PUT_95, PUT_105 = "ABC080905P00095000", "ABC080905P00105000"
CALL_85, CALL_95, CALL_105 = "ABC080905C00085000", "ABC080905C00095000", "ABC080905C00105000"
LATER_CALL = "ABC080919C00095000"
OCO: Body = {
    "side": "sell",
    "type": "limit",
    "order_class": "oco",
    "take_profit": {"limit_price": "102.5"},
    "stop_loss": {"stop_price": "95"},
}
rule = pytest.mark.rule


def option(client: Any, symbol: str, qty: int = 1, side: str = "buy", **body: object) -> Body:
    status, said = client.send(**{"symbol": symbol, "side": side, "qty": str(qty), "time_in_force": "day", **body})
    assert status == 200, said
    return dict(said)


def taken(client: Any, **body: object) -> Body:
    status, said = client.send(**body)
    assert status == 200, said
    return dict(said)


def exercise(client: Any, symbol: str) -> tuple[int, str]:
    answer = client.http.post(f"/v2/positions/{symbol}/exercise")
    return answer.status_code, answer.json()["message"] if answer.content else ""


def held(client: Any) -> dict[str, str]:
    return {each["symbol"]: each["qty"] for each in client.get("/v2/positions")}


def statuses(client: Any, order: Body) -> list[str]:
    found = client.get(f"/v2/orders/{order['id']}", nested="true")
    return [each["status"] for each in (found, *(found["legs"] or ()))]


@rule(
    "RES-020", "Exits larger than what an exercise leaves are cancelled with their group.", source="UNVERIFIED", status="unknown"
)
@pytest.mark.parametrize(("bought", "kept"), [("100", {}), ("200", {"ABC": "100"})])
def test_exits_of_exercised_shares_are_cancelled(client: Any, bought: str, kept: Body) -> None:
    client.send(qty=bought)
    option(client, PUT_105)
    order = taken(client, **OCO, qty=bought)
    told = client.get("/admin/status")["events_emitted"]
    assert exercise(client, PUT_105) == (200, "")
    assert statuses(client, order) == ["canceled", "canceled"] and client.get("/admin/status")["events_emitted"] == told + 1
    client.to(DAY_AFTER)
    assert held(client) == kept


@rule("RES-021", "Exits that fit what is left stay, the newest others go.", source="UNVERIFIED", status="unknown")
def test_the_exits_that_fit_stay(client: Any) -> None:
    client.send(qty="200")
    option(client, PUT_105)
    first, second = taken(client, **OCO, qty="100"), taken(client, **OCO, qty="100")
    exercise(client, PUT_105)
    assert statuses(client, first) == ["new", "held"] and statuses(client, second) == ["canceled", "canceled"]
    assert client.get("/v2/positions/ABC")["qty_available"] == "0"


@rule("RES-022", "What expiry exercises or assigns takes the exits of its shares with it.", source="UNVERIFIED", status="unknown")
@pytest.mark.parametrize("side", ["buy", "sell"])
def test_exits_do_not_outlive_an_expiry(new_client: New, side: str) -> None:
    client = new_client()
    client.to("2008-09-04T14:00:00Z")
    client.send(side=side, qty="100", time_in_force="day")
    option(client, PUT_95, side=side)
    exits = ("99.5", "80") if side == "buy" else ("80", "110")
    prices = {"take_profit": {"limit_price": exits[0]}, "stop_loss": {"stop_price": exits[1]}}
    order = taken(client, **{**OCO, **prices, "qty": "100", "side": "sell" if side == "buy" else "buy"})
    client.to("2008-09-06T00:00:00Z")
    assert held(client) == {} and statuses(client, order) == ["canceled", "canceled"]
    client.to(DAY_AFTER)
    assert held(client) == {}


@rule(
    "RES-023", "A queued sell by dollars reserves what they are worth; no call is covered by it.", source="DOC", status="unknown"
)
def test_dollars_reserve_shares(client: Any) -> None:
    client.send(qty="100")
    client.to("2008-09-02T21:00:00Z")
    assert client.send(side="sell", qty=None, notional="8000", time_in_force="day")[0] == 200
    assert Decimal(client.get("/v2/positions/ABC")["qty_available"]) <= Decimal(100) - 8000 / Decimal(101)
    call = {"symbol": CALL_105, "side": "sell", "type": "limit", "limit_price": "0.05", "qty": "1"}
    status, said = client.send(**call)
    assert (status, said["code"]) == (403, 40310000)
    assert said["message"].startswith("insufficient underlying qty available for covered call")


@rule(
    "OPT-320",
    "What is closed before its expiry is closed once: open orders for it are cancelled.",
    source="DOC",
    status="unknown",
)
def test_liquidation_cancels_the_orders_of_the_contract(new_client: New) -> None:
    client = new_client()
    client.to("2008-09-04T14:00:00Z")
    option(client, CALL_85, 60)
    order = option(client, CALL_85, 60, "sell", type="limit", limit_price="9.00", time_in_force="gtc")
    client.to(f"{LAST_DAY}T19:29:00Z")
    assert statuses(client, order) == ["new"]
    client.to(f"{LAST_DAY}T19:31:00Z")
    assert statuses(client, order) == ["canceled"] and held(client) == {}


@rule("OPT-321", "Contracts that open orders sell are not exercised.", source="OAS", status="unknown")
def test_exercise_leaves_what_is_on_order(client: Any) -> None:
    option(client, CALL_95, 2)
    order = option(client, CALL_95, 1, "sell", type="limit", limit_price="17.00", time_in_force="gtc")
    assert exercise(client, CALL_95) == (200, "")
    assert held(client) == {"ABC": "100", CALL_95: "1"} and statuses(client, order) == ["new"]
    assert exercise(client, CALL_95) == (403, "no available position for the specified contract")


@rule("OPT-322", "A put is not exercised without its shares by who may not sell short.", source="DOC", status="unknown")
@pytest.mark.parametrize("settings", [{"multiplier": 1}, {}])
def test_exercise_does_not_go_short(new_client: New, settings: Body) -> None:
    client = new_client(**settings)
    client.to(MORNING)
    if not settings:
        assert client.http.request("PATCH", "/v2/account/configurations", json={"no_shorting": True}).status_code == 200
    client.send(qty="50")
    option(client, PUT_105)
    assert exercise(client, PUT_105) == (403, "account is not allowed to short")
    client.send(qty="50")
    assert exercise(client, PUT_105) == (200, "") and held(client) == {}


@rule("OPT-323", "Exercise is asked for at any hour of a day without a session.", source="DOC", status="documented")
@pytest.mark.parametrize(
    "moment", ["2008-09-06T15:00:00Z", "2008-09-06T21:00:00Z", "2008-09-05T12:00:00Z", "2008-09-06T04:30:00Z"]
)
def test_exercise_at_the_weekend(client: Any, moment: str) -> None:
    option(client, LATER_CALL)
    client.to(moment)
    assert exercise(client, LATER_CALL) == (200, "")


@rule("OPT-324", "Exercise is refused from the close until midnight.", source="DOC", status="documented")
@pytest.mark.parametrize("moment", ["2008-09-05T20:00:00Z", "2008-09-06T03:59:00Z"])
def test_no_exercise_between_the_close_and_midnight(client: Any, moment: str) -> None:
    option(client, LATER_CALL)
    client.to(moment)
    assert exercise(client, LATER_CALL) == (403, "exercise requests are not accepted after market close until midnight")


@rule(
    "SES-120",
    "A split ends the orders for options; who holds one has the like of it after the split, or its last price in cash.",
    source="UNVERIFIED",
    status="unknown",
)
@pytest.mark.parametrize(("new", "old"), [(2, 1), (3, 2), (1, 4)])
def test_options_keep_their_worth_over_a_split(client: Any, new: int, old: int) -> None:
    client.exchange.actions = CorporateActions((Split("ABC", date(2008, 9, 3), Decimal(new), Decimal(old)),))
    option(client, CALL_95, 2)
    order = option(client, CALL_95, 1, "sell", type="limit", limit_price="17.00", time_in_force="gtc")
    client.to("2008-09-03T07:59:00Z")
    before = client.get("/v2/account")["equity"]
    client.to("2008-09-03T08:01:00Z")
    assert statuses(client, order) == ["canceled"]
    assert client.get("/v2/account")["equity"] == before
    assert CALL_95 not in held(client)
    assert client.get("/v2/account/activities/OPCA", direction="asc")[0]["qty"] == "-2"


@rule(
    "SES-220",
    "IOC and FOK orders queued overnight meet the market at the open, and no later.",
    source="UNVERIFIED",
    status="unknown",
)
@pytest.mark.parametrize("lifetime", ["ioc", "fok"])
@pytest.mark.parametrize(("limit", "status"), [("110", "filled"), ("90.5", "canceled")])
def test_queued_orders_meet_the_open(client: Any, lifetime: str, limit: str, status: str) -> None:
    client.to("2008-09-03T01:00:00Z")
    order = taken(client, type="limit", limit_price=limit, time_in_force=lifetime)
    client.to("2008-09-03T13:29:00Z")
    assert statuses(client, order) == ["new"]
    client.to("2008-09-03T13:31:00Z")
    assert statuses(client, order) == [status]


@rule("MLG-220", "A multi-leg order never takes a cash account below zero.", source="DOC", status="documented")
def test_the_rest_of_a_spread_is_paid_for(new_client: New) -> None:
    sides = ((CALL_95.replace("095", "100"), "buy"), (CALL_105, "sell"))
    legs = [{"symbol": symbol, "side": side, "ratio_qty": "1", "position_intent": f"{side}_to_open"} for symbol, side in sides]
    for seed in range(6, 14):
        client = new_client(multiplier=1, cash_usd=2_100.0, partial_fill_probability=1.0, seed=seed)
        client.to(MORNING)
        quotes = {symbol: client.exchange.market.quote(symbol, client.exchange.now) for symbol, _ in sides}
        cost = Decimal(quotes[sides[0][0]].ask - quotes[sides[1][0]].bid) / 100
        body = {"order_class": "mleg", "qty": str(int(2_100 / cost)), "type": "market", "time_in_force": "day", "legs": legs}
        assert client.http.post("/v2/orders", json=body).status_code == 200
        client.to("2008-09-02T14:05:00Z")
        assert Decimal(client.get("/v2/account")["cash"]) >= 0, seed
