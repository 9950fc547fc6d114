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
from hedging.plan import HedgePlan


class Planner(Protocol):
    """What a strategy decides; pure functions of what it is shown."""

    def signals(self, market: Market, book: Book) -> Sequence[Signal]: ...

    def targets(self, signals: Sequence[Signal], market: Market, book: Book) -> Sequence[Target]: ...

    def hedge(self, market: Market, book: Book, equity_usd: float) -> HedgePlan | None: ...


@dataclass(frozen=True, slots=True)
class Iteration:
    """What one iteration saw and did, for whoever watches; `book` is the one it decided on."""

    market: Market
    account: Account
    book: Book
    signals: tuple[Signal, ...]
    decided: Decided
    hedge: HedgePlan | None = None


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a strategy wants at one look at the market; the hedge comes first, since it stands against what is held."""

    market: Market
    account: Account
    book: Book
    signals: tuple[Signal, ...]
    hedge: HedgePlan | None
    targets: tuple[Target, ...]


@dataclass(frozen=True, slots=True)
class Corridor:
    """Desk, feeds and universe of one account, bound together; `watch` hears of every iteration."""

    desk: Desk
    market_feed: MarketFeed
    account_feed: AccountFeed
    universe: tuple[str, ...]
    watch: Callable[[Iteration], None]
    watched: tuple[str, ...] = ()  # symbols that are looked at beside those that may be traded by signal

    def wishes(self, planner: Planner) -> Wishes:
        """Look at the market and ask the strategy; nothing is decided."""
        book = self.desk.book
        symbols = dict.fromkeys((*self.universe, *self.watched, *book.shares()))
        market = self.market_feed.observe(tuple(symbols))
        account = self.account_feed.account()
        shown = market.within(self.universe)
        signals = tuple(planner.signals(shown, book))
        hedge = planner.hedge(market, book, account.equity_usd)
        hedges = () if hedge is None else hedge.targets
        return Wishes(market, account, book, signals, hedge, (*hedges, *planner.targets(signals, shown, book)))

    def iterate(self, planner: Planner) -> Iteration:
        """Run one iteration and return it; raises what the broker or the strategy raises, with nothing half-journaled."""
        wishes = self.wishes(planner)
        decided = self.desk.decide(wishes.market, wishes.account, wishes.targets)
        self.desk.finish_iteration(wishes.market.session, wishes.account, len(wishes.book.shares()))
        iteration = Iteration(wishes.market, wishes.account, wishes.book, wishes.signals, decided, wishes.hedge)
        self.watch(iteration)
        return iteration
