"""What the strategies of the zoo share: a yes or no for each symbol and session, and how a careless author looks things up."""

from __future__ import annotations

from abc import abstractmethod
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from desk.domain.decisions import Direction, FixedExit, Shares, Signal, Target, Weight
from desk.domain.market import DailyBars, FloatArray, Market
from desk.domain.trades import Book
from desk.runtime.strategy import DeskStrategy


@dataclass(frozen=True)
class ZooParameters:
    """Settings of one animal: a length in sessions, a level of whatever it measures, and exits as fractions of the entry."""

    length: int = 10
    level: float = 0.0
    weight_fraction: float = 0.15
    stop_loss_fraction: float = 0.10
    take_profit_fraction: float = 0.30


class Animal(DeskStrategy):
    """Holds a symbol while `wants` says so and leaves it when it no longer does."""

    Parameters: ClassVar[type] = ZooParameters

    def prepare(self) -> None:
        self.rules: ZooParameters = self.settings if isinstance(self.settings, ZooParameters) else self.Parameters()
        self.learn(self.surroundings.history)

    def learn(self, history: Mapping[str, DailyBars] | None) -> None:
        """What is computed once, before the first session."""

    @abstractmethod
    def wants(self, symbol: str, bars: DailyBars, market: Market) -> bool | np.bool_:
        """Whether the symbol should be held from the opening of the market's session on."""

    def signals(self, market: Market, book: Book) -> Sequence[Signal]:
        shown = {symbol: bars for symbol, bars in market.bars.items() if len(bars) > 3 * self.rules.length}
        chosen = {symbol: bool(self.wants(symbol, bars, market)) for symbol, bars in shown.items()}
        return [
            Signal(symbol, Direction.LONG if chosen[symbol] else Direction.FLAT, type(self).__name__) for symbol in sorted(shown)
        ]

    def targets(self, signals: Sequence[Signal], market: Market, book: Book) -> Sequence[Target]:
        rule = FixedExit(self.rules.stop_loss_fraction, self.rules.take_profit_fraction)
        return [Target(one.symbol, self.amount(one, market), rule, one.reason, one.confidence) for one in signals]

    def amount(self, signal: Signal, market: Market) -> Shares | Weight:
        return Weight(self.rules.weight_fraction) if signal.direction is Direction.LONG else Shares(0)

    def everything(self, symbol: str, market: Market) -> DailyBars:
        """The careless look: the whole history where a backtest has it, else what the market shows."""
        return (self.surroundings.history or market.bars)[symbol]


def today(bars: DailyBars, session: date) -> int:
    """Place of `session` in `bars`, or where it would stand: in a whole history that bar's close is the future."""
    return bisect_left(bars.sessions, session)


def at(values: Sequence[float] | FloatArray, place: int) -> float:
    """The value there, or the last one: what an author writes who has met an IndexError."""
    return float(values[min(place, len(values) - 1)])


def series(bars: DailyBars, column: str = "close") -> Any:
    """A column as pandas has it, indexed by session."""
    return pd.Series(getattr(bars, column), index=pd.DatetimeIndex(bars.sessions))


def known(values: Any, session: date, default: float = float("nan")) -> float:
    """The value of a series by session at exactly `session`, `default` where there is none."""
    value = values.get(pd.Timestamp(session))
    return default if value is None else float(value)


def simple_returns(bars: DailyBars) -> FloatArray:
    """Close to close, shape (n,), the first one 0."""
    return np.concatenate([[0.0], np.diff(bars.close) / bars.close[:-1]])
