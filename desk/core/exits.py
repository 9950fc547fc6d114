"""What an exit rule means: whether it makes sense, where the stop goes as the market moves, and when the time is up.

A stop only ever rises, and each move costs the broker a message (or, where it does not move a sleeping stop, a new pair of
exits), so small moves are left out.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from numbers import Integral
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from desk.domain.decisions import AtrExit, ExitRule, FixedExit
from desk.domain.market import DailyBars, Market
from desk.domain.prices import PENNY as CENT
from desk.domain.prices import Rounding, legal_price
from desk.domain.trades import Trade
from desk.indicators.atr import wilder_atr

NEW_YORK = ZoneInfo("America/New_York")

# From this share of the way between entry and stop on, a position is said to approach its stop.
APPROACHING_FRACTION = 0.6


def _is_part(value: float) -> bool:
    return 0 < value < 1


def _is_positive(value: float) -> bool:
    return math.isfinite(value) and value > 0


def _is_count(value: object) -> bool:
    # First the plain question: the abstract class answers a hundred times slower.
    return isinstance(value, (int, Integral)) and int(value) >= 1


@dataclass(frozen=True, slots=True)
class _Check:
    """What a field of a rule must hold, and the words that say so when it does not."""

    field: str
    holds: Callable[[Any], bool]
    words: str
    may_be_none: bool = False


_SESSIONS = _Check("time_barrier_sessions", _is_count, "is no time to hold: give whole sessions, 1 or more, or None", True)
_FIXED = (
    _Check("stop_loss_fraction", _is_part, "leaves the position without a stop: give one between 0 and 1"),
    _Check("take_profit_fraction", _is_positive, "is no target: give one above 0"),
    _Check("break_even_after_fraction", _is_positive, "is no gain to wait for: give one above 0, or None", True),
    _Check("trail_fraction", _is_part, "is no distance below the market: give one between 0 and 1, or None", True),
    _SESSIONS,
)
_ATR = (
    _Check("stop_multiple", _is_positive, "leaves the position without a stop: give one above 0"),
    _Check("target_multiple", _is_positive, "is no target: give one above 0"),
    _Check("length", _is_count, "is no number of daily bars: give a whole one, 1 or more"),
    _Check("break_even_after_multiple", _is_positive, "is no gain to wait for: give one above 0, or None", True),
    _Check("trail_multiple", _is_positive, "is no distance below the market: give one above 0, or None", True),
    _SESSIONS,
)
_MULTIPLE_OF = {
    "stop_loss_fraction": "stop_multiple",
    "take_profit_fraction": "target_multiple",
    "break_even_after_fraction": "break_even_after_multiple",
    "trail_fraction": "trail_multiple",
}


def problem(rule: ExitRule) -> str | None:
    """Why a rule cannot be obeyed, as a sentence that names the field, its value and the fix; None when it can."""
    failed = _failed(rule)
    return None if failed is None else f"{failed.field} {getattr(rule, failed.field)} {failed.words}"


def _failed(rule: ExitRule) -> _Check | None:
    checks = _FIXED if isinstance(rule, FixedExit) else _ATR
    return next((check for check in checks if not _passes(check, getattr(rule, check.field))), None)


def _passes(check: _Check, value: Any) -> bool:
    return check.may_be_none if value is None else check.holds(value)


def resolve(rule: ExitRule, price: float, bars: DailyBars | None) -> FixedExit | str:
    """The rule in fractions of an entry at `price` dollars, or a sentence why there is none.

    A `FixedExit` that makes sense is returned as it is. `bars` are the symbol's completed daily bars.
    """
    broken = problem(rule)
    if broken is not None:
        return broken
    if isinstance(rule, FixedExit):
        return rule
    atr = _measured(rule.length, price, bars)
    return atr if isinstance(atr, str) else _scaled(rule, price, atr)


def _measured(length: int, price: float, bars: DailyBars | None) -> float | str:
    """Average true range in dollars, or why there is none."""
    if not _is_positive(price):
        return f"price {price} is no price to compare an average true range with: wait for a quote above 0"
    count = 0 if bars is None else len(bars)
    if bars is None or count < length:
        return f"length {length} needs as many completed daily bars, there are {count}: give a smaller one, or more history"
    if not all(np.isfinite(column).all() for column in (bars.high, bars.low, bars.close)):
        return f"length {length} has no average true range, a daily bar lacks a price: repair the history"
    return float(wilder_atr(bars.high, bars.low, bars.close, length)[-1])


def _scaled(rule: AtrExit, price: float, atr: float) -> FixedExit | str:
    def fraction(multiple: float | None) -> float | None:
        return None if multiple is None else multiple * atr / price

    scaled = FixedExit(
        rule.stop_multiple * atr / price,
        rule.target_multiple * atr / price,
        fraction(rule.break_even_after_multiple),
        fraction(rule.trail_multiple),
        rule.time_barrier_sessions,
    )
    failed = _failed(scaled)
    if failed is None:
        return scaled
    multiple = _MULTIPLE_OF[failed.field]
    return f"{multiple} {getattr(rule, multiple)} of an average true range of {atr:.4g} at {price:.4g}: {problem(scaled)}"


def ratcheted(trade: Trade, price: float, least_move_fraction: float = 0.0025) -> Decimal | None:
    """The trade's new stop in dollars on the tick grid at the market's `price` (last or bid), None when it stays.

    Always above the stop of now, and a cent or more below market and target. A move below `least_move_fraction` of the price is
    not worth a message, unless it brings the stop to the entry price.
    """
    now = trade.stop_price
    if now is None or not _may_move(trade) or not _is_positive(price) or not math.isfinite(least_move_fraction):
        return None
    market = _exact(price)
    break_even = _break_even(trade, market)
    new = _highest(trade, market, (break_even, _trailed(trade, market)))
    if new is None or new <= now:
        return None
    reaches_entry = break_even is not None and now < break_even <= new
    return new if reaches_entry or new - now >= _exact(least_move_fraction) * market else None


def _may_move(trade: Trade) -> bool:
    """Whether the exits are at rest under a stop that belongs to held shares."""
    is_busy = trade.is_entry_working or trade.is_being_sold or trade.is_renewing or trade.exit_requested is not None
    return trade.shares > 0 and not is_busy


def _break_even(trade: Trade, market: Decimal) -> Decimal | None:
    """The entry price, rounded up to the tick, once the gain is large enough."""
    after = None if trade.rule is None else trade.rule.break_even_after_fraction
    entry = trade.entry_price
    if after is None or not _is_positive(after) or entry is None or market < entry * (1 + _exact(after)):
        return None
    return legal_price(entry, Rounding.UP)


def _trailed(trade: Trade, market: Decimal) -> Decimal | None:
    trail = None if trade.rule is None else trade.rule.trail_fraction
    return None if trail is None or not _is_part(trail) else market * (1 - _exact(trail))


def _highest(trade: Trade, market: Decimal, wanted: tuple[Decimal | None, ...]) -> Decimal | None:
    """The highest of the wanted stops that is legal: Alpaca takes no stop that is not a cent below the market (base price)."""
    stops = [stop for stop in wanted if stop is not None]
    ceiling = (market if trade.target_price is None else min(market, trade.target_price)) - CENT
    return legal_price(min(max(stops), ceiling), Rounding.DOWN) if stops and ceiling > 0 else None


def _exact(number: float) -> Decimal:
    """The number as it is written: binary dust would move a product across a tick."""
    return Decimal(repr(float(number)))


def overdue(trade: Trade, market: Market) -> str | None:
    """Why the trade is to be left: its rule's number of completed sessions, the entry's included, is over. None: not yet."""
    barrier = None if trade.rule is None else trade.rule.time_barrier_sessions
    if barrier is None or not _is_count(barrier) or trade.shares == 0 or trade.entered_at is None:
        return None
    sessions = market.bars[trade.symbol].sessions if trade.symbol in market.bars else ()
    if len(sessions) < barrier or sessions[-barrier] < trade.entered_at.astimezone(NEW_YORK).date():
        return None
    return f"held for {barrier} sessions"


@dataclass(frozen=True, slots=True)
class Distance:
    """How far the market is from a trade's exits, for people; None where there is no such exit, no entry or no price.

    The first two are fractions of the market's price, below zero when it is past the exit. `way_to_stop` is the share of the way
    from entry to stop that is gone: 0 at the entry and above, 1 at the stop, more below it. Under a stop at the entry price or
    above there is no such way: 0 until the stop is reached, then 1.
    """

    to_stop_fraction: float | None = None
    to_target_fraction: float | None = None
    way_to_stop: float | None = None

    @property
    def is_approaching(self) -> bool:
        """Whether people should hear that the position is near its stop."""
        return self.way_to_stop is not None and self.way_to_stop >= APPROACHING_FRACTION


def distance(trade: Trade, price: float) -> Distance:
    """Where the market's `price` in dollars stands between the trade's exits."""
    if not _is_positive(price):
        return Distance()
    stop = None if trade.stop_price is None else float(trade.stop_price)
    target = None if trade.target_price is None else float(trade.target_price)
    entry = None if trade.entry_price is None else float(trade.entry_price)
    return Distance(
        None if stop is None else (price - stop) / price,
        None if target is None else (target - price) / price,
        None if stop is None or entry is None else _way(entry, stop, price),
    )


def _way(entry: float, stop: float, price: float) -> float:
    if stop >= entry:
        return float(price <= stop)
    return max(0.0, (entry - price) / (entry - stop))
