"""What the book stands to lose with each index: dollars held times beta, and how well the index explains the names."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from desk.domain.market import FloatArray, Market
from desk.domain.trades import Book, Trade
from hedging.prices import last_price
from hedging.returns import IndexReturns, name_returns
from hedging.rules import HedgeRules, IndexName

# Measured betas lie too far from one: those of the next period are nearer. Two thirds and one third are the usual round weights
# after M. E. Blume, "Betas and their regression tendencies", Journal of Finance 30 (1975); O. A. Vasicek, "A note on using
# cross-sectional information in Bayesian estimation of security betas", Journal of Finance 28 (1973), has the argument.
MEASURED_WEIGHT = 2.0 / 3.0
BETA_OF_THE_MARKET = 1.0
# Returns that spread less than a millionth have not moved.
LEAST_VARIANCE = 1e-12


@dataclass(frozen=True, slots=True)
class IndexExposure:
    """Exposure to one index. Tuples run along the names held; a beta that is not estimated is 1, its R^2 is 0.

    `r2` is the names' R^2 weighted by dollars, so names without an estimate speak for no index.
    """

    exposure_usd: float
    r2: float
    betas: tuple[float, ...]
    r2s: tuple[float, ...]
    is_estimated: tuple[bool, ...]


@dataclass(frozen=True, slots=True)
class Exposure:
    """The stocks held, in dollars at the last price, and what they mean to each index; inverse funds are left out.

    `at_cost` names those without a usable price, which count at what was paid for them.
    """

    symbols: tuple[str, ...]
    values_usd: tuple[float, ...]
    at_cost: tuple[str, ...]
    sp500: IndexExposure
    nasdaq: IndexExposure

    @property
    def long_usd(self) -> float:
        return sum(self.values_usd)

    def of(self, index: IndexName) -> IndexExposure:
        return self.nasdaq if index == "NASDAQ" else self.sp500


def exposure(market: Market, book: Book, indices: IndexReturns, rules: HedgeRules) -> Exposure:
    """Exposure of the shares that the book holds, over the last `rules.beta_sessions` sessions of `indices`."""
    values, at_cost = _values(market, book, rules)
    symbols = tuple(values)
    returns = name_returns(symbols, market, indices.calendar[-rules.beta_sessions - 1 :])
    usd = np.array(list(values.values()), dtype=np.float64)
    fits = [_to_index(returns, indices.by_index[index], usd, rules) for index in ("SP500", "NASDAQ")]
    return Exposure(symbols, tuple(values.values()), at_cost, *fits)


def betas(names: FloatArray, index: FloatArray, least_sessions: int) -> tuple[FloatArray, FloatArray, NDArray[np.bool_]]:
    """Ordinary least squares of each name on the index: (shrunk beta, R^2, whether estimated), shape (k,) each.

    `names` has shape (k, n), `index` (n,); a session that is not finite on either side does not count for that name.
    """
    both = np.isfinite(names) & np.isfinite(index)
    x, y, counts = np.where(np.isfinite(index), index, 0.0), np.where(both, names, 0.0), both.astype(np.float64)
    with np.errstate(all="ignore"):
        n, sum_x, sum_y = counts.sum(axis=1), _rows(counts, x), y.sum(axis=1)
        xx = _without_dust(_rows(counts, x * x), sum_x * sum_x / n, n)
        yy = _without_dust(np.einsum("ij,ij->i", y, y), sum_y * sum_y / n, n)
        slope = (_rows(y, x) - sum_x * sum_y / n) / xx
        explained = np.where(yy > 0, slope * slope * xx / yy, 0.0)
        fits = (n >= least_sessions) & (xx > 0) & np.isfinite(slope) & np.isfinite(explained)
        shrunk = MEASURED_WEIGHT * slope + (1.0 - MEASURED_WEIGHT) * BETA_OF_THE_MARKET
    return np.where(fits, shrunk, BETA_OF_THE_MARKET), np.where(fits, np.clip(explained, 0.0, 1.0), 0.0), fits


def _rows(matrix: FloatArray, column: FloatArray) -> FloatArray:
    # Not `@`: the last digits of a BLAS product may depend on its threads, and a plan must repeat.
    product: FloatArray = np.einsum("ij,j->i", matrix, column)
    return product


def _without_dust(squares: FloatArray, mean_squares: FloatArray, n: FloatArray) -> FloatArray:
    """Sum of squared deviations; 0 for what is only the rounding error of a series that has not moved."""
    deviations = squares - mean_squares
    return np.where(deviations > LEAST_VARIANCE * (n + squares), deviations, 0.0)


def _to_index(returns: FloatArray, index: FloatArray, usd: FloatArray, rules: HedgeRules) -> IndexExposure:
    beta, r2, fits = betas(returns, index[len(index) - returns.shape[1] :], rules.min_beta_sessions)
    with np.errstate(all="ignore"):
        exposed, total, explained = float((usd * beta).sum()), float(usd.sum()), float((usd * r2).sum())
    weighted = explained / total if total > 0 else 0.0
    return IndexExposure(exposed, weighted, tuple(beta.tolist()), tuple(r2.tolist()), tuple(fits.tolist()))


def _values(market: Market, book: Book, rules: HedgeRules) -> tuple[dict[str, float], tuple[str, ...]]:
    """Dollars by name, and the names that count at cost."""
    funds = {fund.symbol for fund in rules.inverse_etfs}
    values: dict[str, float] = {}
    at_cost: dict[str, None] = {}
    for trade in book.open.values():
        shares, symbol = trade.shares, trade.symbol
        # The units of a spread of options are no shares.
        if shares <= 0 or symbol in funds or trade.spec.legs:
            continue
        price = last_price(market, symbol)
        if price is None:
            price, at_cost[symbol] = paid_price(trade), None
        values[symbol] = values.get(symbol, 0.0) + shares * price
    return values, tuple(at_cost)


def paid_price(trade: Trade) -> float:
    """Dollars a share that the entry came to, or was decided at; 0 when neither is known."""
    price = float(trade.entry_price or trade.decided_price)
    return price if math.isfinite(price) and price > 0 else 0.0
