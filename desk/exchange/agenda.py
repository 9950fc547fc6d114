"""The next instant that matters to an account: something due, a price that meets an order, an open, the close.

Looking ahead along the paths is what makes virtual time cheap; nothing of it is told to a client.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import chain

from desk.data.calendars import Session
from desk.exchange.machine.book import Book
from desk.exchange.machine.orders import UNIT_USD, Order
from desk.exchange.machine.triggers import trail_of, trigger_of
from desk.exchange.market.prices import Market
from desk.exchange.market.sessions import EARLY_OPEN, new_york
from desk.exchange.rules.expiring import LAST_HALF_HOUR
from desk.exchange.words import AT_VENUE, WAITING, OrderType, Status, TimeInForce


def next_instant(book: Book, market: Market, session: Session | None, now: datetime) -> datetime | None:
    """First instant strictly after `now` at which something may happen, the close of `session` at the latest.

    Without a session, after the last close, only what was asked for before is still due: None when there is none of it.
    """
    trading = () if session is None else _trading(book, market, session, now)
    return min((instant for instant in chain(_due(book), trading) if instant > now), default=None)


def _trading(book: Book, market: Market, session: Session, now: datetime) -> Iterator[datetime]:
    yield session.closes_at
    yield from _marks(book, session)
    for order in book.live_orders():
        yield from _instants(order, book, market, session, now)


def _marks(book: Book, session: Session) -> Iterator[datetime]:
    yield new_york(session.day, EARLY_OPEN)
    if any(order.status in WAITING or order.time_in_force is TimeInForce.OPG for order in book.live_orders()):
        yield session.opens_at
    if book.holdings:
        yield session.closes_at - LAST_HALF_HOUR


def _due(book: Book) -> Iterator[datetime]:
    """What happens in sessions and outside them."""
    for timer in book.timers:
        yield timer.at
    for order in book.live_orders():
        if order.expires_at is not None:
            yield order.expires_at
        if order.due_at is not None and order.extended_hours:
            yield order.due_at


def _instants(order: Order, book: Book, market: Market, session: Session, now: datetime) -> Iterator[datetime]:
    """When the order may execute in the session."""
    is_watched = order.status is Status.HELD and order.armed
    if not (is_watched or order.status in AT_VENUE) or order.parent_id is not None or order.symbol in book.halted:
        return
    after = now
    if order.due_at is not None and order.due_at > now:
        after = max(order.due_at, session.opens_at)
        yield after
    if order.is_spread:
        yield from _spread(order, book, market, session, after)
    elif market.trades_in(order.symbol, session):
        yield from _single(order, market, session, after)


def _single(order: Order, market: Market, session: Session, after: datetime) -> Iterator[datetime]:
    if order.type is OrderType.TRAILING_STOP and not order.elected:
        trail = trail_of(order)
        met = session.opens_at if trail is None else market.trailed(order.symbol, session, trail, after)
        if met is not None:
            yield met
        return
    trigger = trigger_of(order)
    if trigger is None:
        yield session.opens_at if after < session.opens_at else session.closes_at
        return
    crossing = market.first_crossing(order.symbol, session, trigger, after)
    if crossing is not None:
        yield crossing


def _spread(order: Order, book: Book, market: Market, session: Session, after: datetime) -> Iterator[datetime]:
    if order.limit_price is None:
        yield session.opens_at if after < session.opens_at else session.closes_at
        return
    parts = tuple((leg.symbol, leg.side.sign * leg.ratio) for leg in book.legs(order.id) if leg.side and leg.ratio)
    crossing = market.spread_crossing(parts, session, int(order.limit_price / UNIT_USD), after)
    if crossing is not None:
        yield crossing
