"""What a resting order waits for: a feed, a direction and a level. The search for crossings and the matching both ask here."""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from desk.domain.prices import tick_size
from desk.exchange.machine.orders import UNIT_USD, Order, Quote
from desk.exchange.words import OrderType, Side

Prices = TypeVar("Prices", int, NDArray[np.int64])
# Alpaca collars a buy without a limit by 4 % below 50 dollars and by 2.5 % from there up.
COLLAR_FROM_USD = Decimal(50)
COLLARS = (Decimal("1.04"), Decimal("1.025"))


class Feed(StrEnum):
    BID = "bid"
    ASK = "ask"
    LAST = "last"


@dataclass(frozen=True, slots=True)
class Trigger:
    """Met when the feed is at or above (`rising`) or at or below `units`."""

    feed: Feed
    rising: bool
    units: int

    def met_by(self, quote: Quote) -> bool:
        price = {Feed.BID: quote.bid, Feed.ASK: quote.ask, Feed.LAST: quote.last}[self.feed]
        if price <= 0:  # a side without a quote trades with nobody
            return False
        return price >= self.units if self.rising else price <= self.units


@dataclass(frozen=True, slots=True)
class Trail:
    """A trailing stop: elected when the price is `distance` units, or `fraction` of the mark, away from the best since.

    `rising` is true for a buy, which trails a falling price and waits for it to rise.
    """

    mark: int
    rising: bool
    distance: int | None
    fraction: float | None

    def stop_of(self, mark: Prices) -> Prices:
        """The stop price in units for a mark, rounded away from the market."""
        away = self.distance if self.distance is not None else mark * (self.fraction or 0.0)
        if isinstance(mark, int):
            return math.floor(mark + away) if self.rising else math.ceil(mark - away)
        shifted = np.floor(mark + away) if self.rising else np.ceil(mark - away)
        return shifted.astype(np.int64)

    def moved(self, price: int) -> int:
        """The mark after a trade at `price`."""
        return min(self.mark, price) if self.rising else max(self.mark, price)


def units_down(price: Decimal) -> int:
    return math.floor(price / UNIT_USD)


def units_up(price: Decimal) -> int:
    return math.ceil(price / UNIT_USD)


def trail_of(order: Order) -> Trail | None:
    """The trail of a trailing stop that has its mark and was not elected; None for everything else."""
    if order.type is not OrderType.TRAILING_STOP or order.elected or order.high_water_mark is None:
        return None
    distance = None if order.trail_price is None else units_up(order.trail_price)
    fraction = None if order.trail_percent is None else float(order.trail_percent) / 100
    return Trail(units_down(order.high_water_mark), order.side is Side.BUY, distance, fraction)


def collar_above(price: Decimal) -> Decimal:
    """The highest price that a buy without a limit may cost which starts at `price`, dollars a share on the tick grid."""
    ceiling = price * COLLARS[price >= COLLAR_FROM_USD]
    return ceiling.quantize(tick_size(ceiling))


def collar_of(order: Order) -> Decimal | None:
    """The collar that belongs to the order's prices: a buy stop's follows the stop, what has no stop keeps its own."""
    if order.side is not Side.BUY or order.limit_price is not None:
        return None
    return order.collar_price if order.stop_price is None else collar_above(order.stop_price)


def trigger_of(order: Order) -> Trigger | None:
    """The price that `order` waits for; None for what executes at any price, and for a trailing stop (see `trail_of`).

    Limits look at the far side of the quote, stops are elected by trades (https://docs.alpaca.markets/docs/orders-at-alpaca).
    An elected buy stop is a limit order at its collar, an elected trailing stop a market order: its collar only values it.
    """
    if order.type.is_stop if order.type else False:
        if not order.elected:
            return _stop_trigger(order)
        limit = order.collar_price if order.type is OrderType.STOP else order.limit_price
        return None if limit is None else _limit_trigger(order, limit)
    if order.limit_price is not None:
        return _limit_trigger(order, order.limit_price)
    return None


def _stop_trigger(order: Order) -> Trigger | None:
    if order.stop_price is None or order.type is OrderType.TRAILING_STOP:
        return None
    if order.side is Side.SELL:
        return Trigger(Feed.LAST, False, units_down(order.stop_price))
    return Trigger(Feed.LAST, True, units_up(order.stop_price))


def _limit_trigger(order: Order, limit: Decimal) -> Trigger:
    if order.side is Side.BUY:
        return Trigger(Feed.ASK, False, units_down(limit))
    return Trigger(Feed.BID, True, units_up(limit))
