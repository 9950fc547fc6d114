"""What an entry lost between the decision and its fills, and the fees that are assumed. What its exits lost is not in it."""

from __future__ import annotations

from dataclasses import dataclass

from desk.domain.trades import Trade


@dataclass(frozen=True, slots=True)
class Shortfall:
    """Parts of one trade's cost in dollars, negative where the entry got a better price; they sum to `total_usd`."""

    entry_usd: float
    fees_usd: float

    @property
    def total_usd(self) -> float:
        return self.entry_usd + self.fees_usd


def shortfall(trade: Trade, arrival_price: float, fee_bps: float = 0.0) -> Shortfall:
    """Implementation shortfall of the entry against `arrival_price` (dollars at the decision), with fees on both sides.

    Source: Perold, The Implementation Shortfall, Journal of Portfolio Management, 1988.
    """
    entry_usd = float(trade.entry_value) - arrival_price * trade.entered
    turnover_usd = float(trade.entry_value + trade.exit_value)
    return Shortfall(entry_usd, turnover_usd * fee_bps / 10_000)
