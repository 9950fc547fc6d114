"""How likely a stock ends above a price, when its logarithm is normally distributed and it drifts at the riskless rate.

N(d2) of J. C. Hull, Options, Futures, and Other Derivatives, section 15.8: odds as options are priced, not as the world is.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from options.black_scholes import Floats
from options.normal import normal_cdf


def probability_above(spot: ArrayLike, level: ArrayLike, years: ArrayLike, volatility: ArrayLike, rate: float) -> Floats:
    """Between 0 and 1, of the arguments' broadcast shape; NaN without time or volatility left."""
    spot_, level_ = np.asarray(spot, dtype=np.float64), np.asarray(level, dtype=np.float64)
    years_, volatility_ = np.asarray(years, dtype=np.float64), np.asarray(volatility, dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        deviation = np.where((years_ > 0) & (volatility_ > 0), volatility_ * np.sqrt(np.maximum(years_, 0.0)), np.nan)
        drift = rate * years_ - 0.5 * deviation**2
        above: Floats = normal_cdf((np.log(spot_ / level_) + drift) / deviation)
    return above
