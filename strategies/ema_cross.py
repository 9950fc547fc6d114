"""EMA cross: buy when the fast average of hourly closes crosses the slow one upwards, leave when it is below.

Every entry carries its stop and its target to the broker, at fractions of its limit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

from desk.core.intraday import current_bars, may_enter, may_leave
from desk.domain.decisions import Direction, FixedExit, Shares, Signal, Target, Weight
from desk.domain.errors import ConfigurationError
from desk.domain.market import Market
from desk.domain.trades import Book
from desk.indicators.carried import Bar, Carried
from desk.indicators.ema import EmaState
from desk.runtime.strategy import DeskStrategy

BAR_SECONDS = 3600


@dataclass(frozen=True)
class EmaCrossParameters:
    """Settings of the same names fill these, those of the block `ema_cross` first; see docs/settings.md."""

    fast_bars: int = field(default=9, metadata={"doc": "hourly bars in the fast average"})
    slow_bars: int = field(default=21, metadata={"doc": "hourly bars in the slow average; more than in the fast one"})
    stop_loss_fraction: float = field(default=0.05, metadata={"doc": "distance of the stop below the entry limit"})
    take_profit_fraction: float = field(default=0.15, metadata={"doc": "distance of the target above the entry limit"})
    time_barrier_sessions: int = field(default=10, metadata={"doc": "sessions after which a position is left at the market"})
    break_even_after_fraction: float | None = field(default=None, metadata={"doc": "gain that lifts the stop to the entry price"})
    trail_fraction: float | None = field(default=None, metadata={"doc": "distance at which the stop follows the market up"})
    max_position_fraction: float = field(default=0.15, metadata={"doc": "share of the portfolio in one position"})

    def __post_init__(self) -> None:
        if not 1 <= self.fast_bars < self.slow_bars:
            raise ConfigurationError(
                f"fast_bars {self.fast_bars} and slow_bars {self.slow_bars}: give the fast average fewer bars than the slow one"
            )

    def exit_rule(self) -> FixedExit:
        return FixedExit(
            self.stop_loss_fraction,
            self.take_profit_fraction,
            self.break_even_after_fraction,
            self.trail_fraction,
            self.time_barrier_sessions,
        )


class EmaCross(DeskStrategy):
    """Buys when the fast EMA of hourly closes crosses the slow one upwards; leaves below it, at the stop or the target."""

    Parameters: ClassVar[type] = EmaCrossParameters
    settings_block: ClassVar[str | None] = "ema_cross"
    bar_seconds: ClassVar[int | None] = BAR_SECONDS
    sleeptime_setting: ClassVar[str] = "5M"  # Lumibot counts from whenever it begins, so a bar is seen minutes after its end

    def prepare(self) -> None:
        self.rules: EmaCrossParameters = self.settings if isinstance(self.settings, EmaCrossParameters) else EmaCrossParameters()
        self.averages = Carried(Averages.of(self.rules), pushed)

    def signals(self, market: Market, book: Book) -> Sequence[Signal]:
        found = (self._signal(symbol, market, book) for symbol in market.intraday)
        return [signal for signal in found if signal is not None]

    def _signal(self, symbol: str, market: Market, book: Book) -> Signal | None:
        bars = current_bars(market, symbol, BAR_SECONDS)
        if bars is None:
            return None
        averages = self.averages.state(symbol, bars)
        return signal_for(symbol, averages, may_enter(book, symbol, market.session), may_leave(book, symbol))

    def targets(self, signals: Sequence[Signal], market: Market, book: Book) -> Sequence[Target]:
        return [target_for(signal, self.rules) for signal in signals]


@dataclass(frozen=True, slots=True)
class Averages:
    """Both averages after some bars. `was_above` says whether the fast one was above before the last bar, None: not known."""

    fast: EmaState
    slow: EmaState
    was_above: bool | None = None

    @staticmethod
    def of(rules: EmaCrossParameters) -> Averages:
        return Averages(EmaState(rules.fast_bars), EmaState(rules.slow_bars))

    @property
    def is_above(self) -> bool | None:
        """Whether the fast average is above the slow one; None before both are known."""
        fast, slow = self.fast.value, self.slow.value
        return None if fast is None or slow is None else fast > slow

    @property
    def text(self) -> str:
        return f"EMA {self.fast.length} at {self.fast.average:.2f}, EMA {self.slow.length} at {self.slow.average:.2f}"


def pushed(before: Averages, bar: Bar) -> Averages:
    """Both averages one bar later."""
    return replace(before, fast=before.fast.pushed(bar.close), slow=before.slow.pushed(bar.close), was_above=before.is_above)


def signal_for(symbol: str, averages: Averages, is_wanted: bool, is_held: bool) -> Signal | None:
    """LONG when the last bar brought the cross upwards, FLAT for what is held while the fast average is not above."""
    if averages.is_above and averages.was_above is False and is_wanted:
        return Signal(symbol, Direction.LONG, f"crossed upwards: {averages.text}")
    if averages.is_above is False and is_held:
        return Signal(symbol, Direction.FLAT, f"the fast average is not above the slow one: {averages.text}")
    return None


def target_for(signal: Signal, rules: EmaCrossParameters) -> Target:
    """The position that a signal asks for: the largest allowed, or none."""
    amount = Shares(0) if signal.direction is Direction.FLAT else Weight(rules.max_position_fraction)
    return Target(signal.symbol, amount, rules.exit_rule(), signal.reason)
