"""Steps: the legal order messages that bring approved intents to the broker, one journal key each."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from desk.domain.decisions import Intent
from desk.domain.orders import GroupRole, OrderSpec


@dataclass(frozen=True, slots=True)
class Submit:
    """Send a new order. `spec.key` is the client order id; `covers` is the trade whose bare shares an OCO protects."""

    spec: OrderSpec
    intent: Intent
    covers: str | None = None

    @property
    def key(self) -> str:
        return self.spec.key


@dataclass(frozen=True, slots=True)
class Replace:
    """Change the price of one member of the group that was sent under `of_key`; quantity never changes."""

    key: str
    of_key: str
    symbol: str
    role: GroupRole
    limit_price: Decimal
    reason: str


@dataclass(frozen=True, slots=True)
class Cancel:
    """Ask the broker to cancel the whole group that was sent under `of_key`."""

    key: str
    of_key: str
    symbol: str
    reason: str


Step = Submit | Replace | Cancel
