"""The benchmark's minutes: the same rules with a minute as the bar, on seeded walks of regular hours.

An entry then has ten minutes to work and the brackets are seldom reached: what is measured is the engine, not the rules.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

import numpy as np
import pandas as pd

from benchmarks.rules import FIRST_DAY, LAST_DAY, MARKET_VOLATILITY, OWN_VOLATILITY, Task
from desk.data.calendars import session_dates

MINUTES = 390
WARM_UP_BARS = MINUTES  # a session, for the indicators


def frames(task: Task) -> Mapping[str, pd.DataFrame]:
    """Minute bars by symbol over a session of warm-up and the task's sessions; the index is naive, New York's wall clock."""
    rng = np.random.default_rng(task.seed)
    days = session_dates(FIRST_DAY, LAST_DAY)[: task.sessions + 1]
    opens = [pd.Timestamp(day) + pd.Timedelta(hours=9, minutes=30) for day in days]
    index = pd.DatetimeIndex(np.concatenate([pd.date_range(at, periods=MINUTES, freq="min").to_numpy() for at in opens]))
    common = rng.normal(0.0, MARKET_VOLATILITY / MINUTES**0.5, (len(index), 3))
    return {f"S{number:03}": _bars(rng, common, index) for number in range(task.symbols)}


def moment_of(stamp: pd.Timestamp) -> date:
    """What an entry is known by: its session among daily bars, its minute among minutes."""
    return stamp.date() if stamp == stamp.normalize() else stamp.to_pydatetime()


def _bars(rng: np.random.Generator, common: np.ndarray, index: pd.DatetimeIndex) -> pd.DataFrame:
    steps = 1.0 + common + rng.normal(0.0, OWN_VOLATILITY / MINUTES**0.5, common.shape)
    path = 100.0 * steps.ravel().cumprod().reshape(steps.shape)
    columns = {"open": path[:, 0], "high": path.max(axis=1), "low": path.min(axis=1), "close": path[:, -1]}
    return pd.DataFrame(columns, index=index).round(2).assign(volume=1e4)
