"""Wilder's Average True Range, whole series at once or one bar at a time.

Source: J. W. Wilder, New Concepts in Technical Trading Systems (1978), section III: the true range is the day's range widened
to yesterday's close; the first average is the plain mean of the first `length` true ranges, after that
average = (average * (length - 1) + range) / length. The first bar has no close before it: its range is high minus low, as in
Wilder's own worksheet and in StockCharts' example, so that `length` bars are enough.

pandas-ta-classic and TA-Lib leave the first bar out: they begin one bar later, from the mean of the `length` ranges after it.
What that changes shrinks by (length - 1) / length with every bar.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from desk.domain.market import FloatArray


def wilder_atr(high: FloatArray, low: FloatArray, close: FloatArray, length: int = 14) -> FloatArray:
    """ATR in dollars of bars in dollars, three times shape (n,) -> (n,); NaN in the first `length` - 1 places.

    Raises ValueError when `length` is below 1, the shapes differ, or a price is not finite: a hole would silently restart the
    average.
    """
    _check(length, high, low, close)
    averages = np.full(len(close), np.nan)
    if len(close) < length:
        return averages
    ranges = _true_ranges(high, low, close)
    average = float(ranges[:length].mean())
    averages[length - 1] = average
    for place, true_range in enumerate(ranges[length:].tolist(), length):
        average = (average * (length - 1) + true_range) / length
        averages[place] = average
    return averages


def _check(length: int, high: FloatArray, low: FloatArray, close: FloatArray) -> None:
    if length < 1:
        raise ValueError(f"ATR length {length} must be 1 or more")
    if not high.shape == low.shape == close.shape:
        raise ValueError(f"high {high.shape}, low {low.shape} and close {close.shape} must have the same shape")
    finite = np.isfinite(high) & np.isfinite(low) & np.isfinite(close)
    if not finite.all():
        raise ValueError(f"bar {int(np.argmin(finite))} of {len(close)} has a price that is not a finite number")


def _true_ranges(high: FloatArray, low: FloatArray, close: FloatArray) -> FloatArray:
    ranges = high - low
    ranges[1:] = np.maximum(high[1:], close[:-1]) - np.minimum(low[1:], close[:-1])
    return ranges


@dataclass(frozen=True, slots=True)
class AtrState:
    """ATR after `bars` daily bars. Until the first `length` bars are in, the average holds a partial mean."""

    length: int = 14
    last_close: float | None = None
    bars: int = 0
    average: float = 0.0

    @classmethod
    def from_bars(cls, high: FloatArray, low: FloatArray, close: FloatArray, length: int = 14) -> AtrState:
        """State after all bars in dollars, oldest first. Raises ValueError as `wilder_atr` does."""
        _check(length, high, low, close)
        state = cls(length)
        for bar in zip(high.tolist(), low.tolist(), close.tolist(), strict=True):
            state = state.pushed(*bar)
        return state

    def pushed(self, high: float, low: float, close: float) -> AtrState:
        """The state one bar later. Raises ValueError when a price is not finite."""
        if not all(map(math.isfinite, (high, low, close))):
            raise ValueError(f"bar of high {high!r}, low {low!r}, close {close!r} has a price that is not a finite number")
        before = (high, low) if self.last_close is None else (self.last_close, self.last_close)
        true_range = max(high, before[0]) - min(low, before[1])
        # During warm-up each range adds its share of the plain mean; afterwards one part in `length` is replaced.
        kept = 1.0 if self.bars < self.length else (self.length - 1) / self.length
        return AtrState(self.length, close, self.bars + 1, self.average * kept + true_range / self.length)

    @property
    def value(self) -> float | None:
        """ATR in dollars, None before `length` bars."""
        return None if self.bars < self.length else self.average
