"""Honest strategies in the style of the biased ones. None of them is claimed to earn anything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, ClassVar
from zlib import crc32

import numpy as np
import pandas as pd
from zoo_style import Animal, ZooParameters, known, series, simple_returns

from desk.data.history_feed import before
from desk.domain.decisions import Direction, Shares, Signal, Weight
from desk.domain.market import DailyBars, FloatArray, Market
from desk.domain.trades import Book
from desk.indicators.rsi import RsiState


class LastDayRose(Animal):
    """Holds while the last completed bar closed above its open."""

    def wants(self, symbol: str, bars: DailyBars, market: Market) -> bool | np.bool_:
        return bars.close[-1] > bars.open[-1]


class BreakoutOfCompletedCloses(Animal):
    """The last close above those before it."""

    def wants(self, symbol: str, bars: DailyBars, market: Market) -> bool | np.bool_:
        return bars.close[-1] > bars.close[-self.rules.length - 1 : -1].max()


class TrailingMovingAverage(Animal):
    """An average of the past that rises."""

    def wants(self, symbol: str, bars: DailyBars, market: Market) -> bool | np.bool_:
        return bars.close[-self.rules.length :].mean() > bars.close[-self.rules.length - 1 : -1].mean()


class RollingZScore(Animal):
    """Cheap by mean and deviation of the last sessions."""

    def wants(self, symbol: str, bars: DailyBars, market: Market) -> bool | np.bool_:
        window = bars.close[-3 * self.rules.length :]
        return (bars.close[-1] - window.mean()) / max(float(window.std()), 1e-9) < self.rules.level


class NearThePastLow(Animal):
    """Near the lowest close of the past sessions."""

    def wants(self, symbol: str, bars: DailyBars, market: Market) -> bool | np.bool_:
        return bars.close[-1] <= bars.close[-self.rules.length :].min() * 1.01


class WalkForwardModel(Animal):
    """The linear model of the leaked one, trained on what was over before the month began."""

    def learn(self, history: Mapping[str, DailyBars] | None) -> None:
        self.weights: dict[tuple[str, int, int], FloatArray] = {}
        self.rng: np.random.Generator | None = None

    def relabel(self, rng: np.random.Generator) -> None:
        self.weights, self.rng = {}, rng

    def _rows(self, bars: DailyBars) -> FloatArray:
        returns = simple_returns(bars)
        lags = [np.concatenate([np.zeros(lag), returns[: len(returns) - lag]]) for lag in range(4)]
        return np.column_stack([np.ones(len(returns)), *lags])

    def _model(self, symbol: str, bars: DailyBars, session: date) -> FloatArray:
        key = (symbol, session.year, session.month)
        if key not in self.weights:
            past = before(bars, session.replace(day=1))
            labels = simple_returns(past)[1:] if self.rng is None else self.rng.permutation(simple_returns(past)[1:])
            self.weights[key] = np.linalg.lstsq(self._rows(past)[:-1], labels, rcond=None)[0]
        return self.weights[key]

    def wants(self, symbol: str, bars: DailyBars, market: Market) -> bool | np.bool_:
        return self._rows(bars)[-1] @ self._model(symbol, bars, market.session) > 0.001


class MonthWhenItIsOver(Animal):
    """The figure of a month, used in the next one."""

    def learn(self, history: Mapping[str, DailyBars] | None) -> None:
        self.month: dict[str, Any] = {}
        for symbol, bars in (history or {}).items():
            closes = series(bars)
            self.month[symbol] = closes.groupby(closes.index.to_period("M")).mean()

    def wants(self, symbol: str, bars: DailyBars, market: Market) -> bool | np.bool_:
        figure = self.month[symbol].get(pd.Period(market.session, "M") - 1)
        return figure is not None and figure > bars.close[-1]


class ShiftedByOne(Animal):
    """The day before yesterday's move, precomputed and looked up by date."""

    def learn(self, history: Mapping[str, DailyBars] | None) -> None:
        self.moves = {symbol: series(bars).pct_change().shift(1) for symbol, bars in (history or {}).items()}

    def wants(self, symbol: str, bars: DailyBars, market: Market) -> bool | np.bool_:
        return known(self.moves[symbol], bars.sessions[-1], 0.0) > 0


class RankedByPastReturn(Animal):
    """Holds the one symbol that rose most."""

    def wants(self, symbol: str, bars: DailyBars, market: Market) -> bool | np.bool_:
        rose = {one: self._rise(shown) for one, shown in market.bars.items() if len(shown) > self.rules.length}
        return symbol == max(rose, key=lambda one: (rose[one], one))

    def _rise(self, bars: DailyBars) -> float:
        return float(bars.close[-1] / bars.close[-self.rules.length])


class CountsByTheCalendar(Animal):
    """Half of every so many days, counted from the calendar's own beginning."""

    def wants(self, symbol: str, bars: DailyBars, market: Market) -> bool | np.bool_:
        return market.session.toordinal() % self.rules.length < self.rules.length // 2


class AboveAPastPrice(Animal):
    """Above the price of a fixed number of sessions ago."""

    def wants(self, symbol: str, bars: DailyBars, market: Market) -> bool | np.bool_:
        return bars.close[-1] > bars.close[-2 * self.rules.length]


class LiquidByPastVolume(Animal):
    """The names most traded of late, when above their average."""

    def wants(self, symbol: str, bars: DailyBars, market: Market) -> bool | np.bool_:
        turnover = {one: float((b.volume[-60:] * b.close[-60:]).mean()) for one, b in market.bars.items()}
        ranked = sorted(turnover, key=lambda one: (-turnover[one], one))
        return symbol in ranked[: max(1, len(ranked) // 2)] and bars.close[-1] > bars.close[-self.rules.length :].mean()


class ConfirmedZigzag(Animal):
    """A turn counts when the price has come back by its distance."""

    def wants(self, symbol: str, bars: DailyBars, market: Market) -> bool | np.bool_:
        extreme, is_up = float(bars.close[-60:][0]), True
        for price in bars.close[-60:]:
            if (price > extreme) if is_up else (price < extreme):
                extreme = float(price)
            elif abs(price / extreme - 1) > 0.05:
                extreme, is_up = float(price), not is_up
        return is_up


class FractalsInTime(Animal):
    """A low between higher ones, two sessions after it."""

    def wants(self, symbol: str, bars: DailyBars, market: Market) -> bool | np.bool_:
        return any(self._is_low(bars, -3 - step) for step in range(4))

    def _is_low(self, bars: DailyBars, place: int) -> bool:
        return all(bars.low[place] < bars.low[place + step] for step in (-2, -1, 1, 2))


class WeeksThatAreOver(Animal):
    """The last two whole weeks."""

    def wants(self, symbol: str, bars: DailyBars, market: Market) -> bool | np.bool_:
        year, week, _ = market.session.isocalendar()
        past = before(bars, date.fromisocalendar(year, week, 1))
        weeks = [day.isocalendar()[:2] for day in past.sessions[-15:]]
        closes = list(dict(zip(weeks, past.close[-15:], strict=True)).values())
        return closes[-1] > closes[-2]


class AfterADip(Animal):
    """After a close half a per cent lower."""

    def wants(self, symbol: str, bars: DailyBars, market: Market) -> bool | np.bool_:
        return bars.close[-1] < bars.close[-2] * 0.995


class RollingQuantile(Animal):
    """After a fall that was rare so far this year."""

    def wants(self, symbol: str, bars: DailyBars, market: Market) -> bool | np.bool_:
        returns = np.diff(bars.close[-121:]) / bars.close[-121:-1]
        return returns[-1] < np.quantile(returns[:-1], 0.10)


class ParameterFromThePast(Animal):
    """The best length of the past, chosen anew each month."""

    def learn(self, history: Mapping[str, DailyBars] | None) -> None:
        self.best: dict[tuple[str, int, int], int] = {}

    def _worth(self, bars: DailyBars, length: int) -> float:
        closes = bars.close[-250:]
        above = (pd.Series(closes) > pd.Series(closes).rolling(length).mean()).to_numpy()[:-1]
        return float((np.diff(closes) / closes[:-1])[above].sum())

    def wants(self, symbol: str, bars: DailyBars, market: Market) -> bool | np.bool_:
        key = (symbol, market.session.year, market.session.month)
        if key not in self.best:
            past = before(bars, market.session.replace(day=1))
            self.best[key] = max(range(5, 40, 5), key=lambda length: self._worth(past, length))
        return bars.close[-1] > bars.close[-self.best[key] :].mean()


class ExpandingZScore(Animal):
    """Mean and deviation of all that is shown so far."""

    def wants(self, symbol: str, bars: DailyBars, market: Market) -> bool | np.bool_:
        return (bars.close[-1] - bars.close.mean()) / bars.close.std() < self.rules.level


class CachedByDate(Animal):
    """A cache of its own, by symbol and date, filled with what was shown."""

    def learn(self, history: Mapping[str, DailyBars] | None) -> None:
        self.cache: dict[tuple[str, date], float] = {}

    def wants(self, symbol: str, bars: DailyBars, market: Market) -> bool | np.bool_:
        key = (symbol, bars.sessions[-1])
        self.cache[key] = float(bars.close[-self.rules.length :].mean())
        return bars.close[-1] > self.cache[key]


class PrecomputedAverage(Animal):
    """A trailing average computed once on the whole history and looked up at the last completed session."""

    def learn(self, history: Mapping[str, DailyBars] | None) -> None:
        self.mean = {s: series(b).rolling(self.rules.length).mean() for s, b in (history or {}).items()}

    def wants(self, symbol: str, bars: DailyBars, market: Market) -> bool | np.bool_:
        return bars.close[-1] > known(self.mean[symbol], bars.sessions[-1])


class HistoryOnTheClassCutInTime(Animal):
    """A history of its own on the class, of which it reads only what is over."""

    own: ClassVar[Mapping[str, DailyBars]] = {}

    def wants(self, symbol: str, bars: DailyBars, market: Market) -> bool | np.bool_:
        past = before(self.own.get(symbol, bars), market.session)
        return past.close[-1] > past.close[-self.rules.length :].mean()


class TurnOfTheMonth(Animal):
    """The first and last days of each month."""

    def wants(self, symbol: str, bars: DailyBars, market: Market) -> bool | np.bool_:
        return market.session.day <= 4 or market.session.day >= 28


class RecomputedExponentialAverage(Animal):
    """An exponential average over what is shown; where the data begin is soon forgotten."""

    def wants(self, symbol: str, bars: DailyBars, market: Market) -> bool | np.bool_:
        return bars.close[-1] > series(bars).ewm(span=self.rules.length, adjust=False).mean().iloc[-1]


class LeavesOnPastWeakness(Animal):
    """Enters above the average; what it holds it leaves after a day that fell."""

    def wants(self, symbol: str, bars: DailyBars, market: Market) -> bool | np.bool_:
        return bars.close[-1] > bars.close[-self.rules.length :].mean()

    def signals(self, market: Market, book: Book) -> Sequence[Signal]:
        return [self._checked(one, market, book) for one in super().signals(market, book)]

    def _checked(self, signal: Signal, market: Market, book: Book) -> Signal:
        if not book.shares_of(signal.symbol):
            return signal
        fell = market.bars[signal.symbol].close[-1] < market.bars[signal.symbol].close[-2]
        return replace(signal, direction=Direction.FLAT if fell else Direction.LONG)


class SizedByPastVolatility(Animal):
    """The quieter it was, the larger."""

    def wants(self, symbol: str, bars: DailyBars, market: Market) -> bool | np.bool_:
        return bars.close[-1] > bars.close[-self.rules.length :].mean()

    def amount(self, signal: Signal, market: Market) -> Shares | Weight:
        if signal.direction is Direction.FLAT:
            return Shares(0)
        past = simple_returns(market.bars[signal.symbol])[-self.rules.length :]
        return Weight(min(0.15, 0.001 / max(float(past.std()), 0.001)))


class HoldsEverything(Animal):
    """Buys and holds."""

    def wants(self, symbol: str, bars: DailyBars, market: Market) -> bool | np.bool_:
        return True


class TossesACoin(Animal):
    """A coin for each symbol and week, the same one in every run."""

    def wants(self, symbol: str, bars: DailyBars, market: Market) -> bool | np.bool_:
        return crc32(f"{symbol} {market.session.isocalendar()[:2]}".encode()) % 2 == 0


class ConfidentAboutThePast(Animal):
    """Says of a signal how often its like came out well, of those that are over."""

    def wants(self, symbol: str, bars: DailyBars, market: Market) -> bool | np.bool_:
        return bars.close[-1] < bars.close[-2]

    def signals(self, market: Market, book: Book) -> Sequence[Signal]:
        return [replace(one, confidence=self._chance(market.bars[one.symbol])) for one in super().signals(market, book)]

    def _chance(self, bars: DailyBars) -> float:
        returns = simple_returns(bars)[-100:]
        fell = np.flatnonzero(returns[:-1] < 0)
        return float((returns[fell + 1] > 0).mean() + 0.1) if len(fell) else 0.5


@dataclass(frozen=True)
class RsiParameters(ZooParameters):
    level: float = 45.0


class CarriedRsi(Animal):
    """Wilder's RSI carried from session to session, begun with all that is shown."""

    Parameters: ClassVar[type] = RsiParameters

    def learn(self, history: Mapping[str, DailyBars] | None) -> None:
        self.states: dict[str, tuple[int, RsiState]] = {}

    def wants(self, symbol: str, bars: DailyBars, market: Market) -> bool | np.bool_:
        count, state = self.states.get(symbol, (0, None))
        if state is None:
            state = RsiState.from_closes(bars.close, self.rules.length)
        else:
            for price in bars.close[count:]:
                state = state.pushed(float(price))
        self.states[symbol] = (len(bars), state)
        return state.value is not None and state.value < self.rules.level


CLEAN: tuple[type[Animal], ...] = (
    LastDayRose,
    BreakoutOfCompletedCloses,
    TrailingMovingAverage,
    RollingZScore,
    NearThePastLow,
    WalkForwardModel,
    MonthWhenItIsOver,
    ShiftedByOne,
    RankedByPastReturn,
    CountsByTheCalendar,
    AboveAPastPrice,
    LiquidByPastVolume,
    ConfirmedZigzag,
    FractalsInTime,
    WeeksThatAreOver,
    AfterADip,
    RollingQuantile,
    ParameterFromThePast,
    ExpandingZScore,
    CachedByDate,
    PrecomputedAverage,
    HistoryOnTheClassCutInTime,
    TurnOfTheMonth,
    RecomputedExponentialAverage,
    LeavesOnPastWeakness,
    SizedByPastVolatility,
    HoldsEverything,
    TossesACoin,
    ConfidentAboutThePast,
    CarriedRsi,
)


def furnish(histories: Mapping[str, DailyBars]) -> None:
    """Give the animal that keeps data of its own what its author would have given it: all there is."""
    HistoryOnTheClassCutInTime.own = dict(histories)
