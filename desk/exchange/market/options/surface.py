"""The model that options are priced by: a volatility surface over the stock's own past, Black-Scholes, and a spread.

- At the money: the stock's realised volatility of the last 21 and 126 sessions, each with a premium of 10 % on it (options
  cost more than stocks move, on average), and between the two a variance that reverts from the one to the other in time.
- Skew and smile: that volatility times 1 - 0.12 k + 0.03 k², where k = 4 tanh(m / 4) and m is the log-moneyness in standard
  deviations. It lies between an index (the S&P 500's chains of spring 2019: 1.50 at k = -2, 0.85 at k = 2) and single stocks.
  The tanh keeps far strikes finite, and prices convex in the strike: no butterfly costs less than nothing.
- Price: Black-Scholes with a rate of 2 % and no dividends. Early exercise is left out of it; what an American option could
  be exercised for is its floor.
- Spread: one cent, 1.5 % of the time value (more away from the money) and 1 % of the intrinsic value: between SPY in 2021
  (1 to 6 cents) and AAPL in 2014 (5 cents at 0.50, 30 at 5.00, 80 at 28).

Every price is a model's: neither a quote that was, nor a promise of what a broker would fill.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd

from desk.exchange.market.corporate import Split
from desk.exchange.market.path import UNITS_PER_CENT, UNITS_PER_DOLLAR, IntArray, on_grid
from desk.exchange.market.prices import shares_of_one
from options import black_scholes
from options.black_scholes import Floats

RATE = 0.02
SESSIONS_OF_A_YEAR = 252
NEAR_SESSIONS, FAR_SESSIONS, FEWEST_SESSIONS = 21, 126, 10
UNKNOWN_VOLATILITY, LOWEST_VOLATILITY, HIGHEST_VOLATILITY = 0.35, 0.08, 1.5
PREMIUM = 1.1
# A move of more than this in a session (a logarithm: 49 % up, 33 % down) is a split that nobody told of, or an error.
LARGEST_MOVE = 0.4
REVERSION_A_YEAR = 6.0
SKEW, SMILE, FARTHEST = -0.12, 0.03, 4.0
SHORTEST_YEARS = 1.0 / (365 * 24)
LEAST_SPREAD_USD, OF_TIME_VALUE, OF_INTRINSIC = 0.01, 0.015, 0.01


@dataclass(frozen=True, slots=True)
class Volatility:
    """A stock's volatility as fractions a year: what options of the shortest and of the longest life are priced by."""

    near: float
    far: float

    def at_the_money(self, years: Floats) -> Floats:
        """The volatility of an option at the money over `years`, from a mean-reverting variance."""
        decay = REVERSION_A_YEAR * np.maximum(years, SHORTEST_YEARS)
        variance: Floats = self.far**2 + (self.near**2 - self.far**2) * -np.expm1(-decay) / decay
        return np.sqrt(variance)


@dataclass(frozen=True)
class History:
    """Days, closes in units and volumes of a stock, oldest first."""

    days: list[date]
    closes: IntArray
    volumes: Floats

    def before(self, day: date) -> int:
        """How many of the days come before `day`."""
        return bisect_left(self.days, day)


def history_of(frame: pd.DataFrame, splits: Iterable[Split]) -> History:
    """A stock's daily bars (columns close in dollars and volume, by day) as if `splits` had always been."""
    closes, volumes = (frame[name].to_numpy(dtype=np.float64, copy=True) for name in ("close", "volume"))
    days = [stamp.date() for stamp in frame.index]
    for split in splits:
        before, ratio = bisect_left(days, split.ex_date), float(shares_of_one(split))
        closes[:before] /= ratio
        volumes[:before] *= ratio
    return History(days, on_grid(closes * UNITS_PER_DOLLAR), volumes)


def realised(closes: Floats) -> Volatility:
    """The volatility that daily closes tell of, oldest first, shape (n,); a fixed one where they are too few."""
    moves = np.diff(np.log(closes[-FAR_SESSIONS - 1 :]))
    moves = moves[np.abs(moves) <= LARGEST_MOVE]
    if len(moves) < FEWEST_SESSIONS:
        return Volatility(UNKNOWN_VOLATILITY, UNKNOWN_VOLATILITY)
    return Volatility(_yearly(moves[-NEAR_SESSIONS:]), _yearly(moves))


def _yearly(moves: Floats) -> float:
    deviation = float(np.sqrt(np.mean(moves**2) * SESSIONS_OF_A_YEAR))
    return float(np.clip(PREMIUM * deviation, LOWEST_VOLATILITY, HIGHEST_VOLATILITY))


def moneyness(volatility: Volatility, spot: Floats, strike: Floats, years: Floats) -> Floats:
    """Log-moneyness in standard deviations, bent to stay within `FARTHEST`: below zero for strikes below the stock."""
    return _moneyness(volatility.at_the_money(years), spot, strike, years)


def smile(volatility: Volatility, spot: Floats, strike: Floats, years: Floats) -> Floats:
    """Implied volatility; all arguments in dollars and years, broadcast."""
    level = volatility.at_the_money(years)
    return _smile(level, _moneyness(level, spot, strike, years))


def fair(volatility: Volatility, is_call: object, spot: Floats, strike: Floats, years: Floats) -> Floats:
    """The model's price in dollars a share, never below what exercise pays."""
    calls = np.asarray(is_call, dtype=np.bool_)
    paid = black_scholes.price(calls, spot, strike, years, smile(volatility, spot, strike, years), RATE)
    return np.maximum(paid, black_scholes.intrinsic(calls, spot, strike))


def _moneyness(level: Floats, spot: Floats, strike: Floats, years: Floats) -> Floats:
    deviation = level * np.sqrt(np.maximum(years, SHORTEST_YEARS))
    bent: Floats = FARTHEST * np.tanh(np.log(strike / spot) / (FARTHEST * deviation))
    return bent


def _smile(level: Floats, k: Floats) -> Floats:
    return level * (1.0 + SKEW * k + SMILE * k**2)


def market(
    volatility: Volatility, is_call: object, spot: Floats, strike: Floats, years: Floats
) -> tuple[IntArray, IntArray, IntArray]:
    """Bid, ask and last in whole cents, as units of 0.0001 dollars; a bid of zero is none."""
    calls = np.asarray(is_call, dtype=np.bool_)
    level = volatility.at_the_money(years)
    k = _moneyness(level, spot, strike, years)
    sure = black_scholes.intrinsic(calls, spot, strike)
    # What `fair` says, of parts that are needed here as well.
    worth = np.maximum(black_scholes.price(calls, spot, strike, years, _smile(level, k), RATE), sure)
    away = 1.0 + 0.5 * np.abs(k)
    half = 0.5 * (LEAST_SPREAD_USD + OF_TIME_VALUE * away * (worth - sure) + OF_INTRINSIC * sure)
    bid = np.maximum(np.floor((worth - half) * 100.0 + 1e-9), 0.0)
    ask = np.maximum(np.ceil((worth + half) * 100.0 - 1e-9), bid + 1.0)
    last = np.clip(np.rint(worth * 100.0), np.maximum(bid, 1.0), ask)
    return _units(bid), _units(ask), _units(last)


def _units(cents: Floats) -> IntArray:
    return cents.astype(np.int64) * UNITS_PER_CENT
