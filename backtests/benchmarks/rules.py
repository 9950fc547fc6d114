"""The one set of trading rules and the one synthetic market that every backtest of the benchmark is given.

Rules: buy a name whose RSI(14) of daily closes is at or below 30, lowest first, with a marketable limit and a bracket at +15 %
and -5 % of it; 15 % of the portfolio in each; an entry that does not fill that day is gone; out at the market after ten sessions;
no purchase on the day of an exit; no borrowing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from math import floor

import numpy as np
import pandas as pd

from desk.data.calendars import session_dates
from desk.data.source import Instrument, Source

RSI_LENGTH = 14
OVERSOLD_RSI = 30.0
STOP_LOSS_FRACTION = 0.05
TAKE_PROFIT_FRACTION = 0.15
MAX_POSITION_FRACTION = 0.15
TIME_BARRIER_SESSIONS = 10
# A limit this far above the last close buys at nearly every opening and never far above it.
ENTRY_COLLAR_FRACTION = 0.002
FEE_BPS = 1.0
BUDGET_USD = 100_000.0

FIRST_DAY, LAST_DAY = date(2014, 1, 2), date(2019, 12, 31)
# A year before the first traded session, for indicators and the first model.
WARM_UP_SESSIONS = 252
STEPS_A_DAY = 9  # one overnight, eight in the session
MARKET_VOLATILITY, OWN_VOLATILITY = 0.010, 0.017  # of a day; a third of the variance is common, as among large stocks


@dataclass(frozen=True)
class BracketPrices:
    """An entry limit with its exits, in dollars and whole cents."""

    limit: float
    stop: float
    target: float


@dataclass(frozen=True)
class Task:
    """What to run: a seeded market of `symbols` names, traded for `sessions` sessions."""

    symbols: int
    sessions: int
    seed: int = 1


@dataclass(frozen=True)
class Outcome:
    """One run: how long it took, what it bought (symbol and session) and what it was worth at the end, in dollars."""

    seconds: float
    entries: frozenset[tuple[str, date]]
    final_usd: float


def bracket_at(last_close: float) -> BracketPrices:
    """The bracket that an entry decided at `last_close` dollars goes out with."""
    limit = floor(last_close * (1 + ENTRY_COLLAR_FRACTION) * 100 + 1e-9) / 100
    return BracketPrices(limit, round(limit * (1 - STOP_LOSS_FRACTION), 2), round(limit * (1 + TAKE_PROFIT_FRACTION), 2))


def traded_sessions(task: Task) -> tuple[date, ...]:
    return session_dates(FIRST_DAY, LAST_DAY)[WARM_UP_SESSIONS : WARM_UP_SESSIONS + task.sessions]


def frames(task: Task) -> Mapping[str, pd.DataFrame]:
    """Daily bars by symbol, from the warm-up's first session to the last one traded: driftless walks with a common factor."""
    rng = np.random.default_rng(task.seed)
    days = session_dates(FIRST_DAY, LAST_DAY)[: WARM_UP_SESSIONS + task.sessions]
    index = pd.DatetimeIndex([pd.Timestamp(day) for day in days])
    shape = len(days), STEPS_A_DAY
    market = rng.normal(0.0, MARKET_VOLATILITY / STEPS_A_DAY**0.5, shape)
    return {f"S{number:03}": _bars(rng, market, index) for number in range(task.symbols)}


def _bars(rng: np.random.Generator, market: np.ndarray, index: pd.DatetimeIndex) -> pd.DataFrame:
    steps = 1.0 + market + rng.normal(0.0, OWN_VOLATILITY / STEPS_A_DAY**0.5, market.shape)
    path = 100.0 * steps.ravel().cumprod().reshape(steps.shape)
    columns = {"open": path[:, 0], "high": path.max(axis=1), "low": path.min(axis=1), "close": path[:, -1]}
    return pd.DataFrame(columns, index=index).round(2).assign(volume=1e6)


def source(task: Task) -> Source:
    daily = frames(task)
    instruments = {symbol: Instrument(symbol, "synthetic", derived=True) for symbol in daily}
    return Source("synthetic", f"seeded random walks, seed {task.seed}", daily, instruments)
