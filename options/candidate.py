"""A bull put spread that could be opened: what it pays, what it risks, and how it moves."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

import numpy as np
from numpy.typing import ArrayLike

from desk.domain.options import CONTRACT_SHARES
from desk.domain.prices import Rounding
from options.black_scholes import Floats
from options.legs import Legs
from options.money import cents
from options.sizing import max_loss_usd


@dataclass(frozen=True, slots=True)
class SpreadGreeks:
    """Of one share of a spread, the put sold counted against the put bought; units as `options.black_scholes.Greeks` has them."""

    delta: float
    gamma: float
    theta: float
    vega: float
    rho: float


@dataclass(frozen=True, slots=True)
class BullPut:
    """A spread that a chain offers. Prices and credits in dollars a share.

    `credit` is the target, by which everything here is told. `probability_of_profit` says how likely the underlying ends above
    the break-even: lognormal at the volatility that the two puts imply there, else one less the size of the sold put's delta;
    None without either, as is `greeks` without a volatility. All of it by a European model.
    """

    legs: Legs
    days: int
    credit: Decimal
    short_delta: float | None = None
    probability_of_profit: float | None = None
    greeks: SpreadGreeks | None = None

    @property
    def underlying(self) -> str:
        return self.legs.underlying

    @property
    def short(self) -> str:
        """Symbol of the put that is sold."""
        return self.legs.short.symbol

    @property
    def long(self) -> str:
        """Symbol of the put that is bought."""
        return self.legs.long.symbol

    @property
    def short_strike(self) -> Decimal:
        return self.legs.short_strike

    @property
    def long_strike(self) -> Decimal:
        return self.legs.long_strike

    @property
    def expiration(self) -> date:
        return self.legs.expiration

    @property
    def spot(self) -> float:
        return self.legs.spot

    @property
    def at(self) -> datetime:
        return self.legs.at

    @property
    def width(self) -> Decimal:
        return self.legs.width

    @property
    def mid_credit(self) -> Decimal:
        return self.legs.mid

    @property
    def natural_credit(self) -> Decimal:
        return self.legs.natural_credit

    def reachable_credit(self, floor: Decimal) -> Decimal:
        """What the last step of an entry's ladder asks that never asks less than `floor`: the natural price, or the floor."""
        return max(floor, min(self.credit, cents(self.natural_credit, Rounding.UP)))

    @property
    def max_loss_usd(self) -> Decimal:
        """What a contract loses when the underlying ends at the bought strike or below."""
        return max_loss_usd(self.width, self.credit)

    @property
    def max_gain_usd(self) -> Decimal:
        """What a contract keeps when the underlying ends at the sold strike or above."""
        return self.credit * CONTRACT_SHARES

    @property
    def break_even(self) -> Decimal:
        return self.short_strike - self.credit

    @property
    def return_on_risk(self) -> float:
        """The most that can be gained over the most that can be lost."""
        return float(self.credit / (self.width - self.credit))

    @property
    def distance_fraction(self) -> float:
        """How far the sold strike lies below the market, a fraction of it; below zero when it is above."""
        return 1.0 - float(self.short_strike) / self.spot

    def payoff_usd(self, prices: ArrayLike) -> Floats:
        """Gain of one contract at expiration by the underlying's price then, before fees; shape as `prices`."""
        ends = np.asarray(prices, dtype=np.float64)
        owed = np.maximum(float(self.short_strike) - ends, 0.0) - np.maximum(float(self.long_strike) - ends, 0.0)
        gain: Floats = (float(self.credit) - owed) * CONTRACT_SHARES
        return gain
