"""The life of one order as a table: which news may follow which status."""

from __future__ import annotations

from desk.domain.orders import OrderStatus

S = OrderStatus

_FROM_START = (
    S.SENT,
    S.HELD,
    S.WORKING,
    S.PARTIALLY_FILLED,
    S.PENDING_CANCEL,
    S.FILLED,
    S.CANCELED,
    S.EXPIRED,
    S.REJECTED,
    S.REPLACED,
    S.UNKNOWN,
)
_FROM_WORKING = (
    S.HELD,
    S.WORKING,
    S.PARTIALLY_FILLED,
    S.PENDING_CANCEL,
    S.FILLED,
    S.CANCELED,
    S.EXPIRED,
    S.REJECTED,
    S.REPLACED,
    S.UNKNOWN,
)

# The left side is where an order stands, the right side the news that may come. News may overtake each other: an order
# can fill before its acknowledgement is read (the stream is not ordered against REST), so early rows allow nearly all.
FOLLOWS: dict[OrderStatus, frozenset[OrderStatus]] = {
    S.JOURNALED: frozenset(_FROM_START),
    S.SENT: frozenset(_FROM_START),
    S.HELD: frozenset(_FROM_WORKING),
    S.WORKING: frozenset(_FROM_WORKING),
    S.PARTIALLY_FILLED: frozenset({S.PARTIALLY_FILLED, S.PENDING_CANCEL, S.FILLED, S.CANCELED, S.EXPIRED, S.REPLACED, S.UNKNOWN}),
    S.PENDING_CANCEL: frozenset(
        {S.PENDING_CANCEL, S.PARTIALLY_FILLED, S.FILLED, S.CANCELED, S.EXPIRED, S.REPLACED, S.WORKING, S.UNKNOWN}
    ),
    S.UNKNOWN: frozenset(_FROM_START),
    # A price change makes a successor under another broker id; to the desk it is the same member, working again.
    S.REPLACED: frozenset({S.REPLACED, S.HELD, S.WORKING, S.PARTIALLY_FILLED, S.FILLED, S.CANCELED, S.EXPIRED, S.REJECTED}),
    S.FILLED: frozenset({S.FILLED}),
    S.CANCELED: frozenset({S.CANCELED}),
    S.EXPIRED: frozenset({S.EXPIRED}),
    S.REJECTED: frozenset({S.REJECTED}),
}

# Late news that says less than what is already known; it is journaled and changes nothing.
_STALE_AFTER: dict[OrderStatus, frozenset[OrderStatus]] = {
    S.PARTIALLY_FILLED: frozenset({S.SENT, S.HELD, S.WORKING}),
    S.HELD: frozenset({S.SENT}),
    S.WORKING: frozenset({S.SENT, S.HELD}),
    S.PENDING_CANCEL: frozenset({S.SENT, S.HELD}),
    S.FILLED: frozenset({S.SENT, S.HELD, S.WORKING, S.PARTIALLY_FILLED, S.PENDING_CANCEL}),
    # A part that filled before the end may be told after it.
    S.CANCELED: frozenset({S.SENT, S.HELD, S.WORKING, S.PARTIALLY_FILLED, S.PENDING_CANCEL, S.REPLACED}),
    S.EXPIRED: frozenset({S.SENT, S.HELD, S.WORKING, S.PARTIALLY_FILLED, S.PENDING_CANCEL}),
    # An answer that was written before the end may be read after it.
    S.REJECTED: frozenset({S.SENT, S.HELD, S.WORKING, S.PENDING_CANCEL}),
    S.REPLACED: frozenset({S.SENT}),
}


def next_status(now: OrderStatus, news: OrderStatus) -> OrderStatus:
    """Where an order at `now` stands after `news`.

    Raises ValueError for a pair that no broker may produce, a canceled order that fills, say: the books would be wrong.
    """
    if news in _STALE_AFTER.get(now, frozenset()):
        return now
    if news in FOLLOWS[now]:
        return news
    raise ValueError(f"an order that is {now} cannot become {news}")
