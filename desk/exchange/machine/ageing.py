"""The end of an order's time: day orders expire with their session, orders good till cancelled after ninety days."""

from __future__ import annotations

from datetime import datetime, timedelta

from desk.exchange.machine import groups
from desk.exchange.machine.book import Book
from desk.exchange.words import EventKind, Status, TimeInForce

# An order good till cancelled that ends sooner is one for an option, and expires with it.
AGED = timedelta(days=89)


def expire_due(book: Book, at: datetime) -> None:
    """End every live order whose time in force has run out by `at`."""
    for order in [order for order in book.live_orders() if book.predecessor(order) is None]:
        if order.expires_at is None or order.expires_at > at or order.parent_id is not None:
            continue
        order = book.orders[order.id]
        if not order.is_live:
            continue
        if order.time_in_force is TimeInForce.GTC and at - order.submitted_at >= AGED:
            _cancel_aged(book, order.id, at)
        else:
            groups.expire(book, order, at)


def _cancel_aged(book: Book, order_id: str, at: datetime) -> None:
    """Alpaca cancels an aged order by way of pending_cancel (https://docs.alpaca.markets/docs/orders-at-alpaca)."""
    order = book.orders[order_id]
    if order.status is not Status.HELD:
        order = book.change(order, at, status=Status.PENDING_CANCEL)
        book.emit(EventKind.PENDING_CANCEL, order, at)
    groups.cancel(book, order, at)
