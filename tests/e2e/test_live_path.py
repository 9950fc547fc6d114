"""The whole live path: Lumibot's executor, alpaca-py over HTTP and websocket, the exchange, the journal."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, ClassVar

import pytest
from lumibot.strategies import Strategy

from desk.domain.decisions import Direction, FixedExit, Signal, Target, Weight
from desk.domain.errors import Refused
from desk.domain.journal import ForeignOrder, RunStopped
from desk.domain.market import Market
from desk.domain.orders import GroupRole, OrderEvent
from desk.domain.steps import Cancel, Replace
from desk.domain.trades import Book
from desk.journal.sql import SqlJournal
from desk.runtime.exchange_run import ExchangeRun, RunResult
from desk.runtime.strategy import DeskStrategy

pytestmark = pytest.mark.slow


class TightExits(DeskStrategy):
    """Holds every stock with exits one percent away, so that targets and stops are hit within days."""

    callbacks: ClassVar[list[tuple[str, str, str]]] = []
    hooks: ClassVar[Counter[str]] = Counter()

    def signals(self, market: Market, book: Book) -> Sequence[Signal]:
        return [Signal(symbol, Direction.LONG, "always") for symbol in market.bars]

    def targets(self, signals: Sequence[Signal], market: Market, book: Book) -> Sequence[Target]:
        return [Target(signal.symbol, Weight(0.1), FixedExit(0.01, 0.01), signal.reason) for signal in signals]

    def before_market_opens(self) -> None:
        self.hooks["before_market_opens"] += 1

    def before_starting_trading(self) -> None:
        self.hooks["before_starting_trading"] += 1

    def on_trading_iteration(self) -> None:
        self.hooks["on_trading_iteration"] += 1
        super().on_trading_iteration()

    def before_market_closes(self) -> None:
        self.hooks["before_market_closes"] += 1

    def after_market_closes(self) -> None:
        self.hooks["after_market_closes"] += 1

    def on_strategy_end(self) -> None:
        self.hooks["on_strategy_end"] += 1

    def on_filled_order(self, position: Any, order: Any, price: float, quantity: float, multiplier: float) -> None:
        kind = "stop" if order.is_stop_order() else "target" if order.is_sell_order() else "entry"
        self.callbacks.append((kind, str(order.identifier), str(self.get_datetime())))


@dataclass(frozen=True)
class Lived:
    """A run that is over, and what Lumibot called in it."""

    run: ExchangeRun
    result: RunResult
    callbacks: tuple[tuple[str, str, str], ...]
    hooks: Mapping[str, int]


@pytest.fixture(scope="module")
def tight(shared_exchange_run: Any) -> Lived:
    TightExits.callbacks, TightExits.hooks = [], Counter()
    run = shared_exchange_run(TightExits, sessions=4)
    result = run.run()
    return Lived(run, result, tuple(TightExits.callbacks), dict(TightExits.hooks))


def access(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_an_order_goes_out_over_http_and_its_fills_come_back_over_the_websocket_to_lumibots_callback(
    tight: Lived,
) -> None:
    run, result = tight.run, tight.result
    assert result.error is None
    lines = access(run.folder.access_log)
    posts = [
        line for line in lines if line.get("method") == "POST" and line.get("path") == "/v2/orders" and line["status"] == 200
    ]
    assert posts
    fills = {line["order_id"] for line in lines if line.get("event") == "fill"}
    told = {identifier: kind for kind, identifier, _ in tight.callbacks}
    assert set(told.values()) == {"entry", "target", "stop"}
    assert fills == set(told), "every completed order on the wire reached on_filled_order, and nothing else did"
    sent = {line["client_order_id"] for line in posts}
    journaled = {row.step_key for row in SqlJournal(run.folder.journal, "").rows() if row.step_key}
    assert sent <= journaled, "nothing was sent that the journal does not hold"


def test_the_strategy_goes_on_iterating_after_its_first_bracket_and_every_hook_runs(tight: Lived) -> None:
    result = tight.result
    assert tight.hooks == {
        "before_market_opens": 4,
        "before_starting_trading": 1,
        "on_trading_iteration": 24,
        "before_market_closes": 4,
        "after_market_closes": 4,
        "on_strategy_end": 1,
    }
    assert result.record.iterations == 24
    assert result.counts.orders_rejected == 0
    assert result.counts.reconciliation_breaks == 0


def test_each_fill_is_told_once_and_at_its_own_time(tight: Lived) -> None:
    identifiers = [identifier for _, identifier, _ in tight.callbacks]
    assert len(identifiers) == len(set(identifiers))
    times = [moment for _, _, moment in tight.callbacks]
    assert times == sorted(times)
    assert any(moment[14:16] != "00" for moment in times), "exits between iterations are told when they happen"


def test_the_journal_and_the_exchange_agree_on_every_share(tight: Lived) -> None:
    run, result = tight.run, tight.result
    rows = list(SqlJournal(run.folder.journal, "").rows())
    fills = [row.value.fill for row in rows if isinstance(row.value, OrderEvent) and row.value.fill is not None]
    bought = sum(fill.quantity for fill in fills if fill.role is GroupRole.ENTRY)
    sold = sum(fill.quantity for fill in fills if fill.role is not GroupRole.ENTRY)
    held = sum(trip.shares for trip in result.record.trips if trip.is_open)
    assert bought - sold == held
    state = json.loads(run.folder.exchange_state.read_text())
    assert state, "the exchange saved its state when the run ended"


def told(result: RunResult) -> tuple[Any, ...]:
    record = result.record
    return result.counts, record.equity, record.trips, record.refusals, record.unprotected_share_seconds


def test_the_same_seed_gives_the_same_run_and_another_seed_another(exchange_run: Any) -> None:
    first, again, other = (exchange_run(TightExits, sessions=2, seed=seed).run() for seed in (5, 5, 6))
    assert told(first) == told(again)
    assert told(first) != told(other)


class PlainLumibot(Strategy):
    """A strategy that knows nothing of the desk: market orders and a bracket, as Lumibot's documentation shows them."""

    iterations: ClassVar[int] = 0
    fills: ClassVar[list[str]] = []

    def initialize(self) -> None:
        self.sleeptime = "1H"

    def on_trading_iteration(self) -> None:
        type(self).iterations += 1
        if type(self).iterations == 1:
            self.submit_order(self.create_order("AAPL", 10, "buy"))
            bracket = {"secondary_limit_price": 1_000.0, "secondary_stop_price": 1.0}
            self.submit_order(self.create_order("IBM", 5, "buy", limit_price=150.0, order_class="bracket", **bracket))

    def on_filled_order(self, position: Any, order: Any, price: float, quantity: float, multiplier: float) -> None:
        self.fills.append(f"{order.side} {quantity:g} {order.asset.symbol}")


def test_an_order_of_a_plain_lumibot_strategy_is_journaled_as_foreign_before_it_goes(exchange_run: Any) -> None:
    PlainLumibot.iterations, PlainLumibot.fills[:] = 0, []
    run = exchange_run(PlainLumibot, sessions=1)
    result = run.run()
    assert result.error is None
    assert PlainLumibot.fills == ["buy 10 AAPL", "buy 5 IBM"]
    rows = list(SqlJournal(run.folder.journal, "").rows())
    foreign = [row.value for row in rows if isinstance(row.value, ForeignOrder)]
    assert [order.symbol for order in foreign] == ["AAPL", "IBM"]
    sent = {
        line["client_order_id"]
        for line in access(run.folder.access_log)
        if line.get("method") == "POST" and "orders" in line["path"]
    }
    assert sent == {order.key for order in foreign}


def test_once_is_one_iteration_however_many_sessions_there_are(exchange_run: Any) -> None:
    TightExits.callbacks, TightExits.hooks = [], Counter()
    result = exchange_run(TightExits, sessions=2, once=True).run()
    assert (result.error, result.record.iterations) == (None, 1)


def test_half_days_end_early(exchange_run: Any) -> None:
    # The day after Thanksgiving closes at 13:00: hourly iterations at 10, 11 and 12.
    TightExits.callbacks, TightExits.hooks = [], Counter()
    result = exchange_run(TightExits, sessions=1, start=date(2008, 11, 28)).run()
    assert result.record.iterations == 3


class Crashes(TightExits):
    """Raises in its third iteration."""

    def signals(self, market: Market, book: Book) -> Sequence[Signal]:
        if self.hooks["on_trading_iteration"] == 3:
            raise RuntimeError("a mistake of its own")
        return super().signals(market, book)


def test_a_crash_of_the_strategy_ends_the_replay_and_is_told(exchange_run: Any) -> None:
    Crashes.callbacks, Crashes.hooks = [], Counter()
    TightExits.callbacks, TightExits.hooks = Crashes.callbacks, Crashes.hooks
    run = exchange_run(Crashes, sessions=2)
    result = run.run()
    assert isinstance(result.error, RuntimeError)
    assert Crashes.hooks["on_trading_iteration"] == 3, "no further iteration, as Lumibot's own loop would have run"
    assert result.record.iterations == 2
    stopped = [row.value for row in SqlJournal(run.folder.journal, "").rows() if isinstance(row.value, RunStopped)]
    assert "a mistake of its own" in stopped[-1].reason


class Meddles(TightExits):
    """Reaches around the corridor for the broker itself."""

    refused: ClassVar[list[str]] = []

    def on_trading_iteration(self) -> None:
        super().on_trading_iteration()
        for order in self.broker.get_tracked_orders(self.name):
            for meddle in (self.broker.cancel_order, lambda order: self.broker.modify_order(order, stop_price=1.0)):
                try:
                    meddle(order)
                except Refused as refusal:
                    self.refused.append(str(refusal))


def test_the_brokers_own_ways_do_not_touch_what_the_desk_has_sent(exchange_run: Any) -> None:
    Meddles.refused[:] = []
    run = exchange_run(Meddles, sessions=1)
    result = run.run()
    assert result.error is None
    assert Meddles.refused and all("corridor" in text for text in Meddles.refused)
    changes = [line for line in access(run.folder.access_log) if line.get("method") in ("DELETE", "PATCH")]
    decided = [row for row in SqlJournal(run.folder.journal, "").rows() if isinstance(row.value, Cancel | Replace)]
    assert len(changes) == len(decided), "nothing was canceled or moved behind the journal"
