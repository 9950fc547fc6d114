"""Orders that are not as an order has to be: Alpaca's status, code and words, and that nothing has changed after them."""

from __future__ import annotations

from typing import Any

import pytest
from refusals import AT_100, BRACKET, CALLS, EXITS, FORBIDDEN, INVALID, OCO, UNPROCESSABLE, Body, case, check_refused, legs

NEEDS_SYMBOL = "An order other than a multi-leg one names a symbol."
TRAILING = "A trailing stop has either trail_price or trail_percent."
GROUP_LIFE = "Brackets, OCOs and OTOs are DAY or GTC orders."
FOR_AN_INSTANT = "IOC, FOK, OPG and CLS go with market and limit orders only."
FRACTION_DAY = "Orders for a fraction of a share are DAY orders, which is asked before their class."
EXTENDED = "Only simple DAY or GTC limit orders are eligible for extended hours."
LEGS = "A multi-leg order has two to four legs."
REFUSED = [
    case(1, NEEDS_SYMBOL, {"symbol": None}, INVALID, "symbol is required", "OAS"),
    case(1, NEEDS_SYMBOL, {"symbol": 7}, INVALID, "symbol is required", "OAS"),
    case(2, "An unknown symbol is refused by name.", {"symbol": "NONE"}, UNPROCESSABLE, 'asset "NONE" not found', "3P"),
    case(3, "An asset that does not trade is refused.", {"symbol": "NEW"}, UNPROCESSABLE, 'asset "NEW" is not tradable', "3P"),
    case(4, "side is buy or sell.", {"side": "long"}, INVALID, "invalid side", "OAS"),
    case(5, "type is one of five.", {"type": "iceberg"}, INVALID, "invalid order type", "OAS"),
    case(5, "type is one of five.", {"type": ["market"]}, INVALID, "invalid order type", "OAS"),
    case(6, "time_in_force is one of six.", {"time_in_force": "forever"}, INVALID, "invalid time_in_force", "OAS"),
    case(6, "time_in_force is one of six.", {"time_in_force": None}, INVALID, "invalid time_in_force", "OAS"),
    case(7, "An order has a size: qty or notional.", {"qty": None}, INVALID, "qty or notional is required"),
    case(8, "qty and notional exclude each other.", {"notional": 5}, INVALID, "only one of qty or notional is accepted", "3P"),
    case(9, "qty is above zero.", {"qty": 0}, INVALID, "qty must be > 0", "3P"),
    case(9, "qty is above zero.", {"qty": -5}, INVALID, "qty must be > 0", "3P"),
    case(10, "A market order has no price.", {"limit_price": 90}, INVALID, "market orders require no stop or limit price"),
    case(10, "A market order has no price.", {"stop_price": 90}, INVALID, "market orders require no stop or limit price"),
    case(11, "A limit order has a limit.", {"type": "limit"}, INVALID, "limit orders require a limit price"),
    case(12, "A stop order has a stop.", {"type": "stop"}, INVALID, "stop orders require a stop price"),
    case(
        13,
        "A stop-limit order has both a stop and a limit.",
        {"type": "stop_limit", "stop_price": 110},
        INVALID,
        "stop limit orders require both stop and limit price",
    ),
    case(
        14, TRAILING, {"type": "trailing_stop"}, INVALID, "trailing stop orders must specify one of trail_price or trail_percent"
    ),
    case(
        14,
        TRAILING,
        {"type": "trailing_stop", "trail_price": 1, "trail_percent": 1},
        INVALID,
        "trailing stop orders must specify one of trail_price or trail_percent",
    ),
    case(
        15,
        "A limit order has no stop price.",
        {**AT_100, "stop_price": 90},
        INVALID,
        "limit orders must not have stop_price",
        "3P",
        "unknown",
    ),
    case(16, "Only trailing stops trail.", {"trail_price": 1}, INVALID, "market orders must not have trail_price"),
    case(
        17,
        "Prices from one dollar up have two decimals.",
        {"type": "limit", "limit_price": 290.123},
        UNPROCESSABLE,
        "invalid limit_price 290.123. sub-penny increment does not fulfill minimum pricing criteria",
    ),
    case(
        17,
        "Prices from one dollar up have two decimals.",
        {"type": "stop", "stop_price": "110.001"},
        UNPROCESSABLE,
        "invalid stop_price 110.001. sub-penny increment does not fulfill minimum pricing criteria",
    ),
    case(
        18,
        "Prices below one dollar have four decimals.",
        {"type": "limit", "limit_price": "0.12345"},
        UNPROCESSABLE,
        "invalid limit_price 0.12345. sub-penny increment does not fulfill minimum pricing criteria",
    ),
    case(
        19,
        "A client order id has at most 128 characters.",
        {"client_order_id": "x" * 129},
        INVALID,
        "client_order_id must be no more than 128 characters",
        "OAS",
    ),
    case(20, FRACTION_DAY, {"qty": "1.5"}, UNPROCESSABLE, "fractional orders must be DAY orders", "3P-M", "measured"),
    case(20, FRACTION_DAY, {"qty": "1.5", **BRACKET}, UNPROCESSABLE, "fractional orders must be DAY orders", "3P-M", "measured"),
    case(
        21,
        "Orders for a fraction of a share are simple orders.",
        {"qty": "1.5", "time_in_force": "day", **BRACKET},
        UNPROCESSABLE,
        "fractional orders must be simple orders",
        "3P-M",
        "measured",
    ),
    case(
        21,
        "Orders for a fraction of a share are simple orders.",
        {"qty": None, "notional": "100", "time_in_force": "day", **BRACKET},
        UNPROCESSABLE,
        "fractional orders must be simple orders",
        "3P-M",
        "measured",
    ),
    case(
        22,
        "A fraction of a share cannot be sold short.",
        {"qty": "1.5", "time_in_force": "day", "side": "sell"},
        UNPROCESSABLE,
        "fractional orders cannot be sold short",
    ),
    case(
        23,
        "An order by dollars is for one dollar at least.",
        {"qty": None, "notional": "0.99", "time_in_force": "day"},
        UNPROCESSABLE,
        "notional amount must be >= 1.00",
        "3P",
    ),
    case(
        24,
        "An order by dollars is a market order.",
        {"qty": None, "notional": "100", "time_in_force": "day", **AT_100},
        UNPROCESSABLE,
        "notional orders must be market orders",
        "OAS",
    ),
    case(25, EXTENDED, {"extended_hours": True}, UNPROCESSABLE, "extended hours order must be DAY or GTC limit orders"),
    case(
        25,
        EXTENDED,
        {"extended_hours": True, **BRACKET, **AT_100},
        UNPROCESSABLE,
        "extended hours order must be DAY or GTC limit orders",
    ),
    case(
        25,
        EXTENDED,
        {"extended_hours": True, **AT_100, "time_in_force": "ioc"},
        UNPROCESSABLE,
        "extended hours order must be DAY or GTC limit orders",
    ),
    case(
        26,
        "A bracket has a take-profit's limit price.",
        {"order_class": "bracket", "stop_loss": EXITS["stop_loss"]},
        INVALID,
        "bracket orders require take_profit.limit_price",
        "3P",
        "measured",
    ),
    case(
        26,
        "A bracket has a take-profit's limit price.",
        {**BRACKET, "take_profit": {}},
        INVALID,
        "bracket orders require take_profit.limit_price",
        "3P",
        "measured",
    ),
    case(
        27,
        "A bracket has a stop-loss's stop price.",
        {**BRACKET, "stop_loss": {"limit_price": "94"}},
        INVALID,
        "bracket orders require stop_loss.stop_price",
    ),
    case(32, GROUP_LIFE, {**BRACKET, "time_in_force": "ioc"}, UNPROCESSABLE, "bracket orders must be DAY or GTC orders"),
    case(32, GROUP_LIFE, {**OCO, "time_in_force": "fok"}, UNPROCESSABLE, "oco orders must be DAY or GTC orders"),
    case(34, "An OCO is of type limit.", {**OCO, "type": "market"}, INVALID, "oco orders must be limit orders"),
    case(
        35,
        "An OCO has a take-profit of its own, a limit_price of the order is not enough.",
        {**OCO, "take_profit": None, "limit_price": "115"},
        INVALID,
        "oco orders require take_profit.limit_price",
        "3P-M",
        "measured",
    ),
    case(
        38,
        "An OTO has exactly one of take_profit and stop_loss.",
        {**BRACKET, "order_class": "oto"},
        INVALID,
        "oto orders require either take_profit or stop_loss",
        "3P",
    ),
    case(
        38,
        "An OTO has exactly one of take_profit and stop_loss.",
        {"order_class": "oto"},
        INVALID,
        "oto orders require either take_profit or stop_loss",
        "3P",
    ),
    case(39, "A simple order has no exits.", EXITS, INVALID, "simple orders must not have take_profit or stop_loss", "OAS"),
    case(
        40,
        FOR_AN_INSTANT,
        {"type": "stop", "stop_price": 110, "time_in_force": "ioc"},
        UNPROCESSABLE,
        "stop orders must be DAY or GTC orders",
        "OAS",
    ),
    case(
        40,
        FOR_AN_INSTANT,
        {"type": "stop_limit", "stop_price": 110, "limit_price": 111, "time_in_force": "cls"},
        UNPROCESSABLE,
        "stop limit orders must be DAY or GTC orders",
        "OAS",
    ),
    case(
        41,
        "A trailing stop is a DAY or GTC order.",
        {"type": "trailing_stop", "trail_price": 1, "time_in_force": "opg"},
        UNPROCESSABLE,
        "trailing stop orders must be DAY or GTC orders",
    ),
    case(
        42,
        "A trailing stop is a simple order, never part of a group.",
        {**BRACKET, "type": "trailing_stop", "trail_price": 1},
        UNPROCESSABLE,
        "trailing stop orders must be simple orders",
    ),
    case(
        48,
        "Special routing is for those who subscribe to it.",
        {"advanced_instructions": {"algorithm": "VWAP"}},
        FORBIDDEN,
        "account not allowed to use advanced_instructions",
    ),
    case(49, LEGS, legs(), UNPROCESSABLE, "mleg orders must have at least 2 legs and at most 4 legs", "3P", "measured"),
    case(49, LEGS, legs(1), UNPROCESSABLE, "mleg orders must have at least 2 legs and at most 4 legs", "3P", "measured"),
    case(
        49, LEGS, legs(1, 1, 1, 1, 1), UNPROCESSABLE, "mleg orders must have at least 2 legs and at most 4 legs", "3P", "measured"
    ),
    case(
        50,
        "Ratios of legs have no common factor.",
        legs(2, 2),
        UNPROCESSABLE,
        "leg ratio quantities should be relatively prime: GCD[2 2] = 2",
    ),
    case(
        51,
        "Every leg says its position intent.",
        legs(1, 1, position_intent=None),
        UNPROCESSABLE,
        "leg.0 position intent is required",
    ),
    case(52, "Legs are of different contracts.", legs(1, 1, symbol=CALLS[0]), UNPROCESSABLE, "leg symbols should be unique"),
    case(
        53,
        "Legs are options.",
        legs(1, 1, symbol="ABC"),
        UNPROCESSABLE,
        "asset not found for ABC",
    ),
    case(
        54,
        "A multi-leg limit order has a limit.",
        {**legs(1, 1), "limit_price": None},
        UNPROCESSABLE,
        "limit price is required for limit orders",
    ),
    case(55, "A net price has two decimals.", {**legs(1, 1), "limit_price": "1.001"}, UNPROCESSABLE, "invalid limit price"),
    case(56, "Absurd sizes are invalid.", {"qty": "1e400"}, INVALID, "invalid qty", "UNVERIFIED", "unknown"),
    case(56, "Absurd sizes are invalid.", {"qty": "NaN"}, INVALID, "invalid qty", "UNVERIFIED", "unknown"),
    case(56, "Absurd sizes are invalid.", {"qty": True}, INVALID, "invalid qty", "UNVERIFIED", "unknown"),
]


@pytest.mark.parametrize(("before", "body", "code", "message", "extra"), REFUSED)
def test_malformed_order_is_refused(
    client: Any, before: tuple[Body, ...], body: Body, code: tuple[int, int], message: str, extra: Body
) -> None:
    check_refused(client, before, body, code, message, extra)
