"""Prices of a source at any virtual instant: last trade, quote, and the next time that a price crosses a level.

A source's prices are those of the day. From 04:00 New York of a split's ex-date positions and orders are on its new terms, and so
is every price of an earlier day that is still the last one. Bars and ticks keep what was.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import OrderedDict
from datetime import date, datetime, timedelta
from fractions import Fraction
from typing import Any, Protocol

import numpy as np
import pandas as pd

from desk.data.calendars import NEW_YORK, Session
from desk.data.source import Source
from desk.exchange.machine.book import is_option
from desk.exchange.machine.orders import Quote
from desk.exchange.machine.triggers import Trail, Trigger
from desk.exchange.market.corporate import CorporateActions, Split
from desk.exchange.market.path import UNITS_PER_CENT, UNITS_PER_DOLLAR, IntArray, TickBar, seed_of, spread_volume, tick_bar, walk
from desk.exchange.market.session_path import NativeBars, SessionPath
from desk.exchange.market.sessions import EARLY_OPEN, SessionTable, new_york, session_seconds

PATHS_KEPT = 4096
CROSSINGS_KEPT = 20_000
# Legs of a multi-leg order: symbol and signed ratio.
SpreadParts = tuple[tuple[str, int], ...]
POINTS_OF_A_BAR = 4
AS_IT_WAS = Fraction(1)


class DailyTable:
    """Daily bars of one symbol on the tick grid, found by day."""

    def __init__(self, frame: pd.DataFrame) -> None:
        self.days: list[date] = [stamp.date() for stamp in frame.index]
        columns = [frame[name].to_numpy(dtype=np.float64) for name in ("open", "high", "low", "close", "volume")]
        self.bars: list[TickBar] = [tick_bar(*row) for row in zip(*columns, strict=True)]
        self.row = {day: row for row, day in enumerate(self.days)}

    def on(self, day: date) -> TickBar | None:
        row = self.row.get(day)
        return None if row is None else self.bars[row]

    def first_row(self, day: date) -> int:
        """Row of the first bar on `day` or later."""
        return bisect_left(self.days, day)

    def before(self, day: date) -> TickBar | None:
        row = bisect_left(self.days, day)
        return self.bars[row - 1] if row else None


class Splits:
    """What became of a share: the splits of each stock, in order of their ex-dates."""

    def __init__(self, actions: CorporateActions | None = None) -> None:
        self._of: dict[str, list[Split]] = {}
        for action in () if actions is None else actions.actions:
            if isinstance(action, Split):
                self._of.setdefault(action.symbol, []).append(action)

    def between(self, symbol: str, after: date, until: date) -> tuple[Split, ...]:
        """Splits of a stock with an ex-date after `after`, up to and on `until`."""
        return tuple(split for split in self._of.get(symbol, ()) if after < split.ex_date <= until)

    def ratio(self, symbol: str, after: date, until: date) -> Fraction:
        """How many shares on `until` one share on `after` has become: 2 after a split of two for one."""
        return math.prod((shares_of_one(split) for split in self.between(symbol, after, until)), start=AS_IT_WAS)


def shares_of_one(split: Split) -> Fraction:
    return Fraction(split.new_rate) / Fraction(split.old_rate)


def split_quote(quote: Quote, ratio: Fraction) -> Quote:
    """A quote of what one became `ratio` of. Bid and ask stay on whole cents, the last trade is worth what it was."""
    bid, ask = math.floor(quote.bid / ratio / UNITS_PER_CENT), math.ceil(quote.ask / ratio / UNITS_PER_CENT)
    return Quote(bid * UNITS_PER_CENT, ask * UNITS_PER_CENT, _split_price(quote.last, ratio))


def _split_price(units: int, ratio: Fraction) -> int:
    """A price of a share that became `ratio` shares; what had one keeps one."""
    return units if ratio == AS_IT_WAS else max(min(units, 1), round(units / ratio))


class Board(Protocol):
    """Where options come from (`desk.exchange.market.options`)."""

    def contract(self, symbol: str, today: date) -> Any: ...

    def before_split(self, contract: Any, ratio: Fraction) -> Any: ...

    def path(self, contract: Any, session: Session, underlying_path: SessionPath) -> SessionPath | None: ...


class Market:
    """Everything that can be asked about prices; the answers depend on source, splits, seed, spread and instant only."""

    def __init__(self, source: Source, sessions: SessionTable, seed: int, spread_bps: float) -> None:
        self.source = source
        self.sessions = sessions
        self.seed = seed
        self.spread_bps = spread_bps
        self.splits = Splits()  # set by who knows of corporate actions, as the board is
        self.board: Board | None = None  # set by who makes the options, which are priced from these prices
        self._tables: dict[str, DailyTable] = {}
        # By symbol, day and trigger: after which second the next crossing was looked for, and when it is.
        self._crossings: dict[tuple[str, date, Trigger], tuple[float, float]] = {}
        self._paths: OrderedDict[tuple[str, date], SessionPath] = OrderedDict()

    def has(self, symbol: str) -> bool:
        """Whether the source has prices of a stock; options are looked up on the board."""
        return symbol in self.source.daily

    def daily(self, symbol: str) -> DailyTable:
        if symbol not in self._tables:
            self._tables[symbol] = DailyTable(self.source.daily[symbol])
        return self._tables[symbol]

    def contract(self, symbol: str, now: datetime) -> Any:
        """The option contract of that OCC symbol when it is listed at `now`, else None."""
        if self.board is None or not is_option(symbol):
            return None
        return self.board.contract(symbol, now.astimezone(NEW_YORK).date())

    def trades_in(self, symbol: str, session: Session) -> bool:
        if is_option(symbol):
            return self.path(symbol, session) is not None
        return self.has(symbol) and self.daily(symbol).on(session.day) is not None

    def path(self, symbol: str, session: Session) -> SessionPath | None:
        """The path of `symbol` in `session`, made when first asked for; None when there are no prices of that day."""
        key = (symbol, session.day)
        if key not in self._paths:
            path = self._option_path(symbol, session) if is_option(symbol) else self._stock_path(symbol, session)
            if path is None:
                return None
            self._paths[key] = path
            if len(self._paths) > PATHS_KEPT:
                self._paths.popitem(last=False)
        else:
            self._paths.move_to_end(key)
        return self._paths[key]

    def last(self, symbol: str, now: datetime) -> int | None:
        """Price of the last trade in units at `now`: the path's in a session, else the last completed close."""
        session = self.sessions.at(now)
        if session is not None and now < session.closes_at:
            path = self.path(symbol, session)
            if path is not None:
                return int(path.price[path.index((now - session.opens_at).total_seconds())])
        return self.last_close(symbol, now)

    def worth(self, symbol: str, now: datetime) -> int | None:
        """What one of a position counts for in units at `now`: the last trade, and before a stock's first one what that will be.
        An account that begins with the data may hold it before that."""
        last = self.last(symbol, now)
        bars = self.daily(symbol).bars if last is None and self.has(symbol) else []
        return bars[0].open if bars else last

    def last_close(self, symbol: str, now: datetime) -> int | None:
        """Close of the last completed session in units, as known at `now` and on the terms of `now`."""
        session = self.sessions.current(now)
        if is_option(symbol):
            quote = self._final_quote(symbol, self.sessions.before(session), now)
            return None if quote is None else quote.last
        return self._close_before(symbol, None if session is None else session.day, now)

    def previous_close(self, symbol: str, now: datetime) -> int | None:
        """Close in units of the last session before New York's date at `now`, which today's change is measured from; on the terms
        of `now`."""
        today = now.astimezone(NEW_YORK).date()
        if is_option(symbol):
            quote = self._final_quote(symbol, self.sessions.last_before(today), now)
            return None if quote is None else quote.last
        return self._close_before(symbol, today, now)

    def _close_before(self, symbol: str, day: date | None, now: datetime) -> int | None:
        """Close of a stock's last bar before `day`, of its very last one without a day."""
        if not self.has(symbol):
            return None
        table = self.daily(symbol)
        row = (len(table.days) if day is None else table.first_row(day)) - 1
        return None if row < 0 else _split_price(table.bars[row].close, self.splits_since(symbol, table.days[row], now))

    def splits_since(self, symbol: str, day: date, now: datetime) -> Fraction:
        """How many shares at `now` one share on `day` has become: a split takes effect at 04:00 of a session."""
        session = self.sessions.last_before(now.astimezone(NEW_YORK).date() + timedelta(days=1))
        if session is not None and now < new_york(session.day, EARLY_OPEN):
            session = self.sessions.last_before(session.day)
        return AS_IT_WAS if session is None else self.splits.ratio(symbol, day, session.day)

    def quote(self, symbol: str, now: datetime) -> Quote | None:
        """Bid, ask and last at `now`; outside sessions around the last close. The closing instant quotes the close."""
        session = self.sessions.at(now)
        if session is not None and self.trades_in(symbol, session):
            path = self.path(symbol, session)
            assert path is not None
            return path.quote((now - session.opens_at).total_seconds())
        if is_option(symbol):
            return self._final_quote(symbol, self.sessions.before(self.sessions.current(now)), now)
        last = self.last_close(symbol, now)
        if last is None:
            return None
        bid, ask = self._around(np.array([last]))
        return Quote(int(bid[0]), int(ask[0]), last)

    def _final_quote(self, symbol: str, session: Session | None, now: datetime) -> Quote | None:
        """An option's quote at the end of `session`, on the terms of `now`."""
        if session is None:
            return None
        contract = self.contract(symbol, now)
        ratio = AS_IT_WAS if contract is None else self.splits_since(contract.underlying, session.day, now)
        path = self.path(symbol, session) if ratio == AS_IT_WAS else self._path_before_split(contract, ratio, session)
        return None if path is None else split_quote(path.quote(float(path.seconds[-1])), ratio)

    def _path_before_split(self, contract: Any, ratio: Fraction, session: Session) -> SessionPath | None:
        """The path of the contract that this one was in `session`, before a split; None when there was none."""
        underlying = self.path(contract.underlying, session)
        was = None if self.board is None else self.board.before_split(contract, ratio)
        return None if self.board is None or was is None or underlying is None else self.board.path(was, session, underlying)

    def spread_crossing(self, parts: SpreadParts, session: Session, limit: int, after: datetime) -> datetime | None:
        """First instant in `session` strictly after `after` at which a multi-leg order's net price is `limit` units or less.

        `parts` are (symbol, signed ratio): the price of the unit is asks of what is bought less bids of what is sold.
        """
        net: IntArray | None = None
        for symbol, ratio in parts:
            path = self.path(symbol, session)
            if path is None:
                return None
            side = ratio * (path.ask if ratio > 0 else path.bid)
            net = side if net is None else net + side
            seconds = path.seconds
        if net is None:
            return None
        start = int(np.searchsorted(seconds, (after - session.opens_at).total_seconds(), side="right"))
        met = np.flatnonzero(net[max(0, start) :] <= limit)
        return session.opens_at + timedelta(seconds=int(seconds[max(0, start) + met[0]])) if met.size else None

    def trailed(self, symbol: str, session: Session, trail: Trail, after: datetime) -> datetime | None:
        """First instant in `session` strictly after `after` at which the price is as far from its best as the trail."""
        path = self.path(symbol, session)
        if path is None:
            return None
        met = path.first_trailed(trail, max(0, path.index((after - session.opens_at).total_seconds()) + 1))
        return None if met is None else session.opens_at + timedelta(seconds=met)

    def best_between(self, symbol: str, start: datetime, end: datetime, rising: bool) -> int | None:
        """The best price of one session's points after `start` up to `end`, for a trailing stop's mark; None without any."""
        session = self.sessions.at(end)
        path = None if session is None else self.path(symbol, session)
        if session is None or path is None:
            return None
        return path.best_between((start - session.opens_at).total_seconds(), (end - session.opens_at).total_seconds(), rising)

    def first_crossing(self, symbol: str, session: Session, trigger: Trigger, after: datetime) -> datetime | None:
        """First instant in `session` strictly after `after` at which a new price meets the trigger."""
        if not self._can_meet(symbol, session, trigger):
            return None
        elapsed = (after - session.opens_at).total_seconds()
        key = (symbol, session.day, trigger)
        known = self._crossings.get(key)
        if known is None or not known[0] <= elapsed < known[1]:
            path = self.path(symbol, session)
            assert path is not None
            met = path.first_met(trigger, max(0, path.index(elapsed) + 1))
            known = self._crossings[key] = (elapsed, math.inf if met is None else float(met))
            if len(self._crossings) > CROSSINGS_KEPT:
                self._crossings.clear()
        return None if math.isinf(known[1]) else session.opens_at + timedelta(seconds=known[1])

    def _can_meet(self, symbol: str, session: Session, trigger: Trigger) -> bool:
        """A look at the day's range, which spares making most paths: a bid is never above the price, an ask never below."""
        if is_option(symbol):
            return self.path(symbol, session) is not None
        bar = self.daily(symbol).on(session.day) if self.has(symbol) else None
        if bar is None:
            return False
        return bar.high >= trigger.units if trigger.rising else bar.low <= trigger.units

    def _around(self, price: IntArray) -> tuple[IntArray, IntArray]:
        """Bid and ask around prices, on the tick grid, a tick apart at least; a split can leave a price between two ticks."""
        tick = np.where(price >= UNITS_PER_DOLLAR, UNITS_PER_CENT, 1)
        steps = np.maximum(1, np.rint(price * (self.spread_bps / 10_000) / tick).astype(np.int64))
        bid = np.maximum(tick, price // tick * tick - steps // 2 * tick)
        return bid, bid + steps * tick

    def _stock_path(self, symbol: str, session: Session) -> SessionPath | None:
        bar = self.daily(symbol).on(session.day) if self.has(symbol) else None
        return None if bar is None else self._make_path(symbol, session, bar)

    def _option_path(self, symbol: str, session: Session) -> SessionPath | None:
        contract = None if self.board is None else self.board.contract(symbol, session.day)
        underlying = None if contract is None else self.path(contract.underlying, session)
        if self.board is None or underlying is None:
            return None
        return self.board.path(contract, session, underlying)

    def _make_path(self, symbol: str, session: Session, bar: TickBar) -> SessionPath:
        frame = self.source.intraday.get(symbol)
        if frame is not None:
            inside = frame.loc[(frame.index >= session.opens_at) & (frame.index < session.closes_at)]
            if len(inside):
                return self._recorded_path(inside, session)
        return self._walked_path(symbol, session, bar)

    def _walked_path(self, symbol: str, session: Session, bar: TickBar) -> SessionPath:
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
        cells = [tick_bar(*row) for row in frame[["open", "high", "low", "close", "volume"]].itertuples(index=False)]
        columns = np.array([(c.open, c.high, c.low, c.close, c.volume) for c in cells], dtype=np.int64).T
        length = int(np.diff(start).min()) if len(start) > 1 else session_seconds(session)
        quarter = np.arange(POINTS_OF_A_BAR) * length // POINTS_OF_A_BAR
        seconds = np.append((start[:, None] + quarter).ravel(), session_seconds(session))
        price = np.append(columns[:4].T.ravel(), columns[3, -1])
        if seconds[0] > 0:  # the first recorded price holds from the open on
            seconds, price = np.insert(seconds, 0, 0), np.insert(price, 0, price[0])
        bars = NativeBars(start, columns[0], columns[1], columns[2], columns[3], columns[4], length)
        return SessionPath(seconds, price, *self._around(price), lambda: bars)
