"""A Lumibot feed of daily bars that shows no bar before its close.

Lumibot's own PandasDataBacktesting hands a strategy the bar of the day it stands in, close included, and then fills at that
day's open (`strategies/strategy_executor.py`, `_process_pandas_daily_data`, 4.6.30). This feed stamps every bar with the
close of its session, so at 09:30 of day D history ends at D-1 and a market order fills at D's open.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, time
from math import inf
from typing import Any

import numpy as np
import pandas as pd
from lumibot.backtesting import PandasDataBacktesting
from lumibot.backtesting.market_input_evidence import MarketInputEvidence
from lumibot.constants import LUMIBOT_DEFAULT_PYTZ as DEFAULT_PYTZ
from lumibot.entities import Asset, Data

from desk.data.calendars import NEW_YORK, sessions
from desk.data.source import OHLCV, Source
from desk.data.tape import Tape
from desk.domain.errors import ConfigurationError
from desk.domain.market import DailyBars, FloatArray

OPENING = time(9, 30)
CLOSE_HOUR = 16.0
# No exchange pause since 1970 was longer than a week, so an older price is that of a symbol that trades no more.
STALE_SECONDS = 7.5 * 86_400
_USD = Asset("USD", Asset.AssetType.FOREX)


@dataclass(frozen=True, eq=False)
class _Times:
    """When the bars of an index of session closes open and close (POSIX seconds), and of which sessions they are."""

    index: pd.DatetimeIndex
    opens_at: FloatArray
    closes_at: FloatArray
    sessions: tuple[date, ...]


@dataclass(frozen=True)
class _Book:
    """One symbol's real bars: for the broker, and as arrays with the close of each session (POSIX seconds) to search in."""

    tape: Tape
    closes_at: list[float]
    closes: list[float]
    bars: DailyBars


class DailyFeed(PandasDataBacktesting):
    """Daily bars stamped with their session's close. Build its data with `lumibot_data`.

    A day on which a symbol did not trade has no bar: nothing is filled forward, and nothing fills on it.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Lumibot hashes up to 4,096 answers to history requests as evidence: two seconds a run, read by nobody here.
        self._market_input_evidence = MarketInputEvidence(max_observations=0)
        self._books: dict[str, _Book] = {}
        self._ready: set[Any] = set()

    def load_data(self) -> None:
        """Take the bars as they are; Lumibot calls this once, before the strategy starts."""
        self._data_store = self.pandas_data
        self._find_asset_in_data_store_cache.clear()
        self._timestep = "day"
        self._date_index = self.update_date_index()
        times: _Times | None = None
        for data in self._data_store.values():
            # Most symbols trade on the same days.
            times = times if times is not None and times.index.equals(data.df.index) else _times(data.df.index)
            self._books[data.asset.symbol] = _book(data.df, times)

    def find_asset_in_data_store(self, asset: Any, quote: Any = None, timestep: str | None = None) -> Any:
        """Behind every reading of Lumibot's data: they are made ready when the first is read, 10 ms a symbol."""
        key = super().find_asset_in_data_store(asset, quote, timestep)
        if key in self._data_store and key not in self._ready:
            data = self._data_store[key]
            # With its own index instead of the union of all symbols', no bar is invented for a day without trading.
            data.repair_times_and_fill(data.df.index)
            self._ready.add(key)
        return key

    def tape(self, symbol: str) -> Tape | None:
        """The real bars of `symbol`, future or not: for the broker that fills orders, never for a strategy."""
        book = self._books.get(symbol)
        return None if book is None else book.tape

    def day_end(self, symbol: str, moment: float) -> float:
        """Close of the first session in which `symbol` trades after `moment` (POSIX seconds)."""
        tape = self._books[symbol].tape
        place = tape.place_after(moment)
        return tape.bar(place).closes_at if place < len(tape) else inf

    def completed_bars(self, symbol: str, length: int | None = None) -> DailyBars:
        """The last `length` bars (all when None) of `symbol` whose session has closed. Raises KeyError for an unknown symbol."""
        book = self._books[symbol]
        end = bisect_right(book.closes_at, self.get_datetime().timestamp())
        start = 0 if length is None else max(0, end - length)
        bars = book.bars
        columns = {name: getattr(bars, name)[start:end] for name in OHLCV}
        return DailyBars(sessions=bars.sessions[start:end], **columns)

    def last_close(self, symbol: str) -> float | None:
        """Close of the last completed session of `symbol`, or None before its first and a week after its last."""
        book = self._books.get(symbol)
        if book is None:
            return None
        now = self._datetime.timestamp()
        end = bisect_right(book.closes_at, now)
        stale = end == 0 or now - book.closes_at[end - 1] > STALE_SECONDS
        return None if stale else book.closes[end - 1]

    def _pull_source_symbol_bars(self, asset: Any, length: int, timestep: str = "", timeshift: Any = 0, **more: Any) -> Any:
        """Behind every request for history: a negative `timeshift`, which Lumibot would answer from the future, raises."""
        if timeshift and timeshift < type(timeshift)(0):
            raise ValueError(f"timeshift={timeshift} asks for bars that have not closed yet; use zero or more")
        return super()._pull_source_symbol_bars(asset, length, timestep=timestep, timeshift=timeshift, **more)

    def get_last_price(self, asset: Any, quote: Any = None, exchange: Any = None) -> float | None:
        """Close of the last completed session in dollars; None before the first, and when trading stopped a week ago."""
        return self.last_close(asset.symbol if isinstance(asset, Asset) else str(asset))

    # Prices of every source are adjusted already (desk.data.source), so there are no splits or dividends to look up daily.
    APPLY_BACKTEST_POSITION_SPLITS = False

    def get_yesterday_stock_splits(self, assets: Iterable[Any], quote: Any = None) -> dict[Any, float]:
        return {}

    def get_yesterday_dividends(self, assets: Iterable[Any], quote: Any = None) -> dict[Any, float]:
        return {}


def lumibot_data(source: Source, symbols: Iterable[str], start: date, end: date) -> list[Data]:
    """Fresh Lumibot data of `symbols`, from the beginning of their history (indicators need it) to `end`.

    Fresh, because Lumibot changes them in place. Raises ConfigurationError for a symbol that `source` does not have, and when
    no symbol has a bar between `start` and `end`.
    """
    chosen = tuple(symbols)
    unknown = [symbol for symbol in chosen if symbol not in source.daily]
    if unknown:
        raise ConfigurationError(f"no history of {', '.join(unknown)} in {source.name}; it has {', '.join(source.symbols)}")
    frames = {symbol: source.daily[symbol].loc[: pd.Timestamp(end)] for symbol in chosen}
    frames = {symbol: frame for symbol, frame in frames.items() if len(frame)}
    if not any(frame.index[-1] >= pd.Timestamp(start) for frame in frames.values()):
        raise ConfigurationError(f"{source.name} has no bar between {start} and {end}; choose other dates")
    closes = _session_closes(frames.values())
    return [_data(*each, stamps) for each, stamps in zip(frames.items(), _stamps(frames.values(), closes), strict=True)]


class _ClosingBars(Data):
    """Bars of which nothing is to be converted or trimmed: Lumibot would for 3 ms a symbol."""

    def set_date_format(self, df: pd.DataFrame) -> pd.DataFrame:
        return df

    def trim_data(self, df: pd.DataFrame, *_: Any) -> pd.DataFrame:
        return df


def _data(symbol: str, frame: pd.DataFrame, stamps: pd.DatetimeIndex) -> Data:
    own = pd.DataFrame({name: frame[name].to_numpy(copy=True) for name in OHLCV}, index=stamps)
    return _ClosingBars(Asset(symbol), own, timestep="day", quote=_USD)


def _stamps(frames: Iterable[pd.DataFrame], closes: pd.Series) -> Iterator[pd.DatetimeIndex]:
    """Close of each bar; frames of the same days share them."""
    last, stamps = None, pd.DatetimeIndex([])
    for frame in frames:
        if last is None or not frame.index.equals(last):
            last, stamps = frame.index, pd.DatetimeIndex(closes.reindex(frame.index), name="datetime")
        yield stamps


def _session_closes(frames: Iterable[pd.DataFrame]) -> pd.Series:
    """Close in New York time by session date; a day that the exchange was closed, should a source hold one, ends at 16:00."""
    days = pd.DatetimeIndex(pd.concat([pd.Series(frame.index) for frame in frames]).unique()).sort_values()
    hours = pd.Series(CLOSE_HOUR, index=days, dtype=float)
    for session in sessions(days[0].date(), days[-1].date()):
        if session.is_half_day and pd.Timestamp(session.day) in hours.index:
            local = session.closes_at.astimezone(NEW_YORK)
            hours[pd.Timestamp(session.day)] = local.hour + local.minute / 60
    closes = (days + pd.to_timedelta(hours.to_numpy(), unit="h").round("min")).tz_localize(DEFAULT_PYTZ)
    return pd.Series(closes.as_unit("ns"), index=days)


def _times(index: pd.Index) -> _Times:
    stamps = pd.DatetimeIndex(index).as_unit("ns")
    opens = stamps.normalize() + pd.Timedelta(hours=OPENING.hour, minutes=OPENING.minute)
    return _Times(pd.DatetimeIndex(index), opens.asi8 / 1e9, stamps.asi8 / 1e9, tuple(stamps.date))


def _book(frame: pd.DataFrame, times: _Times) -> _Book:
    columns = {name: frame[name].to_numpy(dtype=np.float64) for name in OHLCV}
    bars = DailyBars(sessions=times.sessions, **columns)
    tape = Tape(times.opens_at, times.closes_at, *(columns[name] for name in OHLCV[:4]))
    return _Book(tape, times.closes_at.tolist(), columns["close"].tolist(), bars)
