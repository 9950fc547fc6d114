"""Targets worked out by hand: what becomes of them beside what is held."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from types import MappingProxyType

import numpy as np
import pytest

from desk.core.rebalance import rebalance
from desk.core.review import Limits, Situation, review
from desk.domain.decisions import Approved, FixedExit, Intent, IntentKind, Mode, Shares, Target, Weight
from desk.domain.market import DailyBars, Market, Quote
from desk.domain.orders import OrderClass, OrderSpec, OrderStatus, OrderType, Side
from desk.domain.trades import Account, Book, Trade

NOW = datetime(2024, 1, 3, 15, tzinfo=UTC)
RULE = FixedExit(0.05, 0.15)


def market() -> Market:
    column = np.array([100.0])
    bars = DailyBars((date(2024, 1, 2),), column, column, column, column, column)
    return Market(NOW, NOW.date(), {"AAA": bars, "BBB": bars}, {"AAA": Quote(NOW, 99.9, 100.1, 100.0)})


def held(symbol: str, entered: int) -> Book:
    spec = OrderSpec(
        f"n-{symbol}-open", symbol, Side.BUY, 80, OrderType.LIMIT, OrderClass.BRACKET, limit_price=Decimal(100),
        take_profit=Decimal(115), stop_loss=Decimal(95),
    )  # fmt: skip
    status = OrderStatus.FILLED if entered == 80 else OrderStatus.PARTIALLY_FILLED
    return Book(MappingProxyType({spec.key: Trade(spec, NOW, 100.0, "test", entry_status=status, entered=entered)}))


def target(symbol: str, amount: Shares | Weight) -> Target:
    return Target(symbol, amount, RULE, f"why {symbol}", 0.7)


def test_what_is_left_is_sold_before_anything_is_bought() -> None:
    intents = rebalance([target("BBB", Weight(0.15)), target("AAA", Shares(0))], held("AAA", 80), 100_000.0, market())
    assert intents == [
        Intent(IntentKind.CLOSE, "AAA", 80, 99.9, RULE, "why AAA", 0.7, 100.0),
        Intent(IntentKind.OPEN, "BBB", 149, 100.2, RULE, "why BBB", 0.7, 100.0),
    ]


def test_an_entry_pays_up_to_a_fifth_of_a_percent_above_the_offer() -> None:
    (intent,) = rebalance([target("AAA", Shares(10))], Book(), 100_000.0, market())
    assert intent.price == 100.3  # 100.1 * 1.002 = 100.3002
    assert intent.reference_price == 100.0


def test_a_trade_on_its_way_is_left_whole_even_when_nothing_is_bought_yet() -> None:
    for entered in (0, 30):
        (intent,) = rebalance([target("AAA", Weight(0.0))], held("AAA", entered), 100_000.0, market())
        assert (intent.kind, intent.quantity) == (IntentKind.CLOSE, entered)


def test_a_held_symbol_is_neither_added_to_nor_trimmed() -> None:
    for amount in (Shares(10), Shares(500), Weight(0.9)):
        assert rebalance([target("AAA", amount)], held("AAA", 80), 100_000.0, market()) == []


@pytest.mark.parametrize(("equity_usd", "weight", "price"), [(321_720.0, 0.1, 160.86), (199_290.0, 0.15, 76.65)])
def test_a_position_sized_by_the_cap_passes_the_cap(equity_usd: float, weight: float, price: float) -> None:
    ask = price / 1.002 + 0.00001
    shown = Market(NOW, NOW.date(), {}, {"AAA": Quote(NOW, ask, ask, ask)})
    intents = rebalance([target("AAA", Weight(weight))], Book(), equity_usd, shown)
    account = Account(equity_usd, equity_usd, {})
    (verdict,) = review(intents, Situation(Book(), account, Limits(weight), Mode.ACTIVE, NOW.date()))
    assert isinstance(verdict, Approved)


def test_nothing_is_sold_that_is_not_held_and_nothing_bought_without_a_price() -> None:
    assert rebalance([target("AAA", Shares(0)), target("ZZZ", Weight(0.1))], Book(), 100_000.0, market()) == []
