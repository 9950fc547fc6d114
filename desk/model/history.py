"""A history seen from one of its sessions: when models are trained, how old they are, and the rows of late."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from datetime import date

import numpy as np
from numpy.typing import NDArray

from desk.domain.market import DailyBars, FloatArray, Market
from desk.model.events import Events, collect_events
from desk.model.features import FEATURES, RSI, feature_table, ordinals
from desk.model.health import DRIFT_SESSIONS
from desk.model.parameters import MetaParameters


def retraining_session(bars: Mapping[str, DailyBars], session: date, every: int) -> date | None:
    """Last retraining session at or before `session`, on the sessions before it of the longest series; None before the first."""
    counts = {symbol: bisect_left(one.sessions, session) for symbol, one in bars.items()}
    longest = max(counts, key=lambda symbol: (counts[symbol], symbol), default=None)
    if longest is None or counts[longest] < every:
        return None
    place = counts[longest] // every * every
    return session if place == counts[longest] else bars[longest].sessions[place]


def sessions_since(bars: Mapping[str, DailyBars], first: date, session: date) -> int:
    """Sessions from `first` on and before `session`, by the series that has most of them."""
    counts = (bisect_left(one.sessions, session) - bisect_left(one.sessions, first) for one in bars.values())
    return max(counts, default=0)


def recent_rows(bars: Mapping[str, DailyBars], parameters: MetaParameters) -> FloatArray:
    """Rows like those that train, of the last `DRIFT_SESSIONS` sessions of `bars`, (m, len(FEATURES)), by day."""
    return rows_of_late(bars, feature_table(bars, parameters.rsi_length, last=DRIFT_SESSIONS), parameters)


def rows_of_late(bars: Mapping[str, DailyBars], tables: Mapping[str, FloatArray], parameters: MetaParameters) -> FloatArray:
    """Of `tables`, features of each symbol's last `DRIFT_SESSIONS` bars, the rows that `recent_rows` gives."""
    days, rows = _trained_on(bars, tables, parameters)
    # Each series gives as many bars, so the sessions that any of them has reach far enough back.
    every_day = (
        np.unique(np.concatenate([ordinals(bars[name], len(table)) for name, table in tables.items()])) if tables else days
    )
    return rows[days >= every_day[-DRIFT_SESSIONS:].min(initial=date.max.toordinal())]


def _trained_on(
    bars: Mapping[str, DailyBars], tables: Mapping[str, FloatArray], parameters: MetaParameters
) -> tuple[NDArray[np.int64], FloatArray]:
    """Days (m,) and complete rows (m, features) with an RSI below the event line, by day and then symbol."""
    if not tables:
        return np.empty(0, dtype=np.int64), np.empty((0, len(FEATURES)))
    days = np.concatenate([ordinals(bars[symbol], len(tables[symbol])) for symbol in sorted(tables)])
    rows = np.concatenate([tables[symbol] for symbol in sorted(tables)])
    chosen = np.flatnonzero(np.isfinite(rows).all(axis=1) & (rows[:, RSI] < parameters.event_rsi))
    chosen = chosen[np.argsort(days[chosen], kind="stable")]
    return days[chosen], rows[chosen]


class Precomputed:
    """Features by date and all events of a whole history."""

    def __init__(self, bars: Mapping[str, DailyBars], parameters: MetaParameters) -> None:
        self.bars = bars
        self.events: Events = collect_events(bars, parameters)
        self._table = feature_table(bars, parameters.rsi_length)
        self._place = {symbol: {day: at for at, day in enumerate(one.sessions)} for symbol, one in bars.items()}
        self._days = sorted({day for one in bars.values() for day in one.sessions})
        self._row_days, self._rows = _trained_on(bars, self._table, parameters)

    def row(self, symbol: str, market: Market, shown: DailyBars) -> FloatArray | None:
        """The row of the symbol's last shown bar, None when that is not of the last session.

        Raises ValueError when it is not the precomputed bar.
        """
        day = shown.sessions[-1]
        at = self._place.get(symbol, {}).get(day)
        if at is None or self.bars[symbol].close[at] != shown.close[-1]:
            raise ValueError(f"{symbol}: the bar of {day} is not the precomputed one; precompute the history that is traded")
        if day != self._days[bisect_left(self._days, market.session) - 1]:
            return None
        row: FloatArray = self._table[symbol][at]
        return row

    def recent_rows(self, session: date) -> FloatArray:
        """As the function of the name, of the bars before `session`."""
        end = bisect_left(self._days, session)
        if end == 0:
            return self._rows[:0]
        first = self._days[max(end - DRIFT_SESSIONS, 0)].toordinal()
        low, high = np.searchsorted(self._row_days, [first, session.toordinal()])
        rows: FloatArray = self._rows[low:high]
        return rows
