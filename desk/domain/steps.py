"""Steps: the legal order messages that bring approved intents to the broker, one journal key each."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from desk.domain.decisions import Intent
from desk.domain.orders import GroupRole, OrderSpec


@dataclass(frozen=True, slots=True)
class ExitPrices:
    """Where the exits of shares go once they are bought, in dollars on the tick grid."""

    take_profit: Decimal
    stop_loss: Decimal


@dataclass(frozen=True, slots=True)
class Submit:
    """Send a new order. `spec.key` is the client order id; `covers` is the trade whose bare shares it protects or sells.

    `exits` are for an entry that brings none along. With `splits`, the key of another trade, that one first gives `spec.quantity`
    of its shares to the trade `covers`, which begins with them.
    """

    spec: OrderSpec
    intent: Intent
    covers: str | None = None
    exits: ExitPrices | None = None
    splits: str | None = None

    @property
    def key(self) -> str:
        return self.spec.key


@dataclass(frozen=True, slots=True)
class Replace:
    """Change the price of one member of the group that was sent under `of_key`; quantity never changes.

    `limit_price` is the member's new price: the limit of a target or the stop price of a stop.
    """

    key: str
    of_key: str
    symbol: str
    role: GroupRole
    limit_price: Decimal
    reason: str


@dataclass(frozen=True, slots=True)
class Cancel:
    """Ask the broker to cancel the whole group that was sent under `of_key`, by its member `role`.

    When exits are canceled, shares that are held get new ones: `keep` of them (None for all; the others are sold), with the
    stop at `stop_price` (None for where it is). With `sale_limit`, in dollars, for `keep` of 0 alone, they are sold at that or
    more outside regular hours too; None for a sale at the market.
    """

    key: str
    of_key: str
    symbol: str
    reason: str
    role: GroupRole = GroupRole.ENTRY
    keep: int | None = None
    stop_price: Decimal | None = None
    sale_limit: Decimal | None = None


@dataclass(frozen=True, slots=True)
class SpreadOrder:
    """Send an order for the option spread with the key `spread`. One that rolls it opens the spread `into` with half its legs."""

    spec: OrderSpec
    spread: str
    reason: str
    into: str | None = None

    @property
    def key(self) -> str:
        return self.spec.key

    @property
    def symbol(self) -> str:
        return self.spec.symbol


# What sends a new order.
NewOrder = Submit | SpreadOrder
# What is done about a stock trade and its exits.
TradeStep = Submit | Replace | Cancel
Step = TradeStep | SpreadOrder
