"""Alpaca's JSON shapes: numbers as strings, instants in RFC 3339 with Z, every field of the documented objects.

Field lists: https://docs.alpaca.markets/reference (orders, account, positions, clock, calendar, assets, activities) and
https://docs.alpaca.markets/docs/websocket-streaming (trade updates).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from uuid import uuid5

from desk.data.calendars import NEW_YORK, Session
from desk.data.source import Instrument
from desk.domain.orders import OrderClass, Side, TimeInForce
from desk.exchange.book import NAMESPACE
from desk.exchange.ledger import Execution
from desk.exchange.orders import Event, Order

Json = dict[str, object]
NEVER: tuple[str, ...] = ("notional", "trail_percent", "trail_price", "hwm", "subtag", "source", "ratio_qty")
EXCHANGE_OF_ASSETS = "NASDAQ"
GTC_LIFETIME = timedelta(days=90)


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


@lru_cache(maxsize=4096)
def asset_id(symbol: str) -> str:
    return str(uuid5(NAMESPACE, f"asset/{symbol}"))


def order_json(order: Order, legs: Iterable[Order] | None = None) -> Json:
    """One order; `legs` only where Alpaca populates them (answers to a POST and nested reads)."""
    average = order.average_price
    is_exit = order.is_exit_leg or (order.group_id is None and order.side is Side.SELL)
    shape: Json = {
        "id": order.id,
        "client_order_id": order.client_order_id,
        "created_at": instant(order.created_at),
        "updated_at": instant(order.updated_at),
        "submitted_at": instant(order.submitted_at),
        "filled_at": instant(order.filled_at),
        "expired_at": instant(order.expired_at),
        "expires_at": instant(order.created_at + GTC_LIFETIME) if order.time_in_force is TimeInForce.GTC else None,
        "canceled_at": instant(order.canceled_at),
        "failed_at": instant(order.failed_at),
        "replaced_at": instant(order.replaced_at),
        "replaced_by": order.replaced_by,
        "replaces": order.replaces,
        "asset_id": asset_id(order.symbol),
        "symbol": order.symbol,
        "asset_class": "us_equity",
        "qty": str(order.quantity),
        "filled_qty": str(order.filled_quantity),
        "filled_avg_price": None if average is None else rounded(average),
        "order_class": "" if order.order_class is OrderClass.SIMPLE else order.order_class.value,
        "order_type": order.type.value,
        "type": order.type.value,
        "side": order.side.value,
        "time_in_force": order.time_in_force.value,
        "limit_price": number(order.limit_price),
        "stop_price": number(order.stop_price),
        "status": order.status.value,
        "extended_hours": False,
        "legs": [order_json(leg) for leg in legs or ()] or None,
        "position_intent": f"{order.side.value}_to_{'close' if is_exit else 'open'}",
    }
    shape.update(dict.fromkeys(NEVER))
    if order.group_id is not None and order.group_role is not None:
        shape["group_id"], shape["group_role"] = order.group_id, order.group_role.value
    return shape


def trade_update(event: Event, serial: int) -> Json:
    """The stream's message about an event; `serial` counts them for the account."""
    data: Json = {
        "event": event.kind.value,
        "event_id": f"{serial:026d}",
        "execution_id": event.execution_id,
        "at": instant(event.at),
        "timestamp": instant(event.at),
        "order": order_json(event.order),
    }
    if event.is_fill:
        data["price"] = number(event.price)
        data["qty"] = number(event.quantity)
        data["position_qty"] = number(event.position_quantity)
    return {"stream": "trade_updates", "data": data}


def clock_json(now: datetime, is_open: bool, next_open: datetime, next_close: datetime) -> Json:
    """Alpaca's clock speaks New York time with its offset."""
    return {
        "timestamp": now.astimezone(NEW_YORK).isoformat(),
        "is_open": is_open,
        "next_open": next_open.astimezone(NEW_YORK).isoformat(),
        "next_close": next_close.astimezone(NEW_YORK).isoformat(),
    }


def calendar_json(session: Session, settles: Session) -> Json:
    """A session's day; trades settle one session later (T+1)."""
    opened, closed = session.opens_at.astimezone(NEW_YORK), session.closes_at.astimezone(NEW_YORK)
    return {
        "date": session.day.isoformat(),
        "open": opened.strftime("%H:%M"),
        "close": closed.strftime("%H:%M"),
        "session_open": "0400",
        "session_close": "2000",
        "settlement_date": settles.day.isoformat(),
    }


def asset_json(instrument: Instrument, is_tradable: bool) -> Json:
    return {
        "id": asset_id(instrument.symbol),
        "class": "us_equity",
        "exchange": EXCHANGE_OF_ASSETS,
        "symbol": instrument.symbol,
        "name": instrument.name,
        "status": "active" if is_tradable else "inactive",
        "tradable": is_tradable,
        "marginable": False,
        "shortable": False,
        "easy_to_borrow": False,
        "borrow_status": "not_available",
        "fractionable": False,
        "maintenance_margin_requirement": 100,
        "margin_requirement_long": "100",
        "margin_requirement_short": "100",
        "attributes": [],
    }


def activity_json(execution: Execution) -> Json:
    """A FILL activity; its id sorts by time, as Alpaca's does."""
    stamp = execution.at.strftime("%Y%m%d%H%M%S") + f"{execution.at.microsecond // 1000:03d}"
    return {
        "id": f"{stamp}::{execution.execution_id}",
        "activity_type": "FILL",
        "transaction_time": instant(execution.at),
        "type": execution.kind,
        "price": number(execution.price),
        "qty": str(execution.quantity),
        "side": execution.side,
        "symbol": execution.symbol,
        "leaves_qty": str(execution.leaves),
        "cum_qty": str(execution.cumulative),
        "order_id": execution.order_id,
        "order_status": execution.order_status,
    }
