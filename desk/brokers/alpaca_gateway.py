"""Carries the desk's steps to the Lumibot Alpaca broker: orders as Lumibot orders, so that Lumibot's callbacks know them."""

from __future__ import annotations

from typing import Any

from desk.brokers.alpaca import DeskAlpaca
from desk.brokers.lumibot_orders import lumibot_order
from desk.domain.steps import NewOrder, Step


class AlpacaGateway:
    """Implements `desk.core.ports.Gateway`; `strategy` is the Lumibot strategy that the orders belong to."""

    def __init__(self, broker: DeskAlpaca, strategy: Any) -> None:
        self._broker = broker
        self._strategy = strategy

    def send(self, step: Step) -> None:
        self._broker.send(lumibot_order(step.spec, self._strategy) if isinstance(step, NewOrder) else step)
