"""Completed intraday bars of regular hours from Alpaca: a window of sessions, and at each look only what is new.

Alpaca cuts its bars by the clock and puts trades before the opening into them: its hour bar of 09:00 is half of the session and
half not. Bars here are counted from the opening, so that the first hour is 09:30 to 10:30 and the last of a whole day has thirty
minutes; they are made of Alpaca's bars of half an hour, or of as many minutes as divide both. Built so at Yahoo and in most
charts, an hour bar means the same everywhere.

Alpaca corrects a bar for half a minute after its end, when late trades arrive, so a look asks for the last minutes again. At the
start of every session the window is fetched anew: a split or a dividend has then rescaled all of it, and a process that
restarts sees the bars that one which went on sees.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from math import gcd
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from alpaca.data.enums import Adjustment, DataFeed
from alpaca.data.requests import StockBarsRequest
from alpaca.data.timeframe import TimeFrame, TimeFrameUnit
from numpy.typing import NDArray

from desk.domain.errors import ConfigurationError
from desk.domain.market import FloatArray, IntradayBars

NEW_YORK = ZoneInfo("America/New_York")
NOON = time(12, 0)
# Opening and closing time of the session that is open at a moment, None when there is none.
Hours = Callable[[datetime], tuple[datetime, datetime] | None]
# What every strategy is shown at least, so that an average of a hundred bars has forgotten how it began.
BARS_SHOWN = 400
REGULAR_SECONDS = 23_400
# Sessions begin and end at full half hours, so bars of half an hour lie wholly inside or outside of them.
HALF_AN_HOUR = 1800
# A bar may be published late, and corrected after that.
ASKED_AGAIN = timedelta(minutes=10)
COLUMNS = ("open", "high", "low", "close", "volume")


@dataclass(frozen=True, slots=True)
class _Pieces:
    """Alpaca's own bars of one symbol in regular hours: `starts` and the starts of the bars they go into, shape (n,), POSIX
    seconds; `columns` of shape (5, n), as in `COLUMNS`."""

    starts: NDArray[np.int64]
    of_bar: NDArray[np.int64]
    columns: FloatArray

    def before(self, start: int) -> _Pieces:
        end = int(np.searchsorted(self.starts, start))
        return _Pieces(self.starts[:end], self.of_bar[:end], self.columns[:, :end])

    def followed_by(self, later: _Pieces) -> _Pieces:
        return _Pieces(
            np.concatenate([self.starts, later.starts]),
            np.concatenate([self.of_bar, later.of_bar]),
            np.concatenate([self.columns, later.columns], axis=1),
        )

    def bars(self, seconds: int) -> IntradayBars:
        """The bars that these make, the last one as far as it has come."""
        edges = np.flatnonzero(np.diff(self.of_bar, prepend=-1))
        if not len(edges):
            return IntradayBars(seconds, self.of_bar, *self.columns)
        open_, high, low, close, volume = self.columns
        ends = np.append(edges[1:], len(self.starts)) - 1
        return IntradayBars(
            seconds,
            self.of_bar[edges],
            open_[edges],
            np.maximum.reduceat(high, edges),
            np.minimum.reduceat(low, edges),
            close[ends],
            np.add.reduceat(volume, edges),
        )


NONE = _Pieces(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64), np.empty((5, 0)))


class IntradayHistory:
    """Completed bars of `bar_seconds` (whole minutes), one request a look for all symbols together."""

    def __init__(self, client: Any, bar_seconds: int, hours: Hours, feed: DataFeed = DataFeed.IEX) -> None:
        if bar_seconds % 60 or not 60 <= bar_seconds <= REGULAR_SECONDS:
            raise ConfigurationError(
                f"bar_seconds {bar_seconds} of the strategy: give whole minutes in seconds from 60 to {REGULAR_SECONDS}"
            )
        self._client = client
        self.seconds = bar_seconds
        self._hours = hours
        self._feed = feed
        self._piece_seconds = gcd(bar_seconds, HALF_AN_HOUR)
        self._session: date | None = None
        self._pieces: dict[str, _Pieces] = {}
        self._asked_until: dict[str, datetime] = {}

    def bars(self, symbols: Sequence[str], now: datetime) -> dict[str, IntradayBars]:
        """What is complete at `now` (aware), by symbol; symbols that have not traded in the window are left out."""
        session = now.astimezone(NEW_YORK).date()
        if session != self._session:
            self._pieces, self._asked_until = {}, {}
            self._session = session
        if symbols:
            self._fetch(symbols, session, now)
        made = {symbol: self._pieces[symbol].bars(self.seconds).until(now) for symbol in symbols}
        return {symbol: bars for symbol, bars in made.items() if len(bars)}

    def _fetch(self, symbols: Sequence[str], session: date, now: datetime) -> None:
        start = min(self._start(symbol, session) for symbol in symbols)
        request = StockBarsRequest(
            symbol_or_symbols=list(symbols),
            timeframe=TimeFrame(self._piece_seconds // 60, TimeFrameUnit.Minute),
            start=start,
            end=now,
            adjustment=Adjustment.ALL,
            feed=self._feed,
        )
        fetched = self._client.get_stock_bars(request).data
        for symbol in symbols:
            fresh = self._read(fetched.get(symbol, []), now)
            self._pieces[symbol] = self._pieces.get(symbol, NONE).before(int(start.timestamp())).followed_by(fresh)
            self._asked_until[symbol] = now

    def _start(self, symbol: str, session: date) -> datetime:
        """From where on a symbol's bars are asked for: the window's beginning, or a little before the last look."""
        if symbol not in self._asked_until:
            return self._window_start(session)
        again = int((self._asked_until[symbol] - ASKED_AGAIN).timestamp())
        return datetime.fromtimestamp(again - again % self._piece_seconds, UTC)

    def _window_start(self, session: date) -> datetime:
        """Midnight in New York of the first day of the window, which depends on the session alone."""
        wanted = 1 + -(-BARS_SHOWN // -(-REGULAR_SECONDS // self.seconds))
        days = (session - timedelta(days=back) for back in range(1, 2 * wanted + 15))
        sessions = [day for day in days if self._hours(datetime.combine(day, NOON, NEW_YORK)) is not None]
        return datetime.combine(sessions[:wanted][-1] if sessions else session, time(0, 0), NEW_YORK)

    def _read(self, listed: Sequence[Any], now: datetime) -> _Pieces:
        """The pieces that lie in regular hours and are complete."""
        placed = [(self._place(bar.timestamp), bar) for bar in listed if self._is_over(bar.timestamp, now)]
        inside = [(place, bar) for place, bar in placed if place is not None]
        starts = np.array([int(bar.timestamp.timestamp()) for _, bar in inside], dtype=np.int64)
        of_bar = np.array([place for place, _ in inside], dtype=np.int64)
        columns = np.array([[float(getattr(bar, name)) for _, bar in inside] for name in COLUMNS], dtype=np.float64)
        return _Pieces(starts, of_bar, columns.reshape(len(COLUMNS), len(inside)))

    def _is_over(self, start: datetime, now: datetime) -> bool:
        return start + timedelta(seconds=self._piece_seconds) <= now

    def _place(self, start: datetime) -> int | None:
        """The start of the bar that the piece from `start` goes into, counted from the opening; None outside regular hours."""
        hours = self._hours(start)
        if hours is None:
            return None
        opens_at = int(hours[0].timestamp())
        since = int(start.timestamp()) - opens_at
        return opens_at + since - since % self.seconds
