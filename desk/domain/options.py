"""Options as the desk sees them: what a contract is quoted at, and all that is quoted on one underlying."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

# Shares that one contract is for. Adjusted contracts, which may be for others, are refused before any arithmetic.
CONTRACT_SHARES = 100


@dataclass(frozen=True, slots=True)
class OptionQuote:
    """One contract's market; `symbol` as the Options Clearing Corporation writes it, prices in dollars a share.

    A bid or an ask of zero says that nobody offers one. `at` (aware) is when it was quoted. `delta` and `implied_volatility`
    (a fraction a year) are None where the broker has none, as are `open_interest` and `volume` (contracts, of the day).
    """

    symbol: str
    bid: Decimal
    ask: Decimal
    at: datetime
    delta: float | None = None
    implied_volatility: float | None = None
    open_interest: int | None = None
    volume: int | None = None

    @property
    def mid(self) -> Decimal:
        return (self.bid + self.ask) / 2


@dataclass(frozen=True, slots=True)
class Chain:
    """What is quoted on one underlying at one moment (aware); `spot` in dollars a share, quotes by symbol."""

    underlying: str
    spot: float
    at: datetime
    quotes: Mapping[str, OptionQuote]
