"""Rules of an order of several option legs (https://docs.alpaca.markets/docs/options-level-3-trading)."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from math import gcd

from desk.brokers.guarded.problems import (
    CENT,
    LARGEST_PRICE,
    LARGEST_QUANTITY,
    Body,
    Problem,
    enum_problem,
    is_whole,
    number_of,
    number_problem,
    problem,
    word_of,
)
from options import occ

FEWEST_LEGS, MOST_LEGS = 2, 4
LARGEST_RATIO = 1_000_000
INTENTS = ("buy_to_open", "buy_to_close", "sell_to_open", "sell_to_close")
_ALONE = (
    "symbol",
    "side",
    "notional",
    "stop_price",
    "trail_price",
    "trail_percent",
    "take_profit",
    "stop_loss",
    "position_intent",
)


def multi_leg_problem(body: Body) -> Problem | None:
    """The first thing that is wrong with an order of class mleg. It trades in units; a credit has a negative limit."""
    checks = (_own_fields, _legs, _ratios, _underlyings, _price_sign)
    return next((found for check in checks if (found := check(body)) is not None), None)


def _own_fields(body: Body) -> Problem | None:
    given = next((name for name in _ALONE if body.get(name) not in (None, "")), None)
    if given is not None:
        return problem(given, body[given], "leave it out: the legs of an mleg order have their own")
    if body.get("extended_hours"):
        return problem("extended_hours", body["extended_hours"], "leave it out: options trade in regular hours")
    found = (
        number_problem(body, "qty", Decimal(1), LARGEST_QUANTITY)
        or (problem("qty", None, "give the number of units, a whole one") if body.get("qty") is None else None)
        or enum_problem(body, "type", ("market", "limit"))
        or enum_problem(body, "time_in_force", ("day",))
        or number_problem(body, "limit_price", CENT, LARGEST_PRICE, signed=True)
    )
    has_limit, is_limit = body.get("limit_price") is not None, word_of(body, "type") == "limit"
    if found is None and has_limit != is_limit:
        return problem("limit_price", body.get("limit_price"), "a limit order needs one, a market order takes none")
    return found


def _legs(body: Body) -> Problem | None:
    legs = body.get("legs")
    if not isinstance(legs, list | tuple) or not all(isinstance(leg, Mapping) for leg in legs):
        return problem("legs", legs, f"give a list of {FEWEST_LEGS} to {MOST_LEGS} legs")
    if not FEWEST_LEGS <= len(legs) <= MOST_LEGS:
        return problem("legs", f"{len(legs)} legs", f"give {FEWEST_LEGS} to {MOST_LEGS}")
    for place, leg in enumerate(legs):
        found = _leg(leg, f"legs[{place}]")
        if found is not None:
            return found
    symbols = [leg["symbol"] for leg in legs]
    twice = next((symbol for symbol in symbols if symbols.count(symbol) > 1), None)
    return None if twice is None else problem("legs", twice, "name each contract once")


def _leg(leg: Body, name: str) -> Problem | None:
    symbol, intent = leg.get("symbol"), word_of(leg, "position_intent")
    if not is_contract(symbol):
        return problem(f"{name}.symbol", symbol, "give an option contract such as AAPL270115C00150000")
    if intent not in INTENTS:
        return problem(f"{name}.position_intent", leg.get("position_intent"), f"give one of {', '.join(INTENTS)}")
    if leg.get("side") is not None and word_of(leg, "side") != intent.split("_")[0]:
        return problem(f"{name}.side", leg["side"], f"give the side of {intent}, or leave it out")
    ratio = number_of(leg, "ratio_qty")
    if ratio is None or not is_whole(ratio) or not 1 <= ratio <= LARGEST_RATIO:
        return problem(f"{name}.ratio_qty", leg.get("ratio_qty"), "give a whole number from 1 up")
    return None


def _ratios(body: Body) -> Problem | None:
    ratios = [int(number_of(leg, "ratio_qty") or 0) for leg in body["legs"]]
    common = gcd(*ratios)
    if common == 1:
        return None
    return problem("legs.ratio_qty", " ".join(str(ratio) for ratio in ratios), f"divide by {common} and multiply qty by it")


def _underlyings(body: Body) -> Problem | None:
    # An adjusted contract has its underlying's name and a digit.
    roots = sorted({occ.parse(leg["symbol"]).root.rstrip("0123456789") for leg in body["legs"]})
    return None if len(roots) == 1 else problem("legs.symbol", " ".join(roots), "give contracts of one underlying")


def _price_sign(body: Body) -> Problem | None:
    """Legs that are all bought cost money, legs that are all sold bring it; of a mixture the prices decide."""
    price, sides = number_of(body, "limit_price"), {word_of(leg, "position_intent").split("_")[0] for leg in body["legs"]}
    if price is None or len(sides) > 1 or (price > 0) == (sides == {"buy"}):
        return None
    sign = "positive" if sides == {"buy"} else "negative"
    return problem("limit_price", body["limit_price"], f"give a {sign} one: a debit is positive, a credit negative")


def is_contract(symbol: object) -> bool:
    """Whether it is written as an option contract."""
    try:
        occ.parse(symbol if isinstance(symbol, str) else "")
    except ValueError:
        return False
    return True
