"""Triple-barrier outcomes of the trade that is really placed after a signal: what it returned, when and how it ended.

The trade: a signal on day t is bought at the open of session t+1; from then on (the entry session included) a stop and a
target rest at fixed fractions of the entry price; what is still open `time_barrier_sessions` sessions after the entry session
is sold at that session's open. An open beyond a barrier exits at the open. When one bar touches both barriers the stop
counts: daily bars do not tell the order, and the pessimistic answer cannot flatter.
Source of the method: M. Lopez de Prado, Advances in Financial Machine Learning (2018), chapter 3.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from desk.domain.market import DailyBars, FloatArray

IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]


class ExitKind(IntEnum):
    UNKNOWN = 0
    STOP = 1
    TARGET = 2
    TIME = 3


@dataclass(frozen=True, slots=True)
class Outcomes:
    """One outcome for each bar taken as signal day, arrays of shape (n,).

    `gross_return` is exit / entry - 1 before costs, NaN when unknown. `exit_index` and `horizon_index` are places in the same
    bars: the session of the exit (-1 when unknown) and the session of the time barrier (may lie beyond the last bar).
    """

    gross_return: FloatArray
    exit_index: IntArray
    exit_kind: IntArray
    horizon_index: IntArray

    def profitable(self, cost_bps: float) -> BoolArray:
        """True where the return after round-trip costs of `cost_bps` is above zero; unknown outcomes are False."""
        return np.nan_to_num(self.gross_return, nan=-1.0) > cost_bps / 10_000


def triple_barrier(
    bars: DailyBars, stop_loss_fraction: float, take_profit_fraction: float, time_barrier_sessions: int
) -> Outcomes:
    """Outcome of a purchase at the open after each bar; only bars from the entry to the exit are looked at.

    Raises ValueError when a fraction or the number of sessions is out of range.
    """
    _check(stop_loss_fraction, take_profit_fraction, time_barrier_sessions)
    n = len(bars)
    entry_at = np.arange(1, n + 1, dtype=np.int64)
    entry = np.append(bars.open[1:], np.nan)
    stop, target = entry * (1 - stop_loss_fraction), entry * (1 + take_profit_fraction)
    exit_price = np.full(n, np.nan)
    exit_index = np.full(n, -1, dtype=np.int64)
    kind = np.zeros(n, dtype=np.int64)
    for held in range(time_barrier_sessions + 1):
        rows = np.flatnonzero((kind == ExitKind.UNKNOWN) & (entry_at + held < n))
        at = entry_at[rows] + held
        price, how = _exits(bars, at, stop[rows], target[rows], held == time_barrier_sessions)
        done = how != ExitKind.UNKNOWN
        exit_price[rows[done]], kind[rows[done]], exit_index[rows[done]] = price[done], how[done], at[done]
    return Outcomes(exit_price / entry - 1, exit_index, kind, entry_at + time_barrier_sessions)


def _check(stop_loss_fraction: float, take_profit_fraction: float, time_barrier_sessions: int) -> None:
    if not 0 < stop_loss_fraction < 1:
        raise ValueError(f"stop_loss_fraction {stop_loss_fraction} must lie between 0 and 1")
    if not take_profit_fraction > 0:
        raise ValueError(f"take_profit_fraction {take_profit_fraction} must be above 0")
    if time_barrier_sessions < 1:
        raise ValueError(f"time_barrier_sessions {time_barrier_sessions} must be 1 or more")


def _exits(bars: DailyBars, at: IntArray, stop: FloatArray, target: FloatArray, last: bool) -> tuple[FloatArray, IntArray]:
    """Exit price and kind of each open trade in bar `at`; on the `last` session everything goes at the open."""
    opened = bars.open[at]
    gapped = [(opened <= stop, opened, ExitKind.STOP), (opened >= target, opened, ExitKind.TARGET)]
    during = [(bars.low[at] <= stop, stop, ExitKind.STOP), (bars.high[at] >= target, target, ExitKind.TARGET)]
    timed = [(np.full(len(at), True), opened, ExitKind.TIME)]
    rules = gapped + (timed if last else during)
    conditions = [condition for condition, _, _ in rules]
    price = np.select(conditions, [price for _, price, _ in rules], default=np.nan)
    return price, np.select(conditions, [np.int64(kind) for _, _, kind in rules], default=np.int64(ExitKind.UNKNOWN))
