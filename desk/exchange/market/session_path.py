"""Where a price went within one session: points in time with price, bid and ask, and the bars that they came from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from desk.exchange.machine.orders import Quote
from desk.exchange.machine.triggers import Feed, Trail, Trigger
from desk.exchange.market.path import IntArray


@dataclass(frozen=True)
class NativeBars:
    """The finest bars of a session: start in seconds after the open, prices in units of 0.0001 dollars, volume in shares.

    All of shape (n,); each bar is `seconds` long.
    """

    start: IntArray
    open: IntArray
    high: IntArray
    low: IntArray
    close: IntArray
    volume: IntArray
    seconds: int

    def completed(self, elapsed_seconds: float) -> int:
        """How many of the bars have ended `elapsed_seconds` after the open."""
        return int(np.searchsorted(self.start + self.seconds, elapsed_seconds, side="right"))


@dataclass(frozen=True)
class SessionPath:
    """Where a price went: `price[i]` units hold from `seconds[i]` after the open until the next point."""

    seconds: IntArray
    price: IntArray
    bid: IntArray
    ask: IntArray
    make_bars: Callable[[], NativeBars]

    @cached_property
    def bars(self) -> NativeBars:
        return self.make_bars()

    def index(self, elapsed_seconds: float) -> int:
        return int(np.searchsorted(self.seconds, elapsed_seconds, side="right")) - 1

    def quote(self, elapsed_seconds: float) -> Quote:
        place = self.index(elapsed_seconds)
        return Quote(int(self.bid[place]), int(self.ask[place]), int(self.price[place]))

    def first_met(self, trigger: Trigger, from_index: int) -> int | None:
        """First point from `from_index` on that meets the trigger, as seconds after the open."""
        prices = {Feed.BID: self.bid, Feed.ASK: self.ask, Feed.LAST: self.price}[trigger.feed][from_index:]
        met = prices >= trigger.units if trigger.rising else prices <= trigger.units
        if trigger.feed is not Feed.LAST:
            met &= prices > 0  # a side without a quote trades with nobody
        return self._first(met, from_index)

    def first_trailed(self, trail: Trail, from_index: int) -> int | None:
        """First point from `from_index` on that lies as far as the trail from the best price since, as seconds after the open."""
        prices = self.price[from_index:]
        if trail.rising:
            met = prices >= trail.stop_of(np.minimum(np.minimum.accumulate(prices), trail.mark))
        else:
            met = prices <= trail.stop_of(np.maximum(np.maximum.accumulate(prices), trail.mark))
        return self._first(met, from_index)

    def best_between(self, start_seconds: float, end_seconds: float, rising: bool) -> int | None:
        """Lowest (`rising`: a buy trails a low) or highest price at the points after `start_seconds` up to `end_seconds`."""
        prices = self.price[self.index(start_seconds) + 1 : self.index(end_seconds) + 1]
        if not prices.size:
            return None
        return int(prices.min() if rising else prices.max())

    def _first(self, met: NDArray[np.bool_], from_index: int) -> int | None:
        place = int(met.argmax()) if met.size else 0
        return int(self.seconds[from_index + place]) if met.size and met[place] else None
