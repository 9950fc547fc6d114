"""A Lumibot feed of intraday bars in regular hours that shows no bar before it is complete, and invents none.

Lumibot's PandasDataBacktesting fills every missing minute with the bar before it, volume included, and trades on it; it knows the
open of the bar that begins now before any order has met it (`entities/data.py`, 4.6.30). Here a stretch without trades has no
bar, and the last price is the close of the last complete one.

Bars are of the lengths that the strategies ask for. From finer ones they are made by counting from the opening, as the live feed
does: the first hour is 09:30 to 10:30, the last of a whole day has thirty minutes and is shown in the next session. Bars of the
wanted length are shown as the source has them. Orders meet the source's own bars, or its ticks where it has some.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from math import ceil, gcd
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
from lumibot.data_sources import DataSourceBacktesting
from lumibot.entities import Asset, Bars
from numpy.typing import NDArray

from desk.data.calendars import NEW_YORK, next_session, session_on, sessions
from desk.data.daily_feed import STALE_SECONDS
from desk.data.source import OHLCV, Source
from desk.data.tape import Tape, TickTape, tick_tape
from desk.domain.errors import ConfigurationError
from desk.domain.market import IntradayBars, Quote

HOUR_SECONDS = 3600
TIMESTEPS = {"minute": 60, "hour": HOUR_SECONDS}


@dataclass(frozen=True, eq=False)
class _Book:
    """One symbol: `tape` is the source's own, for the broker, with its `closes_at` as a list; `shown` is the strategy's."""

    tape: Tape
    shown: IntradayBars
    closes_at: list[float]


class IntradayFeed(DataSourceBacktesting):
    """Bars of `bar_seconds` from a source's intraday frames, from the beginning of their history to the day `end`.

    Beside them bars of the `longer` lengths, each as a feed of that length alone would show them.
    """

    SOURCE = "DESK"
    MIN_TIMESTEP = "minute"
    # Prices of every source are adjusted already (desk.data.source), so there are no splits or dividends to look up daily.
    APPLY_BACKTEST_POSITION_SPLITS = False

    def __init__(
        self, source: Source, symbols: Iterable[str], bar_seconds: int, start: date, end: date, longer: Iterable[int] = ()
    ) -> None:
        """Raises ConfigurationError for symbols without such bars, and when none lies between `start` and `end`."""
        midnight = datetime.min.time()
        super().__init__(
            # Lumibot takes a minute off the end, which keeps the last day in and the next one out.
            datetime_start=datetime.combine(start, midnight),
            datetime_end=datetime.combine(end + timedelta(days=1), midnight),
            show_progress_bar=False,
            log_backtest_progress_to_file=False,
        )
        # Lumibot looks for the quote assets of crypto pairs in it.
        self._data_store: dict[Any, Any] = {}
        self.bar_seconds = bar_seconds
        period = _Period(source, tuple(symbols), start, end)
        self._books = {symbol: _book(each, bar_seconds) for symbol, each in period.regular(bar_seconds).items()}
        self._books |= {
            symbol: _on_ticks(book, source.ticks[symbol]) for symbol, book in self._books.items() if symbol in source.ticks
        }
        self._daily = daily_from_intraday(source, self._books).daily
        self.longer: Mapping[int, Mapping[str, IntradayBars]] = MappingProxyType(
            {seconds: MappingProxyType(period.shown(seconds)) for seconds in longer}
        )
        # Somebody has to look whenever a bar of any length has ended.
        self._stride_seconds = gcd(bar_seconds, *self.longer)
        self._phase_seconds = _phase(self._books.values(), bar_seconds) % self._stride_seconds

    # ---- for the broker --------------------------------------------------------------------------------------------------

    def tape(self, symbol: str) -> Tape | None:
        """The real bars of `symbol`, future or not: for the broker that fills orders, never for a strategy."""
        book = self._books.get(symbol)
        return None if book is None else book.tape

    def day_end(self, symbol: str, moment: float) -> float:
        """Close of the session at `moment` (POSIX seconds), of the next one outside regular hours."""
        at = datetime.fromtimestamp(moment, UTC)
        today = session_on(at.astimezone(NEW_YORK).date())
        session = today if today is not None and at < today.closes_at else next_session(at.astimezone(NEW_YORK).date())
        return session.closes_at.timestamp()

    def last_close(self, symbol: str) -> float | None:
        """Close of the last complete bar of `symbol`, or None before its first and a week after its last; the last tick in a
        session of which there are some."""
        book, quote = self._books.get(symbol), self.quote(symbol)
        if book is None or quote is not None:
            return None if quote is None else quote.last
        now = self._datetime.timestamp()
        end = bisect_right(book.closes_at, now)
        stale = end == 0 or now - book.closes_at[end - 1] > STALE_SECONDS
        return None if stale else float(book.tape.close[end - 1])

    def quote(self, symbol: str) -> Quote | None:
        """What is quoted now; None outside sessions, and where the source has bars alone."""
        book, now = self._books.get(symbol), self._datetime
        tick = book.tape.holding(now.timestamp()) if book is not None and isinstance(book.tape, TickTape) else None
        return None if tick is None else Quote(now, tick.bid, tick.ask, tick.last)

    # ---- for the clock ---------------------------------------------------------------------------------------------------

    def pause_seconds(self, wished_seconds: float) -> float:
        """How long to sleep so that the strategy next looks when a bar has just ended, or at the close.

        At least one whole bar (of several lengths: what divides them all); `wished_seconds` is rounded up to whole bars, and
        counted like the bars.
        """
        now = self._datetime
        session = session_on(now.date())
        if session is None or (session.closes_at - now).total_seconds() <= wished_seconds:
            return wished_seconds
        stride = ceil(wished_seconds / self._stride_seconds) * self._stride_seconds
        into_day = now.hour * HOUR_SECONDS + now.minute * 60 + now.second - self._phase_seconds
        return min(stride - into_day % stride, (session.closes_at - now).total_seconds())

    # ---- for strategies --------------------------------------------------------------------------------------------------

    @property
    def intraday(self) -> Mapping[str, IntradayBars]:
        """The whole history by symbol; `IntradayBars.until` shows what is complete."""
        return MappingProxyType({symbol: book.shown for symbol, book in self._books.items()})

    def completed_bars(self, symbol: str) -> IntradayBars:
        """The bars of `symbol` that are complete now. Raises KeyError for an unknown symbol."""
        return self._books[symbol].shown.until(self._datetime)

    def get_last_price(self, asset: Any, quote: Any = None, exchange: Any = None) -> float | None:
        """Close of the last complete bar in dollars; None before the first, and when trading stopped a week ago."""
        return self.last_close(asset.symbol if isinstance(asset, Asset) else str(asset))

    def get_historical_prices(
        self,
        asset: Any,
        length: int,
        timestep: str = "",
        timeshift: timedelta | None = None,
        quote: Any = None,
        exchange: Any = None,
        include_after_hours: bool = True,
        **more: Any,
    ) -> Any:
        """The last `length` complete bars by their start, or completed sessions by their date, for plain Lumibot strategies.

        None when there are none yet. Raises ValueError for a time to come, and for another length of bar than the backtest has.
        """
        if timeshift is not None and timeshift < timedelta(0):
            raise ValueError(f"timeshift={timeshift} asks for bars that are not complete yet; use zero or more")
        now = self._datetime - (timeshift or timedelta(0))
        frame = self._frame(asset.symbol, timestep, now)
        return Bars(frame.tail(length), self.SOURCE, asset, quote=quote, raw=frame) if frame is not None and len(frame) else None

    def _frame(self, symbol: str, timestep: str, now: datetime) -> pd.DataFrame | None:
        if symbol not in self._books:
            return None
        if timestep == "day":
            daily = self._daily[symbol]
            return daily.loc[daily.index < pd.Timestamp(now.date())].tz_localize(NEW_YORK)
        if timestep and TIMESTEPS.get(timestep) != self.bar_seconds:
            raise ValueError(f"timestep={timestep}: this backtest has days and bars of {self.bar_seconds} seconds")
        bars = self._books[symbol].shown.until(now)
        index = pd.DatetimeIndex(pd.to_datetime(bars.starts, unit="s", utc=True)).tz_convert(NEW_YORK)
        return pd.DataFrame({name: getattr(bars, name) for name in OHLCV}, index=index)

    def get_chains(self, asset: Any, quote: Any = None) -> dict[Any, Any]:
        return {}

    def get_yesterday_stock_splits(self, assets: Iterable[Any], quote: Any = None) -> dict[Any, float]:
        return {}

    def get_yesterday_dividends(self, assets: Iterable[Any], quote: Any = None) -> dict[Any, float]:
        return {}


def daily_from_intraday(source: Source, symbols: Iterable[str]) -> Source:
    """The source with daily bars, made of the regular hours, for those of `symbols` that have intraday bars alone."""
    bare = [symbol for symbol in symbols if symbol not in source.daily and symbol in source.intraday]
    made = {symbol: _daily(source.intraday[symbol]) for symbol in bare}
    return replace(source, daily=MappingProxyType({**source.daily, **made})) if made else source


# ---- frames into columns -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Regular:
    """Bars that touch regular hours: starts and ends as the source has them, and the opening and closing of their session."""

    frame: pd.DataFrame
    starts: NDArray[np.int64]
    step: int
    opening: NDArray[np.int64]
    closing: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class _Period:
    """What is asked of a source: the bars of `symbols` up to the day `end`, and some from `start` on."""

    source: Source
    symbols: tuple[str, ...]
    start: date
    end: date

    def regular(self, bar_seconds: int) -> dict[str, _Regular]:
        """Frames that bars of `bar_seconds` can be made of. Raises ConfigurationError when there are none."""
        if bar_seconds < 60 or HOUR_SECONDS % bar_seconds:
            raise ConfigurationError(f"bar_seconds {bar_seconds} of the strategy: give a divisor of 3600, a minute (60) or more")
        source = self.source
        unknown = [symbol for symbol in self.symbols if symbol not in source.intraday]
        if unknown:
            known = ", ".join(sorted(source.intraday)) or "no symbol"
            raise ConfigurationError(
                f"no intraday bars of {', '.join(unknown)} in {source.name}; it has those of {known}: give hour or minute "
                "bars with --data DIR (docs/data.md)"
            )
        midnight = pd.Timestamp(self.end + timedelta(days=1), tz=NEW_YORK)
        frames = {symbol: source.intraday[symbol] for symbol in self.symbols}
        cut = {symbol: frame.loc[frame.index < midnight] for symbol, frame in frames.items()}
        regular = {symbol: _regular(symbol, frame, bar_seconds) for symbol, frame in cut.items() if len(frame)}
        opens = pd.Timestamp(self.start, tz=NEW_YORK).timestamp()
        if not any(len(each.starts) and each.starts[-1] >= opens for each in regular.values()):
            raise ConfigurationError(f"{source.name} has no intraday bar between {self.start} and {self.end}; choose other dates")
        return regular

    def shown(self, bar_seconds: int) -> dict[str, IntradayBars]:
        return {symbol: _shown(each, _columns(each), bar_seconds) for symbol, each in self.regular(bar_seconds).items()}


def _columns(regular: _Regular) -> dict[str, NDArray[np.float64]]:
    return {name: regular.frame[name].to_numpy(dtype=np.float64) for name in OHLCV}


def _regular(symbol: str, frame: pd.DataFrame, bar_seconds: int | None) -> _Regular:
    """`frame` without what lies outside regular hours. Raises ConfigurationError when its bars are no part of `bar_seconds`."""
    starts = pd.DatetimeIndex(frame.index).as_unit("s").asi8
    step = _step(symbol, starts, bar_seconds)
    days = pd.DatetimeIndex(frame.index[[0, -1]]).tz_convert(NEW_YORK)
    hours = sessions(days[0].date(), days[1].date())
    opens = np.array([session.opens_at.timestamp() for session in hours], dtype=np.int64)
    closes = np.array([session.closes_at.timestamp() for session in hours], dtype=np.int64)
    place = np.searchsorted(closes, starts, side="right")
    inside = place < len(closes)
    inside[inside] = starts[inside] + step > opens[place[inside]]
    return _Regular(frame.loc[inside], starts[inside], step, opens[place[inside]], closes[place[inside]])


def _step(symbol: str, starts: NDArray[np.int64], bar_seconds: int | None) -> int:
    """Length of the source's bars in seconds, by their usual distance."""
    if len(starts) < 2:
        return bar_seconds or 60
    gaps, counts = np.unique(np.diff(starts), return_counts=True)
    usual = int(gaps[counts.argmax()])
    if bar_seconds is None:
        return usual
    if gaps[0] > bar_seconds or (usual < bar_seconds and bar_seconds % usual):
        # Read as shorter than they are, bars would be shown before their end.
        raise ConfigurationError(
            f"intraday bars of {symbol} are {usual} seconds apart and the strategy wants bars of {bar_seconds}; give bars of "
            f"{bar_seconds} seconds, or of a divisor"
        )
    return min(usual, bar_seconds)


def _book(regular: _Regular, bar_seconds: int) -> _Book:
    starts = regular.starts
    columns = _columns(regular)
    following = np.append(starts[1:], np.iinfo(np.int64).max)
    ends = np.minimum(np.minimum(starts + regular.step, regular.closing), following).astype(np.float64)
    opens = np.maximum(starts, regular.opening).astype(np.float64)
    tape = Tape(opens, ends, *(columns[name] for name in OHLCV[:4]))
    return _Book(tape, _shown(regular, columns, bar_seconds), ends.tolist())


def _on_ticks(book: _Book, ticks: pd.DataFrame) -> _Book:
    """The book with orders meeting `ticks` (columns last, bid, ask; index of times, UTC) in place of bars."""
    at = pd.DatetimeIndex(ticks.index).as_unit("us").asi8 / 1e6
    days = pd.DatetimeIndex(ticks.index[[0, -1]]).tz_convert(NEW_YORK)
    closes = np.array([session.closes_at.timestamp() for session in sessions(days[0].date(), days[1].date())])
    last, bid, ask = (ticks[name].to_numpy(dtype=np.float64) for name in ("last", "bid", "ask"))
    tape = tick_tape(at, last, bid, ask, closes[np.searchsorted(closes, at)])
    return replace(book, tape=tape, closes_at=tape.closes_at.tolist())


def _shown(regular: _Regular, columns: Mapping[str, NDArray[np.float64]], bar_seconds: int) -> IntradayBars:
    starts = regular.starts
    if regular.step == bar_seconds or not len(starts):
        return IntradayBars(bar_seconds, starts, **columns)
    # A bar that straddles the opening goes into the first.
    since = np.maximum(starts - regular.opening, 0)
    into = regular.opening + since - since % bar_seconds
    firsts = np.flatnonzero(np.diff(into, prepend=-1))
    lasts = np.append(firsts[1:], len(starts)) - 1
    return IntradayBars(
        bar_seconds,
        into[firsts],
        columns["open"][firsts],
        np.maximum.reduceat(columns["high"], firsts),
        np.minimum.reduceat(columns["low"], firsts),
        columns["close"][lasts],
        np.add.reduceat(columns["volume"], firsts),
    )


def _daily(frame: pd.DataFrame) -> pd.DataFrame:
    regular = _regular("", frame, None)
    days = pd.DatetimeIndex(regular.frame.index).tz_convert(NEW_YORK).tz_localize(None).normalize().rename("session")
    how = {"open": "first", "high": "max", "low": "min", "close": "last", "volume": "sum"}
    return regular.frame.groupby(days).agg(how).astype(np.float64)


def _phase(books: Iterable[_Book], bar_seconds: int) -> int:
    """Where in an hour, say, bars begin: 1800 for hours from 09:30. New York is whole hours from UTC."""
    starts = np.concatenate([book.shown.starts for book in books])
    phases, counts = np.unique(starts % bar_seconds, return_counts=True)
    return int(phases[counts.argmax()]) if len(phases) else 0
