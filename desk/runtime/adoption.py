"""After a restart: the orders of the recovered book are found at the broker again, and what happened meanwhile is booked."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from desk.brokers.alpaca import DeskAlpaca, FoundOrder
from desk.brokers.lumibot_orders import lumibot_order
from desk.domain.orders import Fill, GroupRole, OrderEvent, OrderSpec
from desk.domain.steps import Submit
from desk.domain.trades import Trade
from desk.runtime.desk import Desk


def adopt(desk: Desk, broker: DeskAlpaca, strategy: Any) -> None:
    """Look up every order group of the open trades under its own client order id, follow it, and book what was missed."""
    for trade in desk.book.open.values():
        for key in (trade.key, *trade.covers):
            step = desk.step(key)
            if isinstance(step, Submit):
                _adopt_group(desk, broker, step.spec, strategy)
    desk.drain()
    desk.cover_bare_shares()


def _adopt_group(desk: Desk, broker: DeskAlpaca, spec: OrderSpec, strategy: Any) -> None:
    for found in broker.adopt(spec, lumibot_order(spec, strategy)):
        trade = desk.book.owner(spec.key)
        if trade is None:
            return
        desk.order_event(_news(spec.key, found, trade))


def _news(key: str, found: FoundOrder, trade: Trade) -> OrderEvent:
    missed = found.filled - _known(trade, key, found.role)
    fill = None
    if missed > 0 and found.average_price is not None:
        is_entry = found.role is GroupRole.ENTRY and key == trade.key
        side = trade.spec.side if is_entry else trade.spec.side.opposite
        # The broker lists shares and average price; which executions made them is no longer told.
        name = f"{found.broker_id}:{found.filled}"
        price = _missed_price(trade, found, missed)
        fill = Fill(name, key, trade.symbol, side, missed, price, found.at, found.role)
    return OrderEvent(key, found.role, found.status, found.at, found.broker_id, fill, "found after a restart")


def _known(trade: Trade, key: str, role: GroupRole) -> int:
    if role is GroupRole.ENTRY and key == trade.key:
        return trade.entered
    # Exits already booked are attributed to the group in force and the side that last filled; a sale stands for the stop.
    stands_for = GroupRole.STOP_LOSS if role is GroupRole.ENTRY else role
    return trade.exited if key == trade.exits_key and trade.exit_role is stands_for else 0


def _missed_price(trade: Trade, found: FoundOrder, missed: int) -> Decimal:
    average = found.average_price or Decimal(0)
    if found.role is not GroupRole.ENTRY or trade.is_being_sold or not trade.entered:
        return average
    return (average * found.filled - trade.entry_value) / missed
