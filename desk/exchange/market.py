"""Prices of a source at any virtual instant: last trade, quote, and the next time that a price crosses a level."""

from __future__ import annotations

from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property

import numpy as np
import pandas as pd

from desk.data.calendars import NEW_YORK, Session
from desk.data.source import Source
from desk.exchange.clock import SessionTable, session_seconds
from desk.exchange.orders import Quote
from desk.exchange.path import CentBar, IntArray, cent_bar, seed_of, spread_volume, walk
from desk.exchange.triggers import Feed, Trigger

PATHS_KEPT = 512
POINTS_OF_A_BAR = 4


@dataclass(frozen=True)
class NativeBars:
    """The finest bars of a session: start in seconds after the open, prices in cents, volume in shares; all of shape (n,)."""

    start: IntArray
    open: IntArray
    high: IntArray
    low: IntArray
    close: IntArray
    volume: IntArray
    seconds: int

    def completed(self, elapsed_seconds: float) -> int:
        """How many of the bars have ended `elapsed_seconds` after the open."""
        return int(np.searchsorted(self.start + self.seconds, elapsed_seconds, side="right"))


@dataclass(frozen=True)
class SessionPath:
    """Where a price went: `price[i]` cents hold from `seconds[i]` after the open until the next point."""

    seconds: IntArray
    price: IntArray
    bid: IntArray
    ask: IntArray
    make_bars: Callable[[], NativeBars]

    @cached_property
    def bars(self) -> NativeBars:
        return self.make_bars()

    def index(self, elapsed_seconds: float) -> int:
        return int(np.searchsorted(self.seconds, elapsed_seconds, side="right")) - 1

    def quote(self, elapsed_seconds: float) -> Quote:
        place = self.index(elapsed_seconds)
        return Quote(int(self.bid[place]), int(self.ask[place]), int(self.price[place]))

    def first_met(self, trigger: Trigger, from_index: int) -> int | None:
        """First point from `from_index` on that meets the trigger, as seconds after the open."""
        prices = {Feed.BID: self.bid, Feed.ASK: self.ask, Feed.LAST: self.price}[trigger.feed][from_index:]
        met = prices >= trigger.cents if trigger.rising else prices <= trigger.cents
        place = int(met.argmax()) if met.size else 0
        return int(self.seconds[from_index + place]) if met.size and met[place] else None


class DailyTable:
    """Daily bars of one symbol on the cent grid, found by day."""

    def __init__(self, frame: pd.DataFrame) -> None:
        self.days: list[date] = [stamp.date() for stamp in frame.index]
        columns = [frame[name].to_numpy(dtype=np.float64) for name in ("open", "high", "low", "close", "volume")]
        self.bars: list[CentBar] = [cent_bar(*row) for row in zip(*columns, strict=True)]
        self.row = {day: row for row, day in enumerate(self.days)}

    def on(self, day: date) -> CentBar | None:
        row = self.row.get(day)
        return None if row is None else self.bars[row]

    def first_row(self, day: date) -> int:
        """Row of the first bar on `day` or later."""
        return bisect_left(self.days, day)

    def before(self, day: date) -> CentBar | None:
        row = bisect_left(self.days, day)
        return self.bars[row - 1] if row else None


class Market:
    """Everything that can be asked about prices; the answers depend on source, seed, spread and instant only."""

    def __init__(self, source: Source, sessions: SessionTable, seed: int, spread_bps: float) -> None:
        self.source = source
        self.sessions = sessions
        self.seed = seed
        self.spread_bps = spread_bps
        self._tables: dict[str, DailyTable] = {}
        self._paths: OrderedDict[tuple[str, date], SessionPath] = OrderedDict()

    def has(self, symbol: str) -> bool:
        return symbol in self.source.daily

    def daily(self, symbol: str) -> DailyTable:
        if symbol not in self._tables:
            self._tables[symbol] = DailyTable(self.source.daily[symbol])
        return self._tables[symbol]

    def trades_in(self, symbol: str, session: Session) -> bool:
        return self.has(symbol) and self.daily(symbol).on(session.day) is not None

    def path(self, symbol: str, session: Session) -> SessionPath | None:
        """The path of `symbol` in `session`, made when first asked for; None when the source has no bar of that day."""
        key = (symbol, session.day)
        if key not in self._paths:
            bar = self.daily(symbol).on(session.day) if self.has(symbol) else None
            if bar is None:
                return None
            self._paths[key] = self._make_path(symbol, session, bar)
            if len(self._paths) > PATHS_KEPT:
                self._paths.popitem(last=False)
        return self._paths[key]

    def last(self, symbol: str, now: datetime) -> int | None:
        """Price of the last trade in cents at `now`: the path's in a session, else the last completed close."""
        session = self.sessions.at(now)
        if session is not None and now < session.closes_at:
            path = self.path(symbol, session)
            if path is not None:
                return int(path.price[path.index((now - session.opens_at).total_seconds())])
        return self.last_close(symbol, now)

    def last_close(self, symbol: str, now: datetime) -> int | None:
        """Close of the last completed session in cents, as known at `now`."""
        if not self.has(symbol):
            return None
        session = self.sessions.current(now)
        table = self.daily(symbol)
        bar = table.before(session.day) if session is not None else (table.bars[-1] if table.bars else None)
        return None if bar is None else bar.close

    def previous_close(self, symbol: str, now: datetime) -> int | None:
        """Close in cents of the last session before New York's date at `now`, which today's change is measured from."""
        bar = self.daily(symbol).before(now.astimezone(NEW_YORK).date()) if self.has(symbol) else None
        return None if bar is None else bar.close

    def quote(self, symbol: str, now: datetime) -> Quote | None:
        """Bid, ask and last at `now`; outside sessions around the last close. The closing instant quotes the close."""
        session = self.sessions.at(now)
        if session is not None and self.trades_in(symbol, session):
            path = self.path(symbol, session)
            assert path is not None
            return path.quote((now - session.opens_at).total_seconds())
        last = self.last_close(symbol, now)
        if last is None:
            return None
        bid, ask = self._around(np.array([last]))
        return Quote(int(bid[0]), int(ask[0]), last)

    def first_crossing(self, symbol: str, session: Session, trigger: Trigger, after: datetime) -> datetime | None:
        """First instant in `session` strictly after `after` at which a new price meets the trigger."""
        if not self._can_meet(symbol, session, trigger):
            return None
        path = self.path(symbol, session)
        assert path is not None
        elapsed = (after - session.opens_at).total_seconds()
        met = path.first_met(trigger, max(0, path.index(elapsed) + 1))
        return None if met is None else session.opens_at + timedelta(seconds=met)

    def _can_meet(self, symbol: str, session: Session, trigger: Trigger) -> bool:
        """A look at the day's range, which spares making most paths: a bid is never above the price, an ask never below."""
        bar = self.daily(symbol).on(session.day) if self.has(symbol) else None
        if bar is None:
            return False
        return bar.high >= trigger.cents if trigger.rising else bar.low <= trigger.cents

    def _around(self, price: IntArray) -> tuple[IntArray, IntArray]:
        spread = np.maximum(1, np.rint(price * (self.spread_bps / 10_000)).astype(np.int64))
        bid = np.maximum(1, price - spread // 2)
        return bid, bid + spread

    def _make_path(self, symbol: str, session: Session, bar: CentBar) -> SessionPath:
        frame = self.source.intraday.get(symbol)
        if frame is not None:
            inside = frame.loc[(frame.index >= session.opens_at) & (frame.index < session.closes_at)]
            if len(inside):
                return self._recorded_path(inside, session)
        return self._walked_path(symbol, session, bar)

    def _walked_path(self, symbol: str, session: Session, bar: CentBar) -> SessionPath:
        minutes = session_seconds(session) // 60
        price = walk(bar, minutes, np.random.default_rng(seed_of(self.seed, symbol, session.day)))

        def bars() -> NativeBars:
            rng = np.random.default_rng(seed_of(self.seed, symbol, session.day, "volume"))
            opened, closed = price[:-1], price[1:]
            volume = spread_volume(bar.volume, minutes, rng)
            start = np.arange(minutes, dtype=np.int64) * 60
            return NativeBars(start, opened, np.maximum(opened, closed), np.minimum(opened, closed), closed, volume, 60)

        seconds = np.arange(minutes + 1, dtype=np.int64) * 60
        return SessionPath(seconds, price, *self._around(price), bars)

    def _recorded_path(self, frame: pd.DataFrame, session: Session) -> SessionPath:
        """Recorded intraday bars, each visited as open, high, low, close in equal parts of its time."""
        start = ((frame.index - session.opens_at) // pd.Timedelta(seconds=1)).to_numpy(dtype=np.int64)
        cells = [cent_bar(*row) for row in frame[["open", "high", "low", "close", "volume"]].itertuples(index=False)]
        columns = np.array([(c.open, c.high, c.low, c.close, c.volume) for c in cells], dtype=np.int64).T
        length = int(np.diff(start).min()) if len(start) > 1 else session_seconds(session)
        quarter = np.arange(POINTS_OF_A_BAR) * length // POINTS_OF_A_BAR
        seconds = np.append((start[:, None] + quarter).ravel(), session_seconds(session))
        price = np.append(columns[:4].T.ravel(), columns[3, -1])
        if seconds[0] > 0:  # the first recorded price holds from the open on
            seconds, price = np.insert(seconds, 0, 0), np.insert(price, 0, price[0])
        bars = NativeBars(start, columns[0], columns[1], columns[2], columns[3], columns[4], length)
        return SessionPath(seconds, price, *self._around(price), lambda: bars)
