"""The two books of the study, run through the desk's own backtest, with every iteration kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

import desk.runtime  # noqa: F401  # sets Lumibot's switches, so it comes before Lumibot

# isort: split
from desk.data.source import Source
from desk.domain.decisions import Direction, FixedExit, Signal, Target, Weight
from desk.domain.market import Market
from desk.domain.trades import Book
from desk.runtime.corridor import Iteration
from desk.runtime.decided import Decided
from desk.runtime.desk_backtest import DeskBacktest, backtest_desk
from desk.runtime.strategy import DeskStrategy
from desk.settings.behaviour import Behaviour
from hedging.plan import HedgePlan, hedge
from hedging.rules import HedgeRules
from strategies.combined import Combined

WEIGHT = 0.15
# Never reached on the bundled history: the book is to be held, and every position has to have exits.
WIDE = FixedExit(stop_loss_fraction=0.95, take_profit_fraction=20.0)


class EqualWeights(DeskStrategy):
    """The same weight of whatever is listed, always; the desk rebalances."""

    def signals(self, market: Market, book: Book) -> Sequence[Signal]:
        return [Signal(symbol, Direction.LONG, "held at its weight") for symbol in sorted(market.bars)]

    def targets(self, signals: Sequence[Signal], market: Market, book: Book) -> Sequence[Target]:
        return [Target(signal.symbol, Weight(WEIGHT), WIDE, signal.reason) for signal in signals]

    def hedge(self, market: Market, book: Book, equity_usd: float) -> HedgePlan | None:
        rules = self.surroundings.hedge
        return None if rules is None else hedge(market, book, equity_usd, rules)


@dataclass(frozen=True)
class Opening:
    """What an iteration decided at the opening of a session; not what it saw, which is the whole history before it."""

    session: date
    equity_usd: float
    hedge: HedgePlan | None
    decided: Decided


class _Watched(DeskStrategy):
    """Keeps every opening of its run in `seen`."""

    def prepare(self) -> None:
        super().prepare()
        self.seen: list[Opening] = []
        self.corridor = replace(self.corridor, watch=self._see)

    def _see(self, done: Iteration) -> None:
        self.seen.append(Opening(done.market.session, done.account.equity_usd, done.hedge, done.decided))


class WatchedCombined(_Watched, Combined):
    pass


class WatchedWeights(_Watched, EqualWeights):
    pass


BOOKS: Mapping[str, type[_Watched]] = {"combined": WatchedCombined, "weights": WatchedWeights}


@dataclass(frozen=True)
class Played:
    """One book's backtest over `source`; `rules` are None for a run without hedging."""

    source: Source
    behaviour: Behaviour
    done: DeskBacktest
    openings: tuple[Opening, ...]
    rules: HedgeRules | None

    @property
    def sessions(self) -> tuple[date, ...]:
        return tuple(opening.session for opening in self.openings)


def play(book: str, behaviour: Behaviour, source: Source, start: date, end: date, hedging: bool) -> Played:
    """Run a book of `BOOKS` over the sessions from `start` to `end`, both included, with the behaviour's costs."""
    behaviour = behaviour.model_copy(update={"hedging": hedging})
    symbols = tuple(symbol for symbol in behaviour.universe.exchange if symbol in source.daily)
    done = backtest_desk(BOOKS[book], behaviour, source, symbols, start, end, name=book)
    strategy = done.outcome.strategy
    return Played(source, behaviour, done, tuple(strategy.seen), strategy.surroundings.hedge if hedging else None)
