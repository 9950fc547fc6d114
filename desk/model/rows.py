"""Feature rows of the present moment, all symbols at once; what completed bars alone decide is kept from look to look."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from desk.domain.market import DailyBars, FloatArray, Market, Quote
from desk.indicators.rsi import RsiState, wilder_rsi
from desk.model.features import LOOKBACK, MARKET, last_own_features, market_state


@dataclass(frozen=True, slots=True)
class _Track:
    """A symbol up to its last completed bar: RSI of its last bars, LOOKBACK at most, and the state behind it."""

    bars: DailyBars
    rsi: FloatArray
    state: RsiState


class LiveRows:
    """Latest feature rows. A new bar costs one RSI step a symbol; corrected history (a split, a dividend) is noticed.

    Bars are told apart by identity first, so a feed that shows the same ones all session pays for them once.
    """

    def __init__(self, rsi_length: int) -> None:
        self._rsi_length = rsi_length
        self._tracks: dict[str, _Track] = {}
        self._completed: _Completed | None = None
        self._market: Market | None = None
        self._rows: Mapping[str, FloatArray] = {}

    def row(self, symbol: str, market: Market, bars: Mapping[str, DailyBars]) -> FloatArray | None:
        """Features (len(FEATURES),) of `symbol` now; None when it has no bar of the last session (and no quote).

        When any symbol has a quote, today counts as a day with the last prices as provisional closes, and the market state is
        that of the quoted symbols. `bars` are those of the market's symbols that count. Raises ValueError when a last price
        or a close is not finite.
        """
        if market is not self._market:
            self._rows, self._market = self._present(market, bars), market
        return self._rows.get(symbol)

    def latest(self, bars: Mapping[str, DailyBars]) -> dict[str, FloatArray]:
        """Own features (len(OWN),) of each symbol's last completed bar."""
        past = self._up_to(bars)
        return dict(zip(past.symbols, past.as_completed(), strict=True)) if bars else {}

    def follow(self, bars: Mapping[str, DailyBars]) -> None:
        """Take in completed bars ahead of the first look at them; answers stay what they are without it."""
        self._up_to(bars)

    def _present(self, market: Market, bars: Mapping[str, DailyBars]) -> Mapping[str, FloatArray]:
        if not bars:
            return {}
        past = self._up_to(bars)
        quoted = np.array([symbol in market.quotes for symbol in past.symbols])
        if quoted.any():
            own, shown = past.with_last(_last_prices(past.symbols, market.quotes)), quoted
        else:
            own, shown = past.as_completed(), past.is_latest()
        own[~shown] = np.nan
        rows = np.hstack([own, np.broadcast_to(market_state(own), (len(own), len(MARKET)))])
        return {past.symbols[place]: rows[place] for place in np.flatnonzero(shown)}

    def _up_to(self, bars: Mapping[str, DailyBars]) -> _Completed:
        if self._completed is None or not self._completed.is_of(bars):
            tracks = {symbol: self._track(symbol, bars[symbol]) for symbol in sorted(bars)}
            self._completed = _Completed.of(tracks, self._rsi_length)
        return self._completed

    def _track(self, symbol: str, bars: DailyBars) -> _Track:
        old = self._tracks.get(symbol)
        if old is None or old.bars is not bars:
            self._tracks[symbol] = _tracked(bars, self._rsi_length) if old is None else _followed(old, bars)
        return self._tracks[symbol]


@dataclass(frozen=True, slots=True)
class _Completed:
    """Symbols up to their last completed bars: arrays (symbols, LOOKBACK), NaN before the first bar of a symbol."""

    symbols: tuple[str, ...]
    bars: tuple[DailyBars, ...]
    close: FloatArray
    volume: FloatArray
    rsi: FloatArray
    states: _RsiStates

    @classmethod
    def of(cls, tracks: Mapping[str, _Track], rsi_length: int) -> _Completed:
        bars = tuple(track.bars for track in tracks.values())
        return cls(
            tuple(tracks),
            bars,
            _tails([one.close for one in bars]),
            _tails([one.volume for one in bars]),
            _tails([track.rsi for track in tracks.values()]),
            _RsiStates.of([track.state for track in tracks.values()], rsi_length),
        )

    def is_of(self, bars: Mapping[str, DailyBars]) -> bool:
        """Whether these are the very same bars."""
        return len(bars) == len(self.symbols) and all(
            bars.get(symbol) is mine for symbol, mine in zip(self.symbols, self.bars, strict=True)
        )

    def as_completed(self) -> FloatArray:
        """Own features (symbols, len(OWN)) of each symbol's last bar."""
        return last_own_features(self.close, self.volume, self.rsi)

    def is_latest(self) -> NDArray[np.bool_]:
        """Whether a symbol's last bar is of the last session that any of them has, (symbols,)."""
        last = [one.sessions[-1] for one in self.bars]
        latest = max(last)
        return np.array([session == latest for session in last])

    def with_last(self, last: FloatArray) -> FloatArray:
        """Own features (symbols, len(OWN)) with prices (symbols,) in dollars as the closes of a day more."""
        return last_own_features(
            _shifted(self.close, last),
            # The day's volume is not known before its end: the last completed day's stands in.
            _shifted(self.volume, self.volume[:, -1]),
            _shifted(self.rsi, self.states.with_last(last)),
        )


@dataclass(frozen=True, slots=True)
class _RsiStates:
    """`RsiState` of many symbols, arrays (symbols,), so that the current price takes one step for all of them."""

    length: int
    last_close: FloatArray
    changes: NDArray[np.int64]
    average_gain: FloatArray
    average_loss: FloatArray

    @classmethod
    def of(cls, states: Sequence[RsiState], length: int) -> _RsiStates:
        return cls(
            length,
            np.array([state.last_close for state in states], dtype=np.float64),
            np.array([state.changes for state in states], dtype=np.int64),
            np.array([state.average_gain for state in states], dtype=np.float64),
            np.array([state.average_loss for state in states], dtype=np.float64),
        )

    def with_last(self, price: FloatArray) -> FloatArray:
        """`RsiState.with_last` of each symbol, the same operations in the same order; NaN also where the price is."""
        change = price - self.last_close
        kept = np.where(self.changes < self.length, 1.0, (self.length - 1) / self.length)
        gain = self.average_gain * kept + np.maximum(change, 0.0) / self.length
        loss = self.average_loss * kept + np.maximum(-change, 0.0) / self.length
        moved = gain + loss
        defined = (self.changes + 1 >= self.length) & (moved != 0.0)
        return np.minimum(100.0, np.divide(100.0 * gain, moved, out=np.full(len(price), np.nan), where=defined))


def _tracked(bars: DailyBars, rsi_length: int) -> _Track:
    rsi = wilder_rsi(bars.close, rsi_length)
    return _Track(bars, rsi[-LOOKBACK:], RsiState.from_closes(bars.close, rsi_length))


def _followed(old: _Track, bars: DailyBars) -> _Track:
    """The track of `bars`: a few steps when they go on where `old` ended, anew when its past was corrected."""
    known = len(old.bars)
    if known > len(bars) or not np.array_equal(old.bars.close, bars.close[:known]):
        return _tracked(bars, old.state.length)
    state, added = old.state, []
    for price in bars.close[known:].tolist():
        state = state.pushed(price)
        added.append(np.nan if state.value is None else state.value)
    return _Track(bars, np.append(old.rsi, added)[-LOOKBACK:], state)


def _tails(series: Sequence[FloatArray]) -> FloatArray:
    table = np.full((len(series), LOOKBACK), np.nan)
    for row, values in zip(table, series, strict=True):
        tail = values[-LOOKBACK:]
        row[LOOKBACK - len(tail) :] = tail
    return table


def _shifted(table: FloatArray, last: FloatArray) -> FloatArray:
    return np.column_stack([table[:, 1:], last])


def _last_prices(symbols: Sequence[str], quotes: Mapping[str, Quote]) -> FloatArray:
    """Last price of each symbol in dollars, NaN without a quote."""
    prices = np.full(len(symbols), np.nan)
    for place, symbol in enumerate(symbols):
        quote = quotes.get(symbol)
        if quote is not None:
            if not np.isfinite(quote.last):
                raise ValueError(f"{symbol}: last price {quote.last!r} is not a finite number")
            prices[place] = quote.last
    return prices
