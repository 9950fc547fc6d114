"""Orders as the desk speaks of them: what is asked for, and what a broker has said about it so far."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum


class Side(StrEnum):
    BUY = "buy"
    SELL = "sell"

    @property
    def opposite(self) -> Side:
        return Side.SELL if self is Side.BUY else Side.BUY


class OrderType(StrEnum):
    MARKET = "market"
    LIMIT = "limit"
    STOP = "stop"


class OrderClass(StrEnum):
    SIMPLE = "simple"
    BRACKET = "bracket"
    OCO = "oco"


class TimeInForce(StrEnum):
    DAY = "day"
    GTC = "gtc"


class GroupRole(StrEnum):
    """Part that an order plays in its group. A simple order is its own entry or exit."""

    ENTRY = "entry"
    TAKE_PROFIT = "take_profit"
    STOP_LOSS = "stop_loss"


class OrderStatus(StrEnum):
    """Life of one order, in the journal's words. Alpaca's seventeen words map onto these in the broker adapter."""

    JOURNALED = "journaled"
    SENT = "sent"
    HELD = "held"
    WORKING = "working"
    PARTIALLY_FILLED = "partially_filled"
    PENDING_CANCEL = "pending_cancel"
    REPLACED = "replaced"
    FILLED = "filled"
    CANCELED = "canceled"
    EXPIRED = "expired"
    REJECTED = "rejected"
    UNKNOWN = "unknown"


TERMINAL = frozenset({OrderStatus.REPLACED, OrderStatus.FILLED, OrderStatus.CANCELED, OrderStatus.EXPIRED, OrderStatus.REJECTED})


@dataclass(frozen=True, slots=True)
class OrderSpec:
    """An order as it will go to the broker; `key` is the client order id, unique for ever.

    Prices in dollars on the tick grid, quantity in whole shares above zero. `take_profit` and `stop_loss` are the exits of
    a bracket or the two members of an OCO.
    """

    key: str
    symbol: str
    side: Side
    quantity: int
    type: OrderType
    order_class: OrderClass = OrderClass.SIMPLE
    time_in_force: TimeInForce = TimeInForce.DAY
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    take_profit: Decimal | None = None
    stop_loss: Decimal | None = None

    def __post_init__(self) -> None:
        problem = _first_problem(self)
        if problem:
            raise ValueError(f"order {self.key} {self.side} {self.quantity} {self.symbol}: {problem}")


def _first_problem(spec: OrderSpec) -> str | None:
    if spec.quantity <= 0:
        return f"quantity {spec.quantity} must be above zero"
    if spec.type is OrderType.LIMIT and spec.order_class is not OrderClass.OCO and spec.limit_price is None:
        return "a limit order needs limit_price"
    if spec.type is OrderType.STOP and spec.stop_price is None:
        return "a stop order needs stop_price"
    if spec.type is OrderType.MARKET and (spec.limit_price is not None or spec.stop_price is not None):
        return "a market order takes no price"
    return _exits_problem(spec)


def _exits_problem(spec: OrderSpec) -> str | None:
    if spec.order_class is OrderClass.SIMPLE:
        return None if spec.take_profit is None and spec.stop_loss is None else "a simple order has no exits"
    if spec.take_profit is None or spec.stop_loss is None:
        return f"a {spec.order_class} needs take_profit and stop_loss"
    # The exits of a long position sit stop < target; a bracket's side is its entry's, an OCO's side is its exit's.
    protects_long = (spec.side is Side.BUY) == (spec.order_class is OrderClass.BRACKET)
    if protects_long != (spec.stop_loss < spec.take_profit):
        return f"stop_loss {spec.stop_loss} and take_profit {spec.take_profit} are on the wrong sides"
    return None


@dataclass(frozen=True, slots=True)
class Fill:
    """One execution. `execution_id` is unique at the broker; a second event with the same id is the same fill."""

    execution_id: str
    order_key: str
    symbol: str
    side: Side
    quantity: int
    price: Decimal
    at: datetime
    role: GroupRole = GroupRole.ENTRY


@dataclass(frozen=True, slots=True)
class OrderEvent:
    """What a broker (or the backtester) said about one member of an order group, in the journal's words."""

    key: str
    role: GroupRole
    status: OrderStatus
    at: datetime
    broker_id: str
    fill: Fill | None = None
    text: str = ""
