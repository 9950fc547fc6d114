"""The highest high before a bar, and its volume beside the usual: whole series at once or one bar at a time.

Both look at the `length` bars before the one that is judged, never at that one: a high that is compared with itself can not be
exceeded. The channel is the upper line of Donchian's, one bar back (pandas-ta-classic's `donchian`, shifted by one).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pandas_ta_classic as ta

from desk.domain.market import FloatArray


def highest_high_before(high: FloatArray, length: int) -> FloatArray:
    """Highest of the `length` highs before each bar, in dollars, (n,) -> (n,); NaN in the first `length` places.

    Raises ValueError when `length` is below 1 or a high is not finite.
    """
    _check(length, high)
    if len(high) <= length:
        return np.full(len(high), np.nan)
    series = pd.Series(high)
    channel = ta.donchian(series, series, lower_length=length, upper_length=length)
    return np.asarray(channel[f"DCU_{length}_{length}"].shift(1), dtype=np.float64)


def relative_volume(volume: FloatArray, length: int) -> FloatArray:
    """Volume of each bar over the mean of the `length` bars before it, (n,) -> (n,), 1.0 is the usual volume.

    NaN in the first `length` places, and where nothing traded in those bars. Raises ValueError when `length` is below 1 or a
    volume is not finite or below zero.
    """
    _check(length, volume)
    if (volume < 0).any():
        raise ValueError(f"volume {volume.min():g} is below zero")
    if len(volume) <= length:
        return np.full(len(volume), np.nan)
    # talib=False: a TA-Lib that happens to be installed must not change the numbers.
    usual = np.asarray(ta.sma(pd.Series(volume), length=length, talib=False).shift(1), dtype=np.float64)
    relative = np.full(len(volume), np.nan)
    np.divide(volume, usual, out=relative, where=usual > 0)
    return relative


def _check(length: int, column: FloatArray) -> None:
    if length < 1:
        raise ValueError(f"length {length} must be 1 bar or more")
    if not np.isfinite(column).all():
        raise ValueError(f"value {int(np.argmin(np.isfinite(column)))} of {len(column)} is not a finite number")


@dataclass(frozen=True, slots=True)
class _LastBars:
    """One value of each of the last `length` bars at most, oldest first."""

    length: int
    last: tuple[float, ...] = ()

    def _with(self, value: float) -> tuple[float, ...]:
        if not math.isfinite(value) or value < 0:
            raise ValueError(f"{value!r} is no price and no volume")
        return (*self.last, value)[-self.length :]

    @property
    def is_full(self) -> bool:
        return len(self.last) == self.length


class HighestHighState(_LastBars):
    """The channel that the next bar has to leave."""

    __slots__ = ()

    def pushed(self, high: float) -> HighestHighState:
        """The state one bar later, `high` in dollars. Raises ValueError when it is no price."""
        return HighestHighState(self.length, self._with(high))

    @property
    def value(self) -> float | None:
        """Highest high of the last `length` bars in dollars, None before there are as many."""
        return max(self.last) if self.is_full else None


class RelativeVolumeState(_LastBars):
    """The volumes that the next bar's is compared with."""

    __slots__ = ()

    def pushed(self, volume: float) -> RelativeVolumeState:
        """The state one bar later, `volume` in shares. Raises ValueError when it is none."""
        return RelativeVolumeState(self.length, self._with(volume))

    def of(self, volume: float) -> float | None:
        """`volume` in shares over the mean of the last `length` bars; None before there are as many, or when nothing traded."""
        usual = sum(self.last)
        return volume * self.length / usual if self.is_full and usual > 0 else None
