"""A gateway that shows the exact request of every step and sends nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from desk.brokers.alpaca_orders import order_request
from desk.core.ports import Door
from desk.domain.journal import BrokerRefusal
from desk.domain.orders import GroupRole
from desk.domain.steps import NewOrder, Replace, Step


class DryRunGateway:
    """Implements `desk.core.ports.Gateway`; every step comes back to the desk as refused, so nothing waits for it."""

    def __init__(self, door: Door, show: Callable[[str], None]) -> None:
        self._door = door
        self._show = show

    def send(self, step: Step) -> None:
        self._show(json.dumps(payload(step), default=str))
        self._door.refused(BrokerRefusal(step.key, None, None, "dry run: not sent", explained=True))


def payload(step: Step) -> dict[str, Any]:
    """Method, path and body as they would go to Alpaca; building them runs alpaca-py's own validation."""
    if isinstance(step, NewOrder):
        return {"method": "POST", "path": "/v2/orders", "body": order_request(step.spec).to_request_fields()}
    if isinstance(step, Replace):
        body = {"stop_price" if step.role is GroupRole.STOP_LOSS else "limit_price": str(step.limit_price)}
        return {"method": "PATCH", "path": f"/v2/orders/<{step.role} of {step.of_key}>", "body": body}
    return {"method": "DELETE", "path": f"/v2/orders/<{step.of_key}>"}
