"""Orders and events as Alpaca speaks of them: frozen values, no behaviour beyond reading themselves.

Statuses and event names are the words of Alpaca's trading API (https://docs.alpaca.markets/docs/orders-at-alpaca).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from desk.domain.orders import GroupRole, OrderClass, OrderType, Side, TimeInForce


class Status(StrEnum):
    """The words that this exchange uses, out of Alpaca's seventeen."""

    NEW = "new"
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    CANCELED = "canceled"
    EXPIRED = "expired"
    REPLACED = "replaced"
    ACCEPTED = "accepted"
    PENDING_NEW = "pending_new"
    REJECTED = "rejected"
    HELD = "held"


TERMINAL = frozenset({Status.FILLED, Status.CANCELED, Status.EXPIRED, Status.REPLACED, Status.REJECTED})
WAITING = frozenset({Status.ACCEPTED, Status.PENDING_NEW})
AT_VENUE = frozenset({Status.NEW, Status.PARTIALLY_FILLED})


class EventKind(StrEnum):
    """The trade update events that this exchange sends."""

    NEW = "new"
    FILL = "fill"
    PARTIAL_FILL = "partial_fill"
    CANCELED = "canceled"
    EXPIRED = "expired"
    REPLACED = "replaced"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Order:
    """One order. Prices in dollars, quantities in whole shares, instants aware and UTC.

    `number` counts orders in the sequence of their arrival. `armed` is true for a leg whose group is active: it works at the
    venue, or is a held stop that the exchange watches. `rest_at` is the earliest instant at which the rest of a partly
    filled order executes. `filled_usd` is what its executions were worth. `collar_price` is what a buy without a limit
    reserves a share at.
    """

    id: str
    client_order_id: str
    number: int
    symbol: str
    side: Side
    type: OrderType
    order_class: OrderClass
    time_in_force: TimeInForce
    quantity: int
    status: Status
    created_at: datetime
    updated_at: datetime
    submitted_at: datetime
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    filled_quantity: int = 0
    filled_usd: Decimal = Decimal(0)
    filled_at: datetime | None = None
    expired_at: datetime | None = None
    canceled_at: datetime | None = None
    failed_at: datetime | None = None
    replaced_at: datetime | None = None
    replaced_by: str | None = None
    replaces: str | None = None
    group_id: str | None = None
    group_role: GroupRole | None = None
    armed: bool = True
    rest_at: datetime | None = None
    collar_price: Decimal | None = None

    @property
    def remaining(self) -> int:
        return self.quantity - self.filled_quantity

    @property
    def is_live(self) -> bool:
        return self.status not in TERMINAL

    @property
    def is_exit_leg(self) -> bool:
        return self.group_role in (GroupRole.TAKE_PROFIT, GroupRole.STOP_LOSS)

    @property
    def is_top_level(self) -> bool:
        """Whether the order stands by itself in a nested listing: an OCO's take-profit is the parent of its stop."""
        if self.order_class is OrderClass.OCO:
            return self.group_role is GroupRole.TAKE_PROFIT
        return not self.is_exit_leg

    @property
    def reserve_price(self) -> Decimal:
        """Dollars a share that an open buy keeps from being spent twice."""
        price = self.limit_price if self.limit_price is not None else self.collar_price
        return price if price is not None else Decimal(0)

    @property
    def average_price(self) -> Decimal | None:
        return self.filled_usd / self.filled_quantity if self.filled_quantity else None


@dataclass(frozen=True, slots=True)
class Event:
    """Something that a trade update tells. `order` is the order after it.

    `price` (dollars), `quantity` (shares of this execution), `position_quantity` (shares after it) and `execution_id` belong to
    fills; other events have an execution id only.
    """

    kind: EventKind
    order: Order
    at: datetime
    execution_id: str
    price: Decimal | None = None
    quantity: int | None = None
    position_quantity: int | None = None

    @property
    def is_fill(self) -> bool:
        return self.price is not None


@dataclass(frozen=True, slots=True)
class Ticket:
    """A checked order request. A bracket or OCO has both exits; an OCO's own type is its take-profit's."""

    symbol: str
    side: Side
    type: OrderType
    order_class: OrderClass
    time_in_force: TimeInForce
    quantity: int
    client_order_id: str | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    take_profit: Decimal | None = None
    stop_loss: Decimal | None = None
    collar_price: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Amendment:
    """What a replacement changes; None leaves a field as it is."""

    quantity: int | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    time_in_force: TimeInForce | None = None
    client_order_id: str | None = None


@dataclass(frozen=True, slots=True)
class Quote:
    """Bid, ask and last trade of a symbol in whole cents."""

    bid: int
    ask: int
    last: int
