"""The market of a backtest as the desk sees it: completed bars of a source, cut at the clock."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from types import MappingProxyType

from desk.data.calendars import NEW_YORK
from desk.domain.market import NO_BARS, NO_DAILY_BAR, DailyBars, IntradayBars, Market, Quote

# As the built-in exchange's (desk.exchange.config): bars say nothing about it.
SPREAD_BPS = 2.0
UNITS_PER_DOLLAR, CENT_UNITS = 10_000, 100
NO_LONGER: Mapping[int, Mapping[str, IntradayBars]] = MappingProxyType({})


class HistoryFeed:
    """Implements `desk.core.ports.MarketFeed` over full `histories`, of which it shows nothing from the current session on.

    Of `intraday` histories it shows the bars that are complete. A symbol that has one in the current session has a quote: what
    `quote` says, and where that says nothing the last bar's close at its end, between a bid and an offer that are `SPREAD_BPS`
    apart, so that shares are counted as at the built-in exchange. Before the session's first bar has ended there is no quote, as
    in a daily backtest. `longer` has those of further lengths, by seconds.
    """

    def __init__(
        self,
        histories: Mapping[str, DailyBars],
        now: Callable[[], datetime],
        intraday: Mapping[str, IntradayBars] = NO_BARS,
        longer: Mapping[int, Mapping[str, IntradayBars]] = NO_LONGER,
        quote: Callable[[str], Quote | None] = lambda symbol: None,
    ) -> None:
        self._histories = histories
        self._now = now
        self._intraday = intraday
        self._longer = longer
        self._quote = quote
        self._session = date.min
        self._shown: dict[str, DailyBars] = {}
        # Most symbols trade on the same days: these are cut once a session, not once a symbol.
        self._calendars: dict[tuple[date, ...], int] = {}
        self._calendar_of = {symbol: self._calendar(bars.sessions) for symbol, bars in histories.items()}

    def _calendar(self, sessions: tuple[date, ...]) -> int:
        return self._calendars.setdefault(sessions, len(self._calendars))

    def observe(self, symbols: Sequence[str]) -> Market:
        now = self._now()
        session = now.date()
        daily = self._daily(session)
        bars = {symbol: daily[symbol] for symbol in symbols if symbol in daily}
        inside = complete(self._intraday, symbols, now)
        longer = {seconds: complete(histories, symbols, now) for seconds, histories in self._longer.items()}
        known = {symbol: self._quote(symbol) or last_quote(view, session) for symbol, view in inside.items()}
        quotes = {symbol: quote for symbol, quote in known.items() if quote is not None}
        unusable = {symbol: NO_DAILY_BAR for symbol in symbols if symbol not in bars and symbol not in inside}
        return Market(now.astimezone(UTC), session, bars, quotes, unusable, inside, longer)

    def _daily(self, session: date) -> Mapping[str, DailyBars]:
        """What there is before `session`, symbols without a bar left out."""
        if session != self._session:
            past = [cut(days, session) for days in self._calendars]
            self._shown = {
                symbol: first_bars(bars, days)
                for symbol, bars in self._histories.items()
                if (days := past[self._calendar_of[symbol]])
            }
            self._session = session
        return self._shown


def complete(histories: Mapping[str, IntradayBars], symbols: Sequence[str], now: datetime) -> dict[str, IntradayBars]:
    """The bars that are complete at `now` (aware), without symbols that have none."""
    views = {symbol: histories[symbol].until(now) for symbol in symbols if symbol in histories}
    return {symbol: view for symbol, view in views.items() if len(view)}


def last_quote(bars: IntradayBars, session: date) -> Quote | None:
    """What is known of a symbol's price by its last complete bar, None when that is of an earlier session."""
    ended = datetime.fromtimestamp(int(bars.starts[-1]), UTC) + timedelta(seconds=bars.seconds)
    if ended.astimezone(NEW_YORK).date() != session:
        return None
    last = float(bars.close[-1])
    return Quote(ended, *around(last, SPREAD_BPS), last)


def around(price: float, spread_bps: float) -> tuple[float, float]:
    """Bid and offer around a price in dollars, at least a tick apart: cents from one dollar up, hundredths of a cent below."""
    tick = CENT_UNITS if price >= 1 else 1
    units = round(price * UNITS_PER_DOLLAR)
    steps = max(1, round(units * spread_bps / 10_000 / tick))
    bid = max(tick, units // tick * tick - steps // 2 * tick)
    return bid / UNITS_PER_DOLLAR, (bid + steps * tick) / UNITS_PER_DOLLAR


def before(bars: DailyBars, session: date) -> DailyBars:
    """The bars of sessions strictly before `session`; arrays are views, nothing is copied but the tuple of dates."""
    return first_bars(bars, cut(bars.sessions, session))


def cut(sessions: tuple[date, ...], session: date) -> tuple[date, ...]:
    return sessions[: bisect_left(sessions, session)]


def first_bars(bars: DailyBars, sessions: tuple[date, ...]) -> DailyBars:
    """The first of `bars`, which are those of `sessions`."""
    end = len(sessions)
    return DailyBars(sessions, bars.open[:end], bars.high[:end], bars.low[:end], bars.close[:end], bars.volume[:end])
