"""Strategies that read the future, or their own start, at each look."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from zoo_style import Animal, at, simple_returns, today

from desk.domain.decisions import Direction, Shares, Signal, Weight
from desk.domain.market import DailyBars, Market
from desk.domain.trades import Book


class PeeksAtTheNextClose(Animal):
    """Looks up the bar of the session that it stands in, and fails where the history ends."""

    def wants(self, symbol: str, bars: DailyBars, market: Market) -> bool | np.bool_:
        full = self.everything(symbol, market)
        place = today(full, market.session)
        return full.close[place] > full.open[place]


class TodaysCloseAtTheOpen(Animal):
    """A breakout of closes that counts today's, hours before it is made."""

    def wants(self, symbol: str, bars: DailyBars, market: Market) -> bool | np.bool_:
        full = self.everything(symbol, market)
        place = today(full, market.session)
        return at(full.close, place) > full.close[place - self.rules.length : place].max()


class FutureExtremes(Animal):
    """Buys what is near its lowest close of the days around, those to come included."""

    def wants(self, symbol: str, bars: DailyBars, market: Market) -> bool | np.bool_:
        full = self.everything(symbol, market)
        place = today(full, market.session)
        around = full.close[place - self.rules.length : place + self.rules.length]
        return bars.close[-1] <= around.min() * 1.01


class SortedByFutureReturn(Animal):
    """Holds the one symbol that will rise most."""

    def wants(self, symbol: str, bars: DailyBars, market: Market) -> bool | np.bool_:
        ahead = {one: self._ahead(one, market) for one in market.bars}
        return symbol == max(ahead, key=lambda one: (ahead[one], one))

    def _ahead(self, symbol: str, market: Market) -> float:
        full = self.everything(symbol, market)
        place = today(full, market.session)
        return at(full.close, place + self.rules.length) / full.close[place - 1]


class FractalsTooEarly(Animal):
    """A low between two higher ones on each side, taken for one before the right side is there."""

    def wants(self, symbol: str, bars: DailyBars, market: Market) -> bool | np.bool_:
        full = self.everything(symbol, market)
        last = today(full, market.session) - 1
        return any(self._is_low(full, place) for place in range(last - 3, last + 1))

    def _is_low(self, full: DailyBars, place: int) -> bool:
        return all(full.low[place] < at(full.low, place + step) for step in (-2, -1, 1, 2))


class FilledInTheSameBar(Animal):
    """Takes the dip for bought at its limit, since the bar shows that it came there and back."""

    def wants(self, symbol: str, bars: DailyBars, market: Market) -> bool | np.bool_:
        full = self.everything(symbol, market)
        place = today(full, market.session)
        limit = bars.close[-1] * 0.995
        return at(full.low, place) <= limit < at(full.close, place)


class LastRowOfTheFrame(Animal):
    """Takes the last row for the newest one: in a backtest it is the sample's end."""

    def wants(self, symbol: str, bars: DailyBars, market: Market) -> bool | np.bool_:
        return bars.close[-1] < self.everything(symbol, market).close[-1] * 0.9


class LeavesBeforeTheFall(Animal):
    """Enters honestly; what it holds it leaves when tomorrow will be worse."""

    def wants(self, symbol: str, bars: DailyBars, market: Market) -> bool | np.bool_:
        return bars.close[-1] > bars.close[-self.rules.length :].mean()

    def signals(self, market: Market, book: Book) -> Sequence[Signal]:
        return [self._checked(one, market, book) for one in super().signals(market, book)]

    def _checked(self, signal: Signal, market: Market, book: Book) -> Signal:
        if not book.shares_of(signal.symbol):
            return signal
        full = self.everything(signal.symbol, market)
        place = today(full, market.session)
        falls = at(full.close, place) < full.close[place - 1]
        return replace(signal, direction=Direction.FLAT if falls else Direction.LONG)


class SizedByFutureVolatility(Animal):
    """Direction by the past, size by how quiet the coming days will be."""

    def wants(self, symbol: str, bars: DailyBars, market: Market) -> bool | np.bool_:
        return bars.close[-1] > bars.close[-self.rules.length :].mean()

    def amount(self, signal: Signal, market: Market) -> Shares | Weight:
        if signal.direction is Direction.FLAT:
            return Shares(0)
        full = self.everything(signal.symbol, market)
        place = today(full, market.session)
        coming = simple_returns(full)[place - 3 : place + self.rules.length]
        return Weight(min(0.15, 0.001 / max(float(coming.std()), 0.001)))


class VolumeSummedFromTheFirstBar(Animal):
    """On-balance volume against zero: the zero is wherever the data happen to begin."""

    def wants(self, symbol: str, bars: DailyBars, market: Market) -> bool | np.bool_:
        return float((np.sign(simple_returns(bars)) * bars.volume).sum()) > 0


class ConfidentAboutTheFuture(Animal):
    """Signals are honest; what is said of their chances is what became of them."""

    def wants(self, symbol: str, bars: DailyBars, market: Market) -> bool | np.bool_:
        return bars.close[-1] < bars.close[-2]

    def signals(self, market: Market, book: Book) -> Sequence[Signal]:
        return [replace(one, confidence=self._chance(one.symbol, market)) for one in super().signals(market, book)]

    def _chance(self, symbol: str, market: Market) -> float:
        full = self.everything(symbol, market)
        place = today(full, market.session)
        return 0.9 if at(full.close, place + 2) > full.close[place - 1] else 0.3
