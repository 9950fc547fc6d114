"""Volume-weighted average price of a session, whole series at once or one bar at a time.

The average begins anew with the first bar of every New York day: the bars are those of regular hours, so that is the opening.
A bar stands for its trades with its typical price, (high + low + close) / 3, as in pandas-ta-classic and at StockCharts; the
exact average would need the trades themselves. Only bars in which something traded count, and before there is any volume in a
session there is no average.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pandas_ta_classic as ta
from numpy.typing import NDArray

from desk.domain.market import FloatArray

NEW_YORK = ZoneInfo("America/New_York")
SECONDS_AN_HOUR = 3600


def session_vwap(
    starts: NDArray[np.int64], high: FloatArray, low: FloatArray, close: FloatArray, volume: FloatArray
) -> FloatArray:
    """VWAP in dollars after each bar; `starts` in POSIX seconds ascending, prices in dollars, volume in shares, all (n,) -> (n,).

    NaN as long as a session has no volume. Raises ValueError when shapes differ, `starts` do not ascend, a price is not finite,
    or a volume is below zero.
    """
    _check(starts, high, low, close, volume)
    if len(starts) == 0:
        return np.empty(0)
    # pandas-ta-classic cuts days by the index as it stands: New York's wall clock, without the zone that to_period drops.
    local = pd.to_datetime(starts, unit="s", utc=True).tz_convert(NEW_YORK).tz_localize(None)
    columns = (pd.Series(column, index=local) for column in (high, low, close, volume))
    return np.asarray(ta.vwap(*columns, anchor="D"), dtype=np.float64)


def _check(starts: NDArray[np.int64], *columns: FloatArray) -> None:
    if any(column.shape != starts.shape for column in columns):
        raise ValueError(f"starts {starts.shape} and columns {[column.shape for column in columns]} must have the same shape")
    if (np.diff(starts) <= 0).any():
        raise ValueError("the bars' starts must ascend")
    finite = np.logical_and.reduce([np.isfinite(column) for column in columns]) & (columns[-1] >= 0)
    if not finite.all():
        raise ValueError(f"bar {int(np.argmin(finite))} of {len(starts)} has a price or a volume that is no number")


@lru_cache(maxsize=4096)
def _day_of_hour(hour: int) -> date:
    return datetime.fromtimestamp(hour * SECONDS_AN_HOUR, UTC).astimezone(NEW_YORK).date()


def new_york_day(start: int) -> date:
    """The day in New York of POSIX seconds `start`; its midnight is a full hour of UTC, so the hour alone decides."""
    return _day_of_hour(start // SECONDS_AN_HOUR)


@dataclass(frozen=True, slots=True)
class VwapState:
    """What traded in the session of `day` so far: shares, and typical price times shares in dollars."""

    day: date = date.min
    shares: float = 0.0
    dollars: float = 0.0

    def pushed(self, start: int, high: float, low: float, close: float, volume: float) -> VwapState:
        """The state one bar later, `start` in POSIX seconds. Raises ValueError for what is no price or no volume."""
        if not all(map(math.isfinite, (high, low, close, volume))) or volume < 0:
            raise ValueError(f"bar of high {high!r}, low {low!r}, close {close!r}, volume {volume!r} is not one of numbers")
        day = new_york_day(start)
        shares, dollars = (self.shares, self.dollars) if day == self.day else (0.0, 0.0)
        return VwapState(day, shares + volume, dollars + (high + low + close) / 3.0 * volume)

    @property
    def value(self) -> float | None:
        """VWAP in dollars, None before anything traded in the session."""
        return self.dollars / self.shares if self.shares > 0 else None
