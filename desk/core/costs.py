"""What a trade cost beside its gain: the distance between the price decided on and the price got, and fees."""

from __future__ import annotations

from dataclasses import dataclass

from desk.domain.trades import Trade


@dataclass(frozen=True, slots=True)
class Shortfall:
    """Parts of one trade's cost in dollars, positive when it cost money; they sum to `total_usd`."""

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
