"""Broker news in Lumibot's words, so that its bookkeeping and its callbacks go on as they always did."""

from __future__ import annotations

from lumibot.brokers import Broker
from lumibot.entities import Order

from desk.domain.orders import TERMINAL, Fill, OrderStatus

STATUS_WORDS = {
    OrderStatus.FILLED: "fill",
    OrderStatus.PARTIALLY_FILLED: "partial_fill",
    OrderStatus.CANCELED: "canceled",
    OrderStatus.EXPIRED: "canceled",
    OrderStatus.REPLACED: "canceled",
    OrderStatus.REJECTED: "error",
}


def tell_lumibot(broker: Broker, order: Order, status: OrderStatus, fill: Fill | None) -> None:
    """Hand one piece of news about `order` to Lumibot, which moves it between its lists and queues the strategy's callback.

    The parent of a multi-leg order fills without a callback, as in Lumibot's backtester: each leg has its own.
    """
    if fill is not None:
        _tell_fill(broker, order, status, fill)
    elif status is OrderStatus.FILLED:
        _end_parent(broker, order)
    elif status is OrderStatus.REJECTED:
        broker._process_trade_event(order, broker.ERROR_ORDER, error=ValueError("rejected by the broker"))
    elif status in TERMINAL:
        broker._process_trade_event(order, broker.CANCELED_ORDER)
    elif status is OrderStatus.WORKING:
        broker._process_trade_event(order, broker.NEW_ORDER)


def _tell_fill(broker: Broker, order: Order, status: OrderStatus, fill: Fill) -> None:
    event = broker.FILLED_ORDER if status is OrderStatus.FILLED else broker.PARTIALLY_FILLED_ORDER
    parts = [*((each.quantity, each.price) for each in order.transactions), (float(fill.quantity), float(fill.price))]
    order.avg_fill_price = sum(quantity * price for quantity, price in parts) / sum(quantity for quantity, _ in parts)
    broker._process_trade_event(
        order, event, price=float(fill.price), filled_quantity=float(fill.quantity), multiplier=order.asset.multiplier
    )


def _end_parent(broker: Broker, order: Order) -> None:
    """A parent that is through: it trades nothing, so there is no position and nothing to call back for."""
    net = sum((1 if leg.is_buy_order() else -1) * (leg.avg_fill_price or 0.0) * float(leg.quantity) for leg in order.child_orders)
    with broker._lock:
        for tracked in (broker._new_orders, broker._unprocessed_orders, broker._partially_filled_orders):
            tracked.remove(order.identifier, key="identifier")
        order.avg_fill_price = net / float(order.quantity)
        order.status = broker.FILLED_ORDER
        order.set_filled()
        broker._filled_orders.append(order)
