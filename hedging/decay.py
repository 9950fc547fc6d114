"""What the daily reset of a leveraged fund costs when the index swings.

A fund that pays L times the index's daily return r grows by log(1 + L r) = L r - L^2 r^2 / 2 + ... a day, the index by
log(1 + r) = r - r^2 / 2 + ... . With mu the mean of the index's log growth and s2 the variance of its daily return the fund's
mean is L mu - (L^2 - L) / 2 s2, whatever the index does in between: it trails L times the index by (L^2 - L) / 2 s2 a day.
That is s2 for -1x and 6 s2 for -3x.

Source: M. Avellaneda, S. Zhang, "Path-dependence of leveraged ETF returns", SIAM Journal on Financial Mathematics 1 (2010);
its terms for financing and fees are left out.
"""

from __future__ import annotations

import math

from hedging.returns import SESSIONS_PER_YEAR


def log_drag(leverage: float, variance_per_session: float) -> float:
    """How far a session's log growth of the fund is expected to trail `leverage` times the index's; 0 or more for L < 0."""
    return (leverage * leverage - leverage) / 2.0 * variance_per_session


def log_growth(leverage: float, index_log_growth: float, variance_per_session: float) -> float:
    """Expected log growth of the fund a session, from the index's expected log growth and daily variance."""
    return leverage * index_log_growth - log_drag(leverage, variance_per_session)


def drag_fraction(leverage: float, volatility_per_year: float, sessions: int) -> float:
    """Share of the fund's money, in [0, 1], expected to be lost to the reset over `sessions` at that volatility."""
    variance_per_session = volatility_per_year * volatility_per_year / SESSIONS_PER_YEAR
    return 1.0 - math.exp(-log_drag(leverage, variance_per_session) * sessions)
