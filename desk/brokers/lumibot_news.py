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
    """Hand one piece of news about `order` to Lumibot, which moves it between its lists and queues the strategy's callback."""
    if fill is not None:
        event = broker.FILLED_ORDER if status is OrderStatus.FILLED else broker.PARTIALLY_FILLED_ORDER
        order.avg_fill_price = float(fill.price)
        broker._process_trade_event(order, event, price=float(fill.price), filled_quantity=float(fill.quantity))
    elif status is OrderStatus.REJECTED:
        broker._process_trade_event(order, broker.ERROR_ORDER, error=ValueError("rejected by the broker"))
    elif status in TERMINAL:
        broker._process_trade_event(order, broker.CANCELED_ORDER)
    elif status is OrderStatus.WORKING:
        broker._process_trade_event(order, broker.NEW_ORDER)
