"""Volatilities and deltas of quoted puts, where the broker tells none: from the middle of their quotes, by the model.

The model is European and knows no dividends (`options.black_scholes`), the contracts are American: what early exercise is worth
is taken for volatility. Out of the money and some weeks before expiration that is a small part of a volatility point.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from desk.domain.options import OptionQuote
from options import black_scholes
from options.black_scholes import Floats
from options.listing import PutSlice


def volatilities(quotes: Sequence[OptionQuote], spots: ArrayLike, strikes: ArrayLike, years: ArrayLike, rate: float) -> Floats:
    """The broker's implied volatility of each put, else the middle's; NaN where neither is one. Shape (n,), as all arguments."""
    told = np.array([quote.implied_volatility or np.nan for quote in quotes], dtype=np.float64)
    found: Floats = np.where(np.isfinite(told) & (told > 0), told, np.nan)
    left = np.isnan(found)
    if left.any():
        spot, strike, time = (
            np.broadcast_to(np.asarray(of, dtype=np.float64), found.shape)[left] for of in (spots, strikes, years)
        )
        paid = np.array([float(quote.mid) for quote, is_left in zip(quotes, left, strict=True) if is_left])
        found[left] = black_scholes.implied_volatility(False, paid, spot, strike, time, rate)
    return found


def deltas(puts: PutSlice, years: float, rate: float) -> Floats:
    """Delta of each put of the slice, shape (n,), at most zero: the broker's, else the model's; NaN where neither is one."""
    found = np.array([np.nan if quote.delta is None else quote.delta for quote in puts.quotes], dtype=np.float64)
    left = ~np.isfinite(found)
    if left.any() and years > 0:
        some = [quote for quote, is_left in zip(puts.quotes, left, strict=True) if is_left]
        strikes = np.array(puts.strikes, dtype=np.float64)[left]
        volatility = volatilities(some, puts.spot, strikes, years, rate)
        is_known = volatility > 0
        known = black_scholes.greeks(False, puts.spot, strikes, years, np.where(is_known, volatility, 1.0), rate).delta
        found[left] = np.where(is_known, known, np.nan)
    return found
