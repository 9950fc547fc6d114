"""What is left to spend in one rebalancing: cash, turnover and room for inverse funds, in dollars."""

from __future__ import annotations

from dataclasses import dataclass

from desk.core.review import HALF_CENT_USD
from desk.domain.prices import whole_shares


@dataclass(slots=True)
class Purse:
    """Dollars that are left to additions; openings and reductions take their part first."""

    cash_usd: float
    turnover_usd: float
    inverse_usd: float

    def take(self, usd: float, is_inverse: bool) -> None:
        self.cash_usd -= usd
        self.inverse_usd -= usd if is_inverse else 0.0


def covers(room_usd: float, cost_usd: float) -> bool:
    """Whether there is room for a cost, as review counts it."""
    return cost_usd <= room_usd + HALF_CENT_USD


def affordable(shares: int, price: float, usd: float) -> int:
    """As many of `shares` as the dollars pay for."""
    return shares if covers(usd, shares * price) else max(0, whole_shares(usd / price))
