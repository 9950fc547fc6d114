"""How much of the exposure is hedged and how many whole shares of a fund that takes, under the sleeve's cap."""

from __future__ import annotations

import math
from dataclasses import dataclass

from desk.domain.decisions import FixedExit
from hedging.rules import MOST_EXIT_FRACTION, HedgeRules, InverseFund
from hedging.trend import Trend, TrendState

# A fund that is expected to lose more than half by its reset alone is not bought larger still for it.
MOST_DRAG_ALLOWED = 0.5


@dataclass(frozen=True, slots=True)
class Strength:
    """Share of the exposure to hedge, in [0, 1], and how it came about in words."""

    fraction: float
    words: str


def strength(is_unanimous: bool, trend: Trend | None, volatility_per_year: float | None, rules: HedgeRules) -> Strength:
    """`hedge_ratio` times one plus the boost of each reason beyond the mood itself, at most all of the exposure.

    What is not known (None) is no reason.
    """
    reasons = (
        (is_unanimous, rules.unanimous_boost, "every counted name is overbought"),
        (trend is not None and trend.state is TrendState.FALLING, rules.falling_boost, "the index is falling"),
        (volatility_per_year is not None and volatility_per_year >= rules.high_volatility_per_year, rules.volatile_boost,
         f"volatility is {percent(volatility_per_year or 0.0)} a year"),
    )  # fmt: skip
    found = [(boost, words) for holds, boost, words in reasons if holds and boost > 0]
    factor = 1.0 + sum(boost for boost, _ in found)
    fraction = min(rules.hedge_ratio * factor, 1.0)
    if not found:
        return Strength(fraction, percent(fraction))
    because = " and ".join(words for _, words in found)
    return Strength(fraction, f"{percent(fraction)} ({percent(rules.hedge_ratio)} times {factor:g}, as {because})")


def needed_usd(exposure_usd: float, fraction: float, fund: InverseFund, drag_fraction: float) -> float:
    """Dollars of the fund that stand against `fraction` of the exposure at the end of the hold, after its expected drag."""
    if not exposure_usd > 0:
        return 0.0
    return fraction * exposure_usd / fund.multiple / (1.0 - min(drag_fraction, MOST_DRAG_ALLOWED))


def cap_usd(equity_usd: float, others_usd: float, rules: HedgeRules) -> float:
    """Dollars that one fund may be worth: the sleeve's share of equity less what its other funds are worth."""
    return max(rules.max_inverse_fraction * equity_usd - others_usd, 0.0)


def whole_shares(needed: float, cap: float, price_usd: float, rules: HedgeRules) -> int:
    """Shares for `needed` dollars at `price_usd`, none below the smallest position.

    The cap holds at the limit to which an entry may go, else the last share would be refused where it is checked.
    """
    shares = math.floor(min(needed / price_usd, cap / (price_usd * (1.0 + rules.entry_collar_fraction))))
    return shares if shares * price_usd >= rules.min_notional_usd else 0


@dataclass(frozen=True, slots=True)
class Bounds:
    """Shares of one fund: `needed` against the exposure, `most` under the cap, `tolerated` above it, `bought` by an order.

    `bought` keeps to need and cap at the limit to which the order may go, so it may be a little less than both.
    """

    needed: int
    most: int
    tolerated: int
    bought: int


def bounds(needed: float, cap: float, band: float, price_usd: float, rules: HedgeRules) -> Bounds:
    """Dollars at `price_usd` as shares; `band` is what the fund may be worth above its cap by drift alone."""
    most, tolerated = max(math.floor(cap / price_usd), 0), max(math.floor((cap + band) / price_usd), 0)
    # A need beyond what is tolerated makes no difference, and may be too large for a number of shares.
    return Bounds(
        needed=math.floor(min(needed / price_usd, tolerated)),
        most=most,
        tolerated=tolerated,
        bought=whole_shares(needed, cap, price_usd, rules),
    )


def resized(held: int, price_usd: float, limits: Bounds, rules: HedgeRules) -> int:
    """Shares to hold where `held` are held: the same within the dead band around the need and the band above the cap.

    What has drifted above the cap and its band is cut to the cap, no further; none is kept below the smallest position.
    """
    within = min(limits.needed, limits.most)
    if within <= 0 or within * price_usd < rules.min_notional_usd:
        return 0
    if held - limits.needed > rules.dead_band_fraction * limits.needed:
        return within
    if held > limits.tolerated:
        return limits.most
    return limits.bought if limits.bought - held > rules.dead_band_fraction * limits.bought else held


def exit_rule(fund: InverseFund, rules: HedgeRules) -> FixedExit:
    """Stop and target of a -1x fund times the leverage, at most MOST_EXIT_FRACTION away."""
    stop, target = rules.stop_loss_fraction * fund.multiple, rules.take_profit_fraction * fund.multiple
    return FixedExit(min(stop, MOST_EXIT_FRACTION), min(target, MOST_EXIT_FRACTION))


def percent(fraction: float) -> str:
    """0.625 as "62.5 %"."""
    return f"{round(fraction * 100, 1):g} %"
