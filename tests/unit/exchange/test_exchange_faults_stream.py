"""Faults of the trading stream: what is sent, how often, in which order, and when the connection drops."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from desk.exchange.faults.load import parse_fault
from desk.exchange.faults.plan import FaultPlan
from desk.exchange.faults.stream_faults import StreamFaults
from desk.exchange.machine.orders import Event, Order
from desk.exchange.words import AssetClass, EventKind, OrderClass, OrderType, Side, Status, TimeInForce

NOW = datetime(2008, 9, 2, 14, 0, tzinfo=UTC)
KINDS = {"new": EventKind.NEW, "fill": EventKind.FILL, "canceled": EventKind.CANCELED}


def event(kind: str, symbol: str = "ABC") -> Event:
    order = Order(
        id=f"id-{kind}",
        client_order_id=f"mine-{kind}",
        number=1,
        symbol=symbol,
        asset_class=AssetClass.EQUITY,
        side=Side.BUY,
        type=OrderType.MARKET,
        order_class=OrderClass.SIMPLE,
        time_in_force=TimeInForce.DAY,
        quantity=Decimal(1),
        status=Status.NEW,
        created_at=NOW,
        updated_at=NOW,
        submitted_at=NOW,
    )
    return Event(KINDS[kind], order, NOW, f"execution-{kind}")


class Told:
    """What a client would hear, in order; `drop` for a broken connection."""

    def __init__(self, *faults: dict[str, object]) -> None:
        plan = FaultPlan(1)
        plan.extend(parse_fault(fault) for fault in faults)
        self.faults = StreamFaults(plan)
        self.heard: list[str] = []

    def pass_on(self, *kinds: str, account: int = 0) -> list[str]:
        for kind in kinds:
            self.faults.pass_on(account, event(kind), self._hear(kind), self._hear("drop"))
        return self.heard

    def _hear(self, word: str) -> Callable[[], None]:
        return lambda: self.heard.append(word)


def test_without_a_fault_every_update_goes_out_once() -> None:
    assert Told().pass_on("new", "fill") == ["new", "fill"]


def test_a_duplicate_goes_out_twice() -> None:
    assert Told({"kind": "duplicate_event", "when": {"event": "fill"}}).pass_on("new", "fill") == ["new", "fill", "fill"]


def test_a_lost_update_never_goes_out() -> None:
    told = Told({"kind": "lost_event", "when": {"client_order_id": "mine-f*"}})
    assert told.pass_on("new", "fill", "canceled") == ["new", "canceled"]


def test_a_reordered_update_follows_those_that_pass_it() -> None:
    told = Told({"kind": "reordered_event", "behind": 2, "when": {"event": "new"}})
    assert told.pass_on("new", "fill", "canceled", "fill") == ["fill", "canceled", "new", "fill"]


def test_updates_of_another_account_do_not_pass_it() -> None:
    told = Told({"kind": "reordered_event", "when": {"event": "new", "account": 0}})
    told.pass_on("new")
    assert told.pass_on("fill", account=1) == ["fill"]
    assert told.pass_on("canceled") == ["fill", "canceled", "new"]


@pytest.mark.parametrize(("delivered", "heard"), [(False, ["new", "drop"]), (True, ["new", "fill", "drop"])])
def test_a_stream_drops_behind_what_has_been_sent(delivered: bool, heard: list[str]) -> None:
    """What happens until the connection is broken is lost."""

    async def story() -> None:
        told = Told({"kind": "dropped_stream", "delivered": delivered, "when": {"event": "fill"}})
        told.pass_on("new", "fill", "canceled")
        await asyncio.sleep(0.1)
        assert told.heard == heard
        assert told.pass_on("new") == [*heard, "new"]

    asyncio.run(story())


def test_a_late_update_comes_after_its_seconds() -> None:
    async def story() -> None:
        told = Told({"kind": "late_event", "seconds": 0.05, "when": {"event": "new"}})
        assert told.pass_on("new", "fill") == ["fill"]
        await asyncio.sleep(0.1)
        assert told.heard == ["fill", "new"]

    asyncio.run(story())


def test_what_is_forgotten_never_comes() -> None:
    async def story() -> None:
        late, behind = (
            {"kind": "late_event", "seconds": 0.01, "when": {"event": "new"}},
            {"kind": "reordered_event", "when": {"nth": 1}},
        )
        told = Told(late, behind)
        told.pass_on("new", "fill")
        told.faults.forget()
        await asyncio.sleep(0.05)
        assert "new" not in told.pass_on("canceled")

    asyncio.run(story())
