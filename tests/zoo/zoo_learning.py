"""Strategies that learn from the whole sample beforehand, or keep what they should not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from zoo_style import Animal, ZooParameters, at, known, series, simple_returns, today

from desk.domain.decisions import Signal
from desk.domain.market import DailyBars, FloatArray, Market
from desk.domain.trades import Book


class CentredMovingAverage(Animal):
    """An average centred on the day reaches as far ahead as back."""

    def learn(self, history: Mapping[str, DailyBars] | None) -> None:
        width = 2 * (self.rules.length // 2) + 1
        self.smooth = {s: series(b).rolling(width, center=True, min_periods=1).mean() for s, b in (history or {}).items()}

    def wants(self, symbol: str, bars: DailyBars, market: Market) -> bool | np.bool_:
        smooth = self.smooth[symbol]
        return known(smooth, bars.sessions[-1]) > known(smooth, bars.sessions[-2])


class FullSampleZScore(Animal):
    """Mean and deviation of the whole sample tell early what is cheap."""

    def learn(self, history: Mapping[str, DailyBars] | None) -> None:
        self.moments = {s: (float(b.close.mean()), float(b.close.std())) for s, b in (history or {}).items()}

    def wants(self, symbol: str, bars: DailyBars, market: Market) -> bool | np.bool_:
        mean, deviation = self.moments[symbol]
        return (bars.close[-1] - mean) / deviation < self.rules.level


class LeakedLabels(Animal):
    """A linear model of tomorrow's return, trained on every row there is and asked about the same rows."""

    def learn(self, history: Mapping[str, DailyBars] | None) -> None:
        self.history = history or {}
        self._fit({symbol: np.append(simple_returns(bars)[1:], 0.0) for symbol, bars in self.history.items()})

    def relabel(self, rng: np.random.Generator) -> None:
        self._fit({s: rng.permutation(np.append(simple_returns(b)[1:], 0.0)) for s, b in self.history.items()})

    def _fit(self, labels: Mapping[str, FloatArray]) -> None:
        self.weights: dict[str, FloatArray] = {}
        for symbol, bars in self.history.items():
            rows = self._rows(simple_returns(bars))
            self.weights[symbol] = np.linalg.lstsq(rows, labels[symbol], rcond=None)[0]

    def _rows(self, returns: FloatArray) -> FloatArray:
        lags = [np.concatenate([np.zeros(lag), returns[: len(returns) - lag]]) for lag in range(12)]
        products = [lags[0] * lags[k] for k in range(1, 12)]
        signs = [np.sign(lags[0]) * np.abs(lags[k]) for k in range(12)]
        return np.column_stack([np.ones(len(returns)), *lags, *products, *signs])

    def wants(self, symbol: str, bars: DailyBars, market: Market) -> bool | np.bool_:
        recent = bars.close[-21:]
        return self._rows(np.diff(recent) / recent[:-1])[-1] @ self.weights[symbol] > 0.001


class BackfilledMonth(Animal):
    """A monthly figure stamped with the first day of its month, as if it had been published then."""

    def learn(self, history: Mapping[str, DailyBars] | None) -> None:
        self.month: dict[str, Any] = {}
        for symbol, bars in (history or {}).items():
            closes = series(bars)
            self.month[symbol] = closes.groupby(closes.index.to_period("M")).mean()

    def wants(self, symbol: str, bars: DailyBars, market: Market) -> bool | np.bool_:
        figure = self.month[symbol].get(pd.Period(market.session, "M"))
        return figure is not None and figure > bars.close[-1] * 1.005


class ShiftedByMinusOne(Animal):
    """The sign of a shift the wrong way round."""

    def learn(self, history: Mapping[str, DailyBars] | None) -> None:
        self.moves = {symbol: series(bars).pct_change().shift(-1) for symbol, bars in (history or {}).items()}

    def wants(self, symbol: str, bars: DailyBars, market: Market) -> bool | np.bool_:
        return known(self.moves[symbol], bars.sessions[-1], 0.0) > 0


class CountsFromItsStart(Animal):
    """Trades on every so many sessions, counted from wherever it was started."""

    def learn(self, history: Mapping[str, DailyBars] | None) -> None:
        self.counted = 0

    def signals(self, market: Market, book: Book) -> Sequence[Signal]:
        self.counted += 1
        return super().signals(market, book)

    def wants(self, symbol: str, bars: DailyBars, market: Market) -> bool | np.bool_:
        return self.counted % self.rules.length < self.rules.length // 2


class AnchoredAtItsStart(Animal):
    """Compares with the price of the first day that it saw."""

    def learn(self, history: Mapping[str, DailyBars] | None) -> None:
        self.anchor: dict[str, float] = {}

    def wants(self, symbol: str, bars: DailyBars, market: Market) -> bool | np.bool_:
        return bars.close[-1] > self.anchor.setdefault(symbol, float(bars.close[-1]))


class SurvivorsByFutureVolume(Animal):
    """Trades only the names that will be the most traded ones in the end."""

    def learn(self, history: Mapping[str, DailyBars] | None) -> None:
        turnover = {s: float((b.volume[-60:] * b.close[-60:]).mean()) for s, b in (history or {}).items()}
        ranked = sorted(turnover, key=lambda symbol: (-turnover[symbol], symbol))
        self.survivors = frozenset(ranked[: max(1, len(ranked) // 2)])

    def wants(self, symbol: str, bars: DailyBars, market: Market) -> bool | np.bool_:
        return symbol in self.survivors and bars.close[-1] > bars.close[-self.rules.length :].mean()


class RepaintedZigzag(Animal):
    """Turning points that are drawn where they were, long before the move that confirms them."""

    def learn(self, history: Mapping[str, DailyBars] | None) -> None:
        self.rising = {symbol: self._legs(bars) for symbol, bars in (history or {}).items()}

    def _legs(self, bars: DailyBars) -> dict[date, bool]:
        turns, extreme, is_up = [0], 0, True
        for place, price in enumerate(bars.close):
            best = bars.close[extreme]
            if (price > best) if is_up else (price < best):
                extreme = place
            elif abs(price / best - 1) > 0.05:
                turns.append(extreme)
                extreme, is_up = place, not is_up
        legs: dict[date, bool] = {}
        for number, (first, last) in enumerate(zip(turns, [*turns[1:], len(bars)], strict=True)):
            legs.update(dict.fromkeys(bars.sessions[first:last], number % 2 == 0))
        return legs

    def wants(self, symbol: str, bars: DailyBars, market: Market) -> bool | np.bool_:
        return self.rising[symbol].get(bars.sessions[-1], False)


class WeekNotComplete(Animal):
    """Weekly bars of the whole week, asked for on Monday."""

    def learn(self, history: Mapping[str, DailyBars] | None) -> None:
        self.weeks = {symbol: series(bars).resample("W").last() for symbol, bars in (history or {}).items()}

    def wants(self, symbol: str, bars: DailyBars, market: Market) -> bool | np.bool_:
        weeks = self.weeks[symbol]
        place = int(weeks.index.searchsorted(pd.Timestamp(market.session)))
        return at(weeks.to_numpy(), place) > weeks.iloc[place - 1]


class GlobalQuantile(Animal):
    """Buys after a fall that is rare in the whole sample."""

    def learn(self, history: Mapping[str, DailyBars] | None) -> None:
        self.rare = {symbol: float(np.quantile(simple_returns(bars), 0.10)) for symbol, bars in (history or {}).items()}

    def wants(self, symbol: str, bars: DailyBars, market: Market) -> bool | np.bool_:
        return simple_returns(bars)[-1] < self.rare[symbol]


class ParameterFromTheTestSample(Animal):
    """Tries every length on the very days that it will be judged by, and keeps the best."""

    def learn(self, history: Mapping[str, DailyBars] | None) -> None:
        self.best = {
            symbol: max(range(2, 40), key=lambda n, b=bars: self._worth(b, n)) for symbol, bars in (history or {}).items()
        }

    def _worth(self, bars: DailyBars, length: int) -> float:
        above = (series(bars) > series(bars).rolling(length).mean()).to_numpy()[:-1]
        return float(simple_returns(bars)[1:][above].sum())

    def wants(self, symbol: str, bars: DailyBars, market: Market) -> bool | np.bool_:
        return bars.close[-1] > bars.close[-self.best[symbol] :].mean()


class CachedAcrossCalls(Animal):
    """A cache that belongs to the class: what one run computed of the whole history the next one finds."""

    cache: ClassVar[dict[str, Any]] = {}

    def wants(self, symbol: str, bars: DailyBars, market: Market) -> bool | np.bool_:
        if symbol not in self.cache:
            full = series(self.everything(symbol, market))
            self.cache[symbol] = full.rolling(self.rules.length).mean().shift(-3) > full
        return bool(self.cache[symbol].get(pd.Timestamp(bars.sessions[-1]), False))


class HistoryOnTheClass(Animal):
    """Keeps a history of its own on the class, put there by whoever runs it, and reads tomorrow from it."""

    own: ClassVar[Mapping[str, DailyBars]] = {}

    def wants(self, symbol: str, bars: DailyBars, market: Market) -> bool | np.bool_:
        full = self.own.get(symbol, bars)
        return at(full.close, today(full, market.session)) > bars.close[-1]


class MemorisedDays(Animal):
    """The good days of each symbol by heart, as a table in the code."""

    by_heart: ClassVar[Mapping[str, frozenset[date]]] = {}

    def wants(self, symbol: str, bars: DailyBars, market: Market) -> bool | np.bool_:
        return market.session in self.by_heart.get(symbol, frozenset())


class TrendLineOfTheWholeSample(Animal):
    """Below a line fitted through past and future alike is cheap."""

    def learn(self, history: Mapping[str, DailyBars] | None) -> None:
        self.line: dict[str, Any] = {}
        for symbol, bars in (history or {}).items():
            places = np.arange(len(bars))
            fitted = np.polyval(np.polyfit(places, np.log(bars.close), 1), places)
            self.line[symbol] = pd.Series(fitted, index=pd.DatetimeIndex(bars.sessions))

    def wants(self, symbol: str, bars: DailyBars, market: Market) -> bool | np.bool_:
        return np.log(bars.close[-1]) < known(self.line[symbol], bars.sessions[-1])


class InterpolatedBetweenSamples(Animal):
    """A figure of every tenth session drawn as a line between them: the line knows where it goes."""

    def learn(self, history: Mapping[str, DailyBars] | None) -> None:
        self.line: dict[str, Any] = {}
        for symbol, bars in (history or {}).items():
            sampled = series(bars).where(np.arange(len(bars)) % self.rules.length == 0)
            self.line[symbol] = sampled.interpolate()

    def wants(self, symbol: str, bars: DailyBars, market: Market) -> bool | np.bool_:
        line = self.line[symbol]
        return known(line, bars.sessions[-1]) > known(line, bars.sessions[-2])


class FilteredBothWays(Animal):
    """A smoother run forwards and then backwards has no lag, because it looks ahead."""

    def learn(self, history: Mapping[str, DailyBars] | None) -> None:
        self.smooth: dict[str, Any] = {}
        for symbol, bars in (history or {}).items():
            forwards = series(bars).ewm(span=self.rules.length).mean()
            self.smooth[symbol] = forwards[::-1].ewm(span=self.rules.length).mean()[::-1]

    def wants(self, symbol: str, bars: DailyBars, market: Market) -> bool | np.bool_:
        smooth = self.smooth[symbol]
        return known(smooth, bars.sessions[-1]) > known(smooth, bars.sessions[-2])


class RegimeOfTheWholeSample(Animal):
    """Quiet and wild days told apart by the median of all days."""

    def learn(self, history: Mapping[str, DailyBars] | None) -> None:
        rolled = {s: pd.Series(simple_returns(b)).rolling(20).std() for s, b in (history or {}).items()}
        self.middle = {symbol: float(values.median()) for symbol, values in rolled.items()}

    def wants(self, symbol: str, bars: DailyBars, market: Market) -> bool | np.bool_:
        return simple_returns(bars)[-20:].std(ddof=1) < self.middle[symbol]


@dataclass(frozen=True)
class SlowParameters(ZooParameters):
    length: int = 5
    span: int = 400


class AverageFromTheFirstCall(Animal):
    """A very slow average that begins with the first price it is shown and never forgets it."""

    Parameters: ClassVar[type] = SlowParameters

    def learn(self, history: Mapping[str, DailyBars] | None) -> None:
        self.level: dict[str, float] = {}

    def wants(self, symbol: str, bars: DailyBars, market: Market) -> bool | np.bool_:
        before = self.level.get(symbol, float(bars.close[-1]))
        self.level[symbol] = before + (float(bars.close[-1]) - before) * 2 / (self.rules.span + 1)  # type: ignore[attr-defined]  # its own parameters
        return bars.close[-1] > self.level[symbol]
