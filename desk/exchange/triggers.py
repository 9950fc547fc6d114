"""What a resting order waits for: a feed, a direction and a level. The search for crossings and the matching both ask here."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

from desk.domain.orders import OrderType, Side
from desk.exchange.orders import Order, Quote


class Feed(StrEnum):
    BID = "bid"
    ASK = "ask"
    LAST = "last"


@dataclass(frozen=True, slots=True)
class Trigger:
    """Met when the feed is at or above (`rising`) or at or below `cents`."""

    feed: Feed
    rising: bool
    cents: int

    def met_by(self, quote: Quote) -> bool:
        price = {Feed.BID: quote.bid, Feed.ASK: quote.ask, Feed.LAST: quote.last}[self.feed]
        return price >= self.cents if self.rising else price <= self.cents


def trigger_of(order: Order) -> Trigger | None:
    """The price that `order` waits for; None for a market order and for a stop that was elected already: those wait for none.

    Limits look at the far side of the quote, stops are elected by trades (https://docs.alpaca.markets/docs/orders-at-alpaca).
    """
    if order.type is OrderType.LIMIT:
        assert order.limit_price is not None
        cents = order.limit_price * 100
        if order.side is Side.BUY:
            return Trigger(Feed.ASK, False, math.floor(cents))
        return Trigger(Feed.BID, True, math.ceil(cents))
    if order.type is OrderType.STOP and not order.filled_quantity:
        assert order.stop_price is not None
        cents = order.stop_price * 100
        if order.side is Side.SELL:
            return Trigger(Feed.LAST, False, math.floor(cents))
        return Trigger(Feed.LAST, True, math.ceil(cents))
    return None
