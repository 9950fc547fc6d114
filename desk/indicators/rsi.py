"""Wilder's Relative Strength Index, whole series at once or one close at a time.

Source: J. W. Wilder, New Concepts in Technical Trading Systems (1978), section VI: the first average gain and loss are
plain means of the first `length` changes, after that average = (average * (length - 1) + change) / length.

Edge rules, the same in both forms, as pandas-ta-classic has them: no loss gives 100, no gain gives 0, and a series that has
never moved has no RSI (0/0: NaN in the array, None in the state), because neither gains nor losses are stronger.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pandas_ta_classic as ta

from desk.domain.market import FloatArray


def wilder_rsi(close: FloatArray, length: int = 14) -> FloatArray:
    """RSI of closes in dollars, shape (n,) -> (n,), in [0, 100]; NaN in the first `length` places and where undefined.

    Raises ValueError when `length` is below 1 or a close is not finite: a hole would silently restart the averages.
    """
    _check(length, close)
    if len(close) <= length:
        return np.full(len(close), np.nan)
    # talib=False: a TA-Lib that happens to be installed must not change the numbers.
    return np.clip(np.asarray(ta.rsi(pd.Series(close), length=length, talib=False), dtype=np.float64), 0.0, 100.0)


def _check(length: int, close: FloatArray) -> None:
    if length < 1:
        raise ValueError(f"RSI length {length} must be 1 or more")
    if not np.isfinite(close).all():
        raise ValueError(f"close {int(np.argmin(np.isfinite(close)))} of {len(close)} is not a finite number")


def carried_rsi(close: FloatArray, length: int = 14) -> list[float | None]:
    """What `RsiState.value` is after each of `close` in dollars, to the last bit, at a twentieth of the time.

    Raises ValueError as `wilder_rsi` does.
    """
    _check(length, close)
    levels: list[float | None] = []
    gain = loss = 0.0
    before: float | None = None
    for changes, last in enumerate(close.tolist()):
        change = 0.0 if before is None else last - before
        before = last
        if changes:
            kept = 1.0 if changes <= length else (length - 1) / length
            gain = gain * kept + max(change, 0.0) / length
            loss = loss * kept + max(-change, 0.0) / length
        moved = gain + loss
        levels.append(None if changes < length or moved == 0.0 else min(100.0, 100.0 * gain / moved))
    return levels


@dataclass(frozen=True, slots=True)
class RsiState:
    """RSI after `changes` price changes. Until the first `length` changes are in, the averages hold partial means."""

    length: int = 14
    last_close: float | None = None
    changes: int = 0
    average_gain: float = 0.0
    average_loss: float = 0.0

    @classmethod
    def from_closes(cls, closes: Iterable[float], length: int = 14) -> RsiState:
        """State after all of `closes` in dollars, oldest first. Raises ValueError as `wilder_rsi` does."""
        values = np.asarray(closes if isinstance(closes, np.ndarray) else list(closes), dtype=np.float64)
        _check(length, values)
        state = cls(length)
        for close in values.tolist():
            state = state.pushed(close)
        return state

    def pushed(self, close: float) -> RsiState:
        """The state one close later. Raises ValueError when `close` is not finite."""
        if not math.isfinite(close):
            raise ValueError(f"close {close!r} is not a finite number")
        if self.last_close is None:
            return replace(self, last_close=close)
        change = close - self.last_close
        # During warm-up each change adds its share of the plain mean; afterwards one part in `length` is replaced.
        kept = 1.0 if self.changes < self.length else (self.length - 1) / self.length
        return RsiState(
            self.length,
            close,
            self.changes + 1,
            self.average_gain * kept + max(change, 0.0) / self.length,
            self.average_loss * kept + max(-change, 0.0) / self.length,
        )

    @property
    def value(self) -> float | None:
        """RSI in [0, 100], None before `length` changes or when the price has never moved."""
        moved = self.average_gain + self.average_loss
        if self.changes < self.length or moved == 0.0:
            return None
        # The quotient can pass 100 by a rounding error when one average is dust beside the other.
        return min(100.0, 100.0 * self.average_gain / moved)

    def with_last(self, price: float) -> float:
        """RSI if the next close were `price` in dollars (live: the price of now); NaN where it is undefined."""
        value = self.pushed(price).value
        return math.nan if value is None else value
