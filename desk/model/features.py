"""Features of the meta-model, vectorised over all bars of a symbol; the value at t uses bars up to t and none later.

Windows are sums over exactly their own bars (no running totals), so a row computed from the last `LOOKBACK` bars has the
same bits as the row of the whole table. Returns and distances are fractions, volatility is per day, RSI runs from 0 to 100.

Left out, because they did not help on 2000 to 2007 of the bundled history, the years on which choices are made (out of fold,
AUC 0.485 and Brier score 0.2508 as it is): day of the week 0.471 and 0.2489, sessions to the month's end 0.445 and 0.2512, half
days 0.477 and 0.2514, the market's 20-day return 0.479 and 0.2516. The bundled market has no sectors; peers by a correlation
above 0.5 exist for 44 of 100 events, are of the same trade all five, and gave 0.531 and 0.2546, no better than the base rate.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from functools import lru_cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from desk.domain.market import DailyBars, FloatArray
from desk.indicators.rsi import carried_rsi, wilder_rsi

OWN: tuple[str, ...] = (
    "return_1",
    "return_5",
    "return_20",
    "volatility_20",
    "rsi",
    "rsi_change_3",
    "days_oversold_10",
    "distance_50",
    "distance_200",
    "volume_ratio_20",
    "drawdown_60",
)
MARKET: tuple[str, ...] = ("market_return_1", "market_rsi")
FEATURES: tuple[str, ...] = OWN + MARKET

LOOKBACK = 200  # bars that the longest window needs
OVERSOLD = 30.0  # Wilder's own line, fixed here so that the feature means the same whatever line a strategy trades
RSI = FEATURES.index("rsi")
_FOR_MARKET = [OWN.index("return_1"), OWN.index("rsi")]


def own_features(close: FloatArray, volume: FloatArray, rsi: FloatArray) -> FloatArray:
    """Features from a symbol's own bars: arrays (n,) in dollars, shares and RSI points -> (n, len(OWN)), NaN early on."""
    daily = _change(close, 1)
    return np.column_stack(
        [
            daily,
            _change(close, 5),
            _change(close, 20),
            _padded(_windows(daily, 20).std(axis=1), len(close)),
            rsi,
            _difference(rsi, 3),
            _padded((_windows(rsi, 10) < OVERSOLD).sum(axis=1).astype(np.float64), len(close)),
            _distance(close, 50),
            _distance(close, 200),
            # One share is added on both sides: a day without volume is a very low ratio and not minus infinity.
            np.log((volume + 1) / (_mean(volume, 20) + 1)),
            close / _padded(_windows(close, 60).max(axis=1), len(close)) - 1,
        ]
    )


def last_own_features(close: FloatArray, volume: FloatArray, rsi: FloatArray) -> FloatArray:
    """Last row of `own_features` of many symbols: arrays (symbols, LOOKBACK), NaN before a first bar -> (symbols, len(OWN)).

    Equal to `own_features` symbol by symbol but for the order in which a window is summed (some 1e-15 of it).
    """
    last = close[:, -1]
    daily = close[:, -20:] / close[:, -21:-1] - 1
    oversold = (rsi[:, -10:] < OVERSOLD).sum(axis=1)
    return np.column_stack(
        [
            daily[:, -1],
            last / close[:, -6] - 1,
            last / close[:, -21] - 1,
            daily.std(axis=1),
            rsi[:, -1],
            rsi[:, -1] - rsi[:, -4],
            # RSI may be undefined on a day; without ten bars there is no count at all.
            np.where(np.isnan(close[:, -10]), np.nan, oversold),
            last / close[:, -50:].mean(axis=1) - 1,
            last / close[:, -200:].mean(axis=1) - 1,
            np.log((volume[:, -1] + 1) / (volume[:, -20:].mean(axis=1) + 1)),
            last / close[:, -60:].max(axis=1) - 1,
        ]
    )


def market_state(own_rows: FloatArray) -> FloatArray:
    """Mean daily return and RSI over the symbols: (..., symbols, len(OWN)) -> (..., len(MARKET)); NaN is left out."""
    values = own_rows[..., _FOR_MARKET]
    known = np.isfinite(values)
    counts = known.sum(axis=-2)
    # cumsum adds one symbol after the other: a symbol without a value on that day then leaves the bits of the sum alone.
    totals = np.cumsum(np.where(known, values, 0.0), axis=-2)[..., -1, :]
    means: FloatArray = np.divide(totals, counts, out=np.full(totals.shape, np.nan), where=counts > 0)
    return means


def feature_table(bars: Mapping[str, DailyBars], rsi_length: int = 14, last: int | None = None) -> dict[str, FloatArray]:
    """Features of every bar of every symbol, (n, len(FEATURES)) each; the market state of a day is that of `bars`' symbols.

    With `last` only each symbol's last so many bars have rows: those of the last `last` sessions are the whole table's, but for
    the order in which an average is summed (some 1e-13 of it).
    """
    symbols = sorted(symbol for symbol in bars if len(bars[symbol]))
    return with_market(bars, {symbol: own_of(bars[symbol], rsi_length, last) for symbol in symbols})


def with_market(bars: Mapping[str, DailyBars], own: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
    """Rows of `own` features, (n, len(OWN)) of each symbol's last n bars, with the market state of their days beside them."""
    if not own:
        return {}
    days = {symbol: ordinals(bars[symbol], len(rows)) for symbol, rows in own.items()}
    every_day = np.unique(np.concatenate(list(days.values())))
    places = {symbol: np.searchsorted(every_day, days[symbol]) for symbol in own}
    cube = np.full((len(every_day), len(own), len(OWN)), np.nan)
    for column, (symbol, rows) in enumerate(own.items()):
        cube[places[symbol], column] = rows
    market = market_state(cube)
    return {symbol: np.hstack([rows, market[places[symbol]]]) for symbol, rows in own.items()}


def own_of(bars: DailyBars, rsi_length: int, last: int | None) -> FloatArray:
    """`own_features` of a symbol's bars, of the last `last` of them unless that is None."""
    if last is None:
        return own_features(bars.close, bars.volume, wilder_rsi(bars.close, rsi_length))
    # Live, every symbol's at the first look of a session: the same values but for rounding, at a twentieth of the time.
    rsi, tail = np.array(carried_rsi(bars.close, rsi_length), dtype=np.float64), LOOKBACK + last
    return own_features(bars.close[-tail:], bars.volume[-tail:], rsi[-tail:])[-last:]


def ordinals(bars: DailyBars, last: int | None = None) -> NDArray[np.int64]:
    """Sessions as day numbers (date.toordinal), shape (n,), or those of the last `last` bars alone; not to be written to."""
    return _day_numbers(bars.sessions if last is None else bars.sessions[len(bars) - last :])


# Symbols share their sessions: the first look of a day counts them for one, not for hundreds.
@lru_cache(maxsize=32)
def _day_numbers(sessions: tuple[date, ...]) -> NDArray[np.int64]:
    numbers = np.fromiter((session.toordinal() for session in sessions), dtype=np.int64, count=len(sessions))
    numbers.flags.writeable = False
    return numbers


def _windows(values: FloatArray, length: int) -> FloatArray:
    """Every run of `length` values, (n - length + 1, length), empty when there are too few."""
    if len(values) < length:
        return np.empty((0, length))
    return sliding_window_view(values, length)


def _padded(values: FloatArray, n: int) -> FloatArray:
    return np.concatenate([np.full(n - len(values), np.nan), values])


def _mean(values: FloatArray, length: int) -> FloatArray:
    return _padded(_windows(values, length).mean(axis=1), len(values))


def _distance(close: FloatArray, length: int) -> FloatArray:
    return close / _mean(close, length) - 1


def _change(values: FloatArray, back: int) -> FloatArray:
    """Fractional change over `back` bars."""
    return _padded(values[back:] / values[:-back] - 1, len(values)) if len(values) > back else np.full(len(values), np.nan)


def _difference(values: FloatArray, back: int) -> FloatArray:
    return _padded(values[back:] - values[:-back], len(values)) if len(values) > back else np.full(len(values), np.nan)
