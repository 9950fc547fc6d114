"""What there is to offset on one index, and how strong the reasons for it are."""

from __future__ import annotations

from dataclasses import dataclass

from hedging.exposure import Exposure
from hedging.returns import IndexReturns
from hedging.rules import HedgeRules, IndexName
from hedging.sentiment import Sentiment
from hedging.sizing import Strength, strength
from hedging.trend import Trend, TrendState, trend, volatility


@dataclass(frozen=True, slots=True)
class Outlook:
    """The book's beta-weighted dollars on `index`, its trend and volatility (None: too little history), and the room.

    `cap_usd` is what a fund against it may be worth now.
    """

    index: IndexName
    exposure_usd: float
    trend: Trend | None
    volatility_per_year: float | None
    strength: Strength
    cap_usd: float


def outlook(
    index: IndexName, exposure: Exposure, indices: IndexReturns, mood: Sentiment, cap_usd: float, rules: HedgeRules
) -> Outlook:
    """The outlook on one index, from its own daily returns."""
    returns = indices.by_index[index]
    way = trend(returns, rules.average_sessions, rules.slope_sessions)
    swing = volatility(returns, rules.volatility_sessions)
    reasons = strength(mood.is_unanimous, way, swing, rules)
    return Outlook(index, exposure.of(index).exposure_usd, way, swing, reasons, cap_usd)


def confirms(way: Trend | None, rules: HedgeRules) -> bool:
    """Whether the index falls already, or stands so far above its average that it is extended."""
    return way is not None and (way.state is TrendState.FALLING or way.distance_fraction >= rules.extended_fraction)
