"""Shares of an underlying that are spreads', as an answer of the account shows them beside those of everybody else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from desk.core.spread_reconcile import beside, shares_of_spreads
from desk.domain.spreads import Spread
from desk.runtime.desk import Desk


@dataclass(frozen=True, slots=True)
class Owners:
    """Who has shares at one moment: `others` by underlying, and each spread's stock by its key."""

    others: Mapping[str, int]
    stocks: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Count:
    """How many of a spread's `stock`, above zero in its direction, an answer showed, and what that stock was then."""

    shown: int
    stock: int


class SpreadShares:
    """Used by one thread at a time. Whoever asks the account says so, and gives the positions when all that they tell is booked:
    the shares of an answer are shared out once, by what is known at that moment. What is learnt later changes the books, and not
    what the account held."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._asked = Owners({}, {})
        self._counts: dict[str, Count] = {}

    def others(self, underlying: str) -> int:
        """Shares that are no spread's: of the desk's trades, and of somebody else."""
        return self._desk.book.shares_of(underlying) + self._desk.differences.foreign.get(underlying, 0)

    def came(self, underlying: str, positions: Mapping[str, int]) -> int:
        """Shares that are there beside those that anybody has booked; below zero where some are lacking."""
        known = self.others(underlying) + sum(spread.stock for spread in beside(self._desk.spreads, underlying))
        return positions.get(underlying, 0) - known

    def ask(self) -> None:
        """The account is asked: no older answer counts."""
        self._asked, self._counts = self._owners(), {}

    def answered(self, positions: Mapping[str, int]) -> None:
        """Whoever had shares when the account was asked, or has them now, comes before a spread: an answer may be older than what
        was booked while it came."""
        now = self._owners()
        for spread in self._desk.spreads.open.values():
            if spread.stock:
                shown = min(self._shown(spread, positions, owners) for owners in (self._asked, now))
                self._counts[spread.key] = Count(shown, spread.stock)

    def there(self, spread: Spread) -> int:
        """Shares of a spread's stock that the last answer shows and that were not traded since, above zero in its direction."""
        count = self._counts.get(spread.key)
        if count is None or count.stock * spread.stock <= 0:
            return 0
        traded = max(0, abs(count.stock) - abs(spread.stock))
        return max(0, min(abs(spread.stock), count.shown - traded))

    def _owners(self) -> Owners:
        every = self._desk.spreads.open.values()
        underlyings = {spread.plan.underlying for spread in every}
        return Owners({each: self.others(each) for each in underlyings}, {spread.key: spread.stock for spread in every})

    def _shown(self, spread: Spread, positions: Mapping[str, int], owners: Owners) -> int:
        """Of spreads in the same direction the oldest comes first; what others lack, or have, is somebody else's."""
        underlying, sign = spread.plan.underlying, 1 if spread.stock > 0 else -1
        others, older = owners.others.get(underlying, 0), 0
        for each in beside(self._desk.spreads, underlying):
            stock = owners.stocks.get(each.key, 0)
            if stock * sign < 0:
                others += stock
            elif (each.plan.decided_at, each.key) < (spread.plan.decided_at, spread.key):
                older += stock
        return max(0, sign * (shares_of_spreads(positions.get(underlying, 0), others, spread.stock) - older))
