"""Lumibot's Order objects and the desk's OrderSpec, both ways."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from lumibot.entities import Asset, Order

from desk.domain.orders import GroupRole, OrderClass, OrderSpec, OrderType, Side, TimeInForce
from desk.domain.prices import legal_price

KEY = "client_order_id"


def lumibot_order(spec: OrderSpec, strategy: Any) -> Order:
    """A Lumibot order that carries `spec.key`; for a bracket or an OCO its children stand for target and stop."""
    asset = Asset(spec.symbol)
    common: dict[str, Any] = {
        "time_in_force": spec.time_in_force.value,
        "order_class": spec.order_class.value,
        "custom_params": {KEY: spec.key},
    }
    if spec.order_class is OrderClass.OCO:
        exits = {"limit_price": float(spec.take_profit or 0), "stop_price": float(spec.stop_loss or 0)}
        return strategy.create_order(asset, spec.quantity, spec.side.value, **exits, **common)
    if spec.order_class is OrderClass.BRACKET:
        common |= {"secondary_limit_price": float(spec.take_profit or 0), "secondary_stop_price": float(spec.stop_loss or 0)}
    prices = {"limit_price": _float(spec.limit_price), "stop_price": _float(spec.stop_price)}
    return strategy.create_order(asset, spec.quantity, spec.side.value, **prices, **common)


def _float(price: Decimal | None) -> float | None:
    return None if price is None else float(price)


def key_of(order: Order) -> str | None:
    """Client order id that an order carries, None for one that did not come through the corridor."""
    custom = getattr(order, "custom_params", None) or {}
    return custom.get(KEY)


def member_order(order: Order, role: GroupRole) -> Order | None:
    """The Lumibot order that stands for `role` in the group of `order`."""
    if role is GroupRole.ENTRY:
        return order
    if role not in (GroupRole.TAKE_PROFIT, GroupRole.STOP_LOSS):
        return None
    children = getattr(order, "child_orders", None) or []
    wants_stop = role is GroupRole.STOP_LOSS
    return next((child for child in children if child.is_stop_order() == wants_stop), None)


LIMITED = frozenset({OrderType.LIMIT, OrderType.STOP_LIMIT})
STOPPED = frozenset({OrderType.STOP, OrderType.STOP_LIMIT})


def spec_of(order: Order, key: str) -> OrderSpec:
    """The desk's reading of a plain Lumibot order, to send it as it was meant.

    Raises ValueError for what the desk does not send: other assets than stocks, fractions, trailing stops, one-sided exits.
    """
    if order.asset.asset_type != Asset.AssetType.STOCK:
        raise ValueError(f"{order.asset}: only stocks go out this way")
    if Decimal(str(order.quantity)) != int(order.quantity):
        raise ValueError(f"{order.quantity} {order.asset.symbol}: whole shares only")
    order_class = OrderClass(str(getattr(order.order_class, "value", order.order_class) or "simple"))
    target, stop = member_order(order, GroupRole.TAKE_PROFIT), member_order(order, GroupRole.STOP_LOSS)
    order_type = OrderType.LIMIT if order_class is OrderClass.OCO else OrderType(str(order.order_type))
    is_simple = order_class is OrderClass.SIMPLE
    return OrderSpec(
        key=key,
        symbol=order.asset.symbol,
        side=Side.BUY if order.is_buy_order() else Side.SELL,
        quantity=int(order.quantity),
        type=order_type,
        order_class=order_class,
        time_in_force=TimeInForce(str(order.time_in_force)),
        limit_price=_legal(order.limit_price) if order_type in LIMITED and order_class is not OrderClass.OCO else None,
        stop_price=_legal(order.stop_price) if order_type in STOPPED else None,
        take_profit=None if is_simple or target is None else _legal(target.limit_price),
        stop_loss=None if is_simple or stop is None else _legal(stop.stop_price),
    )


def _legal(price: float | None) -> Decimal | None:
    return None if price is None else legal_price(price)


def plain_order(response: Any, strategy_name: str) -> Order:
    """Any stock order of the broker as a simple Lumibot order: Lumibot cannot build a group's parent without its children."""
    order = Order(
        strategy_name,
        Asset(response.symbol),
        quantity=float(response.qty or 0),
        side=response.side.value,
        limit_price=None if response.limit_price is None else float(response.limit_price),
        stop_price=None if response.stop_price is None else float(response.stop_price),
        time_in_force=response.time_in_force.value,
        order_type=response.type.value,
        date_created=response.created_at,
    )
    order.set_identifier(str(response.id))
    order.broker_create_date = response.created_at
    order.update_raw(response)
    return order
