"""Exponential moving average, whole series at once or one close at a time.

The first average is the plain mean of the first `length` closes; after that each close takes 2 / (length + 1) of the weight:
average = average + (close - average) * 2 / (length + 1). That seed is TA-Lib's and StockCharts', and pandas-ta-classic's own
(`sma=True`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pandas_ta_classic as ta

from desk.domain.market import FloatArray


def ema(close: FloatArray, length: int) -> FloatArray:
    """EMA in dollars of closes in dollars, shape (n,) -> (n,); NaN in the first `length` - 1 places.

    Raises ValueError when `length` is below 1 or a close is not finite: a hole would silently restart the average.
    """
    _check(length, close)
    if len(close) < length:
        return np.full(len(close), np.nan)
    # talib=False: a TA-Lib that happens to be installed must not change the numbers.
    return np.asarray(ta.ema(pd.Series(close), length=length, talib=False), dtype=np.float64)


def _check(length: int, close: FloatArray) -> None:
    if length < 1:
        raise ValueError(f"EMA length {length} must be 1 or more")
    if not np.isfinite(close).all():
        raise ValueError(f"close {int(np.argmin(np.isfinite(close)))} of {len(close)} is not a finite number")


@dataclass(frozen=True, slots=True)
class EmaState:
    """EMA after `closes` closes. Until the first `length` closes are in, the average holds a partial mean."""

    length: int
    closes: int = 0
    average: float = 0.0

    @classmethod
    def from_closes(cls, closes: Iterable[float], length: int) -> EmaState:
        """State after all of `closes` in dollars, oldest first. Raises ValueError as `ema` does."""
        values = np.asarray(closes if isinstance(closes, np.ndarray) else list(closes), dtype=np.float64)
        _check(length, values)
        state = cls(length)
        for close in values.tolist():
            state = state.pushed(close)
        return state

    def pushed(self, close: float) -> EmaState:
        """The state one close later. Raises ValueError when `close` is not finite."""
        if not math.isfinite(close):
            raise ValueError(f"close {close!r} is not a finite number")
        if self.closes < self.length:
            # During warm-up each close adds its share of the plain mean.
            return EmaState(self.length, self.closes + 1, self.average + close / self.length)
        weight = 2.0 / (self.length + 1)
        return EmaState(self.length, self.closes + 1, self.average * (1.0 - weight) + close * weight)

    @property
    def value(self) -> float | None:
        """EMA in dollars, None before `length` closes."""
        return None if self.closes < self.length else self.average
