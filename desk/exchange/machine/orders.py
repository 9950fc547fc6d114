"""Orders and events as Alpaca speaks of them: frozen values, no behaviour beyond reading themselves."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from desk.exchange.words import (
    TERMINAL,
    AssetClass,
    EventKind,
    GroupRole,
    OrderClass,
    OrderType,
    PositionIntent,
    Side,
    Status,
    TimeInForce,
)

ZERO = Decimal(0)
# Prices of the market are whole numbers of this many dollars: the smallest legal step, for stocks below one dollar.
UNIT_USD = Decimal("0.0001")
CONTRACT_SHARES = 100


@dataclass(frozen=True, slots=True)
class Order:
    """One order, a leg of a group, or a leg of a multi-leg order. Prices in dollars a share, instants aware and UTC.

    `number` counts orders in the sequence of their arrival. `quantity` is shares, or contracts, or units of a multi-leg order
    (whose `symbol` is empty and `side` None); None for an order by `notional` dollars. `armed` is true for a leg whose group is
    active: it works at the venue, or is a held stop that the exchange watches. `elected` is true for a stop that was triggered.
    `due_at` is the earliest instant at which the rest of a partly filled order executes. `filled_usd` is executions' price
    times quantity (dollars a share; signed net price times units for a multi-leg parent). `collar_price` is the highest price
    that a buy without a limit may cost. `ratio` and `parent_id` belong to legs of a multi-leg order.
    """

    id: str
    client_order_id: str
    number: int
    symbol: str
    asset_class: AssetClass
    side: Side | None
    type: OrderType | None
    order_class: OrderClass
    time_in_force: TimeInForce
    quantity: Decimal | None
    status: Status
    created_at: datetime
    updated_at: datetime
    submitted_at: datetime
    notional: Decimal | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    trail_price: Decimal | None = None
    trail_percent: Decimal | None = None
    high_water_mark: Decimal | None = None
    extended_hours: bool = False
    position_intent: PositionIntent | None = None
    ratio: int | None = None
    parent_id: str | None = None
    group_id: str | None = None
    group_role: GroupRole | None = None
    armed: bool = True
    elected: bool = False
    filled_quantity: Decimal = ZERO
    filled_usd: Decimal = ZERO
    filled_at: datetime | None = None
    expired_at: datetime | None = None
    expires_at: datetime | None = None
    canceled_at: datetime | None = None
    failed_at: datetime | None = None
    replaced_at: datetime | None = None
    replaced_by: str | None = None
    replaces: str | None = None
    due_at: datetime | None = None
    collar_price: Decimal | None = None

    @property
    def remaining(self) -> Decimal:
        """Shares, contracts or units still to execute; zero for an order by notional, whose size its price decides."""
        return ZERO if self.quantity is None else self.quantity - self.filled_quantity

    @property
    def is_live(self) -> bool:
        return self.status not in TERMINAL

    @property
    def is_option(self) -> bool:
        return self.asset_class is AssetClass.OPTION

    @property
    def is_exit_leg(self) -> bool:
        return self.group_role in (GroupRole.TAKE_PROFIT, GroupRole.STOP_LOSS)

    @property
    def is_spread(self) -> bool:
        """Whether this is the parent of a multi-leg order."""
        return self.order_class is OrderClass.MLEG and self.parent_id is None

    @property
    def is_top_level(self) -> bool:
        """Whether the order stands by itself in a nested listing: an OCO's take-profit is the parent of its stop."""
        if self.order_class is OrderClass.OCO:
            return self.group_role is GroupRole.TAKE_PROFIT
        return not self.is_exit_leg and self.parent_id is None

    @property
    def multiplier(self) -> int:
        """Shares that one of `quantity` stands for."""
        return CONTRACT_SHARES if self.is_option else 1

    @property
    def reserve_price(self) -> Decimal:
        """Dollars a share that an open buy keeps from being spent twice."""
        price = self.limit_price if self.limit_price is not None else self.collar_price
        return price if price is not None else ZERO

    @property
    def average_price(self) -> Decimal | None:
        return self.filled_usd / self.filled_quantity if self.filled_quantity else None


@dataclass(frozen=True, slots=True)
class LegFill:
    """What one leg of a multi-leg execution did; `position_quantity` after it."""

    order: Order
    execution_id: str
    price: Decimal
    quantity: Decimal
    position_quantity: Decimal


@dataclass(frozen=True, slots=True)
class Event:
    """Something that a trade update tells. `order` is the order after it.

    `price` (dollars), `quantity` (of this execution), `position_quantity` (signed, after it) belong to fills; other events
    have an execution id only. A fill of a multi-leg order has `legs` instead of a position.
    """

    kind: EventKind
    order: Order
    at: datetime
    execution_id: str
    price: Decimal | None = None
    quantity: Decimal | None = None
    position_quantity: Decimal | None = None
    legs: tuple[LegFill, ...] = ()

    @property
    def is_fill(self) -> bool:
        return self.price is not None


@dataclass(frozen=True, slots=True)
class Exit:
    """One exit of a bracket, OCO or OTO: a take-profit has a limit only, a stop-loss a stop and perhaps a limit."""

    limit_price: Decimal | None = None
    stop_price: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Leg:
    """One leg of a multi-leg order request."""

    symbol: str
    side: Side
    ratio: int
    position_intent: PositionIntent


@dataclass(frozen=True, slots=True)
class Ticket:
    """A checked order request. An OCO's own type is its take-profit's. A multi-leg ticket has `legs`, no symbol and no side."""

    symbol: str
    side: Side | None
    type: OrderType
    order_class: OrderClass
    time_in_force: TimeInForce
    quantity: Decimal | None = None
    notional: Decimal | None = None
    asset_class: AssetClass = AssetClass.EQUITY
    client_order_id: str | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    trail_price: Decimal | None = None
    trail_percent: Decimal | None = None
    extended_hours: bool = False
    position_intent: PositionIntent | None = None
    take_profit: Exit | None = None
    stop_loss: Exit | None = None
    legs: tuple[Leg, ...] = ()
    collar_price: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Amendment:
    """What a replacement changes; None leaves a field as it is. `trail` is in the order's own kind, dollars or percent."""

    quantity: Decimal | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    trail: Decimal | None = None
    time_in_force: TimeInForce | None = None
    client_order_id: str | None = None


@dataclass(frozen=True, slots=True)
class Quote:
    """Bid, ask and last trade of a symbol in whole units of `UNIT_USD`; a side of 0 has no quote."""

    bid: int
    ask: int
    last: int

    def far_side(self, side: Side) -> int:
        """What an order of `side` trades against."""
        return self.ask if side is Side.BUY else self.bid
