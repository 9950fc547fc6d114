"""Rows of late that a model's health is judged by, kept from session to session: a new bar costs one row a symbol."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from desk.domain.market import DailyBars, FloatArray
from desk.model.features import own_of, with_market
from desk.model.health import DRIFT_SESSIONS
from desk.model.history import rows_of_late
from desk.model.parameters import MetaParameters


class RecentRows:
    """For one gate. Corrected history (a split, a dividend) is noticed, and computed anew."""

    def __init__(self, parameters: MetaParameters) -> None:
        self._parameters = parameters
        self._own: dict[str, tuple[DailyBars, FloatArray]] = {}

    def rows(self, bars: Mapping[str, DailyBars], latest: Mapping[str, FloatArray]) -> FloatArray:
        """As `desk.model.history.recent_rows`, but for the order in which a window is summed (some 1e-13 of a value).

        `latest` is the last row of own features, (len(OWN),), of every symbol of `bars`.
        """
        for symbol in sorted(bars):
            self._own[symbol] = bars[symbol], self._rows_of(symbol, bars[symbol], latest[symbol])
        own = {symbol: self._own[symbol][1] for symbol in sorted(bars)}
        return rows_of_late(bars, with_market(bars, own), self._parameters)

    def _rows_of(self, symbol: str, bars: DailyBars, latest: FloatArray) -> FloatArray:
        old, rows = self._own.get(symbol, (None, None))
        if rows is not None and old is bars:
            return rows
        if rows is not None and old is not None and _is_next(old, bars):
            return np.vstack([rows, latest])[-DRIFT_SESSIONS:]
        return own_of(bars, self._parameters.rsi_length, DRIFT_SESSIONS)


def _is_next(old: DailyBars, bars: DailyBars) -> bool:
    """Whether `bars` are the old ones and one more."""
    known = len(old)
    return (
        len(bars) == known + 1
        and np.array_equal(old.close, bars.close[:known])
        and np.array_equal(old.volume, bars.volume[:known])
    )
