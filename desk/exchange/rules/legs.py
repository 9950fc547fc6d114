"""Legs of a multi-leg order request (https://docs.alpaca.markets/docs/options-level-3-trading)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import gcd

from desk.exchange.machine.orders import Leg
from desk.exchange.rules.fields import Body, Refusal, number, symbol_of, word
from desk.exchange.rules.rejections import invalid, unprocessable
from desk.exchange.words import PositionIntent, Side
from options import occ

FEWEST, MOST = 2, 4
LARGEST_RATIO = 1_000_000


def parse_legs(body: Body) -> tuple[Leg, ...]:
    """Two to four legs of different contracts, their ratios without a common factor."""
    given = body.get("legs") or ()
    if not isinstance(given, Sequence) or isinstance(given, str):
        raise Refusal(invalid("invalid legs"))
    if not FEWEST <= len(given) <= MOST:
        raise Refusal(unprocessable(f"mleg orders must have at least {FEWEST} legs and at most {MOST} legs"))
    legs = tuple(_leg(place, leg) for place, leg in enumerate(given))
    if len({leg.symbol for leg in legs}) < len(legs):
        raise Refusal(unprocessable("leg symbols should be unique"))
    ratios = [leg.ratio for leg in legs]
    if gcd(*ratios) != 1:
        shown = " ".join(str(ratio) for ratio in ratios)
        message = f"leg ratio quantities should be relatively prime: GCD[{shown}] = {gcd(*ratios)}"
        raise Refusal(unprocessable(message))
    return legs


def is_contract(symbol: str) -> bool:
    """Whether the symbol is written as an option contract's."""
    try:
        occ.parse(symbol)
    except ValueError:
        return False
    return True


def _leg(place: int, given: object) -> Leg:
    if not isinstance(given, Mapping):
        raise Refusal(invalid("invalid legs"))
    symbol = symbol_of(given)
    if not is_contract(symbol):
        raise Refusal(unprocessable(f"asset not found for {symbol}"))
    if given.get("position_intent") is None:
        raise Refusal(unprocessable(f"leg.{place} position intent is required"))
    intent = word(given["position_intent"], PositionIntent, "invalid position_intent")
    side = intent.side if given.get("side") is None else word(given["side"], Side, "invalid side")
    if side is not intent.side:
        raise Refusal(unprocessable(f"leg.{place} side {side} does not match position intent {intent}"))
    return Leg(symbol, side, _ratio(given), intent)


def _ratio(given: Body) -> int:
    ratio = number(given.get("ratio_qty"), "ratio_qty")
    if ratio != ratio.to_integral_value() or not 1 <= ratio <= LARGEST_RATIO:
        raise Refusal(invalid("invalid ratio_qty"))
    return int(ratio)
