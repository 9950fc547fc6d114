"""At what price an order trades on one bar, of a day or a minute, when only open, high, low and close are known: pure.

Time inside the bar runs open, then somewhere high and low, then close. What cannot be told apart is decided against the
trader: a stop that may have been touched was touched, a limit that may not have been reached was not.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from math import inf
from typing import Protocol


class Prices(Protocol):
    """Prices of one bar in dollars, low <= open, close <= high."""

    @property
    def open(self) -> float: ...
    @property
    def high(self) -> float: ...
    @property
    def low(self) -> float: ...
    @property
    def close(self) -> float: ...


class Kind(Enum):
    MARKET = "market"
    LIMIT = "limit"
    STOP = "stop"
    STOP_LIMIT = "stop_limit"


@dataclass(frozen=True, slots=True)
class Resting:
    """What matters of a working order. `triggered` is for a stop limit whose stop was passed: it waits at its limit."""

    kind: Kind
    is_buy: bool
    limit: float | None = None
    stop: float | None = None
    triggered: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """`price` in dollars before costs, None for no trade. `takes_liquidity` tells whether slippage applies, `at_stop` that the
    price is the stop's own, which the market has left by the time that it sells."""

    price: float | None = None
    takes_liquidity: bool = False
    triggered: bool = False
    at_stop: bool = False


NOTHING = Outcome()
# Levels that every bar reaches: low at most, high at least.
EVERY_BAR = (inf, -inf)


def at_opening(order: Resting, open_price: float) -> Outcome:
    """What the opening does to an order that was there before it: market orders and prices that the open has passed trade."""
    return at_tick(order, open_price, open_price)


def at_tick(order: Resting, last: float, far: float) -> Outcome:
    """What a new price does to an order: the last trade sets off stops, and trades are made at `far`, the other side's quote."""
    if order.kind is Kind.MARKET:
        return Outcome(far, takes_liquidity=True)
    if order.kind is Kind.LIMIT:
        return Outcome(far, takes_liquidity=True) if _reaches(order, far) else NOTHING
    if not order.triggered and not _passes(order, last):
        return NOTHING
    if order.kind is Kind.STOP or _reaches(order, far):
        return Outcome(far, takes_liquidity=True, triggered=True)
    return Outcome(triggered=True)


def during_session(order: Resting, bar: Prices, whole: bool) -> Outcome:
    """What the rest of the bar does to an order that the opening has left.

    `whole` is False for an order that came alive inside the bar (the exits of an entry that filled at its limit): then high and
    low may belong to the time before it, and only the close is known to come after.
    """
    if order.kind is Kind.MARKET:
        return Outcome(bar.close, takes_liquidity=True)
    if order.kind is Kind.LIMIT or order.triggered:
        return Outcome(_limit_price(order, bar), triggered=order.triggered) if _limit_met(order, bar, whole) else NOTHING
    if not _stop_hit(order, bar, whole):
        return NOTHING
    price = _stop_price(order, bar, whole)
    if order.kind is Kind.STOP:
        return Outcome(price, takes_liquidity=True, at_stop=price == order.stop)
    return _limit_after_stop(order, bar, price)


def touch_levels(order: Resting) -> tuple[float, float]:
    """Only a bar with a low at most the first price, or a high of at least the second, can fill or trigger the order."""
    if order.kind is Kind.MARKET or order.kind is Kind.STOP_LIMIT:
        return EVERY_BAR
    if order.kind is Kind.LIMIT:
        return (_level(order.limit), inf) if order.is_buy else (-inf, _level(order.limit))
    return (-inf, _level(order.stop)) if order.is_buy else (_level(order.stop), inf)


def may_trade(order: Resting, bar: Prices) -> bool:
    """False only when no rule of this module can fill or trigger the order on this bar: the quick look before the long one."""
    low_at_most, high_at_least = touch_levels(order)
    return bar.low <= low_at_most or bar.high >= high_at_least


def _reaches(order: Resting, price: float) -> bool:
    """Is `price` at the limit or better?"""
    return price <= _level(order.limit) if order.is_buy else price >= _level(order.limit)


def _passes(order: Resting, price: float) -> bool:
    """Is `price` at the stop or beyond?"""
    return price >= _level(order.stop) if order.is_buy else price <= _level(order.stop)


def _limit_met(order: Resting, bar: Prices, whole: bool) -> bool:
    best = bar.low if order.is_buy else bar.high
    return _reaches(order, best if whole else bar.close)


def _limit_price(order: Resting, bar: Prices) -> float:
    """The limit, or the worst price of a bar that lies beyond it altogether (a limit placed after the opening had passed it)."""
    return min(_level(order.limit), bar.high) if order.is_buy else max(_level(order.limit), bar.low)


def _stop_hit(order: Resting, bar: Prices, whole: bool) -> bool:
    worst = bar.high if order.is_buy else bar.low
    if whole:
        return _passes(order, worst)
    # With an open beyond the stop the bar was there before the order lived: its extreme proves nothing, its close does.
    return _passes(order, bar.close) or (_passes(order, worst) and not _passes(order, bar.open))


def _stop_price(order: Resting, bar: Prices, whole: bool) -> float:
    """The stop, or the open when that is beyond it already: a stop set just after a gap trades at once."""
    stop = _level(order.stop)
    if whole:
        return max(stop, bar.open) if order.is_buy else min(stop, bar.open)
    return stop if bar.low <= stop <= bar.high else bar.close


def _limit_after_stop(order: Resting, bar: Prices, price: float) -> Outcome:
    if _reaches(order, price):
        return Outcome(price, takes_liquidity=True, triggered=True)
    return Outcome(order.limit if _reaches(order, bar.close) else None, triggered=True)


def _level(price: float | None) -> float:
    if price is None:
        raise ValueError("an order of this kind needs its price")
    return price
