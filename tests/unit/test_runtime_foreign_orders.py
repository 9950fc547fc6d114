"""Orders past the corridor: journaled before they go, and followed until their end is known."""

from __future__ import annotations

from decimal import Decimal

import pytest
from recording_desk import NOW, recovered

from desk.domain.journal import ForeignOrder
from desk.domain.orders import GroupRole, OrderClass, OrderEvent, OrderSpec, OrderStatus, OrderType, Side
from desk.journal.memory import MemoryJournal


@pytest.fixture
def journal() -> MemoryJournal:
    return MemoryJournal("f00d")


def test_a_foreign_order_is_journaled_under_a_key_before_it_goes(journal: MemoryJournal) -> None:
    desk, _ = recovered(journal)
    order = desk.foreign("AAA", "market buy 5")
    assert journal.has_step(order.key)
    assert [row.value for row in journal.rows()] == [ForeignOrder(order.key, "AAA", "market buy 5")]
    assert desk.step(order.key) is None


def plainly(key: str) -> OrderSpec:
    return OrderSpec(key, "AAA", Side.BUY, 5, OrderType.MARKET)


def impossible(key: str) -> OrderSpec:
    raise ValueError("whole shares only")


def test_a_foreign_order_lives_until_its_end_is_known_whatever_process_asks(journal: MemoryJournal) -> None:
    desk, _ = recovered(journal)
    order = desk.foreign("AAA", "market buy 5", plainly)
    assert [living.spec for living in desk.living_foreign()] == [plainly(order.key)]
    again, _ = recovered(journal)
    assert again.living_foreign() == desk.living_foreign()
    desk.order_event(OrderEvent(order.key, GroupRole.ENTRY, OrderStatus.WORKING, NOW, "b1"))
    assert [living.statuses for living in desk.living_foreign()] == [{GroupRole.ENTRY: OrderStatus.WORKING}]
    desk.order_event(OrderEvent(order.key, GroupRole.ENTRY, OrderStatus.CANCELED, NOW, "b1"))
    again, _ = recovered(journal)
    assert desk.living_foreign() == again.living_foreign() == ()


def bracket(key: str) -> OrderSpec:
    exits = {"take_profit": Decimal(110), "stop_loss": Decimal(90)}
    return OrderSpec(key, "AAA", Side.BUY, 5, OrderType.MARKET, OrderClass.BRACKET, **exits)


def test_a_foreign_bracket_lives_as_long_as_one_of_its_members(journal: MemoryJournal) -> None:
    desk, _ = recovered(journal)
    order = desk.foreign("AAA", "bracket", bracket)
    for role, status in ((GroupRole.ENTRY, OrderStatus.FILLED), (GroupRole.TAKE_PROFIT, OrderStatus.FILLED)):
        desk.order_event(OrderEvent(order.key, role, status, NOW, "b1"))
        assert len(desk.living_foreign()) == 1
    desk.order_event(OrderEvent(order.key, GroupRole.STOP_LOSS, OrderStatus.CANCELED, NOW, "b2"))
    assert desk.living_foreign() == ()


def test_a_foreign_order_that_cannot_go_is_journaled_with_the_reason(journal: MemoryJournal) -> None:
    desk, _ = recovered(journal)
    order = desk.foreign("AAA", "market buy 5.5", impossible)
    assert (order.spec, order.problem) == (None, "whole shares only")
    assert [row.value for row in journal.rows()] == [order]
    assert desk.living_foreign() == ()


def test_two_foreign_orders_of_one_moment_have_two_keys_and_so_have_those_after_a_restart(journal: MemoryJournal) -> None:
    desk, _ = recovered(journal)
    keys = [desk.foreign("AAA", "limit").key, desk.foreign("AAA", "stop").key]
    again, _ = recovered(journal)
    keys.append(again.foreign("AAA", "market").key)
    assert len(set(keys)) == 3
