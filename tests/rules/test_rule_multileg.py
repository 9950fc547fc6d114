"""Multi-leg option orders: their form, signed prices, cover, margin by the universal spread rule, and closing."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

New = Callable[..., Any]


def contract(kind: str, strike: int, expiry: str = "080905", root: str = "ABC") -> str:
    return f"{root}{expiry}{kind}{strike:05d}000"


def leg(symbol: str, intent: str, ratio: object = "1") -> dict[str, Any]:
    return {"symbol": symbol, "side": intent.partition("_")[0], "ratio_qty": ratio, "position_intent": intent}


PUT_95, PUT_100 = contract("P", 95), contract("P", 100)
CALL_100, CALL_105, CALL_110 = (contract("C", strike) for strike in (100, 105, 110))
BULL_PUT = [leg(PUT_100, "sell_to_open"), leg(PUT_95, "buy_to_open")]
CLOSE_BULL_PUT = [leg(PUT_100, "buy_to_close"), leg(PUT_95, "sell_to_close")]


def send(
    client: Any, legs: list[dict[str, Any]], limit: object = "-0.50", qty: object = "1", **changes: object
) -> tuple[int, Any]:
    order = {"order_class": "mleg", "qty": qty, "type": "limit", "limit_price": limit, "time_in_force": "day", "legs": legs}
    order |= changes
    answer = client.http.post("/v2/orders", json={name: value for name, value in order.items() if value is not None})
    return answer.status_code, answer.json()


def refused(answer: tuple[int, Any]) -> tuple[int, int, str]:
    status, said = answer
    return status, said["code"], said["message"]


def opened(client: Any, legs: list[dict[str, Any]] | None = None, qty: object = "1") -> dict[str, Any]:
    """The parent of an order at the market after it has filled, with its legs."""
    status, said = send(client, legs or BULL_PUT, None, qty, type="market")
    assert status == 200, said
    client.to(f"2008-09-02T14:00:{client.exchange.now.second + 1:02d}Z")
    filled: dict[str, Any] = client.get(f"/v2/orders/{said['id']}", nested="true")
    assert filled["status"] == "filled"
    return filled


def account(client: Any, name: str) -> Decimal:
    return Decimal(client.get("/v2/account")[name])


@pytest.mark.rule(
    "MLG-101",
    "The parent of a multi-leg order has no symbol, side, asset id or class; its legs have their own ids",
    source="OAS",
    status="documented",
)
def test_parent_is_nameless_and_legs_have_ids(client: Any) -> None:
    status, parent = send(client, BULL_PUT, "-4.99", "2")
    assert status == 200
    assert [parent[name] for name in ("symbol", "side", "asset_id", "asset_class")] == ["", "", "", ""]
    assert (parent["order_class"], parent["qty"], parent["limit_price"], parent["type"]) == ("mleg", "2", "-4.99", "limit")
    assert [(each["symbol"], each["side"], each["qty"], each["ratio_qty"]) for each in parent["legs"]] == [
        (PUT_100, "sell", "2", "1"),
        (PUT_95, "buy", "2", "1"),
    ]
    ids = {each[name] for each in (parent, *parent["legs"]) for name in ("id", "client_order_id")}
    assert len(ids) == 6 and all(each["limit_price"] is None and each["type"] == "" for each in parent["legs"])


@pytest.mark.rule("MLG-102", "A multi-leg order has two to four legs of different contracts", source="DOC", status="documented")
def test_legs_are_two_to_four_and_unique(client: Any) -> None:
    strikes = (90, 92, 94, 96, 98)
    for legs in (BULL_PUT[:1], [leg(contract("P", strike), "buy_to_open") for strike in strikes], [BULL_PUT[1]] * 2):
        assert send(client, legs, "1")[0] == 422
    assert client.get("/v2/orders", status="all") == []


@pytest.mark.rule("MLG-103", "Leg ratios have no common factor", source="DOC", status="documented")
def test_ratios_are_relatively_prime(client: Any) -> None:
    legs = [leg(PUT_100, "sell_to_open", "2"), leg(PUT_95, "buy_to_open", "2")]
    words = "leg ratio quantities should be relatively prime: GCD[2 2] = 2"
    assert refused(send(client, legs)) == (422, 42210000, words)


@pytest.mark.rule("MLG-104", "Every leg says its position intent", source="DOC", status="documented")
def test_every_leg_says_its_intent(client: Any) -> None:
    legs = [BULL_PUT[0], {"symbol": PUT_95, "side": "buy", "ratio_qty": "1"}]
    assert refused(send(client, legs)) == (422, 42210000, "leg.1 position intent is required")


@pytest.mark.rule(
    "MLG-105", "Multi-leg orders are market or limit orders, for the day or until cancelled", source="DOC", status="documented"
)
def test_kinds_and_lifetimes_are_few(client: Any) -> None:
    status, said = send(client, BULL_PUT, None, type="stop", stop_price="1")
    assert status == 422 and said["code"] in (42210000, 40010001)
    assert refused(send(client, BULL_PUT, time_in_force="ioc")) == (422, 42210000, "invalid time in force")
    assert send(client, BULL_PUT, "-4.99", time_in_force="gtc")[0] == 200


@pytest.mark.rule("MLG-106", "A limit order needs a limit price", source="DOC", status="documented")
def test_limit_order_needs_its_price(client: Any) -> None:
    assert refused(send(client, BULL_PUT, None)) == (422, 42210000, "limit price is required for limit orders")


@pytest.mark.rule("MLG-107", "All legs have one underlying", source="DOC", status="documented")
def test_legs_have_one_underlying(client: Any) -> None:
    other = client.get("/v2/options/contracts", underlying_symbols="XYZ", type="put")["option_contracts"][0]["symbol"]
    answer = send(client, [BULL_PUT[0], leg(other, "buy_to_open")])
    assert refused(answer) == (422, 42210000, "underlying asset mismatch: ABC != XYZ")


@pytest.mark.rule("MLG-108", "A leg must be a listed contract; stocks are no legs", source="DOC", status="documented")
def test_legs_are_listed_contracts(client: Any) -> None:
    for symbol in (contract("P", 95, "080904"), "ABC"):
        answer = send(client, [BULL_PUT[0], leg(symbol, "buy_to_open")])
        assert refused(answer) == (422, 42210000, f"asset not found for {symbol}")


@pytest.mark.rule("MLG-109", "Opening several legs needs level 3", source="OAS", status="documented")
def test_spreads_need_level_three(new_client: New) -> None:
    client = new_client(options_level=2)
    client.to("2008-09-02T14:00:00Z")
    words = "account not eligible to trade spreads or uncovered contracts"
    assert refused(send(client, BULL_PUT)) == (403, 40310000, words)


@pytest.mark.parametrize(
    "legs",
    [
        [leg(PUT_100, "sell_to_open", "2"), leg(PUT_95, "buy_to_open")],
        [leg(CALL_105, "sell_to_open"), leg(PUT_95, "sell_to_open")],
        [leg(contract("C", 105, "080919"), "sell_to_open"), leg(CALL_100, "buy_to_open")],
        [leg(CALL_105, "sell_to_open"), leg(PUT_95, "buy_to_open")],
    ],
    ids=["ratio", "strangle", "reverse calendar", "other kind"],
)
@pytest.mark.rule(
    "MLG-110",
    "Every sold leg is covered inside the order by one of its kind that lives as long",
    source="DOC",
    status="documented",
)
def test_sold_legs_are_covered_inside_the_order(client: Any, legs: list[dict[str, Any]]) -> None:
    words = "account not eligible to trade uncovered option contracts"
    assert refused(send(client, legs, "0.10")) == (403, 40310000, words)


@pytest.mark.rule("MLG-111", "A positive limit is a debit, a negative one a credit", source="OAS", status="documented")
def test_sign_of_the_limit_tells_debit_from_credit(client: Any) -> None:
    _, rests = send(client, BULL_PUT, "-1.50")  # asks for more than the market pays
    _, fills = send(client, BULL_PUT, "-0.50")
    client.to("2008-09-02T14:00:01Z")
    assert client.get(f"/v2/orders/{rests['id']}")["status"] == "new"
    filled = client.get(f"/v2/orders/{fills['id']}")
    assert filled["status"] == "filled" and Decimal(filled["filled_avg_price"]) <= Decimal("-0.50")
    debit = [leg(CALL_100, "buy_to_open"), leg(CALL_105, "sell_to_open")]
    _, low = send(client, debit, "0.10")
    client.to("2008-09-02T14:00:02Z")
    assert client.get(f"/v2/orders/{low['id']}")["status"] == "new"


@pytest.mark.rule(
    "MLG-112",
    "A credit spread of width W at credit C takes (W - C) x 100 of buying power and keeps W x 100 as maintenance",
    source="DOC",
    status="documented",
)
def test_credit_spread_takes_its_width_less_its_credit(client: Any) -> None:
    send(client, BULL_PUT, "-1.50", "2")
    assert account(client, "options_buying_power") == 100_000 - 2 * 350
    client.http.delete("/v2/orders")
    filled = opened(client, qty="2")
    credit = -Decimal(filled["filled_avg_price"])
    assert account(client, "maintenance_margin") == 1_000
    assert account(client, "options_buying_power") == 100_000 - 2 * (500 - 100 * credit)


@pytest.mark.rule(
    "MLG-113",
    "An order beyond options buying power is refused with its cost basis: margin and net price",
    source="DOC",
    status="documented",
)
def test_spread_beyond_options_buying_power_is_refused(new_client: New) -> None:
    client = new_client(cash_usd=3_000.0)
    client.to("2008-09-02T14:00:00Z")
    status, said = send(client, BULL_PUT, "-1.50", "9")
    assert (status, said["code"], said["options_buying_power"], said["cost_basis"]) == (403, 40310000, "3000", "3150")
    assert said["message"] == "insufficient options buying power (required: 3150, available: 3000)"
    assert send(client, BULL_PUT, "-1.50", "8")[0] == 200


@pytest.mark.rule("MLG-114", "An iron condor keeps its wider side", source="DOC", status="documented")
def test_iron_condor_keeps_its_wider_side(client: Any) -> None:
    opened(client, [*BULL_PUT, leg(CALL_100, "sell_to_open"), leg(CALL_110, "buy_to_open")])
    assert account(client, "maintenance_margin") == 1_000


@pytest.mark.rule(
    "MLG-115", "Losses of one spread are offset by what another pays at the same price", source="DOC", status="documented"
)
def test_spreads_offset_each_other(client: Any) -> None:
    opened(client, [leg(CALL_105, "sell_to_open"), leg(CALL_110, "buy_to_open")])
    assert account(client, "maintenance_margin") == 500
    opened(client, [leg(contract("C", 95), "buy_to_open"), leg(CALL_100, "sell_to_open")])
    worth = sum(Decimal(position["market_value"]) for position in client.get("/v2/positions"))
    assert account(client, "maintenance_margin") == max(Decimal(0), worth)


@pytest.mark.rule(
    "MLG-116",
    "Of several expirations the largest requirement counts; a later bought leg covers an earlier sold one",
    source="DOC",
    status="documented",
)
def test_expirations_are_looked_at_one_by_one(client: Any) -> None:
    opened(client)
    opened(client, [leg(contract("P", 100, "080912"), "sell_to_open"), leg(contract("P", 92, "080912"), "buy_to_open")])
    assert account(client, "maintenance_margin") == 800
    calendar = [leg(contract("C", 105, "080912"), "sell_to_open"), leg(contract("C", 105, "080919"), "buy_to_open")]
    before = account(client, "options_buying_power")
    assert send(client, calendar, "0.30")[0] == 200
    assert account(client, "options_buying_power") == before - 30


@pytest.mark.rule(
    "MLG-117",
    "A spread is closed by flipped intents at a debit, and needs no power beyond what it frees",
    source="DOC",
    status="documented",
)
def test_spread_is_closed_at_a_debit(new_client: New) -> None:
    client = new_client(cash_usd=500.0)
    client.to("2008-09-02T14:00:00Z")
    opened(client)
    status, said = send(client, CLOSE_BULL_PUT, "1.30")
    assert status == 200, said
    client.to("2008-09-02T14:00:02Z")
    filled = client.get(f"/v2/orders/{said['id']}")
    assert filled["status"] == "filled" and Decimal(filled["filled_avg_price"]) > 0
    assert client.get("/v2/positions") == [] and account(client, "maintenance_margin") == 0


@pytest.mark.rule(
    "MLG-118",
    "A leg that closes needs the position; an intent that does not fit it is refused",
    source="DOC",
    status="documented",
)
def test_closing_leg_needs_its_position(client: Any) -> None:
    words = "position intent mismatch, inferred: buy_to_open, specified: buy_to_close"
    assert refused(send(client, CLOSE_BULL_PUT, "1")) == (422, 42210000, words)
    opened(client)
    status, code, words = refused(send(client, CLOSE_BULL_PUT, "1", "2"))
    assert (status, code) == (403, 40310000) and words == "insufficient qty available for order (requested: 2, available: 1)"


@pytest.mark.rule("MLG-119", "A roll closes and opens the same numbers of a kind in one order", source="DOC", status="unknown")
def test_roll_replaces_like_by_like(client: Any) -> None:
    opened(client)
    later = [leg(contract("P", 100, "080912"), "sell_to_open"), leg(contract("P", 95, "080912"), "buy_to_open")]
    assert refused(send(client, [*CLOSE_BULL_PUT, later[0]], "-0.10")) == (422, 42210000, "rolling contracts ambiguity")
    assert send(client, [*CLOSE_BULL_PUT, *later], "5")[0] == 200


@pytest.mark.rule(
    "MLG-120",
    "From 15:30 New York on the last day of a leg no spread is opened with it, and one is closed",
    source="DOC",
    status="documented",
)
def test_last_half_hour_takes_no_new_spreads(client: Any) -> None:
    client.to("2008-09-05T19:29:00Z")
    assert send(client, BULL_PUT, "-0.01", type="limit")[0] == 200
    client.to("2008-09-05T19:30:00Z")
    status, code, words = refused(send(client, BULL_PUT, "-0.01"))
    assert (status, code) == (422, 42210000) and words.endswith("expires soon, unable to open new positions")


@pytest.mark.rule("MLG-121", "Multi-leg market orders are taken in market hours only", source="DOC", status="documented")
def test_market_spreads_wait_for_market_hours(new_client: New) -> None:
    words = "options market orders are only allowed during market hours"
    client = new_client()
    assert refused(send(client, BULL_PUT, None, type="market")) == (422, 42210000, words)
    assert send(client, BULL_PUT, "-1.50")[0] == 200
