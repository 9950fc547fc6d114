"""A desk on a gateway that only writes down what it is given, and the market, wishes and news of one morning."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import numpy as np

from desk.core.ports import Journal
from desk.core.prints import Known, seen_since
from desk.core.review import Limits
from desk.core.upkeep import CROSSED_AT_MOST
from desk.domain.decisions import FixedExit, Shares, Target, Weight
from desk.domain.journal import Acknowledged, BrokerRefusal, RunStarted
from desk.domain.market import DailyBars, Market, Print
from desk.domain.orders import Fill, GroupRole, OrderEvent, OrderStatus
from desk.domain.steps import Step, Submit
from desk.domain.trades import Account
from desk.runtime.clock import VirtualClock
from desk.runtime.desk import Desk

NOW = datetime(2024, 1, 3, 15, tzinfo=UTC)
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
RULE = FixedExit(0.05, 0.15)
FLAT = Account(100_000.0, 100_000.0, {})
FIVE, HELD = replace(FLAT, shares={"AAA": 5}), replace(FLAT, shares={"AAA": 99})
STARTED = RunStarted("combined", "exchange", "bundled", 1, resumed=False)
ENTRY, TARGET, STOP = GroupRole.ENTRY, GroupRole.TAKE_PROFIT, GroupRole.STOP_LOSS
BELOW_STOP = "stop_loss.stop_price must be <= base_price - 0.01"
S = OrderStatus


class Outbox:
    """A gateway to nowhere that takes every change."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self.sent: list[Step] = []

    def send(self, step: Step) -> None:
        self.sent.append(step)
        if not isinstance(step, Submit):
            self._desk.acknowledged(Acknowledged(step.key, {}))

    @property
    def keys(self) -> list[str]:
        return [step.key for step in self.sent]

    @property
    def kinds(self) -> list[type]:
        return [type(step) for step in self.sent]


class Killed(BaseException):
    """The process dies between the journal and the broker."""


class Dies:
    def send(self, step: Step) -> None:
        raise Killed


def opened(journal: Journal) -> tuple[Desk, Outbox]:
    desk = Desk(journal, VirtualClock(NOW), Limits(max_position_fraction=0.15))
    outbox = Outbox(desk)
    desk.send_through(outbox)
    return desk, outbox


def recovered(journal: Journal) -> tuple[Desk, Outbox]:
    desk, outbox = opened(journal)
    desk.recover()
    return desk, outbox


def market(hours: int = 0, close: float = 100.0) -> Market:
    at, column = NOW + hours * HOUR, np.array([close])
    bars = DailyBars((date(2024, 1, 2),), column, column, column, column, column)
    return Market(at, at.date(), dict.fromkeys(("AAA", "BBB", "CCC"), bars))


def traded(before: Known, prices: Mapping[str, float], at: datetime) -> Known:
    """What a guardian knows when each symbol traded at `prices` at a moment, after what it knew."""
    return seen_since(before, {symbol: Print(price, at) for symbol, price in prices.items()}, LONG_AGO, CROSSED_AT_MOST)


def buy(*symbols: str) -> list[Target]:
    return [Target(symbol, Weight(0.1), RULE, "RSI 28.0") for symbol in symbols]


def leave(*symbols: str) -> list[Target]:
    return [Target(symbol, Shares(0), RULE, "held for 10 sessions") for symbol in symbols]


def news(step: Step, status: OrderStatus, shares: int = 0, name: str = "x1", role: GroupRole = ENTRY) -> OrderEvent:
    assert isinstance(step, Submit)
    side = step.spec.side if role is ENTRY else step.spec.side.opposite
    fill = Fill(name, step.key, step.spec.symbol, side, shares, Decimal(100), NOW, role) if shares else None
    return OrderEvent(step.key, role, status, NOW, "b1", fill)


def bought(journal: Journal, shares: int = 99) -> tuple[Desk, Outbox, Step]:
    """A desk with an entry of 99 shares, of which `shares` are filled."""
    desk, outbox = opened(journal)
    desk.decide(market(), FLAT, buy("AAA"))
    entry = outbox.sent[0]
    desk.order_event(news(entry, S.FILLED if shares == 99 else S.PARTIALLY_FILLED, shares))
    return desk, outbox, entry


def bare(journal: Journal) -> tuple[Desk, Outbox, Step]:
    """A desk whose entry ended after 5 of 99 shares, so that its first cover went out."""
    desk, outbox, entry = bought(journal, 5)
    desk.order_event(news(entry, S.CANCELED))
    assert outbox.keys == [entry.key, f"{entry.key}-cover1"]
    return desk, outbox, entry


def refusal(key: str, words: str = "insufficient qty available") -> BrokerRefusal:
    return BrokerRefusal(key, 403, 40310000, words)
