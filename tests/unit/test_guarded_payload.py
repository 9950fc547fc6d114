"""Problems of an order that are found before it is sent: the field, its value, and what to give instead."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from alpaca.trading.enums import OrderClass, OrderSide, PositionIntent, TimeInForce
from alpaca.trading.requests import LimitOrderRequest, MarketOrderRequest, OptionLegRequest, StopLossRequest, TakeProfitRequest

from desk.brokers.guarded.payload import first_problem

Body = dict[str, Any]
PLAIN: Body = {"symbol": "ABC", "side": "buy", "type": "market", "qty": "10", "time_in_force": "day", "client_order_id": "a-1"}
LIMIT: Body = {"type": "limit", "limit_price": "100"}
EXITS: Body = {"take_profit": {"limit_price": "115"}, "stop_loss": {"stop_price": "95"}}
SHORT_EXITS: Body = {"take_profit": {"limit_price": "85"}, "stop_loss": {"stop_price": "105"}}
BRACKET: Body = {"order_class": "bracket", **EXITS}
SHORT: Body = {"order_class": "bracket", "side": "sell", **SHORT_EXITS}
OCO: Body = {"order_class": "oco", "side": "sell", "type": "limit", **EXITS}
CALL, HIGHER_CALL, OTHER_CALL = "ABC270115C00100000", "ABC270115C00110000", "XYZ270115C00100000"
OPTION: Body = {"symbol": CALL}


def legs(*ratios: object, symbols: tuple[str, ...] = (), intents: tuple[str, ...] = (), **changes: object) -> Body:
    """A multi-leg order of calls bought and sold in turn, one strike after the other."""
    contracts = symbols or tuple(f"ABC270115C00{100 + number}000" for number in range(len(ratios)))
    turns = intents or tuple(("buy_to_open", "sell_to_open")[number % 2] for number in range(len(ratios)))
    made = [
        {"symbol": contract, "ratio_qty": ratio, "position_intent": intent, **changes}
        for contract, ratio, intent in zip(contracts, ratios, turns, strict=True)
    ]
    return {"symbol": None, "side": None, "order_class": "mleg", **LIMIT, "qty": "1", "legs": made}


GOOD: list[Body] = [
    {},
    {"qty": 10.0},
    {"qty": "0.5"},
    {"qty": None, "notional": 250.5},
    {**LIMIT, "extended_hours": True},
    {**LIMIT, "limit_price": "0.1234"},
    {**LIMIT, "time_in_force": "ioc"},
    {"time_in_force": "opg"},
    {"type": "stop", "stop_price": "90"},
    {"type": "stop_limit", "stop_price": "90", "limit_price": "89.5", "time_in_force": "gtc"},
    {"type": "trailing_stop", "trail_percent": "1.5", "side": "sell", "time_in_force": "gtc"},
    {"type": "trailing_stop", "trail_price": "2.25", "side": "sell"},
    {**BRACKET, "time_in_force": "gtc"},
    {**BRACKET, **LIMIT},
    {**BRACKET, **LIMIT, "stop_loss": {"stop_price": "99.99", "limit_price": "98"}},
    SHORT,
    OCO,
    {**OCO, "limit_price": "115.00"},
    {**OCO, "side": "buy", **SHORT_EXITS},
    {"order_class": "oto", "stop_loss": {"stop_price": "95"}},
    {"order_class": ""},
    {"position_intent": "buy_to_open"},
    {**OPTION, "time_in_force": "gtc", **LIMIT},
    legs(1, 1),
    legs("1", 2.0),
    {**legs(1, 1), "limit_price": "-1.25"},
    {**legs(1, 1), "limit_price": None, "type": "market"},
    legs(1, 1, intents=("buy_to_open", "buy_to_open")),
    legs(1, 2, 1, 2),
]
BAD: list[tuple[Body, str, str]] = [
    ({"client_order_id": None}, "client_order_id", "never used before"),
    ({"client_order_id": "x" * 129}, "client_order_id", "1 to 128"),
    ({"client_order_id": "a\nb"}, "client_order_id", "printable"),
    ({"symbol": ""}, "symbol", "such as AAPL"),
    ({"symbol": "ABC270115C0010000X"}, "symbol", "option contract"),
    ({"side": "long"}, "side", "buy, sell"),
    ({"type": "peg"}, "type", "market, limit"),
    ({"time_in_force": "gtd"}, "time_in_force", "day, gtc"),
    ({"order_class": "otoco"}, "order_class", "bracket"),
    ({"position_intent": "sell_to_close"}, "position_intent", "side buy"),
    ({"extended_hours": "true"}, "extended_hours", "true or false"),
    ({"qty": None}, "qty", "either qty or notional"),
    ({"notional": 100}, "qty", "either qty or notional"),
    ({"qty": 0}, "qty", "above 0"),
    ({"qty": -5}, "qty", "above 0"),
    ({"qty": "ten"}, "qty", "a number"),
    ({"qty": float("nan")}, "qty", "a number"),
    ({"qty": True}, "qty", "a number"),
    ({"qty": "0.1234567891"}, "qty", "multiple of 1E-9"),
    ({"qty": "1.5", "time_in_force": "gtc"}, "time_in_force", "give day"),
    ({**BRACKET, "qty": 1.5}, "qty", "bracket takes no fractions"),
    ({"qty": 1.5, "type": "trailing_stop", "trail_price": 1}, "type", "whole shares"),
    ({"qty": None, "notional": "0.99"}, "notional", "at least 1"),
    ({"qty": None, "notional": "10.001"}, "notional", "multiple of 0.01"),
    ({"qty": None, "notional": "10", **LIMIT}, "notional", "market order"),
    ({"limit_price": 100}, "limit_price", "leave it out of a market order"),
    ({"type": "limit"}, "limit_price", "give one to a limit order"),
    ({"type": "stop"}, "stop_price", "give one to a stop order"),
    ({"type": "stop_limit", "stop_price": 90}, "limit_price", "stop_limit"),
    ({**LIMIT, "stop_price": 90}, "stop_price", "leave it out"),
    ({**LIMIT, "trail_price": 1}, "trail_price", "trailing stop"),
    ({"type": "trailing_stop"}, "trail_price", "one of"),
    ({"type": "trailing_stop", "trail_price": 1, "trail_percent": 1}, "trail_price", "one of"),
    ({"type": "trailing_stop", "trail_percent": 100}, "trail_percent", "below 100"),
    ({**BRACKET, "type": "trailing_stop", "trail_percent": 1}, "order_class", "simple"),
    ({**LIMIT, "limit_price": "100.001"}, "limit_price", "multiple of 0.01"),
    ({**LIMIT, "limit_price": "0.12345"}, "limit_price", "multiple of 0.0001"),
    ({**LIMIT, "limit_price": "-1"}, "limit_price", "above 0"),
    ({**BRACKET, "stop_loss": {"stop_price": 95.005}}, "stop_loss.stop_price", "multiple of 0.01"),
    ({**EXITS}, "take_profit", "name the order_class"),
    ({"order_class": "bracket"}, "take_profit.limit_price", "needs it"),
    ({"order_class": "bracket", "take_profit": {"limit_price": 115}}, "stop_loss.stop_price", "needs it"),
    ({**BRACKET, "stop_loss": {"limit_price": 95}}, "stop_loss.stop_price", "needs it"),
    ({**BRACKET, "stop_loss": 95}, "stop_loss", "give its prices"),
    ({"order_class": "oto"}, "order_class", "either"),
    ({**EXITS, "order_class": "oto"}, "order_class", "either"),
    ({**BRACKET, **SHORT_EXITS}, "take_profit.limit_price", "above stop_loss.stop_price 105"),
    ({**SHORT, **EXITS}, "take_profit.limit_price", "below stop_loss.stop_price 95"),
    ({**BRACKET, **LIMIT, "limit_price": "95"}, "stop_loss.stop_price", "94.99 or beyond"),
    ({**BRACKET, **LIMIT, "limit_price": "115"}, "take_profit.limit_price", "115.01 or beyond"),
    ({**SHORT, **LIMIT, "limit_price": "105"}, "stop_loss.stop_price", "105.01 or beyond"),
    ({**OCO, "type": "market"}, "type", "limit"),
    ({**OCO, "stop_price": 95}, "stop_price", "its exits"),
    ({**OCO, "limit_price": 114}, "limit_price", "again"),
    ({**BRACKET, "time_in_force": "ioc"}, "time_in_force", "day or gtc"),
    ({"type": "stop", "stop_price": 90, "time_in_force": "fok"}, "time_in_force", "day or gtc"),
    ({"extended_hours": True}, "extended_hours", "simple limit orders"),
    ({**BRACKET, **LIMIT, "extended_hours": True}, "extended_hours", "simple limit orders"),
    ({**LIMIT, "extended_hours": True, "time_in_force": "ioc"}, "extended_hours", "until cancelled"),
    ({**OPTION, "qty": "0.5"}, "qty", "multiple of 1"),
    ({**OPTION, "time_in_force": "ioc"}, "time_in_force", "day, gtc"),
    ({**OPTION, "type": "trailing_stop", "trail_price": 1}, "type", "stop_limit"),
    ({**OPTION, "qty": None, "notional": 100}, "notional", "leave it out"),
    ({**OPTION, **LIMIT, "extended_hours": True}, "extended_hours", "leave it out"),
    ({**OPTION, **LIMIT, "limit_price": "0.123"}, "limit_price", "multiple of 0.01"),
    ({**OPTION, **BRACKET}, "order_class", "simple"),
    ({**legs(1, 1), "symbol": "ABC"}, "symbol", "leave it out"),
    ({**legs(1, 1), "side": "buy"}, "side", "leave it out"),
    ({**legs(1, 1), "extended_hours": True}, "extended_hours", "regular hours"),
    ({**legs(1, 1), "qty": None}, "qty", "number of units"),
    ({**legs(1, 1), "qty": "1.5"}, "qty", "multiple of 1"),
    ({**legs(1, 1), "type": "stop"}, "type", "market, limit"),
    ({**legs(1, 1), "time_in_force": "gtc"}, "time_in_force", "day"),
    ({**legs(1, 1), "limit_price": None}, "limit_price", "a limit order needs one"),
    ({**legs(1, 1), "type": "market"}, "limit_price", "a market order takes none"),
    ({**legs(1, 1), "limit_price": "1.234"}, "limit_price", "multiple of 0.01"),
    (legs(1), "legs", "give 2 to 4"),
    (legs(1, 1, 1, 1, 1), "legs", "give 2 to 4"),
    ({**legs(1, 1), "legs": "two"}, "legs", "give a list"),
    (legs(1, 1, symbols=(CALL, CALL)), "legs", "once"),
    (legs(1, 1, symbols=(CALL, "ABC")), "legs[1].symbol", "option contract"),
    (legs(1, 1, symbols=(CALL, OTHER_CALL)), "legs.symbol", "one underlying"),
    (legs(2, 2), "legs.ratio_qty", "divide by 2"),
    (legs(1, 0), "legs[1].ratio_qty", "whole number from 1"),
    (legs(1, 1.5), "legs[1].ratio_qty", "whole number from 1"),
    (legs(1, 1, position_intent=None), "legs[0].position_intent", "one of"),
    (legs(1, 1, side="sell"), "legs[0].side", "buy_to_open"),
    ({**legs(1, 1, intents=("buy_to_open", "buy_to_close")), "limit_price": -1}, "limit_price", "positive"),
    (legs(1, 1, intents=("sell_to_close", "sell_to_open")), "limit_price", "negative"),
]


@pytest.mark.parametrize("changes", GOOD)
def test_an_order_that_alpaca_takes_has_no_problem(changes: Body) -> None:
    assert first_problem({**PLAIN, **changes}) is None


@pytest.mark.parametrize(("changes", "field", "fix"), BAD)
def test_a_problem_names_field_value_and_fix(changes: Body, field: str, fix: str) -> None:
    found = first_problem({**PLAIN, **changes})
    assert found is not None
    assert (found.field, fix in found.fix) == (field, True), found.text
    assert found.text == f"{field} {found.value}: {found.fix}"


@pytest.mark.parametrize(
    ("changes", "base", "field"),
    [
        (BRACKET, "95", "stop_loss.stop_price"),
        (BRACKET, "95.01", None),
        (BRACKET, "114.99", None),
        (BRACKET, "115", "take_profit.limit_price"),
        (SHORT, "105", "stop_loss.stop_price"),
        (SHORT, "104.99", None),
        (SHORT, "85", "take_profit.limit_price"),
        (OCO, "95", "stop_loss.stop_price"),
        (OCO, "120", None),  # a target that the market has passed fills at once
        ({**BRACKET, **LIMIT}, "120", None),  # the target of an entry with a limit is measured from that
        ({**BRACKET, **LIMIT}, "95", "stop_loss.stop_price"),
        ({"type": "stop", "stop_price": "90"}, "80", None),
    ],
)
def test_exits_lie_a_cent_beyond_the_market_where_it_is_known(changes: Body, base: str, field: str | None) -> None:
    found = first_problem({**PLAIN, **changes}, Decimal(base))
    assert (found.field if found else None) == field


def test_what_alpaca_py_is_about_to_send_is_read_as_it_is() -> None:
    """Its enumerations and floats, before they are JSON."""
    exits = {"take_profit": TakeProfitRequest(limit_price=115.1), "stop_loss": StopLossRequest(stop_price=95.07)}
    market = MarketOrderRequest(
        symbol="ABC",
        qty=3,
        side=OrderSide.BUY,
        time_in_force=TimeInForce.GTC,
        client_order_id="a",
        order_class=OrderClass.BRACKET,
        **exits,
    )
    assert first_problem(market.to_request_fields()) is None
    two = [
        OptionLegRequest(symbol=CALL, ratio_qty=1, side=OrderSide.BUY, position_intent=PositionIntent.BUY_TO_OPEN),
        OptionLegRequest(symbol=HIGHER_CALL, ratio_qty=1, position_intent=PositionIntent.SELL_TO_OPEN),
    ]
    spread = LimitOrderRequest(
        qty=2, limit_price=-1.25, time_in_force=TimeInForce.DAY, client_order_id="b", order_class=OrderClass.MLEG, legs=two
    )
    assert first_problem(spread.to_request_fields()) is None
