"""What a strategy may see at one moment: completed daily bars and the current quote, nothing later than the clock."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
# Why a symbol without any bar is in `Market.unusable`.
NO_DAILY_BAR = "no completed daily bar"


@dataclass(frozen=True, slots=True)
class DailyBars:
    """Completed daily bars of one symbol, oldest first; all arrays have shape (n,), prices in dollars, volume in shares."""

    sessions: tuple[date, ...]
    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray
    volume: FloatArray

    def __len__(self) -> int:
        return len(self.sessions)


@dataclass(frozen=True, slots=True)
class IntradayBars:
    """Completed bars of one symbol within regular hours, each `seconds` long, oldest first; arrays of shape (n,).

    `starts` are POSIX seconds, int64, ascending and unique. A stretch in which nothing traded has no bar: none is ever filled in.
    """

    seconds: int
    starts: NDArray[np.int64]
    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray
    volume: FloatArray

    def __len__(self) -> int:
        return len(self.starts)

    def until(self, moment: datetime) -> IntradayBars:
        """The bars that were complete at `moment` (aware); arrays are views."""
        end = int(np.searchsorted(self.starts, int(moment.timestamp()) - self.seconds, side="right"))
        prices = (column[:end] for column in (self.open, self.high, self.low, self.close, self.volume))
        return IntradayBars(self.seconds, self.starts[:end], *prices)


NO_BARS: Mapping[str, IntradayBars] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Quote:
    """Best bid and offer and the last trade, in dollars, at a moment."""

    at: datetime
    bid: float
    ask: float
    last: float


@dataclass(frozen=True, slots=True)
class Print:
    """A trade of the market: dollars a share, and when (aware)."""

    price: float
    at: datetime


@dataclass(frozen=True, slots=True)
class Market:
    """A snapshot at `now` (aware, UTC). Symbols without usable data are in `unusable` with the reason, not in `bars`.

    `quotes` is empty in a daily backtest: at the open of a session nothing but completed bars is known. `intraday` has the
    completed bars of a strategy that asks for such, and is empty for others. `longer` has those of further lengths, by their
    seconds, for who asks strategies of different lengths: `with_bars_of` is what each of them is shown.
    """

    now: datetime
    session: date
    bars: Mapping[str, DailyBars]
    quotes: Mapping[str, Quote] = field(default_factory=lambda: MappingProxyType({}))
    unusable: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    intraday: Mapping[str, IntradayBars] = field(default_factory=lambda: MappingProxyType({}))
    longer: Mapping[int, Mapping[str, IntradayBars]] = field(default_factory=lambda: MappingProxyType({}))

    def __post_init__(self) -> None:
        for symbol, bars in self.bars.items():
            if bars.sessions and bars.sessions[-1] >= self.session:
                raise ValueError(f"{symbol}: bar of {bars.sessions[-1]} shown in session {self.session}: not completed yet")
        for symbol, quote in self.quotes.items():
            if quote.at > self.now:
                raise ValueError(f"{symbol}: quote of {quote.at} is later than the clock {self.now}")
        for shown in (self.intraday, *self.longer.values()):
            self._check_complete(shown)

    def _check_complete(self, shown: Mapping[str, IntradayBars]) -> None:
        for symbol, inside in shown.items():
            if len(inside) and int(inside.starts[-1]) + inside.seconds > self.now.timestamp():
                raise ValueError(f"{symbol}: a bar that begins at {int(inside.starts[-1])} is not complete at {self.now}")

    def within(self, symbols: Collection[str]) -> Market:
        """The same moment with these symbols alone."""
        shown = frozenset(symbols)
        if all(map(shown.issuperset, (self.bars, self.unusable, self.intraday))):
            return self
        return Market(
            self.now,
            self.session,
            MappingProxyType({symbol: bars for symbol, bars in self.bars.items() if symbol in shown}),
            MappingProxyType({symbol: quote for symbol, quote in self.quotes.items() if symbol in shown}),
            MappingProxyType({symbol: why for symbol, why in self.unusable.items() if symbol in shown}),
            _only(self.intraday, shown),
            MappingProxyType({seconds: _only(bars, shown) for seconds, bars in self.longer.items()}),
        )

    def with_bars_of(self, seconds: int | None) -> Market:
        """What a strategy is shown that looks at bars of `seconds`: those in `longer`, else `intraday`; None: at days alone.

        A symbol that then has no bar at all is unusable, as it would be for that strategy by itself.
        """
        shown = NO_BARS if seconds is None else self.longer.get(seconds, self.intraday)
        if not self.longer and (shown is self.intraday or not self.intraday):
            return self
        bare = {symbol: NO_DAILY_BAR for symbol in self.intraday if symbol not in self.bars and symbol not in shown}
        unusable = MappingProxyType({**self.unusable, **bare}) if bare else self.unusable
        return replace(self, unusable=unusable, intraday=shown, longer=MappingProxyType({}))

    def ask(self, symbol: str) -> float | None:
        """What a share costs now: the offer, else the last completed close, else None."""
        return self.quotes[symbol].ask if symbol in self.quotes else self.last_price(symbol)

    def bid(self, symbol: str) -> float | None:
        """What a share fetches now: the bid, else the last completed close, else None."""
        return self.quotes[symbol].bid if symbol in self.quotes else self.last_price(symbol)

    def last_price(self, symbol: str) -> float | None:
        """Last trade, else the last completed close, else None."""
        if symbol in self.quotes:
            return self.quotes[symbol].last
        if symbol in self.bars and len(self.bars[symbol]):
            return float(self.bars[symbol].close[-1])
        return None


def _only(bars: Mapping[str, IntradayBars], symbols: Collection[str]) -> Mapping[str, IntradayBars]:
    return MappingProxyType({symbol: each for symbol, each in bars.items() if symbol in symbols})
