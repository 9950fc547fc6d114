"""Exits of bare shares get there: past entries that wait, past a budget that is used up, past a first refusal."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import Queue
from typing import Any

import pytest
from fresh_exchange import MORNING
from order_path import PATIENCE_SECONDS, OrderPath, order_path

from desk.brokers.guarded.bucket import RateBudget, TokenBucket
from desk.brokers.guarded.errors import OverBudget
from desk.brokers.order_queue import OrderQueue
from desk.brokers.resync import LOST_AFTER
from desk.domain.decisions import FixedExit, Mode, Target, Weight
from desk.domain.journal import Acknowledged, BrokerRefusal
from desk.domain.orders import GroupRole
from desk.domain.steps import Submit
from desk.exchange.process import ExchangeProcess
from desk.runtime.account import broker_account

pytestmark = pytest.mark.slow
TARGET = GroupRole.TAKE_PROFIT


class UsedUp(TokenBucket):
    """A budget of which only the reserve is left. Its time stands still; a request that waits does so until `over`, and then
    its wait is over."""

    def __init__(self) -> None:
        self.now, self.over, self.waits = 0.0, threading.Event(), threading.Event()
        super().__init__(lambda: self.now, lambda: self.now, self._pass, RateBudget(50, 49))
        assert self.take() == 0.0

    def _pass(self, seconds: float) -> None:
        self.waits.set()
        assert self.over.wait(PATIENCE_SECONDS), "nobody ended the wait"
        self.now += seconds


def transport(path: OrderPath) -> Any:
    return path.broker._client._session.get_adapter(path.venue.url)


def cancel_exits(path: OrderPath) -> None:
    """Somebody ends the exits by hand."""
    path.ask("DELETE", f"/v2/orders/{path.broker._intake.current((path.trade('AAPL').key, TARGET))}")


def posts(path: OrderPath) -> list[int]:
    """Statuses of the answers to orders, as they come."""
    statuses: list[int] = []

    def note(answer: Any, *_: object, **__: object) -> None:
        if answer.request.method == "POST":
            statuses.append(answer.status_code)

    path.broker._client._session.hooks["response"].append(note)
    return statuses


def covers(path: OrderPath) -> list[str]:
    return [step.key for step in path.steps if isinstance(step, Submit) and step.covers]


def is_covered(path: OrderPath) -> Callable[[], bool]:
    return lambda: "oco" in [order["order_class"] for order in path.orders(status="open")]


@pytest.fixture
def slow_exchange(exchange: ExchangeProcess) -> Iterator[ExchangeProcess]:
    exchange.admin.reset(latency="measured")
    exchange.admin.advance(MORNING)
    yield exchange
    exchange.admin.reset(latency="zero")


def test_bare_shares_are_covered_although_the_exchange_frees_them_after_the_cancel(
    slow_exchange: ExchangeProcess, journal: Path
) -> None:
    with order_path(slow_exchange, journal) as path:
        path.hold("AAPL", 10)
        path.advance(seconds=2)
        path.wait_until(lambda: path.trade("AAPL").is_protected, "the entry is filled")
        statuses = posts(path)
        cancel_exits(path)
        path.advance(milliseconds=16)
        path.wait_until(lambda: 403 in statuses, "the first cover comes too early")
        path.advance(seconds=1)
        path.wait_until(is_covered(path), "the cover is at the exchange")
        path.broker._orders_queue.join()
        path.advance(seconds=1)
        path.quiet()
        assert (path.trade("AAPL").is_protected, path.refusals, path.troubles) == (True, [], [])
        assert len(covers(path)) == 1 and path.desk.mode is Mode.ACTIVE


def test_a_cover_goes_before_entries_that_wait_and_finds_its_reserve(exchange: ExchangeProcess, journal: Path) -> None:
    with order_path(exchange, journal) as path:
        path.hold("AAPL", 10)
        path.quiet()
        budget = transport(path).bucket = UsedUp()
        opened = decide_to_buy(path, "IBM", "MSFT")
        assert budget.waits.wait(PATIENCE_SECONDS)
        cancel_exits(path)
        path.wait_until(lambda: covers(path), "the desk has decided to cover the shares")
        path.wait_until(lambda: path.broker._orders_queue.qsize() == 2, "the cover is in the queue")
        budget.over.set()
        path.wait_until(is_covered(path), "the cover is at the exchange")
        path.quiet()
        told = [row.key for row in path.rows if isinstance(row, Acknowledged | BrokerRefusal)]
        assert told[-3:] == [opened[0], *covers(path), opened[1]]
        assert [(refusal.key, refusal.unsent) for refusal in path.refusals] == [(key, True) for key in opened]
        assert (path.trade("AAPL").is_protected, path.desk.mode) == (True, Mode.ACTIVE)
        assert [order["symbol"] for order in path.orders()] == ["AAPL", "AAPL"]


def decide_to_buy(path: OrderPath, *symbols: str) -> list[str]:
    """The keys of the entries."""
    account = broker_account(path.trading)
    wanted = [Target(symbol, Weight(0.01), FixedExit(0.05, 0.05), "a test") for symbol in symbols]
    decided = path.desk.decide(path.feed.observe(symbols), account, wanted)
    assert len(decided.steps) == len(symbols)
    return [step.key for step in decided.steps]


def test_the_truth_is_read_although_other_requests_have_used_the_budget_up(exchange: ExchangeProcess, journal: Path) -> None:
    with order_path(exchange, journal) as path:
        exchange.admin.fault("lost_event", {"event": "fill"})
        path.hold("AAPL", 10)
        path.quiet()
        assert path.fills == []
        transport(path).bucket = budget = UsedUp()
        path.resync()
        assert path.trade("AAPL").entered == 10
        path.broker.catch_up({}, LOST_AFTER)
        assert not budget.waits.is_set()
        budget.over.set()
        with pytest.raises(OverBudget):
            path.broker.api.get_account()


def test_an_entry_that_the_budget_held_back_is_decided_again(exchange: ExchangeProcess, journal: Path) -> None:
    with order_path(exchange, journal) as path:
        plenty, budget = transport(path).bucket, UsedUp()
        budget.over.set()
        transport(path).bucket = budget
        (first,) = decide_to_buy(path, "IBM")
        path.quiet()
        assert ([refusal.key for refusal in path.refusals], path.desk.mode) == ([first], Mode.ACTIVE)
        transport(path).bucket = plenty
        path.advance(minutes=1)
        decide_to_buy(path, "IBM")
        path.quiet()
        assert [order["symbol"] for order in path.orders()] == ["IBM"]


def test_a_replay_sends_in_the_order_decided(exchange: ExchangeProcess, journal: Path) -> None:
    """Its clock stands still until all is sent, and the order of sending is part of what a seed repeats."""
    with order_path(exchange, journal) as live:
        assert type(live.broker._orders_queue) is OrderQueue
    with order_path(exchange, journal, in_lockstep=True) as replayed:
        assert type(replayed.broker._orders_queue) is Queue
