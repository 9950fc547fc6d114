"""What a trade and a book say of themselves."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, replace
from datetime import UTC, datetime
from decimal import Decimal
from types import MappingProxyType

import pytest

from desk.domain.decisions import FixedExit, Intent, IntentKind, Mode
from desk.domain.journal import Acknowledged, ForeignOrder, ModeChanged, Row
from desk.domain.orders import GroupRole, OrderClass, OrderSpec, OrderStatus, OrderType, Side
from desk.domain.steps import Cancel, Replace, Submit
from desk.domain.trades import Book, Trade

NOW = datetime(2024, 1, 3, 15, tzinfo=UTC)
S = OrderStatus
SPEC = OrderSpec(
    "k1", "AAA", Side.BUY, 10, OrderType.LIMIT, OrderClass.BRACKET, limit_price=Decimal(100), take_profit=Decimal(115),
    stop_loss=Decimal(95),
)  # fmt: skip


def trade(**changes: object) -> Trade:
    return replace(Trade(SPEC, NOW, 100.0, "test"), **changes)


def of(symbol: str, key: str, **changes: object) -> Trade:
    return trade(spec=replace(SPEC, key=key, symbol=symbol), **changes)


def book(*trades: Trade, closed: tuple[Trade, ...] = ()) -> Book:
    return Book(MappingProxyType({one.key: one for one in trades}), closed)


@pytest.mark.parametrize(
    ("changes", "protected"),
    [
        ({}, True),  # nothing held
        ({"entry_status": S.PARTIALLY_FILLED, "entered": 4}, False),  # the exits sleep until the entry is complete
        ({"entry_status": S.PARTIALLY_FILLED, "entered": 4, "target_status": S.HELD, "stop_status": S.HELD}, False),
        ({"entry_status": S.FILLED, "entered": 10, "target_status": S.WORKING, "stop_status": S.HELD}, True),
        ({"entry_status": S.FILLED, "entered": 10, "target_status": S.REPLACED, "stop_status": S.WORKING}, True),
        ({"entry_status": S.CANCELED, "entered": 4, "target_status": S.CANCELED, "stop_status": S.CANCELED}, False),
        ({"entry_status": S.CANCELED, "entered": 4, "target_status": S.SENT, "stop_status": S.SENT}, False),  # not yet taken
        ({"entry_status": S.FILLED, "entered": 10, "target_status": S.UNKNOWN, "stop_status": S.UNKNOWN}, False),
        ({"entry_status": S.FILLED, "entered": 10, "exited": 10}, True),
    ],
)
def test_shares_are_protected_when_an_exit_for_all_of_them_is_alive(changes: dict[str, object], protected: bool) -> None:
    assert trade(**changes).is_protected is protected


@pytest.mark.parametrize(
    ("changes", "closed"),
    [
        ({}, False),
        ({"entry_status": S.UNKNOWN}, False),
        ({"entry_status": S.REJECTED}, True),
        ({"entry_status": S.FILLED, "entered": 10}, False),
        ({"entry_status": S.FILLED, "entered": 10, "exited": 10}, True),
        ({"entry_status": S.PARTIALLY_FILLED, "entered": 4, "exited": 4}, False),
    ],
)
def test_a_trade_is_closed_when_nothing_is_held_and_nothing_can_be_bought(changes: dict[str, object], closed: bool) -> None:
    assert trade(**changes).is_closed is closed


def test_the_last_cover_holds_the_exits() -> None:
    assert trade().exits_key == "k1"
    assert trade(covers=("c1", "c2")).exits_key == "c2"


def test_a_book_adds_up_the_trades_of_a_symbol() -> None:
    held = book(of("AAA", "k1", entered=10, exited=3), of("AAA", "k2", entered=5), of("BBB", "k3"))
    assert (held.shares_of("AAA"), held.shares_of("BBB"), held.shares_of("CCC")) == (12, 0, 0)
    assert held.shares() == {"AAA": 12}
    assert [one.key for one in held.trades_of("AAA")] == ["k1", "k2"]


def test_a_book_knows_every_symbol_that_it_holds_has_left_or_only_tried() -> None:
    left = of("BBB", "k2", entry_status=S.FILLED, entered=10, exited=10)
    tried = of("CCC", "k3", entry_status=S.CANCELED)
    assert book(of("AAA", "k1"), closed=(left, tried)).symbols() == {"AAA", "BBB", "CCC"}


def test_a_trade_that_is_over_is_found_by_each_of_its_keys() -> None:
    earlier, later = of("AAA", "k1", covers=("c1",)), of("BBB", "k2")
    over = book(of("CCC", "k3"), closed=(earlier, later))
    assert [over.former(key) for key in ("k1", "c1", "k2", "k3")] == [earlier, earlier, later, None]


def test_an_order_belongs_to_the_trade_that_it_opened_or_covers() -> None:
    held = book(of("AAA", "k1", covers=("c1", "c2")), of("BBB", "k2"))
    owners = {key: held.owner(key) for key in ("k1", "c1", "c2", "k2", "k9")}
    assert {key: one.key if one else None for key, one in owners.items()} == {
        "k1": "k1", "c1": "k1", "c2": "k1", "k2": "k2", "k9": None,
    }  # fmt: skip


def test_a_book_is_a_value_that_nobody_can_change() -> None:
    held = book(of("AAA", "k1"))
    with pytest.raises(TypeError):
        held.open["k2"] = trade()
    with pytest.raises(FrozenInstanceError):
        held.closed = ()


def test_only_messages_to_the_broker_have_a_key_of_their_own() -> None:
    intent = Intent(IntentKind.OPEN, "AAA", 10, 100.0, FixedExit(0.05, 0.15), "test")
    keyed = (
        Submit(SPEC, intent),
        Replace("k1", "k0", "AAA", GroupRole.TAKE_PROFIT, Decimal(99), "out"),
        Cancel("k1", "k0", "AAA", "old"),
        ForeignOrder("k1", "AAA", "market"),
    )
    assert {Row(NOW, value).step_key for value in keyed} == {"k1"}
    assert {Row(NOW, value).step_key for value in (Acknowledged("k1", {}), ModeChanged(Mode.HALTED, "why"))} == {None}
