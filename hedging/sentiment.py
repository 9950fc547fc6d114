"""The mood of the market: the share of leading names whose RSI says that they are overbought."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from functools import cache

import numpy as np

from desk.domain.market import FloatArray, Market
from hedging.prices import is_price
from hedging.rules import LEAST_SENTIMENT_NAMES, HedgeRules

# After so many closes for each of its length, Wilder's average holds less than a millionth of what it began with:
# (13 / 14) ** (15 * 14 - 14) is 5e-7.
CLOSES_PER_LENGTH = 15
# A share of names is a quotient of small numbers: 3 / 5 and 0.6 must be the same.
DUST = 1e-9


class Mood(StrEnum):
    BEARISH = "bearish"  # the market is stretched
    CALM = "calm"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Sentiment:
    """`share` of the `counted` names that are `overbought` (0 when none is counted); `left_out` are names with the reason."""

    mood: Mood
    share: float
    overbought: tuple[str, ...]
    counted: tuple[str, ...]
    left_out: tuple[tuple[str, str], ...]

    @property
    def is_unanimous(self) -> bool:
        return self.mood is Mood.BEARISH and len(self.overbought) == len(self.counted)


def sentiment(market: Market, rules: HedgeRules) -> Sentiment:
    """Mood by the RSI of daily closes, with the live price as the last value where there is one."""
    return _sentiment({symbol: rsi_level(symbol, market, rules.rsi_length) for symbol in rules.sentiment_symbols}, rules)


def was_calm_since(day: date, market: Market, rules: HedgeRules) -> bool:
    """Whether the mood was calm at the close of a completed session, from the one before `day` on."""
    shown = {symbol: market.bars[symbol] for symbol in rules.sentiment_symbols if symbol in market.bars}
    days = sorted({one for bars in shown.values() for one in bars.sessions[max(bisect_left(bars.sessions, day) - 1, 0) :]})
    before = bisect_left(days, day) - 1
    return any(_mood_after(one, market, rules) is Mood.CALM for one in days[max(before, 0) :])


def _mood_after(day: date, market: Market, rules: HedgeRules) -> Mood:
    """The mood by closes up to the one of `day`."""
    levels: dict[str, float | str] = {}
    for symbol in rules.sentiment_symbols:
        bars = market.bars.get(symbol)
        levels[symbol] = (
            "no bars" if bars is None else _level(bars.close[: bisect_right(bars.sessions, day)], None, rules.rsi_length)
        )
    return _sentiment(levels, rules).mood


def _sentiment(levels: Mapping[str, float | str], rules: HedgeRules) -> Sentiment:
    counted = tuple(symbol for symbol, level in levels.items() if not isinstance(level, str))
    overbought = tuple(s for s, level in levels.items() if not isinstance(level, str) and level >= rules.overbought_rsi)
    left_out = tuple((symbol, level) for symbol, level in levels.items() if isinstance(level, str))
    share = len(overbought) / len(counted) if counted else 0.0
    return Sentiment(_mood(share, len(counted), rules), share, overbought, counted, left_out)


def _mood(share: float, counted: int, rules: HedgeRules) -> Mood:
    if counted < LEAST_SENTIMENT_NAMES:
        return Mood.UNKNOWN
    return Mood.BEARISH if share >= rules.bearish_share - DUST else Mood.CALM


def has_ended(mood: Sentiment, rules: HedgeRules) -> bool:
    """Whether the reason for a hedge is gone by a margin; an unknown mood says nothing about it."""
    return mood.mood is Mood.CALM and mood.share < rules.unwind_share - DUST


def rsi_level(symbol: str, market: Market, length: int) -> float | str:
    """RSI of a name in [0, 100], or the reason why it has none."""
    bars = market.bars.get(symbol)
    if bars is None:
        return market.unusable.get(symbol, "no bars")
    quote = market.quotes.get(symbol)
    return _level(bars.close, quote.last if quote is not None and is_price(quote.last) else None, length)


def _level(closes: FloatArray, last: float | None, length: int) -> float | str:
    """RSI of completed closes in dollars, shape (n,), with `last` as one more; or the reason why there is none."""
    close = closes[-CLOSES_PER_LENGTH * length :]
    if len(close) <= length:
        return f"{len(close)} bars, and an RSI of {length} needs {length + 1}"
    if not (np.isfinite(close) & (close > 0)).all():
        return "a close is missing"
    if (close == close[0]).all():
        return "its price has never moved"
    level = _rsi(close if last is None else np.append(close, last), length)
    return "its price has never moved" if math.isnan(level) else level


def _rsi(close: FloatArray, length: int) -> float:
    """`desk.indicators.rsi.RsiState` after all of `close`, shape (n,), in one weighted sum instead of n steps."""
    with np.errstate(all="ignore"):
        changes = np.diff(close)
        weights = _weights(len(changes), length)
        gained, moved = (weights * np.maximum(changes, 0.0)).sum(), (weights * np.abs(changes)).sum()
        return min(100.0, float(100.0 * gained / moved))


@cache
def _weights(changes: int, length: int) -> FloatArray:
    """What each change counts in Wilder's average, oldest first, times the length: the first `length` of them count the same."""
    age = changes - np.maximum(np.arange(1, changes + 1), length)
    found: FloatArray = ((length - 1) / length) ** age
    found.setflags(write=False)
    return found


def in_words(mood: Sentiment, rules: HedgeRules) -> str:
    """What was seen, for a person."""
    seen = f"{len(mood.overbought)} of {len(mood.counted)} leading names have an RSI of {rules.overbought_rsi:g} or above"
    named = f"{seen} ({', '.join(mood.overbought)})" if mood.overbought else seen
    if mood.mood is not Mood.UNKNOWN:
        return named
    return f"the mood is unknown: {len(mood.counted)} leading names have usable bars, and {LEAST_SENTIMENT_NAMES} are needed"
