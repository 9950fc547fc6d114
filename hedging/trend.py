"""Where an index goes and how much it swings, from its daily returns alone; too little history is None, never a guess."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from desk.domain.market import FloatArray
from hedging.returns import SESSIONS_PER_YEAR


class TrendState(StrEnum):
    FALLING = "falling"  # below its average, and the average falls
    RISING = "rising"  # above its average, and the average rises
    MIXED = "mixed"


@dataclass(frozen=True, slots=True)
class Trend:
    """`distance_fraction` is the last level over its average less one, `slope_fraction` the average's change a session."""

    state: TrendState
    distance_fraction: float
    slope_fraction: float


def trend(returns: FloatArray, average_sessions: int, slope_sessions: int) -> Trend | None:
    """Trend of daily returns, shape (n,), against a plain average of levels; None with too few or a hole.

    It takes average_sessions + slope_sessions levels, which is one return fewer.
    """
    needed = average_sessions + slope_sessions - 1
    recent = _last(returns, needed)
    if recent is None:
        return None
    with np.errstate(all="ignore"):
        levels = np.concatenate(([1.0], np.cumprod(1.0 + recent)))
        average = float(levels[-average_sessions:].mean())
        before = float(levels[:average_sessions].mean())
    if not (np.isfinite(levels) & (levels > 0)).all() or not math.isfinite(average):
        return None
    distance, slope = float(levels[-1]) / average - 1.0, (average / before - 1.0) / slope_sessions
    return Trend(_state(distance, slope), distance, slope)


def volatility(returns: FloatArray, sessions: int) -> float | None:
    """Realised volatility a year: the sample standard deviation of the last daily returns, shape (n,), times sqrt(252)."""
    recent = _last(returns, sessions)
    if recent is None:
        return None
    with np.errstate(all="ignore"):
        found = float(recent.std(ddof=1)) * math.sqrt(SESSIONS_PER_YEAR)
    return found if math.isfinite(found) else None


def _state(distance: float, slope: float) -> TrendState:
    if distance < 0 and slope < 0:
        return TrendState.FALLING
    return TrendState.RISING if distance > 0 and slope > 0 else TrendState.MIXED


def _last(returns: FloatArray, count: int) -> FloatArray | None:
    """The last `count` returns, None when they are fewer or have a hole."""
    recent = returns[-count:]
    return recent if len(recent) == count and np.isfinite(recent).all() else None
