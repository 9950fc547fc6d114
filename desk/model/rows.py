"""Feature rows of the present moment, kept up to date bar by bar instead of being computed anew."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import numpy as np

from desk.domain.market import DailyBars, FloatArray, Market
from desk.indicators.rsi import RsiState, wilder_rsi
from desk.model.features import LOOKBACK, market_state, own_features


@dataclass(frozen=True, slots=True)
class _Track:
    """A symbol up to its last completed bar: RSI of every bar, the state behind it, and the row of the last bar."""

    session: date
    close: FloatArray
    rsi: FloatArray
    state: RsiState
    row: FloatArray


class LiveRows:
    """Latest feature row of a symbol. A new bar costs one RSI step; corrected history (a split, a dividend) is noticed."""

    def __init__(self, rsi_length: int) -> None:
        self._rsi_length = rsi_length
        self._tracks: dict[str, _Track] = {}
        self._market: Market | None = None
        self._own: dict[str, FloatArray] = {}
        self._state: FloatArray = np.empty(0)

    def row(self, symbol: str, market: Market, bars: Mapping[str, DailyBars]) -> FloatArray | None:
        """Features (len(FEATURES),) of `symbol` now; None when it has no bar of the last session (and no quote).

        When any symbol has a quote, today counts as a day with the last prices as provisional closes, and the market state is
        that of the quoted symbols. `bars` are those of the market's symbols that count.
        """
        if market is not self._market:
            self._own = self._present(market, bars)
            self._state = market_state(np.stack(list(self._own.values()))) if self._own else np.empty(0)
            self._market = market
        own = self._own.get(symbol)
        return None if own is None else np.concatenate([own, self._state])

    def _present(self, market: Market, bars: Mapping[str, DailyBars]) -> dict[str, FloatArray]:
        quoted = [symbol for symbol in sorted(bars) if symbol in market.quotes]
        if quoted:
            return {symbol: self._provisional(symbol, bars[symbol], market.quotes[symbol].last) for symbol in quoted}
        latest = max((one.sessions[-1] for one in bars.values()), default=None)
        return {symbol: self._track(symbol, bars[symbol]).row for symbol in sorted(bars) if bars[symbol].sessions[-1] == latest}

    def _provisional(self, symbol: str, bars: DailyBars, last: float) -> FloatArray:
        track = self._track(symbol, bars)
        # The day's volume is not known before its end: the last completed day's stands in.
        return _last_row(
            np.append(bars.close[-LOOKBACK:], last),
            np.append(bars.volume[-LOOKBACK:], bars.volume[-1]),
            np.append(track.rsi[-LOOKBACK:], track.state.with_last(last)),
        )

    def _track(self, symbol: str, bars: DailyBars) -> _Track:
        old = self._tracks.get(symbol)
        if old is not None and len(old.close) <= len(bars) and np.array_equal(old.close, bars.close[: len(old.close)]):
            if len(old.close) == len(bars):
                return old
            rsi, state = _extended(old, bars.close)
        else:
            rsi = wilder_rsi(bars.close, self._rsi_length)
            state = RsiState.from_closes(bars.close, self._rsi_length)
        row = _last_row(bars.close, bars.volume, rsi)
        self._tracks[symbol] = _Track(bars.sessions[-1], bars.close, rsi, state, row)
        return self._tracks[symbol]


def _extended(old: _Track, close: FloatArray) -> tuple[FloatArray, RsiState]:
    state, added = old.state, []
    for price in close[len(old.close) :].tolist():
        state = state.pushed(price)
        added.append(np.nan if state.value is None else state.value)
    return np.append(old.rsi, added), state


def _last_row(close: FloatArray, volume: FloatArray, rsi: FloatArray) -> FloatArray:
    last: FloatArray = own_features(close[-LOOKBACK:], volume[-LOOKBACK:], rsi[-LOOKBACK:])[-1]
    return last
