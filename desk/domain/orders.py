"""Orders as the desk speaks of them: what is asked for, and what a broker has said about it so far."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from math import gcd


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
    STOP_LIMIT = "stop_limit"


class OrderClass(StrEnum):
    SIMPLE = "simple"
    BRACKET = "bracket"
    OCO = "oco"
    OTO = "oto"
    MULTI_LEG = "mleg"

    @property
    def has_entry(self) -> bool:
        """Whether the group opens a position and brings its exits along."""
        return self in (OrderClass.BRACKET, OrderClass.OTO)


class TimeInForce(StrEnum):
    DAY = "day"
    GTC = "gtc"


class GroupRole(StrEnum):
    """Part that an order plays in its group. A simple order is its own entry or exit."""

    ENTRY = "entry"
    TAKE_PROFIT = "take_profit"
    STOP_LOSS = "stop_loss"
    LEG_1 = "leg_1"
    LEG_2 = "leg_2"
    LEG_3 = "leg_3"
    LEG_4 = "leg_4"


LEG_ROLES = (GroupRole.LEG_1, GroupRole.LEG_2, GroupRole.LEG_3, GroupRole.LEG_4)


class PositionIntent(StrEnum):
    """What a leg does to the position in its contract."""

    BUY_TO_OPEN = "buy_to_open"
    BUY_TO_CLOSE = "buy_to_close"
    SELL_TO_OPEN = "sell_to_open"
    SELL_TO_CLOSE = "sell_to_close"

    @property
    def side(self) -> Side:
        return Side.BUY if self in (PositionIntent.BUY_TO_OPEN, PositionIntent.BUY_TO_CLOSE) else Side.SELL

    @property
    def opens(self) -> bool:
        return self in (PositionIntent.BUY_TO_OPEN, PositionIntent.SELL_TO_OPEN)


@dataclass(frozen=True, slots=True)
class Leg:
    """One contract of a multi-leg order, `ratio` of it in each unit; `symbol` as the Options Clearing Corporation writes it."""

    symbol: str
    ratio: int
    intent: PositionIntent

    @property
    def side(self) -> Side:
        return self.intent.side


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
    a bracket (one of them of an OTO) or the two members of an OCO. A multi-leg order has `legs` alone: quantity counts its
    units, `symbol` is the underlying, `side` says nothing, and `limit_price` is a unit's, a debit above zero, a credit below.
    With `extended_hours` it trades before and after regular hours too, which brokers allow simple limit orders alone. A simple
    order of option contracts says with `position_intent` what it does to the position.
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
    legs: tuple[Leg, ...] = ()
    extended_hours: bool = False
    position_intent: PositionIntent | None = None

    def leg(self, role: GroupRole) -> Leg | None:
        """The leg behind a role, None for a role that is no leg."""
        return self.legs[LEG_ROLES.index(role)] if role in LEG_ROLES[: len(self.legs)] else None

    def symbol_of(self, role: GroupRole) -> str:
        """What a member of the group trades."""
        leg = self.leg(role)
        return self.symbol if leg is None else leg.symbol

    @property
    def first_role(self) -> GroupRole:
        """Role of the order that carries `key`: an OCO's is its target."""
        return GroupRole.TAKE_PROFIT if self.order_class is OrderClass.OCO else GroupRole.ENTRY

    @property
    def roles(self) -> tuple[GroupRole, ...]:
        """Roles of all members of the group, the one that carries `key` first."""
        exits = ((GroupRole.TAKE_PROFIT, self.take_profit), (GroupRole.STOP_LOSS, self.stop_loss))
        members = (*(role for role, price in exits if price is not None), *LEG_ROLES[: len(self.legs)])
        return members if self.order_class is OrderClass.OCO else (GroupRole.ENTRY, *members)

    def is_over(self, statuses: Mapping[GroupRole, OrderStatus]) -> bool:
        """Whether `statuses` say of every member that it has ended."""
        return all(statuses.get(role) in TERMINAL for role in self.roles)

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
    if spec.extended_hours and not (spec.type is OrderType.LIMIT and spec.order_class is OrderClass.SIMPLE):
        return "extended_hours is for simple limit orders alone"
    if spec.position_intent is not None and (spec.legs or spec.position_intent.side is not spec.side):
        return f"position_intent {spec.position_intent} is for a simple order that does {spec.position_intent.side}"
    return _legs_problem(spec) or _exits_problem(spec)


def _legs_problem(spec: OrderSpec) -> str | None:
    if spec.order_class is not OrderClass.MULTI_LEG:
        return "only a multi-leg order has legs" if spec.legs else None
    if not 2 <= len(spec.legs) <= len(LEG_ROLES):
        return f"a multi-leg order has two to four legs, not {len(spec.legs)}"
    if len({leg.symbol for leg in spec.legs}) < len(spec.legs):
        return "a contract appears in two legs"
    if any(leg.ratio < 1 for leg in spec.legs) or gcd(*(leg.ratio for leg in spec.legs)) > 1:
        return f"ratios {', '.join(str(leg.ratio) for leg in spec.legs)} must be above zero and without a common factor"
    return None


def _exits_problem(spec: OrderSpec) -> str | None:
    if spec.order_class in (OrderClass.SIMPLE, OrderClass.MULTI_LEG):
        return None if spec.take_profit is None and spec.stop_loss is None else f"a {spec.order_class} order has no exits"
    if spec.order_class is OrderClass.OTO:
        return None if (spec.take_profit is None) != (spec.stop_loss is None) else "an oto needs take_profit or stop_loss"
    if spec.take_profit is None or spec.stop_loss is None:
        return f"a {spec.order_class} needs take_profit and stop_loss"
    # The exits of a long position sit stop < target; a bracket's side is its entry's, an OCO's side is its exit's.
    protects_long = (spec.side is Side.BUY) == (spec.order_class is OrderClass.BRACKET)
    if protects_long != (spec.stop_loss < spec.take_profit):
        return f"stop_loss {spec.stop_loss} and take_profit {spec.take_profit} are on the wrong sides"
    return None


@dataclass(frozen=True, slots=True)
class Fill:
    """One execution. `execution_id` is unique at the broker; a second event with the same id is the same fill.

    `cumulative` is what the order had filled in all after it, None where nobody counts: news of a fill comes from a stream
    and from REST answers, under different ids, and shares must count once.
    """

    execution_id: str
    order_key: str
    symbol: str
    side: Side
    quantity: int
    price: Decimal
    at: datetime
    role: GroupRole = GroupRole.ENTRY
    cumulative: int | None = None


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
