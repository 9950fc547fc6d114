"""Orders between the desk's words and Alpaca's: requests out, statuses, updates and refusals in."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from alpaca.common.exceptions import APIError
from alpaca.trading.enums import OrderClass as AlpacaClass
from alpaca.trading.enums import OrderSide
from alpaca.trading.enums import TimeInForce as AlpacaTimeInForce
from alpaca.trading.requests import (
    LimitOrderRequest,
    MarketOrderRequest,
    OrderRequest,
    StopLossRequest,
    StopOrderRequest,
    TakeProfitRequest,
)

from desk.domain.journal import BrokerRefusal
from desk.domain.orders import GroupRole, OrderClass, OrderSpec, OrderStatus, OrderType

_REQUEST = {OrderType.MARKET: MarketOrderRequest, OrderType.LIMIT: LimitOrderRequest, OrderType.STOP: StopOrderRequest}


def order_request(spec: OrderSpec) -> OrderRequest:
    """The alpaca-py request for `spec`. An OCO carries its prices in take_profit and stop_loss alone."""
    fields: dict[str, Any] = {
        "symbol": spec.symbol,
        "qty": spec.quantity,
        "side": OrderSide(spec.side.value),
        "time_in_force": AlpacaTimeInForce(spec.time_in_force.value),
        "order_class": AlpacaClass(spec.order_class.value),
        "client_order_id": spec.key,
    }
    if spec.limit_price is not None:
        fields["limit_price"] = float(spec.limit_price)
    if spec.stop_price is not None:
        fields["stop_price"] = float(spec.stop_price)
    if spec.order_class is not OrderClass.SIMPLE:
        fields["take_profit"] = TakeProfitRequest(limit_price=float(spec.take_profit or 0))
        fields["stop_loss"] = StopLossRequest(stop_price=float(spec.stop_loss or 0))
    return _REQUEST[spec.type](**fields)


# Alpaca's seventeen statuses (Trading API v2 OrderStatus) in the journal's words.
STATUS: Mapping[str, OrderStatus] = {
    "new": OrderStatus.WORKING,
    "accepted": OrderStatus.WORKING,
    "pending_new": OrderStatus.WORKING,
    "accepted_for_bidding": OrderStatus.WORKING,
    "stopped": OrderStatus.WORKING,
    "calculated": OrderStatus.WORKING,
    "suspended": OrderStatus.WORKING,
    "pending_replace": OrderStatus.WORKING,
    "pending_review": OrderStatus.WORKING,
    # The order rests until tomorrow; a GTC order works again then.
    "done_for_day": OrderStatus.WORKING,
    "held": OrderStatus.HELD,
    "partially_filled": OrderStatus.PARTIALLY_FILLED,
    "pending_cancel": OrderStatus.PENDING_CANCEL,
    "replaced": OrderStatus.REPLACED,
    "filled": OrderStatus.FILLED,
    "canceled": OrderStatus.CANCELED,
    "expired": OrderStatus.EXPIRED,
    "rejected": OrderStatus.REJECTED,
}

# Stream events that change what an order is; the rest (pending_*, done_for_day, calculated) only inform.
EVENT: Mapping[str, OrderStatus] = {
    "new": OrderStatus.WORKING,
    "accepted": OrderStatus.WORKING,
    "held": OrderStatus.HELD,
    "fill": OrderStatus.FILLED,
    "partial_fill": OrderStatus.PARTIALLY_FILLED,
    "canceled": OrderStatus.CANCELED,
    "expired": OrderStatus.EXPIRED,
    "rejected": OrderStatus.REJECTED,
    "replaced": OrderStatus.REPLACED,
}


@dataclass(frozen=True, slots=True)
class Update:
    """One trade update as Alpaca streams it, with the fields that the desk uses. Price and quantity are of this fill."""

    event: str
    at: datetime
    order_id: str
    client_order_id: str
    symbol: str
    side: str
    execution_id: str
    price: Decimal | None
    quantity: int | None
    replaced_by: str | None


def parse_update(message: Mapping[str, Any]) -> Update:
    """Read a raw stream message `{"stream": "trade_updates", "data": {...}}`. Raises KeyError when it is no such thing."""
    data = message["data"]
    order = data["order"]
    price, quantity = data.get("price"), data.get("qty")
    stamp = data.get("timestamp") or data.get("at") or order.get("updated_at")
    return Update(
        event=data["event"],
        at=_moment(stamp),
        order_id=str(order["id"]),
        client_order_id=str(order.get("client_order_id") or ""),
        symbol=str(order.get("symbol") or ""),
        side=str(order.get("side") or ""),
        execution_id=str(data.get("execution_id") or f"{order['id']}:{data['event']}:{order.get('filled_qty')}"),
        price=None if price is None else Decimal(str(price)),
        quantity=None if quantity is None else int(Decimal(str(quantity))),
        replaced_by=order.get("replaced_by"),
    )


def _moment(text: str) -> datetime:
    # Python 3.11 reads at most six fractional digits; Alpaca sends up to nine.
    head, dot, tail = text.partition(".")
    if not dot:
        return datetime.fromisoformat(text)
    digits = tail.rstrip("Z")
    zone = "+00:00"
    for sign in ("+", "-"):
        if sign in digits:
            digits, _, offset = digits.partition(sign)
            zone = sign + offset
    return datetime.fromisoformat(f"{head}.{digits[:6].ljust(6, '0')}{zone}")


# Refusals that a correct desk can meet: the market or another party moved between its look and its order.
_EXPLAINED = ("base_price", "buying power", "held_for_orders", "insufficient qty")


def refusal_of(key: str, error: APIError) -> BrokerRefusal:
    """What a broker's error says. Status and code are the contract; the text only refines (bodies may be HTML)."""
    status = getattr(error, "status_code", None)
    body = str(error)
    try:
        parsed = json.loads(body)
    except ValueError:
        parsed = {}
    code = parsed.get("code") if isinstance(parsed, dict) else None
    message = parsed.get("message", body) if isinstance(parsed, dict) else body
    explained = any(word in body for word in _EXPLAINED)
    return BrokerRefusal(key, status, code, str(message)[:500], explained)


@dataclass(frozen=True, slots=True)
class FoundOrder:
    """One member of an order group as the broker lists it: `filled` shares in all, at `average_price` dollars."""

    role: GroupRole
    status: OrderStatus
    broker_id: str
    filled: int
    average_price: Decimal | None
    at: datetime


def leg_role(leg: Any) -> GroupRole:
    """Role of an exit leg as alpaca-py gives it; only a stop loss has a stop price."""
    return GroupRole.STOP_LOSS if leg.stop_price is not None else GroupRole.TAKE_PROFIT


def found_order(role: GroupRole, member: Any) -> FoundOrder:
    """The desk's reading of an alpaca-py order that was looked up."""
    price = None if member.filled_avg_price is None else Decimal(str(member.filled_avg_price))
    at = member.updated_at or member.created_at
    return FoundOrder(role, STATUS[member.status.value], str(member.id), int(float(member.filled_qty or 0)), price, at)
