"""Alpaca's JSON shapes: numbers as strings, instants in RFC 3339 with Z, every field of the documented objects.

Field lists: https://docs.alpaca.markets/reference (orders, account, positions, clock, calendar, assets, activities) and
https://docs.alpaca.markets/docs/websocket-streaming (trade updates).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

from desk.exchange.machine.book import asset_id
from desk.exchange.machine.orders import Event, LegFill, Order
from desk.exchange.words import OrderClass

Json = dict[str, object]
EXCHANGE_OF_ASSETS = "NASDAQ"


def instant(at: datetime | None) -> str | None:
    """RFC 3339 in UTC with Z; None stays None. `at` must be UTC."""
    return None if at is None else at.isoformat().replace("+00:00", "Z")


def number(value: Decimal | int | None) -> str | None:
    """A decimal as plain text without trailing zeros."""
    if value is None or isinstance(value, int):
        return None if value is None else str(value)
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def rounded(value: Decimal, places: str = "0.000001") -> str:
    text = number(value.quantize(Decimal(places)))
    assert text is not None
    return text


def money(cents_or_dollars: Decimal) -> str:
    return rounded(cents_or_dollars, "0.01")


def order_json(order: Order, legs: Iterable[Order] | None = None) -> Json:
    """One order; `legs` only where Alpaca populates them (answers to a POST and nested reads)."""
    kind = "" if order.type is None else order.type.value
    shape: Json = {
        "id": order.id,
        "client_order_id": order.client_order_id,
        **_instants(order),
        "replaced_by": order.replaced_by,
        "replaces": order.replaces,
        "asset_id": asset_id(order.symbol) if order.symbol else "",
        "symbol": order.symbol,
        "asset_class": "" if order.is_spread else order.asset_class.value,
        **_amounts(order),
        "order_class": "" if order.order_class is OrderClass.SIMPLE else order.order_class.value,
        "order_type": kind,
        "type": kind,
        "side": "" if order.side is None else order.side.value,
        "time_in_force": order.time_in_force.value,
        "status": order.status.value,
        "extended_hours": order.extended_hours,
        "legs": [order_json(leg) for leg in legs or ()] or None,
        "subtag": None,
        "source": None,
    }
    if order.expires_at is not None:
        shape["expires_at"] = instant(order.expires_at)
    if order.position_intent is not None:
        shape["position_intent"] = order.position_intent.value
    if order.group_id is not None and order.group_role is not None:
        shape["group_id"], shape["group_role"] = order.group_id, order.group_role.value
    return shape


def _instants(order: Order) -> Json:
    names = ("created_at", "updated_at", "submitted_at", "filled_at", "expired_at", "canceled_at", "failed_at", "replaced_at")
    return {name: instant(getattr(order, name)) for name in names}


def _amounts(order: Order) -> Json:
    average = order.average_price
    return {
        "notional": number(order.notional),
        "qty": number(order.quantity),
        "filled_qty": number(order.filled_quantity),
        "filled_avg_price": None if average is None else rounded(average),
        "limit_price": number(order.limit_price),
        "stop_price": number(order.stop_price),
        "trail_percent": number(order.trail_percent),
        "trail_price": number(order.trail_price),
        "hwm": number(order.high_water_mark),
        "ratio_qty": number(order.ratio),
    }


def trade_update(event: Event, serial: int) -> Json:
    """The stream's message about an event; `serial` counts them for the account."""
    data: Json = {
        "event": event.kind.value,
        "event_id": f"{serial:026d}",
        "execution_id": event.execution_id,
        "at": instant(event.at),
        "timestamp": instant(event.at),
        "order": order_json(event.order, (fill.order for fill in event.legs)),
    }
    if event.is_fill:
        data["price"] = number(event.price)
        data["qty"] = number(event.quantity)
    if event.position_quantity is not None:
        data["position_qty"] = number(event.position_quantity)
    if event.legs:
        data["legs"] = [_leg_fill(fill) for fill in event.legs]
        data["position_qtys"] = {fill.order.symbol: number(fill.position_quantity) for fill in event.legs}
    return {"stream": "trade_updates", "data": data}


def _leg_fill(fill: LegFill) -> Json:
    return {
        "execution_id": fill.execution_id,
        "order_id": fill.order.id,
        "symbol": fill.order.symbol,
        "price": number(fill.price),
        "qty": number(fill.quantity),
        "position_qty": number(fill.position_quantity),
    }
