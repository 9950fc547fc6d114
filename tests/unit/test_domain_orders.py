"""Orders that cannot be, prices, and how errors end a command."""

from __future__ import annotations

from decimal import Decimal

import pytest

from desk.domain import errors
from desk.domain.orders import TERMINAL, OrderClass, OrderSpec, OrderStatus, OrderType, Side


def spec(**changes: object) -> OrderSpec:
    entry: dict[str, object] = {
        "key": "k",
        "symbol": "AAA",
        "side": Side.BUY,
        "quantity": 10,
        "type": OrderType.LIMIT,
        "order_class": OrderClass.BRACKET,
        "limit_price": Decimal(100),
        "take_profit": Decimal(115),
        "stop_loss": Decimal(95),
    }
    return OrderSpec(**{**entry, **changes})


EXITS = {"take_profit": Decimal(115), "stop_loss": Decimal(95)}
BARE = {"order_class": OrderClass.SIMPLE, "take_profit": None, "stop_loss": None}


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"quantity": 0}, "must be above zero"),
        ({"quantity": -3}, "must be above zero"),
        ({"limit_price": None}, "needs limit_price"),
        ({**BARE, "type": OrderType.STOP, "limit_price": None}, "needs stop_price"),
        ({"type": OrderType.MARKET}, "takes no price"),
        ({**BARE, "type": OrderType.MARKET, "limit_price": None, "stop_price": Decimal(9)}, "takes no price"),
        ({"order_class": OrderClass.SIMPLE}, "a simple order has no exits"),
        ({"stop_loss": None}, "needs take_profit and stop_loss"),
        ({"take_profit": None}, "needs take_profit and stop_loss"),
        ({"take_profit": Decimal(95), "stop_loss": Decimal(115)}, "on the wrong sides"),
        ({"take_profit": Decimal(95)}, "on the wrong sides"),
        ({"side": Side.SELL}, "on the wrong sides"),
        ({"order_class": OrderClass.OCO}, "on the wrong sides"),
        ({"extended_hours": True}, "for simple limit orders alone"),
        ({**BARE, "type": OrderType.MARKET, "limit_price": None, "extended_hours": True}, "for simple limit orders alone"),
    ],
)
def test_an_order_that_no_broker_would_take_cannot_be_made(changes: dict[str, object], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        spec(**changes)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"type": OrderType.MARKET, "limit_price": None},
        {"order_class": OrderClass.OCO, "side": Side.SELL, "limit_price": None},
        {"side": Side.SELL, "take_profit": Decimal(85), "stop_loss": Decimal(105)},
        BARE,
        {**BARE, "type": OrderType.MARKET, "limit_price": None},
        {**BARE, "type": OrderType.STOP, "limit_price": None, "stop_price": Decimal(90), "side": Side.SELL},
    ],
)
def test_orders_that_make_sense_can_be_made(changes: dict[str, object]) -> None:
    assert spec(**changes).symbol == "AAA"


def test_an_impossible_order_is_named_in_its_error() -> None:
    with pytest.raises(ValueError, match="order k buy 0 AAA: quantity 0"):
        spec(quantity=0)


def test_the_opposite_of_buying_is_selling() -> None:
    assert (Side.BUY.opposite, Side.SELL.opposite) == (Side.SELL, Side.BUY)


def test_an_order_is_over_or_it_is_not() -> None:
    waiting = {"journaled", "sent", "held", "working", "partially_filled", "pending_cancel", "unknown"}
    assert {status.value for status in OrderStatus} - {status.value for status in TERMINAL} == waiting


def test_exit_codes_are_the_documented_ones() -> None:
    codes = {
        errors.DeskError: 1,
        errors.UsageError: 2,
        errors.BrokerUnreachable: 3,
        errors.ConfigurationError: 4,
        errors.Refused: 5,
        errors.Halted: 6,
        errors.ReconciliationBreak: 7,
    }
    assert {kind: kind.exit_code for kind in codes} == codes
