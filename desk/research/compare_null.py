"""The null test of a run: its own trades at random moments. What they earn too, the choice of the moment did not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, time

import numpy as np
from numpy.typing import NDArray

from desk.domain.market import FloatArray
from desk.domain.records import RunRecord, Trip
from desk.report.new_york import local, session_of
from desk.report.statistics import max_drawdown_fraction
from desk.research.compare_figures import SESSIONS_A_YEAR, Curve, Figures, Sharpe, curve_of, returns_of, sharpe_of

OPENING = time(9, 30)
CENTRAL = (5.0, 95.0)  # percentiles between which nine draws in ten lie


@dataclass(frozen=True, slots=True)
class Placement:
    """What a trade keeps when its moment is drawn: its part of the equity, the sessions that it was held, its symbol's prices.

    `places` are the numbers, among the run's sessions, of those with a bar; opens and closes are theirs, all shape (m,).
    `at_open` tells that it was sold at an opening, as a time barrier does, and not later in the day.
    """

    fraction: float
    held: int
    is_sold: bool
    at_open: bool
    places: NDArray[np.intp]
    opens: FloatArray
    closes: FloatArray


@dataclass(frozen=True, slots=True)
class Null:
    """Random moments in figures: medians over the draws, the central nine tenths of their returns, and the place of the run.

    `as_good_fraction` is the part of the draws, the run counted among them, that earned at least what the run did: the p-value
    of a test with this null hypothesis (Davison and Hinkley 1997, section 4.2). `costs_usd` and the rest as in `Figures`.
    """

    draws: int
    seed: int
    medians: Figures
    low_return_fraction: float
    high_return_fraction: float
    as_good_fraction: float


def random_moments(record: RunRecord, cost_fraction: float, draws: int, seed: int) -> Null | None:
    """Place every trade of `record` at a session drawn at random, `draws` times; None without a trade whose prices are there.

    Each keeps its symbol, its part of the equity and the number of sessions that it was held: bought at an open, sold at an
    open where it was so, else at a close, `cost_fraction` of the value for either. Its part of the equity is kept level while
    it is held; where drawn trades overlap to more than the whole equity, each counts less. Option spreads, whose prices at other
    moments no record has, stay where they were, in every draw: the cash of each comes on the day that it was closed.
    """
    curve = curve_of(record)
    placements = [found for trip in record.trips if (found := _placement(trip, record, curve)) is not None]
    if not placements:
        return None
    drawn = _Drawn(draws, len(curve.sessions))
    generator = np.random.default_rng(seed)
    for placement in placements:
        drawn.place(placement, generator)
    scale = 1 / np.maximum(drawn.invested, 1.0)
    costs = drawn.traded * scale * cost_fraction
    grown = np.cumprod(1 + drawn.gains * scale - costs + _spread_gains(record, curve), axis=1)
    paths: FloatArray = np.hstack((np.ones((draws, 1)), grown)) * curve.start_usd
    medians = _medians(paths, costs, drawn.traded * scale, len(placements), float(np.minimum(drawn.kept, 1.0).mean()))
    medians = replace(medians, trades=len(placements) + len(record.spreads), spreads=len(record.spreads))
    finals = paths[:, -1] / curve.start_usd - 1
    low, high = np.percentile(finals, CENTRAL)
    as_good = (1 + int((finals >= curve.path_usd[-1] / curve.start_usd - 1).sum())) / (draws + 1)
    return Null(draws, seed, medians, float(low), float(high), as_good)


class _Drawn:
    """Sums over the placed trades, each of shape (draws, sessions), in parts of the equity.

    `gains` of the session, `traded` in it, `invested` at any time of it and `kept` at its close.
    """

    def __init__(self, draws: int, sessions: int) -> None:
        self.gains, self.traded, self.invested, self.kept = (np.zeros((draws, sessions)) for _ in range(4))

    def place(self, trade: Placement, generator: np.random.Generator) -> None:
        """Add one trade to each draw, at a moment of its own."""
        draws = len(self.gains)
        starts = generator.integers(0, len(trade.places) - trade.held, size=draws)
        at = starts[:, None] + np.arange(trade.held + 1)
        values = trade.closes[at]
        if trade.at_open and trade.held:
            values[:, -1] = trade.opens[at[:, -1]]
        before = np.column_stack((trade.opens[starts], values[:, :-1]))
        rows, columns = np.arange(draws), trade.places[at]
        whole = rows[:, None], columns
        self.gains[whole] += trade.fraction * (values / before - 1)
        self.invested[whole] += trade.fraction
        self.traded[rows, columns[:, 0]] += trade.fraction
        last = columns.shape[1] - int(trade.is_sold)
        self.kept[rows[:, None], columns[:, :last]] += trade.fraction
        if trade.is_sold:
            self.traded[rows, columns[:, -1]] += trade.fraction


def _spread_gains(record: RunRecord, curve: Curve) -> FloatArray:
    """What spreads that were closed in each session brought, of the equity before it, shape (n,)."""
    gained = np.zeros(len(curve.sessions))
    numbers = {day: number for number, day in enumerate(curve.sessions)}
    for trip in record.spreads:
        number = None if trip.closed_at is None else numbers.get(session_of(trip.closed_at))
        if number is not None and curve.path_usd[number] > 0:
            gained[number] += (trip.pnl_usd or 0.0) / curve.path_usd[number]
    return gained


def _placement(trip: Trip, record: RunRecord, curve: Curve) -> Placement | None:
    bars = record.daily.get(trip.symbol)
    numbers = {day: number for number, day in enumerate(curve.sessions)}
    if bars is None:
        return None
    inside = [place for place, day in enumerate(bars.sessions) if day in numbers]
    days = [bars.sessions[place] for place in inside]
    entered = session_of(trip.entry_at)
    if entered not in days:
        return None
    before_usd = curve.path_usd[numbers[entered]]
    return Placement(
        fraction=trip.shares * trip.entry_price / float(before_usd) if before_usd > 0 else 0.0,
        held=_last_day(trip, days) - days.index(entered),
        is_sold=not trip.is_open,
        at_open=trip.exit_at is not None and local(trip.exit_at).time() <= OPENING,
        places=np.array([numbers[day] for day in days], dtype=np.intp),
        opens=bars.open[inside],
        closes=bars.close[inside],
    )


def _last_day(trip: Trip, days: Sequence[date]) -> int:
    """Number of the last of `days` on which the trade was held; an open one is held to the end."""
    if trip.exit_at is None:
        return len(days) - 1
    left = session_of(trip.exit_at)
    return max((number for number, day in enumerate(days) if day <= left), default=0)


def _medians(paths: FloatArray, costs: FloatArray, traded: FloatArray, trades: int, exposure_fraction: float) -> Figures:
    """The middle of the draws; `paths` are in dollars, shape (draws, sessions + 1)."""
    sharpes = [found.ratio for path in paths if (found := sharpe_of(returns_of(path))) is not None]
    return Figures(
        total_return_fraction=float(np.median(paths[:, -1] / paths[:, 0] - 1)),
        costs_usd=float(np.median((costs * paths[:, :-1]).sum(axis=1))),
        max_drawdown_fraction=float(np.median([max_drawdown_fraction(path.tolist()) for path in paths])),
        # The spread over the draws is the error of one of them.
        sharpe=Sharpe(float(np.median(sharpes)), float(np.std(sharpes))) if sharpes else None,
        trades=trades,
        exposure_fraction=exposure_fraction,
        turnover_a_year=float(np.median(traded.sum(axis=1))) * SESSIONS_A_YEAR / traded.shape[1],
    )
