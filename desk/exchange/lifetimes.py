"""When an order starts to work and when its time in force ends."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, time, timedelta

from desk.data.calendars import NEW_YORK
from desk.exchange.machine.book import is_option
from desk.exchange.machine.execution import AT_ONCE
from desk.exchange.machine.orders import Ticket
from desk.exchange.market.options import listing_dates
from desk.exchange.market.sessions import LATE_CLOSE, Phase, SessionTable, new_york
from desk.exchange.words import TimeInForce
from options import occ

GTC_DAYS = timedelta(days=90)
# Alpaca cancels aged orders at 16:15 New York (https://docs.alpaca.markets/docs/orders-at-alpaca).
AGEING_AT = time(16, 15)


def works_now(ticket: Ticket, phase: Phase) -> bool:
    """Whether an order taken in `phase` goes to the venue at once: in regular hours, or with extended hours in those."""
    if phase is Phase.REGULAR:
        return ticket.time_in_force is not TimeInForce.OPG
    return ticket.extended_hours and phase in (Phase.PRE, Phase.AFTER)


def expires_at(sessions: SessionTable, now: datetime, lifetime: TimeInForce, is_extended: bool) -> datetime | None:
    """The end of an order taken at `now`: its session's close, 20:00 with extended hours, or ninety days later at 16:15.

    What wants to be executed at once, and is queued, is over with the open, at which it meets the market.
    """
    if lifetime is TimeInForce.GTC:
        return new_york(now.astimezone(NEW_YORK).date() + GTC_DAYS, AGEING_AT)
    session = sessions.current(now)
    if is_extended:
        late = sessions.last_close(now)
        place = sessions.open_or_closing_at(late) if late is not None else None
        if place is not None and now < new_york(place.day, LATE_CLOSE) and sessions.phase(now) is Phase.AFTER:
            return new_york(place.day, LATE_CLOSE)
        return None if session is None else new_york(session.day, LATE_CLOSE)
    if session is None:
        return None
    return session.opens_at if lifetime in AT_ONCE and now < session.opens_at else session.closes_at


def ends_at(
    sessions: SessionTable, now: datetime, lifetime: TimeInForce, is_extended: bool, symbols: Iterable[str]
) -> datetime | None:
    """The end of an order for `symbols`: that of its time in force, or the last trade of the first option to expire."""
    ends = expires_at(sessions, now, lifetime, is_extended)
    last_trades = [listing_dates.expires_at(occ.parse(symbol).expiration) for symbol in symbols if is_option(symbol)]
    return min([*last_trades, *([] if ends is None else [ends])], default=None)
