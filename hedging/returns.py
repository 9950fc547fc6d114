"""Daily returns of names and indices on one calendar, so that a day is compared with the same day."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from desk.domain.market import DailyBars, FloatArray, Market
from hedging.rules import INDEX_WORDS, HedgeRules, IndexName, InverseFund

SESSIONS_PER_YEAR = 252

Calendar = tuple[date, ...]


@dataclass(frozen=True, slots=True, eq=False)
class IndexReturns:
    """Daily returns of the indices, shape (n,) each, between the n + 1 sessions of `calendar`; not finite where there is none.

    An index without a fund that has bars is all NaN.
    """

    calendar: Calendar
    by_index: Mapping[IndexName, FloatArray]


def index_returns(market: Market, rules: HedgeRules) -> IndexReturns:
    """Returns of both indices over the last `rules.window_sessions` sessions, from the inverse funds' bars."""
    shown = [fund for fund in rules.inverse_etfs if fund.symbol in market.bars]
    calendar = _calendar([market.bars[fund.symbol].sessions for fund in shown], rules.window_sessions + 1)
    rows = name_returns([fund.symbol for fund in shown], market, calendar)
    implied = {fund: row / fund.leverage for fund, row in zip(shown, rows, strict=True)}
    return IndexReturns(calendar, {index: _best(index, implied, len(calendar)) for index in INDEX_WORDS})


def name_returns(symbols: Sequence[str], market: Market, calendar: Calendar) -> FloatArray:
    """Daily returns of names, shape (len(symbols), len(calendar) - 1); not finite where a name lacks a price on either day."""
    closes = np.full((len(symbols), len(calendar)), np.nan)
    place = {day: number for number, day in enumerate(calendar)}
    for row, symbol in zip(closes, symbols, strict=True):
        if symbol in market.bars:
            _fill(row, market.bars[symbol], calendar, place)
    return daily_returns(closes)


def daily_returns(closes: FloatArray) -> FloatArray:
    """Simple returns along the last axis, one shorter; not finite beside a close that is no price."""
    with np.errstate(all="ignore"):
        good = np.where((closes > 0) & (closes < np.inf), closes, np.nan)
        returns = good[..., 1:] / good[..., :-1]
    returns -= 1.0
    return returns


def _fill(row: FloatArray, bars: DailyBars, calendar: Calendar, place: Mapping[date, int]) -> None:
    """Write a symbol's closes in dollars into the places of their sessions."""
    first = len(bars) - len(calendar)
    if first >= 0 and bars.sessions[first:] == calendar:
        row[:] = bars.close[first:]
        return
    first = bisect_left(bars.sessions, calendar[0]) if calendar else len(bars)
    # One spare place at the end takes the days that the calendar does not have.
    spread = np.full(len(row) + 1, np.nan)
    spread[[place.get(day, len(row)) for day in bars.sessions[first:]]] = bars.close[first:]
    row[:] = spread[:-1]


def _calendar(sessions: Sequence[Calendar], count: int) -> Calendar:
    recent = {days[-count:] for days in sessions}
    if len(recent) == 1:
        return recent.pop()
    return tuple(sorted({day for days in recent for day in days})[-count:])


def _best(index: IndexName, implied: Mapping[InverseFund, FloatArray], sessions: int) -> FloatArray:
    """The index by the fund with the most returns; of equal ones the least leveraged, whose cents round the least."""
    found = [(np.isfinite(returns).sum(), -fund.multiple, returns) for fund, returns in implied.items() if fund.index == index]
    return max(found, key=lambda one: one[:2])[2] if found else np.full(max(sessions - 1, 0), np.nan)
