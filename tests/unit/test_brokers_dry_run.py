"""A dry run shows the exact request of each step, sends nothing, and leaves nothing waiting."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal

import pytest

from desk.brokers.dry_run import DryRunGateway, payload
from desk.domain.decisions import FixedExit, Intent, IntentKind
from desk.domain.journal import Acknowledged, BrokerRefusal, ForeignOrder
from desk.domain.orders import GroupRole, OrderClass, OrderEvent, OrderSpec, OrderType, Side, TimeInForce
from desk.domain.steps import Cancel, Replace, Step, Submit

SPEC = OrderSpec(
    "n-20240103T150000-AAPL-open", "AAPL", Side.BUY, 80, OrderType.LIMIT, OrderClass.BRACKET, TimeInForce.GTC, Decimal("187.53"),
    take_profit=Decimal("215.66"), stop_loss=Decimal("178.15"),
)  # fmt: skip
STEPS: list[Step] = [
    Submit(SPEC, Intent(IntentKind.OPEN, "AAPL", 80, 187.53, FixedExit(0.05, 0.15), "RSI 28.0")),
    Replace("k2", SPEC.key, "AAPL", GroupRole.TAKE_PROFIT, Decimal("189.05"), "held for 10 sessions"),
    Cancel("k3", SPEC.key, "AAPL", "too old"),
]


@dataclass
class Ear:
    """A desk's door that writes down what it is told."""

    refusals: list[BrokerRefusal] = field(default_factory=list)

    def step(self, key: str) -> Step | None:
        return None

    def was_moved(self, key: str) -> bool:
        return False

    def given_up(self, key: str) -> OrderSpec | None:
        return None

    def foreign(self, symbol: str, text: str, read: Callable[[str], OrderSpec] | None = None) -> ForeignOrder:
        return ForeignOrder("f-1", symbol, text)

    def acknowledged(self, ack: Acknowledged) -> None:
        raise AssertionError("nothing was sent that could be acknowledged")

    def refused(self, refusal: BrokerRefusal) -> None:
        self.refusals.append(refusal)

    def order_event(self, event: OrderEvent) -> None:
        raise AssertionError("nothing was sent that could fill")

    def trouble(self, text: str) -> None:
        raise AssertionError(text)


def test_an_entry_is_shown_as_alpaca_would_get_it() -> None:
    assert payload(STEPS[0]) == {
        "method": "POST",
        "path": "/v2/orders",
        "body": {
            "symbol": "AAPL",
            "qty": 80,
            "side": "buy",
            "type": "limit",
            "time_in_force": "gtc",
            "order_class": "bracket",
            "client_order_id": SPEC.key,
            "limit_price": 187.53,
            "take_profit": {"limit_price": 215.66},
            "stop_loss": {"stop_price": 178.15},
        },
    }


def test_changes_name_the_order_that_they_are_for() -> None:
    moved, canceled = payload(STEPS[1]), payload(STEPS[2])
    assert (moved["method"], moved["body"]) == ("PATCH", {"limit_price": "189.05"})
    assert SPEC.key in moved["path"] and "take_profit" in moved["path"]
    assert (canceled["method"], canceled["path"]) == ("DELETE", f"/v2/orders/<{SPEC.key}>")


@pytest.mark.parametrize("step", STEPS, ids=lambda step: type(step).__name__)
def test_each_step_is_shown_as_one_line_of_json_and_refused(step: Step) -> None:
    ear, shown = Ear(), list[str]()
    DryRunGateway(ear, shown.append).send(step)
    assert len(shown) == 1 and "\n" not in shown[0]
    assert json.loads(shown[0]) == payload(step)
    assert ear.refusals == [BrokerRefusal(step.key, None, None, "dry run: not sent", explained=True)]
