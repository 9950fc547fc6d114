"""Reconciliation of option spreads: what of the account is theirs, and where the broker's positions differ from the journal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from desk.core.reconcile import BrokerView
from desk.core.spread_book import SpreadBook
from desk.domain.options import CONTRACT_SHARES
from desk.domain.spreads import Spread


@dataclass(frozen=True, slots=True)
class ContractBreak:
    """Contracts, or shares that came for them, of which the broker has other ones than the journal says."""

    symbol: str
    expected: int
    there: int
    is_contract: bool = True

    @property
    def lacking(self) -> int:
        """How much of what is expected is not there."""
        same = self.there if (self.there > 0) == (self.expected > 0) else 0
        return max(0, abs(self.expected) - abs(same))

    def __str__(self) -> str:
        return f"{self.symbol}: the journal says {self.expected:+d}, the broker {self.there:+d}"


def contract_breaks(book: SpreadBook, positions: Mapping[str, int]) -> tuple[ContractBreak, ...]:
    """Differences in the contracts of open spreads; those of somebody else in the same account are nobody's business here."""
    ours: dict[str, int] = {}
    for spread in book.open.values():
        for symbol, count in ((spread.plan.short, -spread.short), (spread.plan.long, spread.long)):
            ours[symbol] = ours.get(symbol, 0) + count
    found = (ContractBreak(symbol, count, positions.get(symbol, 0)) for symbol, count in sorted(ours.items()))
    return tuple(each for each in found if each.expected != each.there)


def share_breaks(book: SpreadBook, positions: Mapping[str, int], others: Callable[[str], int]) -> tuple[ContractBreak, ...]:
    """Shares of assignments that are not there; `others` tells how many shares of an underlying are no spread's."""
    stock: Counter[str] = Counter()
    for spread in book.open.values():
        stock[spread.plan.underlying] += spread.stock
    there = {symbol: shares_of_spreads(positions.get(symbol, 0), others(symbol), count) for symbol, count in stock.items()}
    found = (ContractBreak(symbol, count, there[symbol], is_contract=False) for symbol, count in sorted(stock.items()) if count)
    return tuple(each for each in found if each.lacking)


def shares_of_spreads(there: int, others: int, stock: int) -> int:
    """What of the shares that an account holds is spreads', which have `stock` of them, beside what `others` have. Of shares that
    are to be sold no more than the account has: those that went into somebody's short position are not there to sell."""
    return min(there, there - others) if stock > 0 else there - others


def beside(book: SpreadBook, symbol: str) -> list[Spread]:
    """Open spreads on the underlying of a contract, or on that underlying."""
    every = book.open.values()
    mine = {spread.plan.underlying for spread in every if symbol in (spread.plan.short, spread.plan.long, spread.plan.underlying)}
    return [spread for spread in every if spread.plan.underlying in mine]


def without_spreads(view: BrokerView, book: SpreadBook, expected: Mapping[str, int]) -> BrokerView:
    """The broker's word on everything else, so that stocks are compared as if there were no spreads.

    `expected` are shares by symbol that the rest of the account should have. Shares that came or went for contracts a moment
    ago, and are not booked yet, are left out: whoever looks after the spreads books them.
    """
    contracts = book.every_contract()
    if not contracts:
        return view
    shares = without_contracts(view.shares, book, expected)
    orders = view.orders
    if orders is not None:
        orders = [each for each in orders if each.symbol not in contracts and not (each.key and book.owns(each.key))]
    fills = [
        each
        for each in view.fills
        if each.symbol not in contracts and not (each.member and book.owns(each.member.rpartition(":")[0]))
    ]
    return replace(view, shares=shares, orders=orders, fills=fills)


def without_contracts(shares: Mapping[str, int], book: SpreadBook, expected: Mapping[str, int]) -> dict[str, int]:
    """Shares by symbol that are not a spread's. What is more or less than `expected` is somebody else's as far as neither
    contracts that are gone explain it, whose end nobody has booked yet, nor shares of an assignment that are gone: the desk's own
    sale is not told yet, or somebody else has sold them. What was taken for the contracts' and is not is seen once their end is
    booked.
    """
    contracts = book.every_contract()
    left = {symbol: count for symbol, count in shares.items() if symbol not in contracts}
    for underlying in {spread.plan.underlying for spread in book.open.values()}:
        mine = beside(book, underlying)
        stock = sum(spread.stock for spread in mine)
        usual = expected.get(underlying, 0)
        most = CONTRACT_SHARES * _gone(((spread.plan.short, spread.short) for spread in mine), shares)
        least = -CONTRACT_SHARES * _gone(((spread.plan.long, spread.long) for spread in mine), shares)
        # Part of what came may be sold again, so that all that the contracts may have brought is theirs.
        surplus = _beyond(left.get(underlying, 0) - stock - usual, least, most)
        # What is lacking is a spread's first, as far as it has shares.
        left[underlying] = usual + _beyond(surplus, min(-stock, 0), max(-stock, 0))
    return left


def _beyond(count: int, least: int, most: int) -> int:
    """What of a count lies outside of two bounds."""
    return count - max(least, min(most, count))


def _gone(ours: Iterable[tuple[str, int]], there: Mapping[str, int]) -> int:
    """Contracts of spreads that the positions do not show any more."""
    counts: Counter[str] = Counter()
    for symbol, count in ours:
        counts[symbol] += max(count, 0)
    return sum(max(0, count - abs(there.get(symbol, 0))) for symbol, count in counts.items())
