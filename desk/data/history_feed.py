"""The market of a backtest as the desk sees it: completed bars of a source, cut at the clock."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from types import MappingProxyType

import numpy as np

from desk.data.calendars import NEW_YORK
from desk.domain.market import DailyBars, IntradayBars, Market, Quote

NONE = DailyBars((), *(np.empty(0) for _ in range(5)))
NO_INTRADAY: Mapping[str, IntradayBars] = MappingProxyType({})


class HistoryFeed:
    """Implements `desk.core.ports.MarketFeed` over full `histories`, of which it shows nothing from the current session on.

    Of `intraday` histories it shows the bars that are complete. A symbol that has one in the current session has a quote: bid,
    offer and last are that bar's close, at its end. Spreads are not known, so `slippage_bps` has to stand for them; before the
    session's first bar has ended there is no quote, as in a daily backtest.
    """

    def __init__(
        self,
        histories: Mapping[str, DailyBars],
        now: Callable[[], datetime],
        intraday: Mapping[str, IntradayBars] = NO_INTRADAY,
    ) -> None:
        self._histories = histories
        self._now = now
        self._intraday = intraday
        self._session = date.min
        self._shown: dict[str, DailyBars] = {}

    def observe(self, symbols: Sequence[str]) -> Market:
        now = self._now()
        session = now.date()
        bars = {symbol: view for symbol in symbols if len(view := self._daily(symbol, session))}
        inside = {symbol: self._intraday[symbol].until(now) for symbol in symbols if symbol in self._intraday}
        inside = {symbol: view for symbol, view in inside.items() if len(view)}
        quotes = {symbol: quote for symbol, view in inside.items() if (quote := last_quote(view, session)) is not None}
        unusable = {symbol: "no completed daily bar" for symbol in symbols if symbol not in bars and symbol not in inside}
        return Market(now.astimezone(UTC), session, bars, quotes, unusable, inside)

    def _daily(self, symbol: str, session: date) -> DailyBars:
        if session != self._session:
            self._session, self._shown = session, {}
        if symbol not in self._shown:
            self._shown[symbol] = before(self._histories[symbol], session) if symbol in self._histories else NONE
        return self._shown[symbol]


def last_quote(bars: IntradayBars, session: date) -> Quote | None:
    """What is known of a symbol's price by its last complete bar, None when that is of an earlier session."""
    ended = datetime.fromtimestamp(int(bars.starts[-1]), UTC) + timedelta(seconds=bars.seconds)
    if ended.astimezone(NEW_YORK).date() != session:
        return None
    last = float(bars.close[-1])
    return Quote(ended, last, last, last)


def before(bars: DailyBars, session: date) -> DailyBars:
    """The bars of sessions strictly before `session`; arrays are views, nothing is copied but the tuple of dates."""
    end = bisect_left(bars.sessions, session)
    return DailyBars(bars.sessions[:end], bars.open[:end], bars.high[:end], bars.low[:end], bars.close[:end], bars.volume[:end])
