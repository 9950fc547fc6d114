"""What accounts over the same sessions are compared by: return, drawdown, Sharpe ratio and its error, exposure, turnover."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from desk.domain.market import DailyBars, FloatArray
from desk.domain.records import RunRecord, SpreadTrip
from desk.report.statistics import exposure, max_drawdown_fraction, session_closes
from desk.report.wording import BACKTEST

SESSIONS_A_YEAR = 252


@dataclass(frozen=True, slots=True)
class Curve:
    """An account's value in dollars at the close of each session, shape (n,), from `start_usd` before the first."""

    sessions: tuple[date, ...]
    closes_usd: FloatArray
    start_usd: float

    @property
    def path_usd(self) -> FloatArray:
        """The start and every close, shape (n + 1,)."""
        return np.concatenate(([self.start_usd], self.closes_usd))

    @property
    def returns(self) -> FloatArray:
        """Return of each session as a fraction, shape (n,)."""
        return returns_of(self.path_usd)


@dataclass(frozen=True, slots=True)
class Sharpe:
    """Mean over standard deviation of the daily returns, a year, without a risk-free rate; and its standard error, a year."""

    ratio: float
    standard_error: float


@dataclass(frozen=True, slots=True)
class Figures:
    """One account in figures: fractions of one, money in dollars. `turnover_a_year` counts purchases and sales, in equities.

    `sharpe` is None where the returns do not vary. `trades` counts round trips of shares and spreads, `spreads` the latter alone.
    """

    total_return_fraction: float
    costs_usd: float
    max_drawdown_fraction: float
    sharpe: Sharpe | None
    trades: int
    exposure_fraction: float
    turnover_a_year: float
    spreads: int = 0


def curve_of(record: RunRecord) -> Curve:
    """The equity of a run, session by session; empty without a single value of it."""
    closes = session_closes(record.equity)
    first = min(record.equity, key=lambda point: point.at, default=None)
    values = np.array(list(closes.values()), dtype=np.float64)
    return Curve(tuple(closes), values, 0.0 if first is None else first.equity_usd)


def returns_of(path: FloatArray) -> FloatArray:
    """Change from each value to the next as a fraction, shape (n - 1,); 0 after a value that is not above zero."""
    before = path[:-1]
    return np.divide(path[1:] - before, before, out=np.zeros_like(before), where=before > 0)


def figures_of(record: RunRecord) -> Figures:
    """What the tables show of a run."""
    curve = curve_of(record)
    return Figures(
        total_return_fraction=float(curve.path_usd[-1] / curve.start_usd - 1) if curve.start_usd > 0 else 0.0,
        costs_usd=record.costs_usd,
        max_drawdown_fraction=max_drawdown_fraction([point.equity_usd for point in record.equity]),
        sharpe=sharpe_of(curve.returns),
        trades=len(record.trips) + len(record.spreads),
        exposure_fraction=exposure(record.equity).average_fraction,
        turnover_a_year=turnover_a_year(_shares_usd(record) + sum(map(_premiums_usd, record.spreads)), curve),
        spreads=len(record.spreads),
    )


def sharpe_of(returns: FloatArray) -> Sharpe | None:
    """Sharpe ratio of daily `returns`, shape (n,), with the standard error that allows for skew and fat tails.

    Lo (2002), "The Statistics of Sharpe Ratios", for independent normal returns; Mertens (2002) for any distribution:
    variance of the daily ratio = (1 + SR^2 / 2 - skew SR + (kurtosis - 3) / 4 SR^2) / n. Both scale with the square root of time.
    """
    n = len(returns)
    spread = float(np.std(returns, ddof=1)) if n > 1 else 0.0
    if spread <= 1e-12:  # rounding alone makes returns that never vary differ in the last digits
        return None
    centred = (returns - returns.mean()) / float(np.std(returns))
    ratio = float(returns.mean()) / spread
    skew, kurtosis = float(np.mean(centred**3)), float(np.mean(centred**4))
    variance = (1 + ratio**2 / 2 - skew * ratio + (kurtosis - 3) / 4 * ratio**2) / n
    return Sharpe(ratio * math.sqrt(SESSIONS_A_YEAR), math.sqrt(max(variance, 0.0) * SESSIONS_A_YEAR))


def paid_fraction(record: RunRecord, modelled: float) -> float:
    """What a backtest paid of each dollar of shares that it traded; `modelled` for other runs, which measure costs by the
    decision's price.
    """
    traded_usd = _shares_usd(record)
    paid_usd = record.costs_usd - record.spread_costs_usd
    return paid_usd / traded_usd if record.broker == BACKTEST and traded_usd > 0 else modelled


def turnover_a_year(traded_usd: float, curve: Curve) -> float:
    """Purchases and sales over the average equity, a year: 2.0 for an account bought and sold once a year."""
    average = float(curve.path_usd.mean())
    return traded_usd / average * SESSIONS_A_YEAR / len(curve.sessions) if average > 0 and len(curve.sessions) else 0.0


def buy_and_hold(
    bars: Sequence[DailyBars], sessions: Sequence[date], budget_usd: float, cost_fraction: float
) -> tuple[Curve, Figures]:
    """An equal part of the budget in each symbol, bought at its first open within `sessions` and kept; cash until then.

    `cost_fraction` is what a purchase costs of its value, as every other account pays. Shares are not rounded.
    """
    part_usd = budget_usd / max(len(bars), 1)
    values, bought, invested = np.zeros(len(sessions)), 0, np.zeros(len(sessions))
    for each in bars:
        held = _held_usd(each, sessions, part_usd / (1 + cost_fraction))
        bought += int(np.isfinite(held).any())
        invested += np.nan_to_num(held)
        values += np.where(np.isfinite(held), held, part_usd)
    curve = Curve(tuple(sessions), values, budget_usd)
    paid_usd = bought * part_usd / (1 + cost_fraction)
    return curve, Figures(
        total_return_fraction=float(curve.path_usd[-1] / budget_usd - 1),
        costs_usd=paid_usd * cost_fraction,
        max_drawdown_fraction=max_drawdown_fraction(curve.path_usd.tolist()),
        sharpe=sharpe_of(curve.returns),
        trades=bought,
        exposure_fraction=float(np.mean(invested / values)) if len(values) else 0.0,
        turnover_a_year=turnover_a_year(paid_usd, curve),
    )


def correlations(curves: Sequence[Curve]) -> FloatArray:
    """Correlation of the daily returns of accounts over the same sessions, shape (k, k); not a number beside a flat account."""
    returns = np.array([curve.returns for curve in curves])
    spread = returns.std(axis=1, keepdims=True)
    centred = returns - returns.mean(axis=1, keepdims=True)
    scaled = np.divide(centred, spread, out=np.full_like(centred, np.nan), where=spread > 1e-12)
    return np.asarray(np.clip(scaled @ scaled.T / returns.shape[1], -1.0, 1.0))


def _shares_usd(record: RunRecord) -> float:
    """Shares bought and sold."""
    return sum(trip.shares * (trip.entry_price + (trip.exit_price or 0.0)) for trip in record.trips)


def _premiums_usd(trip: SpreadTrip) -> float:
    """What came in for both puts together, and what leaving them took."""
    return abs(trip.credit_usd) + abs(trip.debit_usd or 0.0)


def _held_usd(bars: DailyBars, sessions: Sequence[date], paid_usd: float) -> FloatArray:
    """Value at the close of each session of what was bought at the first open; the last close where a session has no bar.

    Shape (n,), not a number before the purchase.
    """
    at = {day: place for place, day in enumerate(bars.sessions)}
    held, shares = np.full(len(sessions), np.nan), 0.0
    for number, day in enumerate(sessions):
        place = at.get(day)
        if place is not None:
            shares = shares or paid_usd / float(bars.open[place])
            held[number] = shares * float(bars.close[place])
        elif shares:
            held[number] = held[number - 1]
    return held
