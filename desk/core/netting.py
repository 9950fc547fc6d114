"""Several strategies, one account: what each wants of a symbol becomes one target, and who wants what is kept for the fills."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from types import MappingProxyType

from desk.core.allocation import NOBODY, Allocations, apportion
from desk.core.rebalance import entry_limit
from desk.domain.decisions import Shares, Target, Weight
from desk.domain.journal import SharesWanted
from desk.domain.market import Market
from desk.domain.prices import whole_shares
from desk.domain.trades import Book, Trade


@dataclass(frozen=True, slots=True)
class Asked:
    """What one strategy said when it was asked; its weights are shares of its `budget_fraction` of the equity."""

    strategy: str
    budget_fraction: float
    targets: tuple[Target, ...]

    def target(self, symbol: str) -> Target | None:
        return next((target for target in self.targets if target.symbol == symbol), None)


@dataclass(frozen=True, slots=True)
class Netted:
    """What changed of who wants what, to be journaled before anything is sent, and the targets of all together."""

    wanted: tuple[SharesWanted, ...]
    targets: tuple[Target, ...]


def net(asked: Sequence[Asked], allocations: Allocations, book: Book, market: Market, equity_usd: float) -> Netted:
    """One target for each symbol that a strategy mentions. A strategy that does not mention it stays as it is."""
    symbols = dict.fromkeys(target.symbol for each in asked for target in each.targets)
    parts = [_netted(symbol, asked, allocations, book, market, equity_usd) for symbol in symbols]
    settled = (_settled(symbol, allocations, book) for symbol in allocations.wanted if symbol not in symbols)
    wanted = (*(part[0] for part in parts), *settled)
    return Netted(tuple(each for each in wanted if each is not None), tuple(part[1] for part in parts if part[1] is not None))


def _netted(
    symbol: str, asked: Sequence[Asked], allocations: Allocations, book: Book, market: Market, equity_usd: float
) -> tuple[SharesWanted | None, Target | None]:
    price, said = market.ask(symbol), {each.strategy: target for each in asked if (target := each.target(symbol)) is not None}
    before = _standing(symbol, allocations, book)
    # Weights are counted at what an entry may cost, as the desk counts them: at the offer they would come to more than the cap.
    limit = entry_limit(market, symbol)
    wanted = dict(before)
    for each in asked:
        if each.strategy in said:
            wanted[each.strategy] = _count(said[each.strategy].amount, each.budget_fraction * equity_usd, limit)
    wanted = {name: count for name, count in wanted.items() if count}
    shares = sum(wanted.values()) + allocations.shares_of(NOBODY, symbol)
    changed = wanted != dict(allocations.wanted.get(symbol, {}))
    row = SharesWanted(symbol, wanted, None if price is None else Decimal(repr(price))) if changed else None
    if shares == book.shares_of(symbol) and not _is_buying(symbol, book):
        return row, None
    return row, _together(symbol, said, wanted, before, shares)


def _together(
    symbol: str, said: Mapping[str, Target], wanted: Mapping[str, int], before: Mapping[str, int], shares: int
) -> Target:
    """The target of all, with the exits and the confidence of the strategy that adds most."""
    loudest = max(said, key=lambda name: (wanted.get(name, 0) - before.get(name, 0), name))
    reason = "; ".join(f"{name}: {target.reason}" for name, target in sorted(said.items()))
    # A weight that is held drifts with its price; whoever enters or leaves does so wholly.
    is_exact = any(not before.get(name) or not wanted.get(name) for name in said)
    return replace(said[loudest], symbol=symbol, amount=Shares(shares), reason=reason, is_exact=is_exact)


def _count(amount: Shares | Weight, budget_usd: float, price: float | None) -> int:
    if isinstance(amount, Shares):
        return amount.count
    return 0 if price is None else max(0, whole_shares(amount.fraction * budget_usd / price))


def _standing(symbol: str, allocations: Allocations, book: Book) -> dict[str, int]:
    """What each strategy is taken to want while it says nothing: what it has, and what is still being bought for it."""
    held = {name: count for name, count in allocations.shares(symbol).items() if name != NOBODY}
    if not _is_buying(symbol, book):
        return held
    wanted = allocations.wanted.get(symbol, {})
    return {name: max(held.get(name, 0), wanted.get(name, 0)) for name in {**held, **wanted}}


def _settled(symbol: str, allocations: Allocations, book: Book) -> SharesWanted | None:
    """Wishes that came to nothing are over: an entry that was refused or ended is not made up for by the next one's fills."""
    standing = _standing(symbol, allocations, book)
    return None if standing == {n: c for n, c in allocations.wanted[symbol].items() if c} else SharesWanted(symbol, standing)


def _is_buying(symbol: str, book: Book) -> bool:
    return any(trade.is_entry_working for trade in book.trades_of(symbol))


# ---- what one strategy sees ----------------------------------------------------------------------------------------------


def book_of(strategy: str, book: Book, allocations: Allocations) -> Book:
    """The book as if the strategy were alone: its part of each trade, and entries that buy for it."""
    open_trades: dict[str, Trade] = {}
    for symbol in dict.fromkeys(trade.symbol for trade in book.open.values()):
        trades = book.trades_of(symbol)
        parts = apportion(allocations.shares_of(strategy, symbol), {trade.key: trade.shares for trade in trades})
        wants = allocations.wanted.get(symbol, {}).get(strategy, 0) > 0
        for trade in trades:
            seen = _part(trade, parts.get(trade.key, 0))
            if seen.shares or (trade.is_entry_working and wants):
                open_trades[trade.key] = seen
    return replace(book, open=MappingProxyType(open_trades))


def _part(trade: Trade, shares: int) -> Trade:
    if shares == trade.shares:
        return trade
    price = trade.entry_price or Decimal(0)
    spec = trade.spec if trade.is_entry_working else replace(trade.spec, quantity=max(shares, 1))
    return replace(trade, spec=spec, entered=shares, entry_value=price * shares, exited=0, exit_value=Decimal(0))
