"""The next instant that matters: an open with queued orders, a price that meets an order, the rest of a partial fill, the close.

Looking ahead along the paths is what makes virtual time cheap; nothing of it is told to a client.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from desk.data.calendars import Session
from desk.exchange.book import Book
from desk.exchange.market import Market
from desk.exchange.orders import AT_VENUE, WAITING, Order, Status
from desk.exchange.triggers import trigger_of


def next_instant(book: Book, market: Market, session: Session, now: datetime) -> datetime:
    """First instant strictly after `now` at which something may happen in `session`, its close at the latest."""
    found = session.closes_at
    for order in book.live_orders():
        for instant in _instants(order, market, session, now):
            found = min(found, instant)
    return found


def _instants(order: Order, market: Market, session: Session, now: datetime) -> Iterator[datetime]:
    if order.status in WAITING:
        if now < session.opens_at and market.trades_in(order.symbol, session):
            yield session.opens_at
        return
    is_watched = order.status is Status.HELD and order.armed
    if not (is_watched or order.status in AT_VENUE) or not market.trades_in(order.symbol, session):
        return
    after = now
    if order.rest_at is not None and order.rest_at > now:
        after = max(order.rest_at, session.opens_at)
        yield after
    trigger = trigger_of(order)
    if trigger is None:
        yield after if after > now else max(session.opens_at, _just_after(now, session))
        return
    crossing = market.first_crossing(order.symbol, session, trigger, after)
    if crossing is not None:
        yield crossing


def _just_after(now: datetime, session: Session) -> datetime:
    """A market order that could not execute yet is due at the open, or else at the close."""
    return session.opens_at if now < session.opens_at else session.closes_at
