"""The market of a backtest as the desk sees it: completed daily bars of a source, cut at the session being traded."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime

from desk.domain.market import DailyBars, Market


class HistoryFeed:
    """Implements `desk.core.ports.MarketFeed` over full `histories`, of which it shows nothing from the current session on."""

    def __init__(self, histories: Mapping[str, DailyBars], now: Callable[[], datetime]) -> None:
        self._histories = histories
        self._now = now

    def observe(self, symbols: Sequence[str]) -> Market:
        now = self._now()
        session = now.date()
        shown = {symbol: before(self._histories[symbol], session) for symbol in symbols if symbol in self._histories}
        bars = {symbol: view for symbol, view in shown.items() if len(view)}
        unusable = {symbol: "no completed daily bar" for symbol in symbols if symbol not in bars}
        return Market(now.astimezone(UTC), session, bars, unusable=unusable)


def before(bars: DailyBars, session: date) -> DailyBars:
    """The bars of sessions strictly before `session`; arrays are views, nothing is copied but the tuple of dates."""
    end = bisect_left(bars.sessions, session)
    return DailyBars(bars.sessions[:end], bars.open[:end], bars.high[:end], bars.low[:end], bars.close[:end], bars.volume[:end])
