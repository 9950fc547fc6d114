"""Books, markets and wishes for the tests of rebalancing: shares at about a hundred dollars, an equity of a hundred thousand."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Any

import numpy as np

from desk.core.rebalance import Rebalanced, RebalanceRules, rebalance
from desk.domain.decisions import FixedExit, IntentKind, Reason, Shares, Target, Weight
from desk.domain.market import DailyBars, Market, Quote
from desk.domain.orders import OrderClass, OrderSpec, OrderStatus, OrderType, Side
from desk.domain.trades import Book, Trade

NOW = datetime(2024, 1, 3, 15, tzinfo=UTC)
RULE = FixedExit(0.05, 0.15)
NO_EXITS = FixedExit(0.0, 0.0)
EQUITY_USD = 100_000.0
# Wide open, so that a test closes one door at a time.
RULES = RebalanceRules(1.0, min_notional_usd=0.0)
S = OrderStatus
CLOSE, REDUCE, OPEN, ADD = IntentKind.CLOSE, IntentKind.REDUCE, IntentKind.OPEN, IntentKind.ADD


def market() -> Market:
    column = np.array([100.0])
    bars = DailyBars((date(2024, 1, 2),), column, column, column, column, column)
    return Market(NOW, NOW.date(), {"AAA": bars, "BBB": bars}, {"AAA": Quote(NOW, 99.9, 100.1, 100.0)})


def flat_market(**prices: float) -> Market:
    return Market(NOW, NOW.date(), {}, {symbol: Quote(NOW, price, price, price) for symbol, price in prices.items()})


def trade(symbol: str, entered: int = 80, quantity: int | None = None, key: str = "open", **more: Any) -> Trade:
    wanted = entered if quantity is None else quantity
    spec = OrderSpec(
        f"n-{symbol}-{key}", symbol, Side.BUY, wanted, OrderType.LIMIT, OrderClass.BRACKET, limit_price=Decimal(100),
        take_profit=Decimal(115), stop_loss=Decimal(95),
    )  # fmt: skip
    status = S.FILLED if entered == wanted else S.PARTIALLY_FILLED
    made = Trade(spec, NOW, 100.0, "test", entry_status=status, target_status=S.WORKING, stop_status=S.HELD, entered=entered)
    return replace(made, **more)


def book_of(*trades: Trade) -> Book:
    return Book(MappingProxyType({each.key: each for each in trades}))


def held(symbol: str, entered: int) -> Book:
    return book_of(trade(symbol, entered, 80))


def target(symbol: str, amount: Shares | Weight) -> Target:
    return Target(symbol, amount, RULE, f"why {symbol}", 0.7)


def done(
    targets: list[Target],
    book: Book,
    shown: Market | None = None,
    rules: RebalanceRules = RULES,
    cash_usd: float = EQUITY_USD,
    equity_usd: float = EQUITY_USD,
) -> Rebalanced:
    return rebalance(targets, book, equity_usd, cash_usd, shown or market(), rules)


def orders(result: Rebalanced) -> list[tuple[IntentKind, str, int]]:
    return [(intent.kind, intent.symbol, intent.quantity) for intent in result.intents]


def reasons(result: Rebalanced) -> list[tuple[str, Reason]]:
    return [(denied.symbol, denied.reason) for denied in result.left_alone]


OLD = FixedExit(0.05, 0.15, time_barrier_sessions=2)


def aged(symbol: str, shares: int, day: int, key: str) -> Trade:
    return trade(symbol, shares, key=key, rule=OLD, entered_at=datetime(2023, 12, day, 15, tzinfo=UTC))


def aged_market() -> Market:
    prices = np.full(4, 100.0)
    days = tuple(date(2023, 12, day) for day in (26, 27, 28, 29))
    return Market(NOW, NOW.date(), {"AAA": DailyBars(days, prices, prices, prices, prices, prices)})
