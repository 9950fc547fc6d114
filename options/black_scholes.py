"""Black-Scholes-Merton prices and greeks of European options on a stock without dividends; every argument broadcasts.

J. C. Hull, Options, Futures, and Other Derivatives, chapters 15 (prices) and 19 (greeks). Years are of 365 days, volatility
and rate are fractions a year, rate continuously compounded.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from options.normal import normal_cdf

Floats = NDArray[np.float64]
DAYS_OF_A_YEAR = 365.0
_INVERSE_ROOT_OF_TWO_PI = 1.0 / np.sqrt(2.0 * np.pi)
# Prices are looked for between these volatilities; 60 halvings end far below the last bit.
LOWEST_VOLATILITY, HIGHEST_VOLATILITY = 1e-4, 10.0
_HALVINGS = 60


@dataclass(frozen=True)
class Greeks:
    """Sensitivities of a price in dollars a share, shapes as of the arguments' broadcast.

    `delta` and `gamma` to a dollar of the stock, `theta` to a calendar day that passes, `vega` to one point (0.01) of
    volatility, `rho` to one point (0.01) of the rate.
    """

    delta: Floats
    gamma: Floats
    theta: Floats
    vega: Floats
    rho: Floats


def intrinsic(is_call: ArrayLike, spot: ArrayLike, strike: ArrayLike) -> Floats:
    """What exercise pays at once, dollars a share."""
    gain = np.asarray(spot, dtype=np.float64) - np.asarray(strike, dtype=np.float64)
    return np.maximum(np.where(is_call, gain, -gain), 0.0)


def price(is_call: ArrayLike, spot: ArrayLike, strike: ArrayLike, years: ArrayLike, volatility: ArrayLike, rate: float) -> Floats:
    """Dollars a share. At expiry (years of zero or less) and without volatility: the limit, the discounted sure payment."""
    spot_, discounted, d1, d2 = _terms(spot, strike, years, volatility, rate)
    sign = np.where(is_call, 1.0, -1.0)
    paid: Floats = sign * (spot_ * normal_cdf(sign * d1) - discounted * normal_cdf(sign * d2))
    return np.maximum(paid, 0.0)


def greeks(
    is_call: ArrayLike, spot: ArrayLike, strike: ArrayLike, years: ArrayLike, volatility: ArrayLike, rate: float
) -> Greeks:
    """The five sensitivities. Raises ValueError at or after expiry and without volatility, where they are not defined."""
    years_, volatility_ = np.asarray(years, dtype=np.float64), np.asarray(volatility, dtype=np.float64)
    if not (np.all(years_ > 0) and np.all(volatility_ > 0)):
        raise ValueError("greeks need years and volatility above zero")
    spot_, discounted, d1, d2 = _terms(spot, strike, years_, volatility_, rate)
    sign = np.where(is_call, 1.0, -1.0)
    density: Floats = _INVERSE_ROOT_OF_TWO_PI * np.exp(-0.5 * d1**2)
    root = np.sqrt(years_)
    carried: Floats = discounted * normal_cdf(sign * d2)
    decay: Floats = -spot_ * density * volatility_ / (2.0 * root) - sign * rate * carried
    return Greeks(
        delta=sign * normal_cdf(sign * d1),
        gamma=density / (spot_ * volatility_ * root),
        theta=decay / DAYS_OF_A_YEAR,
        vega=spot_ * density * root / 100.0,
        rho=sign * years_ * carried / 100.0,
    )


def implied_volatility(
    is_call: ArrayLike, paid: ArrayLike, spot: ArrayLike, strike: ArrayLike, years: ArrayLike, rate: float
) -> Floats:
    """The volatility at which the model pays `paid` dollars a share; NaN where none between 0.0001 and 10 does."""
    wanted = np.asarray(paid, dtype=np.float64)
    low = np.full(np.broadcast(is_call, wanted, spot, strike, years).shape, LOWEST_VOLATILITY)
    high = np.full_like(low, HIGHEST_VOLATILITY)
    too_little = price(is_call, spot, strike, years, low, rate) >= wanted
    too_much = price(is_call, spot, strike, years, high, rate) <= wanted
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        below = price(is_call, spot, strike, years, middle, rate) < wanted
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return np.where(too_little | too_much, np.nan, 0.5 * (low + high))


def _terms(
    spot: ArrayLike, strike: ArrayLike, years: ArrayLike, volatility: ArrayLike, rate: float
) -> tuple[Floats, Floats, Floats, Floats]:
    """Spot, discounted strike, d1 and d2; d's are infinite, or zero at the money, where nothing is left to chance."""
    spot_, strike_ = np.asarray(spot, dtype=np.float64), np.asarray(strike, dtype=np.float64)
    years_ = np.maximum(np.asarray(years, dtype=np.float64), 0.0)
    discounted: Floats = strike_ * np.exp(-rate * years_)
    deviation: Floats = np.asarray(volatility, dtype=np.float64) * np.sqrt(years_)
    with np.errstate(divide="ignore", invalid="ignore"):
        moneyness = np.log(spot_ / discounted) / deviation
    moneyness = np.where(np.isnan(moneyness), 0.0, moneyness)
    return spot_, discounted, moneyness + 0.5 * deviation, moneyness - 0.5 * deviation
