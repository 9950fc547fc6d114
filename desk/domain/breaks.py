"""A difference between what the desk believes and what the broker holds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Break:
    """Shares of `symbol` in the desk's book and at the broker, which should be equal."""

    symbol: str
    book_shares: int
    broker_shares: int

    def __str__(self) -> str:
        return f"{self.symbol}: the journal says {self.book_shares} shares, the broker holds {self.broker_shares}"
