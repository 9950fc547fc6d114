"""Episodes of the sleeve, by the book's own trades: since when it has hedged without a pause, and how it ended last.

An episode lasts as long as shares of any inverse fund are held over each night. Between two funds it goes on over the one night
that a change takes, as the second is opened in the session after the first is gone.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from desk.domain.market import Market
from desk.domain.orders import GroupRole
from desk.domain.trades import Book, Trade
from hedging.rules import HedgeRules, symbols

NEW_YORK = ZoneInfo("America/New_York")
A_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Span:
    """The shares of one trade of a fund, from the trade date of the first fill to that of the last sale, None while held."""

    symbol: str
    first: date
    last: date | None
    was_stopped: bool


@dataclass(frozen=True, slots=True)
class Ending:
    """The trade date on which the sleeve lost a fund to its stop or to the longest hold, and that in words."""

    on: date
    words: str


def spans(book: Book, rules: HedgeRules) -> tuple[Span, ...]:
    """Every trade of a fund that ever held shares, but for those that a person bought."""
    funds = {fund.symbol for fund in rules.inverse_etfs}
    trades = (trade for trade in (*book.closed, *book.open.values()) if trade.symbol in funds and not trade.is_adopted)
    return tuple(_span(trade) for trade in trades if trade.entered > 0)


def _span(trade: Trade) -> Span:
    last = None if trade.shares > 0 else _trade_date(trade.exited_at or trade.decided_at)
    return Span(trade.symbol, _trade_date(trade.entered_at or trade.decided_at), last, last is not None and _was_stopped(trade))


def _was_stopped(trade: Trade) -> bool:
    """A plain sale stands where the stop would: it was one when the market was at or below the stop."""
    if trade.exit_role is not GroupRole.STOP_LOSS:
        return False
    is_below = trade.exit_price is not None and trade.stop_price is not None and trade.exit_price <= trade.stop_price
    return trade.sold_as is None or trade.stop_passed or is_below


def _trade_date(at: datetime) -> date:
    return at.astimezone(NEW_YORK).date()


def beginning(span: Span, past: Sequence[Span], market: Market, rules: HedgeRules) -> date:
    """First day of the episode of `past` to which `span` belongs."""
    earliest = span
    while before := [one for one in past if one.first < earliest.first and _goes_on(one, earliest, market, rules)]:
        earliest = min(before, key=lambda one: one.first)
    return earliest.first


def _goes_on(one: Span, later: Span, market: Market, rules: HedgeRules) -> bool:
    if one.last is None or one.last >= later.first:
        return True
    return one.symbol != later.symbol and sessions_between(one.last + A_DAY, later.first, market, rules) == 0


def last_ending(book: Book, market: Market, rules: HedgeRules) -> Ending | None:
    """The last stop, or the longest hold when it ended the last episode later than that; None without either."""
    past = spans(book, rules)
    gone = [(one.last, one) for one in past if one.last is not None]
    endings = [Ending(on, f"{one.symbol} ran into its stop on {on}") for on, one in gone if one.was_stopped]
    if gone and len(gone) == len(past):
        on, final = max(gone, key=lambda each: each[0])
        held = sessions_between(beginning(final, past, market, rules), on, market, rules)
        if held >= rules.max_hold_sessions:
            endings.append(Ending(on, f"the longest hold was over on {on}"))
    return max(endings, key=lambda ending: ending.on, default=None)


# ---- counting sessions -------------------------------------------------------------------------------------------------


def sessions_since(first: date, market: Market, rules: HedgeRules) -> int:
    """Completed sessions from `first` on, as `sessions_between` counts them."""
    return sessions_between(first, market.session, market, rules)


def sessions_between(first: date, until: date, market: Market, rules: HedgeRules) -> int:
    """Sessions from `first` to the day before `until`, by every calendar that the hedge sees.

    Exact up to `rules.max_hold_sessions`. Where no symbol has bars any more, weekdays count: a hold must not become endless
    because data stopped coming.
    """
    calendars = [market.bars[symbol].sessions for symbol in symbols(rules) if symbol in market.bars]
    seen = {day for days in calendars for day in _within(days, first, until, rules.max_hold_sessions)}
    unseen_from = max([first, *(days[-1] + A_DAY for days in calendars if days)])
    unseen = int(np.busday_count(unseen_from, until)) if unseen_from < until else 0
    # A single weekday without any bar is a holiday; more of them are bars that did not come.
    return len(seen) + (unseen if unseen > 1 else 0)


def _within(days: Sequence[date], first: date, until: date, most: int) -> Sequence[date]:
    end = bisect_left(days, until)
    return days[max(bisect_left(days, first), end - most) : end]
