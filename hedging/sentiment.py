"""The mood of the market: the share of leading names whose RSI says that they are overbought."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from desk.domain.market import Market
from desk.indicators.rsi import RsiState
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
    levels = {symbol: rsi_level(symbol, market, rules.rsi_length) for symbol in dict.fromkeys(rules.sentiment_symbols)}
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
    close = bars.close[-CLOSES_PER_LENGTH * length :]
    if len(close) <= length:
        return f"{len(close)} bars, and an RSI of {length} needs {length + 1}"
    if not (np.isfinite(close) & (close > 0)).all():
        return "a close is missing"
    state = RsiState.from_closes(close, length)
    quote = market.quotes.get(symbol)
    level = state.with_last(quote.last) if quote is not None and is_price(quote.last) else state.value
    if state.value is None or level is None or math.isnan(level):
        return "its price has never moved"
    return level


def in_words(mood: Sentiment, rules: HedgeRules) -> str:
    """What was seen, for a person."""
    seen = f"{len(mood.overbought)} of {len(mood.counted)} leading names have an RSI of {rules.overbought_rsi:g} or above"
    named = f"{seen} ({', '.join(mood.overbought)})" if mood.overbought else seen
    if mood.mood is not Mood.UNKNOWN:
        return named
    return f"the mood is unknown: {len(mood.counted)} leading names have usable bars, and {LEAST_SENTIMENT_NAMES} are needed"
