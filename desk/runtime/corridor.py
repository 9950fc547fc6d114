"""One iteration, one way: observe, signals, targets, and down through the desk to the broker."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from desk.core.ports import AccountFeed, MarketFeed
from desk.domain.decisions import Signal, Target
from desk.domain.market import Market
from desk.domain.trades import Account, Book
from desk.runtime.decided import Decided
from desk.runtime.desk import Desk


class Planner(Protocol):
    """What a strategy decides; pure functions of what it is shown."""

    def signals(self, market: Market, book: Book) -> Sequence[Signal]: ...

    def targets(self, signals: Sequence[Signal], market: Market, book: Book) -> Sequence[Target]: ...


@dataclass(frozen=True, slots=True)
class Iteration:
    """What one iteration saw and did, for whoever watches; `book` is the one it decided on."""

    market: Market
    account: Account
    book: Book
    signals: tuple[Signal, ...]
    decided: Decided


@dataclass(frozen=True, slots=True)
class Corridor:
    """Desk, feeds and universe of one account, bound together; `watch` hears of every iteration."""

    desk: Desk
    market_feed: MarketFeed
    account_feed: AccountFeed
    universe: tuple[str, ...]
    watch: Callable[[Iteration], None]

    def iterate(self, planner: Planner) -> Iteration:
        """Run one iteration and return it; raises what the broker or the strategy raises, with nothing half-journaled."""
        market = self.market_feed.observe(self.universe)
        account = self.account_feed.account()
        book = self.desk.book
        signals = tuple(planner.signals(market, book))
        targets = planner.targets(signals, market, book)
        decided = self.desk.decide(market, account, targets)
        self.desk.finish_iteration(market.session, account, len(book.shares()))
        iteration = Iteration(market, account, book, signals, decided)
        self.watch(iteration)
        return iteration
