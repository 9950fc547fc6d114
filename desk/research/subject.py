"""What is examined: a strategy with its settings, and the history that it is run on, real or made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from desk.data.history_feed import before
from desk.domain.errors import ConfigurationError
from desk.domain.market import DailyBars
from desk.runtime.build import hedge_rules, plain
from desk.runtime.strategy import DeskStrategy, Surroundings
from desk.settings.behaviour import Behaviour
from hedging.rules import HedgeRules

Histories = Mapping[str, DailyBars]


@dataclass(frozen=True)
class Subject:
    """A strategy to examine. `histories` are whole; it decides at the opening of each of `sessions`.

    `universe` are the symbols that it trades, `watched` those that its hedge needs beside them. `settings` is an instance of
    the strategy's `Parameters`. `original` are the real histories where `histories` are made from them.
    """

    name: str
    strategy: type[DeskStrategy]
    behaviour: Behaviour
    settings: Any
    histories: Histories
    universe: tuple[str, ...]
    watched: tuple[str, ...]
    sessions: tuple[date, ...]
    hedge: HedgeRules | None
    original: Histories
    lag_sessions: int = 0  # how many sessions the strategy's view lags behind its trades

    @property
    def symbols(self) -> tuple[str, ...]:
        return (*self.universe, *self.watched)

    def surroundings(self) -> Surroundings:
        return Surroundings(history={symbol: self.histories[symbol] for symbol in self.universe}, hedge=self.hedge)

    def on(self, histories: Histories) -> Subject:
        """The same on other histories."""
        return replace(self, histories=histories)

    def until(self, last: date) -> Subject:
        """The same, deciding up to `last`, included."""
        return replace(self, sessions=tuple(day for day in self.sessions if day <= last))

    def cut(self, first_hidden: date) -> Subject:
        """The world as it was on the morning of `first_hidden`: no bar of that day or later exists anywhere."""
        return self.on({symbol: before(bars, first_hidden) for symbol, bars in self.histories.items()}).until(first_hidden)

    def with_costs(self, factor: float) -> Subject:
        """The same with fees and slippage multiplied; what the strategy believes of costs stays."""
        behaviour = self.behaviour
        costs = {name: getattr(behaviour, name) for name in ("fee_bps", "slippage_bps", "stop_slippage_bps")}
        dearer = {name: value * factor for name, value in costs.items() if value is not None}
        return replace(self, behaviour=behaviour.model_copy(update=dearer))


def subject_of(
    name: str,
    strategy: type[DeskStrategy],
    behaviour: Behaviour,
    histories: Histories,
    start: date,
    end: date,
    watched: tuple[str, ...] = (),
) -> Subject:
    """A subject on real `histories`, whose symbols without `watched` are the universe.

    Raises ConfigurationError when no session lies between `start` and `end`.
    """
    universe = tuple(symbol for symbol in histories if symbol not in watched)
    days = sorted({day for symbol in universe for day in histories[symbol].sessions if start <= day <= end})
    if len(days) < 2:
        raise ConfigurationError(f"no two sessions between {start} and {end}: choose other dates")
    hedge = hedge_rules(behaviour, behaviour.sentiment_symbols.exchange) if watched else None
    settings = strategy.parameters_from(plain(behaviour))
    return Subject(name, strategy, behaviour, settings, histories, universe, watched, tuple(days), hedge, histories)
