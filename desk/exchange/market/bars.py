"""Bars of every timeframe up to the virtual clock, the forming ones included, nothing ahead of it.

A session's bars are made once from its whole path, which is known, and shown as far as they are completed: minutes when they
have ended, longer bars from the completed minutes in them.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from desk.data.calendars import NEW_YORK, Session
from desk.exchange.machine.book import is_option
from desk.exchange.market.adjustment import Adjustment, Factors, scaled
from desk.exchange.market.path import UNITS_PER_DOLLAR, IntArray, TickBar
from desk.exchange.market.prices import Market
from desk.exchange.market.session_path import NativeBars, SessionPath
from desk.exchange.market.sessions import SessionTable, new_york
from desk.exchange.market.ticks import Ticks, ticks_of
from desk.exchange.market.timeframes import DAY, MINUTE, Days, Timeframe, Unit

MIDNIGHT = time(0, 0)
SESSIONS_KEPT = 1024
SESSIONS_SEARCHED = 10  # how far back the last price of a thinly traded symbol is looked for
SHARES_A_TRADE = 100


@dataclass(frozen=True, slots=True)
class Bars:
    """Bars in order, all of shape (n,): `at` is the opening in epoch seconds, prices in units of $0.0001, volume in shares."""

    at: IntArray
    open: IntArray
    high: IntArray
    low: IntArray
    close: IntArray
    volume: IntArray

    def __len__(self) -> int:
        return len(self.at)

    def __getitem__(self, span: slice) -> Bars:
        return Bars(*(column[span] for column in self._columns()))

    def _columns(self) -> tuple[IntArray, ...]:
        return self.at, self.open, self.high, self.low, self.close, self.volume

    @property
    def trades(self) -> IntArray:
        """How many trades a bar is said to have: its volume in round lots, at least one where there is volume."""
        lots = np.maximum(1, self.volume // SHARES_A_TRADE)
        return np.where(self.volume > 0, lots, 0)

    @property
    def average_usd(self) -> NDArray[np.float64]:
        """Dollars: the typical price stands for the average, the path has no trades of its own."""
        return np.round((self.high + self.low + self.close) / (3 * UNITS_PER_DOLLAR), 6)

    def adjusted(self, price: float | Factors, shares: float | Factors) -> Bars:
        """The bars with prices and volumes times these factors."""
        open_, high, low, close = (scaled(column, price) for column in (self.open, self.high, self.low, self.close))
        return Bars(self.at, open_, high, low, close, scaled(self.volume, shares))

    def between(self, start: float, end: float) -> Bars:
        """Bars that open at or after `start` and at or before `end`, epoch seconds."""
        return self[int(np.searchsorted(self.at, start)) : int(np.searchsorted(self.at, end, side="right"))]


def joined(parts: Sequence[Bars]) -> Bars:
    return Bars(*(np.concatenate(columns) for columns in zip(*(part._columns() for part in parts), strict=True)))


NO_BARS = Bars(*(np.empty(0, dtype=np.int64) for _ in range(6)))


@dataclass(frozen=True, slots=True)
class SessionBars:
    """Bars of one session as they will be when it is over. `bucket` says for each native bar which one it goes into."""

    bars: Bars
    bucket: IntArray
    native: NativeBars

    def seen(self, elapsed_seconds: float) -> Bars:
        """What is known of them `elapsed_seconds` after the open."""
        known = self.native.completed(elapsed_seconds)
        complete = self.completed(known)
        if known == 0 or complete == int(self.bucket[known - 1]) + 1:
            return self.bars[:complete]
        return joined([self.bars[:complete], self.forming(known)])

    def completed(self, known: int) -> int:
        """How many bars are complete when `known` native bars are."""
        return len(self.bars) if known == len(self.bucket) else int(self.bucket[known])

    def forming(self, known: int) -> Bars:
        """The last bar as far as `known` native bars make it; empty when it is complete."""
        first = int(np.searchsorted(self.bucket, self.bucket[known - 1])) if known else 0
        if known == 0 or self.completed(known) == int(self.bucket[known - 1]) + 1:
            return NO_BARS
        part = slice(first, known)
        place = int(self.bucket[first])
        return _aggregated(self.bars.at[place : place + 1], self.native, part, np.zeros(1, dtype=np.int64))


def session_bars(path: SessionPath, session: Session, timeframe: Timeframe) -> SessionBars:
    """A session's intraday bars. Native bars longer than the timeframe stay as they are: nothing finer is known."""
    native = path.bars
    at = native.start + int(session.opens_at.timestamp())
    starts = timeframe.start_of(at) if native.seconds < timeframe.seconds else at
    edges = np.flatnonzero(np.diff(starts, prepend=-1))
    bucket = np.searchsorted(edges, np.arange(len(starts)), side="right") - 1
    if len(edges) == len(starts):
        return SessionBars(Bars(starts, native.open, native.high, native.low, native.close, native.volume), bucket, native)
    return SessionBars(_aggregated(starts[edges], native, slice(None), edges), bucket, native)


def _aggregated(at: IntArray, native: NativeBars | Bars, part: slice, edges: IntArray) -> Bars:
    """Bars of `native[part]` cut at `edges`."""
    ends = np.append(edges[1:], len(native.open[part])) - 1
    return Bars(
        at,
        native.open[part][edges],
        np.maximum.reduceat(native.high[part], edges),
        np.minimum.reduceat(native.low[part], edges),
        native.close[part][ends],
        np.add.reduceat(native.volume[part], edges),
    )


def midnight(day: date) -> int:
    """Midnight New York in epoch seconds, which days, weeks and months are stamped with."""
    return int(new_york(day, MIDNIGHT).timestamp())


class BarBook:
    """Bars of one market, stocks and options alike; those of sessions are kept for a while."""

    def __init__(self, market: Market) -> None:
        self.market = market
        self.session = lru_cache(SESSIONS_KEPT)(self._session)
        self.ticks = lru_cache(SESSIONS_KEPT)(self._ticks)

    def _session(self, symbol: str, session: Session, timeframe: Timeframe) -> SessionBars | None:
        path = self.market.path(symbol, session) if self.market.trades_in(symbol, session) else None
        return None if path is None else session_bars(path, session, timeframe)

    def _ticks(self, symbol: str, session: Session) -> Ticks | None:
        path = self.market.path(symbol, session) if self.market.trades_in(symbol, session) else None
        return None if path is None else ticks_of(path, session)

    def sessions(self, start: datetime, end: datetime, newest_first: bool = False) -> Iterator[Session]:
        """Sessions with data that open at or before `end` on the day of `start` or later."""
        table = self.market.sessions
        first = bisect_left(table.days, start.astimezone(NEW_YORK).date())
        known = [session for session in table.sessions[first : _opened(table, end)] if session.opens_at <= end]
        return iter(known[::-1] if newest_first else known)

    def intraday(self, symbol: str, session: Session, timeframe: Timeframe, now: datetime) -> Bars:
        """Intraday bars of one session as known at `now`."""
        made = self.session(symbol, session, timeframe)
        return NO_BARS if made is None else made.seen((now - session.opens_at).total_seconds())

    def daily(
        self,
        symbol: str,
        start: datetime,
        end: datetime,
        now: datetime,
        timeframe: Timeframe = DAY,
        adjust: Adjustment | None = None,
    ) -> Bars:
        """Days, weeks or months that open from `start` to `end`, from the days known at `now`, today's so far included."""
        days, rows = self._rows(symbol, start - _longest(timeframe), min(end, now) + _longest(timeframe), now)
        if not days:
            return NO_BARS
        stamps = np.array(days, dtype="datetime64[D]")
        firsts = timeframe.first_day(stamps)
        edges = np.flatnonzero(np.diff(firsts.astype(np.int64), prepend=np.iinfo(np.int64).min))
        columns = np.array([(row.open, row.high, row.low, row.close, row.volume) for row in rows], dtype=np.int64).T
        whole = Bars(np.zeros(len(rows), dtype=np.int64), *columns)
        if adjust is not None:
            whole = whole.adjusted(*adjust.factors(days))
        made = _aggregated(_midnights(firsts[edges]), whole, slice(None), edges)
        return made.between(start.timestamp(), min(end, now).timestamp())

    def _rows(self, symbol: str, start: datetime, end: datetime, now: datetime) -> tuple[list[date], list[TickBar]]:
        """Daily bars from the day of `start` to that of `end`, oldest first."""
        first, last = start.astimezone(NEW_YORK).date(), end.astimezone(NEW_YORK).date()
        if is_option(symbol):
            found = [(session.day, self.day_so_far(symbol, session, now)) for session in self.sessions(start, min(end, now))]
            rows = [(day, bar) for day, bar in found if bar is not None]
        else:
            rows = self._stock_rows(symbol, first, last, now)
        return [day for day, _ in rows], [bar for _, bar in rows]

    def _stock_rows(self, symbol: str, first: date, last: date, now: datetime) -> list[tuple[date, TickBar]]:
        if not self.market.has(symbol):
            return []
        table, current = self.market.daily(symbol), self.market.sessions.current(now)
        until = last + timedelta(days=1) if current is None else min(last + timedelta(days=1), current.day)
        span = slice(table.first_row(first), table.first_row(until))
        rows = list(zip(table.days[span], table.bars[span], strict=True))
        if current is not None and first <= current.day <= last:
            forming = self.day_so_far(symbol, current, now)
            rows += [(current.day, forming)] if forming is not None else []
        return rows

    def day_so_far(self, symbol: str, session: Session, now: datetime) -> TickBar | None:
        """A session's bar up to `now`, from the first trade on; None before it opens and when the symbol does not trade."""
        if now < session.opens_at or not self.market.trades_in(symbol, session):
            return None
        path = self.market.path(symbol, session)
        assert path is not None
        elapsed = (now - session.opens_at).total_seconds()
        seen = path.price[: path.index(elapsed) + 1]
        volume = int(path.bars.volume[: path.bars.completed(elapsed)].sum())
        return TickBar(int(seen[0]), int(seen.max()), int(seen.min()), int(seen[-1]), volume)

    def last_minute(self, symbol: str, now: datetime) -> Bars:
        """The last completed minute, of the last session that had one; empty when there was none for a while."""
        for session in sessions_back(self.market.sessions, now):
            made = self.session(symbol, session, MINUTE)
            known = 0 if made is None else made.native.completed((now - session.opens_at).total_seconds())
            if made is not None and known:
                return made.bars[known - 1 : known]
        return NO_BARS

    def last_days(self, symbol: str, now: datetime) -> Bars:
        """The day so far, else the last day, and the day before it: at most two bars."""
        days = self.daily(symbol, now - timedelta(days=15), now, now)
        return days[max(0, len(days) - 2) :]


def sessions_back(table: SessionTable, now: datetime, most: int = SESSIONS_SEARCHED) -> Iterator[Session]:
    """Sessions with data that have opened by `now`, the newest first."""
    place = _opened(table, now)
    opened = [session for session in table.sessions[max(0, place - most - 1) : place] if session.opens_at <= now]
    return iter(opened[::-1][:most])


def _opened(table: SessionTable, now: datetime) -> int:
    """How many sessions with data belong to New York's day of `now` or earlier ones."""
    return bisect_right(table.days, now.astimezone(NEW_YORK).date())


@lru_cache(maxsize=16_384)
def _midnight_of(days_since_1970: int) -> int:
    return midnight(date(1970, 1, 1) + timedelta(days=days_since_1970))


def _midnights(days: Days) -> IntArray:
    since = days.astype("datetime64[D]").astype(np.int64)
    return np.array([_midnight_of(int(day)) for day in since], dtype=np.int64)


def _longest(timeframe: Timeframe) -> timedelta:
    """At least as long as one bar of days, weeks or months: a bar that opens in time is made of all its days."""
    days = {Unit.WEEK: 7, Unit.MONTH: 31}.get(timeframe.unit, 0)
    return timedelta(days=days * timeframe.step)
