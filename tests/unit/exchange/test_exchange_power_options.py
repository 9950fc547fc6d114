"""Which option orders are refused, and in which words: one case for each rule, without a server."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from desk.exchange.account_settings import AccountSettings
from desk.exchange.machine.book import Book, Holding
from desk.exchange.machine.commands import Submit
from desk.exchange.machine.machine import apply
from desk.exchange.machine.orders import Leg, Ticket
from desk.exchange.market.options.contract import contract_of as listed
from desk.exchange.market.sessions import Phase
from desk.exchange.rules.option_rules import inferred_intent, objection
from desk.exchange.rules.power import power_of
from desk.exchange.rules.situation import Situation
from desk.exchange.rules.spread_margin import contract_of, locked_shares
from desk.exchange.words import AssetClass, OrderClass, OrderType, PositionIntent, Side, TimeInForce

NOON = datetime(2025, 6, 2, 16, tzinfo=UTC)
PUT_90, PUT_95, PUT_100 = (f"ABC250620P{strike:05d}000" for strike in (90, 95, 100))
CALL_100, CALL_110 = "ABC250620C00100000", "ABC250620C00110000"
LATER_CALL, LATER_PUT = "ABC250718C00110000", "ABC250718P00100000"
OTHER = "XYZ250620P00050000"
GONE = "ABC250530P00100000"


LISTED = {
    symbol: listed(contract_of(symbol))
    for symbol in (PUT_90, PUT_95, PUT_100, CALL_100, CALL_110, LATER_CALL, LATER_PUT, OTHER, GONE)
}


def world(held: Mapping[str, int] | None = None, **changes: Any) -> Situation:
    """A request's world as far as the option rules read it."""
    book = Book(seed=1, cash_usd=Decimal(100_000))
    for symbol, quantity in (held or {}).items():
        book.hold(symbol, Holding(Decimal(quantity), Decimal(quantity) * 100))
    power = power_of(book, dict.fromkeys(book.holdings, Decimal(1)))
    around = Situation(book, NOON, Phase.REGULAR, None, {}, {}, power, AccountSettings(), contracts=LISTED)
    return replace(around, **changes)


def single(symbol: str = PUT_100, side: str = "buy", quantity: object = 1, **changes: Any) -> Ticket:
    asked = Ticket(
        symbol=symbol,
        side=Side(side),
        type=OrderType.LIMIT,
        order_class=OrderClass.SIMPLE,
        time_in_force=TimeInForce.DAY,
        quantity=Decimal(str(quantity)),
        limit_price=Decimal("1.00"),
        asset_class=AssetClass.OPTION,
    )
    return replace(asked, **changes)


def leg(symbol: str, intent: str, ratio: int = 1) -> Leg:
    said = PositionIntent(intent)
    return Leg(symbol, said.side, ratio, said)


BULL_PUT = (leg(PUT_100, "sell_to_open"), leg(PUT_95, "buy_to_open"))
MARKET = {"type": OrderType.MARKET, "limit_price": None}


def spread(*legs: Leg, **changes: Any) -> Ticket:
    asked = replace(single(), symbol="", side=None, legs=legs or BULL_PUT, order_class=OrderClass.MLEG, limit_price=Decimal(-1))
    return replace(asked, **changes)


def said(asked: Ticket, around: Situation) -> str | None:
    found = objection(asked, around)
    return None if found is None else f"{found.status} {found.code} {found.message}"


LAST_DAY = {"now": datetime(2025, 6, 20, 19, 30, tzinfo=UTC)}
REFUSED_SINGLES = [
    (single(order_class=OrderClass.BRACKET), {}, "422 42210000 complex orders not supported for options trading"),
    (single(type=OrderType.TRAILING_STOP), {}, "422 42210000 invalid option order_type"),
    (single(time_in_force=TimeInForce.IOC), {}, "422 42210000 invalid option time_in_force"),
    (single(quantity="1.5"), {}, "422 42210000 qty must be integer for options trading"),
    (single(notional=Decimal(100)), {}, "422 42210000 notional orders are not supported for options trading"),
    (single(extended_hours=True), {}, "422 42210000 extended hours is not supported for options trading"),
    (single(), {"options_level": 0}, "403 40310000 account not authorized to trade options"),
    (single("ABC250620P00101000"), {}, '422 42210000 contract "ABC250620P00101000" not found'),
    (single(GONE), {}, f'422 42210000 contract "{GONE}" is expired'),
    (single(**MARKET), {"phase": Phase.PRE}, "422 42210000 options market orders are only allowed during market hours"),
    (
        single(position_intent=PositionIntent.BUY_TO_CLOSE),
        {},
        "422 42210000 position intent mismatch, inferred: buy_to_open, specified: buy_to_close",
    ),
    (single(), LAST_DAY, f'422 42210000 contract "{PUT_100}" expires soon, unable to open new positions'),
    (single(), {"options_level": 1}, "403 40310000 account not eligible to trade long option contracts"),
    (
        single(CALL_110, "sell"),
        {"held": {"ABC": 99}},
        "403 40310000 insufficient underlying qty available for covered call (required: 100, available: 99)",
    ),
    (
        single(CALL_110, "sell", 2),
        {"held": {"ABC": 200, CALL_100: -1}},
        "403 40310000 insufficient underlying qty available for covered call (required: 200, available: 100)",
    ),
    (
        single(CALL_110, "sell"),
        {"held": {CALL_100: 1}, "options_level": 2},
        "403 40310000 insufficient underlying qty available for covered call (required: 100, available: 0)",
    ),
    (
        single(LATER_CALL, "sell"),
        {"held": {CALL_100: 1}},
        "403 40310000 insufficient underlying qty available for covered call (required: 100, available: 0)",
    ),
    (
        single(PUT_95, "sell"),
        {"held": {PUT_100: -1, PUT_95: 1}},
        "403 40310000 account not eligible to trade uncovered option contracts",
    ),
    (
        single(PUT_95, "sell", 2),
        {"held": {PUT_95: 1}},
        "403 40310000 insufficient qty available for order (requested: 2, available: 1)",
    ),
]
ALLOWED_SINGLES = [
    (single(), {}),
    (single(time_in_force=TimeInForce.GTC), {}),
    (single(**MARKET), {}),
    (single(), {"phase": Phase.PRE}),
    (single(type=OrderType.STOP_LIMIT, stop_price=Decimal(2)), {}),
    (single(PUT_100, "sell"), {"options_level": 1}),
    (single(CALL_110, "sell"), {"options_level": 1, "held": {"ABC": 100}}),
    (single(CALL_110, "sell"), {"held": {CALL_100: 1}}),
    (single(CALL_110, "sell"), {"held": {LATER_CALL: 1}}),
    (single(PUT_100, "sell"), {**LAST_DAY, "held": {PUT_100: 1}, "options_level": 1}),
    (single(PUT_100, "buy"), {"held": {PUT_100: -1, PUT_95: 1}, "options_level": 1}),
]


@pytest.mark.parametrize(("asked", "around", "words"), REFUSED_SINGLES, ids=[case[2][13:60] for case in REFUSED_SINGLES])
def test_single_leg_order_is_refused_in_alpacas_words(asked: Ticket, around: dict[str, Any], words: str) -> None:
    assert said(asked, world(**around)) == words


@pytest.mark.parametrize(("asked", "around"), ALLOWED_SINGLES)
def test_single_leg_order_within_the_rules_passes(asked: Ticket, around: dict[str, Any]) -> None:
    assert said(asked, world(**around)) is None


ROLL = (
    leg(PUT_100, "buy_to_close"),
    leg(PUT_95, "sell_to_close"),
    leg(PUT_95.replace("250620", "250718"), "sell_to_open"),
    leg(PUT_90.replace("250620", "250718"), "buy_to_open"),
)
LISTED |= {item.symbol: listed(contract_of(item.symbol)) for item in ROLL}
HELD = {"held": {PUT_100: -1, PUT_95: 1}}
UNCOVERED = "403 40310000 account not eligible to trade uncovered option contracts"
REFUSED_SPREADS = [
    (spread(type=OrderType.STOP), {}, "422 42210000 invalid order type for options trading"),
    (spread(time_in_force=TimeInForce.FOK), {}, "422 42210000 invalid time in force"),
    (spread(limit_price=None), {}, "422 42210000 limit price is required for limit orders"),
    (spread(type=OrderType.MARKET), {}, "422 42210000 limit price is only valid for limit orders"),
    (spread(limit_price=Decimal("-1.005")), {}, "422 42210000 invalid limit price"),
    (spread(), {"options_level": 2}, "403 40310000 account not eligible to trade spreads or uncovered contracts"),
    (
        spread(leg(PUT_100, "sell_to_open"), leg("ABC250620P00101000", "buy_to_open")),
        {},
        "422 42210000 asset not found for ABC250620P00101000",
    ),
    (spread(leg(PUT_100, "sell_to_open"), leg(OTHER, "buy_to_open")), {}, "422 42210000 underlying asset mismatch: ABC != XYZ"),
    (spread(**MARKET), {"phase": Phase.AFTER}, "422 42210000 options market orders are only allowed during market hours"),
    (
        spread(leg(PUT_100, "buy_to_close"), leg(PUT_95, "sell_to_close")),
        {},
        "422 42210000 position intent mismatch, inferred: buy_to_open, specified: buy_to_close",
    ),
    (spread(), LAST_DAY, f'422 42210000 contract "{PUT_100}" expires soon, unable to open new positions'),
    (spread(*ROLL[:2], ROLL[2]), HELD, "422 42210000 rolling contracts ambiguity"),
    (spread(leg(PUT_100, "sell_to_open", 2), leg(PUT_95, "buy_to_open")), {}, UNCOVERED),
    (spread(leg(CALL_110, "sell_to_open"), leg(PUT_95, "sell_to_open")), {}, UNCOVERED),
    (spread(leg(LATER_CALL, "sell_to_open"), leg(CALL_100, "buy_to_open")), {}, UNCOVERED),
    (spread(leg(CALL_110, "sell_to_open"), leg(PUT_95, "buy_to_open")), {"held": {"ABC": 100}}, UNCOVERED),
    (
        spread(leg(PUT_100, "buy_to_close"), leg(PUT_95, "sell_to_close"), quantity=Decimal(2)),
        HELD,
        "403 40310000 insufficient qty available for order (requested: 2, available: 1)",
    ),
]
ALLOWED_SPREADS = [
    (spread(), {}),
    (spread(**MARKET), {}),
    (spread(limit_price=Decimal(0)), {}),
    (spread(leg(PUT_100, "buy_to_open"), leg(PUT_95, "sell_to_open"), limit_price=Decimal(2)), {}),
    (spread(leg(CALL_110, "sell_to_open"), leg(LATER_CALL, "buy_to_open")), {}),
    (spread(leg(PUT_100, "buy_to_open"), leg(CALL_100, "buy_to_open")), {}),
    (spread(leg(PUT_100, "buy_to_open", 2), leg(PUT_95, "sell_to_open")), {}),
    (spread(leg(PUT_100, "buy_to_close"), leg(PUT_95, "sell_to_close")), {**HELD, "options_level": 1}),
    (spread(leg(PUT_100, "buy_to_close"), leg(PUT_95, "sell_to_close")), {**HELD, **LAST_DAY}),
    (spread(*ROLL), HELD),
]


@pytest.mark.parametrize(
    ("asked", "around", "words"), REFUSED_SPREADS, ids=[f"{n} {case[2][13:50]}" for n, case in enumerate(REFUSED_SPREADS)]
)
def test_multi_leg_order_is_refused_in_alpacas_words(asked: Ticket, around: dict[str, Any], words: str) -> None:
    assert said(asked, world(**around)) == words


@pytest.mark.parametrize(("asked", "around"), ALLOWED_SPREADS)
def test_multi_leg_order_within_the_rules_passes(asked: Ticket, around: dict[str, Any]) -> None:
    assert said(asked, world(**around)) is None


def test_stocks_are_none_of_its_business() -> None:
    assert objection(single("ABC", asset_class=AssetClass.EQUITY, extended_hours=True), world(options_level=0)) is None


def test_intent_follows_from_the_position() -> None:
    book = world({PUT_95: 2, PUT_100: -1}).book
    intents = {(symbol, side): inferred_intent(book, symbol, side) for symbol in (PUT_90, PUT_95, PUT_100) for side in Side}
    assert intents[PUT_90, Side.BUY] is intents[PUT_95, Side.BUY] is PositionIntent.BUY_TO_OPEN
    assert intents[PUT_100, Side.BUY] is PositionIntent.BUY_TO_CLOSE
    assert intents[PUT_90, Side.SELL] is intents[PUT_100, Side.SELL] is PositionIntent.SELL_TO_OPEN
    assert intents[PUT_95, Side.SELL] is PositionIntent.SELL_TO_CLOSE


def test_open_order_to_sell_a_call_locks_the_shares_that_cover_it() -> None:
    around = world({"ABC": 150})
    apply(around.book, Submit(single(CALL_110, "sell"), NOON, works_now=True))
    assert locked_shares(around.book, "ABC") == 100
    refused = said(single(CALL_100, "sell"), around)
    assert refused is not None and refused.endswith("covered call (required: 100, available: 50)")


def test_bought_call_covers_one_sold_call_and_not_two() -> None:
    around = world({CALL_100: 1})
    apply(around.book, Submit(single(CALL_110, "sell"), NOON, works_now=True))
    assert said(single(CALL_110, "sell"), around) is not None
