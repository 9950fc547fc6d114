"""Carries the desk's steps into Lumibot's backtester, and tells the desk what became of them, in the words of a live broker."""

from __future__ import annotations

from datetime import UTC
from decimal import Decimal
from typing import Any

from desk.brokers.backtesting import DeskBacktestingBroker
from desk.brokers.lumibot_orders import lumibot_order, member_order
from desk.brokers.option_venue import OptionVenue
from desk.core.ports import Door
from desk.domain.journal import BrokerRefusal
from desk.domain.orders import Fill, GroupRole, OrderClass, OrderEvent, OrderStatus, Side
from desk.domain.steps import Cancel, NewOrder, Replace, SpreadOrder, Step, Submit


class BacktestGateway:
    """Implements `desk.core.ports.Gateway` over the backtesting broker; single-threaded, like the backtest."""

    def __init__(self, broker: DeskBacktestingBroker, strategy: Any, door: Door, options: OptionVenue | None = None) -> None:
        self._broker = broker
        self._strategy = strategy
        self._door = door
        self._options = options
        self._groups: dict[str, Any] = {}
        # Lumibot's identifiers are random; those told to the desk are numbers, so that the same run gives the same journal.
        self._members: dict[str, tuple[str, GroupRole, str]] = {}
        self._fills = 0
        self._statuses = {
            broker.NEW_ORDER: OrderStatus.WORKING,
            broker.FILLED_ORDER: OrderStatus.FILLED,
            broker.PARTIALLY_FILLED_ORDER: OrderStatus.PARTIALLY_FILLED,
            broker.CANCELED_ORDER: OrderStatus.CANCELED,
        }
        broker.on_trade_event = self._tell

    def send(self, step: Step) -> None:
        if isinstance(step, SpreadOrder):
            self._send_options(step)
        elif isinstance(step, Submit):
            self._submit(step)
        elif isinstance(step, Replace):
            self._replace(step)
        elif self._options is not None and self._options.owns(step.of_key):
            self._options.cancel(step)
        else:
            self._cancel(step)

    def _send_options(self, step: SpreadOrder) -> None:
        """Contracts go to their venue; shares that an assignment brought go where all shares do."""
        if self._options is None:
            self._door.refused(BrokerRefusal(step.key, None, None, "this backtest has no options", explained=True))
        elif step.spec.legs or step.spec.position_intent is not None:
            self._options.submit(step)
        else:
            self._submit(step)

    def _submit(self, step: NewOrder) -> None:
        order = lumibot_order(step.spec, self._strategy)
        self._groups[step.key] = order
        # The parent of an OCO is no order of its own; its children are target and stop.
        roles = tuple(role for role in GroupRole if role is not GroupRole.ENTRY or step.spec.order_class is not OrderClass.OCO)
        for role in roles:
            member = order if role is GroupRole.ENTRY else member_order(order, role)
            if member is not None:
                self._members[member.identifier] = (step.key, role, f"backtest-order-{len(self._members) + 1}")
        self._broker.submit_order(order)

    def _replace(self, step: Replace) -> None:
        member = member_order(self._groups[step.of_key], step.role)
        if member is None or not member.is_active():
            self._door.refused(BrokerRefusal(step.key, None, None, "the order is not open any more", explained=True))
            return
        price = float(step.limit_price)
        if step.role is GroupRole.STOP_LOSS:
            self._broker.modify_order(member, stop_price=price)
        else:
            self._broker.modify_order(member, limit_price=price)

    def _cancel(self, step: Cancel) -> None:
        order = member_order(self._groups[step.of_key], step.role)
        if order is not None and order.is_active():
            self._broker.cancel_order(order)
        else:
            self._door.refused(BrokerRefusal(step.key, None, None, "the order is not open any more", explained=True))

    def _tell(self, order: Any, event: str, price: float | None, quantity: float | None, error: object) -> None:
        member = self._members.get(order.identifier)
        if member is None:
            return
        key, role, broker_id = member
        if event == self._broker.ERROR_ORDER:
            self._door.refused(BrokerRefusal(key, None, None, str(error), explained=True))
        elif event in self._statuses:
            at = self._broker.datetime.astimezone(UTC)
            fill = None
            if price is not None and quantity is not None:
                self._fills += 1
                side = Side.BUY if order.is_buy_order() else Side.SELL
                exact = Decimal(repr(float(price)))
                fill = Fill(f"backtest-{self._fills}", key, order.asset.symbol, side, int(quantity), exact, at, role)
            self._door.order_event(OrderEvent(key, role, self._statuses[event], at, broker_id, fill))
