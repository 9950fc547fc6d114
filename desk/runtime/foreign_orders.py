"""Orders that strategies sent past the corridor: the desk manages none of them, and knows which may still live."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from desk.domain.journal import ForeignOrder
from desk.domain.orders import GroupRole, OrderEvent, OrderSpec, OrderStatus
from desk.domain.trades import Filled, member_name


@dataclass(frozen=True, slots=True)
class LivingForeign:
    """A foreign order that may not have ended: sent at `since` (aware), with what the journal heard of its members.

    `filled` is by `member_name`: a later look must not take it for new.
    """

    spec: OrderSpec
    since: datetime
    statuses: dict[GroupRole, OrderStatus] = field(default_factory=dict)
    filled: dict[str, Filled] = field(default_factory=dict)

    def hear(self, event: OrderEvent) -> None:
        self.statuses[event.role] = event.status
        fill, name = event.fill, member_name(event.key, event.role)
        counted = self.filled.get(name, Filled())
        if fill is not None and fill.cumulative is not None and fill.cumulative > counted.shares:
            self.filled[name] = Filled(fill.cumulative, counted.value + fill.price * fill.quantity)


class ForeignOrders:
    """`count` is of all that the journal ever had; only those that may still live are kept."""

    def __init__(self) -> None:
        self.count = 0
        self._living: dict[str, LivingForeign] = {}

    def see(self, order: ForeignOrder, at: datetime) -> None:
        self.count += 1
        if order.spec is not None:
            self._living[order.key] = LivingForeign(order.spec, at)

    def hear(self, event: OrderEvent) -> None:
        known = self._living.get(event.key)
        if known is None:
            return
        known.hear(event)
        if known.spec.is_over(known.statuses):
            del self._living[event.key]

    def refuse(self, key: str) -> None:
        self._living.pop(key, None)

    def living(self) -> tuple[LivingForeign, ...]:
        return tuple(self._living.values())
