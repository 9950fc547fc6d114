"""Lumibot's order queue, out of which comes first what takes risk away: an exit does not stand behind entries that wait."""

from __future__ import annotations

from collections.abc import Callable
from queue import Queue
from typing import Any

from lumibot.entities import Order

from desk.brokers.lumibot_orders import key_of
from desk.domain.journal import ResidueStop
from desk.domain.steps import Cancel, Replace


class OrderQueue(Queue[Any]):
    """Blocks of items as Lumibot puts them: an order, or a list of orders, price changes and cancels.

    First come blocks of nothing but changes and orders that `is_urgent` says protect, then the others, both in the order in which
    they were put. But no change overtakes the order that it is to change: the broker would not know that one yet.
    """

    def __init__(self, is_urgent: Callable[[Order], bool]) -> None:
        super().__init__()
        self._is_urgent = is_urgent

    def _get(self) -> Any:
        place = self._next()
        block = self.queue[place]
        del self.queue[place]
        return block

    def _next(self) -> int:
        """The place of the block to hand out: the first that may overtake all before it, else the very first."""
        ahead: set[str | None] = set()
        for place, block in enumerate(self.queue):
            items = block if isinstance(block, list) else [block]
            if all(self._may_overtake(item, ahead) for item in items):
                return place
            ahead |= {key_of(item) for item in items if isinstance(item, Order)}
        return 0

    def _may_overtake(self, item: Order | Replace | Cancel | ResidueStop, ahead: set[str | None]) -> bool:
        if isinstance(item, ResidueStop):
            return False  # it may hold up an exit when it is tried again
        return self._is_urgent(item) if isinstance(item, Order) else item.of_key not in ahead
