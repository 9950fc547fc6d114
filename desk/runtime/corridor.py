"""One iteration, one way: observe, signals, targets, and down through the desk to the broker."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from desk.core.ports import AccountFeed, MarketFeed
from desk.core.spread_book import SpreadBook
from desk.domain.decisions import Signal, Target
from desk.domain.market import Market
from desk.domain.trades import Account, Book
from desk.runtime.decided import Decided
from desk.runtime.desk import Desk
from desk.runtime.spread_opener import SpreadArm
from hedging.plan import HedgePlan
from options.gates import Opportunity


@dataclass(frozen=True, slots=True)
class Answer:
    """What a strategy sees and wants at one look at the market; the targets of its hedge stand in `hedge` alone.

    `opportunities` are underlyings that are worth an option spread.
    """

    signals: tuple[Signal, ...]
    hedge: HedgePlan | None
    targets: tuple[Target, ...]
    opportunities: tuple[Opportunity, ...] = ()

    def all_targets(self) -> tuple[Target, ...]:
        """The hedge's first, since it stands against what is held."""
        return (*(() if self.hedge is None else self.hedge.targets), *self.targets)


class Planner(Protocol):
    """What a strategy decides, of nothing but its arguments: `shown` is the market with the universe alone."""

    def answer(self, market: Market, shown: Market, book: Book, equity_usd: float) -> Answer: ...


@dataclass(frozen=True, slots=True)
class Iteration:
    """What one iteration saw and did, for whoever watches; `book` and `spreads` are those that it decided on."""

    market: Market
    account: Account
    book: Book
    signals: tuple[Signal, ...]
    decided: Decided
    hedge: HedgePlan | None = None
    spreads: SpreadBook = field(default_factory=SpreadBook)


@dataclass(frozen=True, slots=True)
class Corridor:
    """Desk, feeds and universe of one account, bound together; `watch` hears of every iteration."""

    desk: Desk
    market_feed: MarketFeed
    account_feed: AccountFeed
    universe: tuple[str, ...]
    watch: Callable[[Iteration], None]
    watched: tuple[str, ...] = ()  # symbols that are looked at beside those that may be traded by signal
    spreads: SpreadArm | None = None

    def iterate(self, planner: Planner) -> Iteration:
        """Run one iteration and return it; raises what the broker or the strategy raises, with nothing half-journaled."""
        book, spreads = self.desk.book, self.desk.spreads
        symbols = dict.fromkeys((*self.universe, *self.watched, *book.shares()))
        market = self.market_feed.observe(tuple(symbols))
        account = self.account_feed.account()
        answer = planner.answer(market, market.within(self.universe), book, account.equity_usd)
        decided = self.desk.decide(market, account, answer.all_targets())
        if self.spreads is not None:
            self.spreads.iterate(answer.opportunities, market.now)
        self.desk.finish_iteration(market.session, account, len(book.shares()))
        iteration = Iteration(market, account, book, answer.signals, decided, answer.hedge, spreads)
        self.watch(iteration)
        return iteration
