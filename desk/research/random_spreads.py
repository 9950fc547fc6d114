"""The null test of a strategy that opens spreads: as many of them on days and names of chance, by the same rules from there."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from datetime import date
from typing import Any, ClassVar

import numpy as np

from desk.data.source import Source
from desk.domain.decisions import Signal, Target
from desk.domain.market import Market
from desk.domain.trades import Book
from desk.runtime.desk_backtest import DeskBacktest, backtest_desk
from desk.runtime.option_history import OptionAssumptions
from desk.runtime.strategy import DeskStrategy
from desk.settings.behaviour import Behaviour
from options.gates import Opportunity


class RandomDays(DeskStrategy):
    """Asks for a spread on each of `days`, on a name of chance; what came to nothing is asked for again on the next session."""

    days: ClassVar[tuple[date, ...]] = ()
    seed: ClassVar[int] = 0

    def signals(self, market: Market, book: Book) -> Sequence[Signal]:
        return ()

    def targets(self, signals: Sequence[Signal], market: Market, book: Book) -> Sequence[Target]:
        return ()

    def opportunities(self, market: Market, book: Book) -> Sequence[Opportunity]:
        spreads = self.corridor.desk.spreads
        every = (*spreads.open.values(), *spreads.closed.values())
        missing = bisect_right(self.days, market.session) - sum(1 for spread in every if spread.sold)
        taken = {spread.plan.underlying for spread in spreads.open.values()}
        free = sorted(symbol for symbol in market.bars if symbol not in taken)
        chance = np.random.default_rng((self.seed, market.session.toordinal()))
        chosen = chance.permutation(len(free))[: max(missing, 0)]
        return [Opportunity(free[place], 10.0, 1.0, None, "a day of chance") for place in chosen]


def random_run(
    behaviour: Behaviour,
    source: Source,
    symbols: Sequence[str],
    sessions: Sequence[date],
    count: int,
    seed: int,
    assumed: OptionAssumptions,
    **options: Any,
) -> DeskBacktest:
    """`count` spreads on days of chance among `sessions`; where the last days bring none there are fewer."""
    chance = np.random.default_rng(seed)
    days = tuple(sorted(sessions[place] for place in chance.integers(0, len(sessions), count)))
    strategy = type("RandomDays", (RandomDays,), {"days": days, "seed": seed, "__module__": __name__})
    return backtest_desk(
        strategy, behaviour, source, symbols, sessions[0], sessions[-1], name="random days", assumed=assumed, **options
    )
