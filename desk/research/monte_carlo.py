"""What a run might have come to had its days, or its trades, come otherwise: a block bootstrap of each.

The stationary bootstrap of Politis and Romano (1994, Journal of the American Statistical Association 89, 1303-1313) strings
together blocks that begin anywhere and whose lengths are geometric, so that what neighbours share, as days of one storm do, is
kept. It draws from what happened: a fall that the run never saw is in none of the draws.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil

import numpy as np

from desk.domain.errors import UsageError
from desk.domain.market import FloatArray
from desk.domain.records import RunRecord
from desk.report.new_york import session_of
from desk.report.statistics import drawdowns
from desk.research.compare_figures import curve_of
from desk.research.compare_trips import outcomes

FEWEST = 2  # of one return there is only one order
QUANTILES = (0.01, 0.05, 0.25, 0.50, 0.75, 0.95, 0.99)
MOST_POINTS = 300  # of a drawn path that are kept for the picture


@dataclass(frozen=True)
class Outcomes:
    """Figures of paths, one value a path; shape (draws,) or, for the run itself, (1,).

    Returns and drawdowns are fractions of one, drawdowns in [0, 1]; `under_water` is the longest stretch below an earlier high,
    in periods; `lowest` is the lowest value as a fraction of the start.
    """

    final_return: FloatArray
    max_drawdown: FloatArray
    under_water: FloatArray
    lowest: FloatArray


@dataclass(frozen=True)
class Bootstrap:
    """Draws from a series of returns. `fan` has the quantiles of the value, a start of 1, shape (quantiles, points).

    `points` are the periods that they belong to, 0 for the start; `own_path` is the run itself there.
    """

    periods: int
    block: int
    draws: int
    seed: int
    drawn: Outcomes
    own: Outcomes
    points: FloatArray
    fan: FloatArray
    own_path: FloatArray

    def ruin_probability(self, ruin_fraction: float) -> float:
        """Part of the draws whose value was below `ruin_fraction` of the start at any time."""
        return float(np.mean(self.drawn.lowest < ruin_fraction))

    def ruin_bound(self, ruin_fraction: float) -> float:
        """Upper end of a one-sided 95 % interval for it by Clopper and Pearson (1934): never 0, however few were ruined."""
        from scipy.stats import beta

        ruined = int(np.sum(self.drawn.lowest < ruin_fraction))
        return 1.0 if ruined == self.draws else float(beta.ppf(0.95, ruined + 1, self.draws - ruined))


def day_returns_of(record: RunRecord) -> FloatArray:
    """Return of every session of a run as a fraction, shape (n,)."""
    return curve_of(record).returns


def trade_returns_of(record: RunRecord) -> FloatArray:
    """What each closed trade won or lost, as a fraction of the equity before its session, in order of the exits, shape (n,).

    An option spread is one trade from its first fill until nothing of it is left, with all the cash that it brought and took.
    """
    curve = curve_of(record)
    before = dict(zip(curve.sessions, curve.path_usd[:-1], strict=True))
    closed = sorted((each.closed_at, each.pnl_usd or 0.0, each.opened_at) for each in outcomes(record) if each.closed_at)
    found = [pnl / before[day] for _, pnl, opened in closed if before.get(day := session_of(opened), 0.0) > 0]
    return np.array(found, dtype=np.float64)


def bootstrap(returns: FloatArray, *, draws: int, seed: int, block: int | None = None) -> Bootstrap:
    """Draw `draws` series as long as `returns`, shape (n,), by the stationary bootstrap and follow each as an account.

    `block` is the mean length of a block, None for the one that Politis and White (2004) estimate. A block as long as the
    series leaves nothing to draw: every draw is the run itself. Raises UsageError for fewer than two returns.
    """
    if len(returns) < FEWEST:
        raise UsageError(f"{len(returns)} returns are too few to draw from: it takes at least {FEWEST}, better hundreds")
    length = mean_block(returns) if block is None else block
    points = np.unique(np.linspace(0, len(returns), min(len(returns) + 1, MOST_POINTS)).astype(np.intp))
    figures, kept = np.empty((4, draws)), np.empty((draws, len(points)))
    for number, drawn in enumerate(_series(returns, draws, seed, length)):
        path = _path(drawn)
        figures[:, number], kept[number] = _figures(path), path[points]
    own = _path(returns)
    return Bootstrap(
        periods=len(returns),
        block=min(length, len(returns)),
        draws=draws,
        seed=seed,
        drawn=Outcomes(*figures),
        own=Outcomes(*(np.array([value]) for value in _figures(own))),
        points=points.astype(np.float64),
        fan=np.quantile(kept, QUANTILES, axis=0),
        own_path=own[points],
    )


def mean_block(returns: FloatArray) -> int:
    """Mean block length by the rule of Politis and White (2004), corrected by Patton, Politis and White (2009), rounded up.

    The cube root of the length, the order of that rule, where it has no answer: too few returns, or some that never vary.
    """
    from arch.bootstrap import optimal_block_length

    length = float("nan")
    if len(returns) > 10 and np.ptp(returns) > 0:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # long flat stretches have no autocorrelation to divide by
            length = float(optimal_block_length(returns)["stationary"].iloc[0])
    return min(max(ceil(length if np.isfinite(length) else len(returns) ** (1 / 3)), 1), len(returns))


def _series(returns: FloatArray, draws: int, seed: int, block: int) -> Iterator[FloatArray]:
    if block >= len(returns):
        yield from (returns for _ in range(draws))
        return
    # arch costs more than a second to import.
    from arch.bootstrap import StationaryBootstrap

    for positional, _ in StationaryBootstrap(block, returns, seed=seed).bootstrap(draws):
        yield positional[0]


def _path(returns: FloatArray) -> FloatArray:
    """Value from a start of 1, shape (n + 1,); what has lost everything stays there."""
    return np.concatenate(([1.0], np.cumprod(np.maximum(1 + returns, 0.0))))


def _figures(path: FloatArray) -> tuple[float, float, float, float]:
    falls = drawdowns(path.tolist())
    return float(path[-1] - 1), float(falls.max()), float(longest(falls > 0)), float(path.min())


def longest(flags: np.ndarray) -> int:
    """Length of the longest run of true values, shape (n,) of booleans."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], flags, [False])).astype(np.int8)))
    return int((edges[1::2] - edges[::2]).max(initial=0))
