"""A replay at an exchange that misbehaves: it goes on, trades what it would have traded, and is repeatable with its seed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from desk.domain.decisions import Direction, FixedExit, Mode, Signal, Target, Weight
from desk.domain.journal import LinkChanged
from desk.domain.market import Market
from desk.domain.trades import Book
from desk.exchange.admin_client import AdminClient
from desk.journal.reader import JournalReader
from desk.runtime.exchange_run import ExchangeRun, RunResult
from desk.runtime.strategy import DeskStrategy

pytestmark = pytest.mark.slow
Fault = tuple[str, Mapping[str, Any], Mapping[str, Any]]
Runs = Callable[..., ExchangeRun]
POST = {"method": "POST", "path": "/v2/orders"}

STREAM_FAULTS: dict[str, Fault] = {
    "lost": ("lost_event", {"probability": 0.3}, {}),
    "fills lost": ("lost_event", {"event": "fill"}, {}),
    "twice": ("duplicate_event", {}, {}),
    "late": ("late_event", {"probability": 0.3}, {"seconds": 0.6}),
    "overtaken": ("reordered_event", {"probability": 0.5}, {"behind": 2}),
    "the stream breaks before": ("dropped_stream", {"probability": 0.2}, {}),
    "the stream breaks after": ("dropped_stream", {"probability": 0.2}, {"delivered": True}),
}
ORDER_FAULTS: list[Fault] = [
    ("timeout_after_taken", {**POST, "probability": 0.3}, {}),
    ("reset", {**POST, "probability": 0.2}, {"taken": True}),
    ("server_error", {**POST, "probability": 0.2}, {"status": 502}),
    ("partial_fill", {"probability": 0.3}, {"fraction": 0.3}),
    STREAM_FAULTS["lost"],
    STREAM_FAULTS["the stream breaks before"],
]


class NearExits(DeskStrategy):
    """Holds every stock with exits one percent away, so that targets and stops are hit within days."""

    def signals(self, market: Market, book: Book) -> Sequence[Signal]:
        return [Signal(symbol, Direction.LONG, "always") for symbol in market.bars]

    def targets(self, signals: Sequence[Signal], market: Market, book: Book) -> Sequence[Target]:
        return [Target(signal.symbol, Weight(0.1), FixedExit(0.01, 0.01), signal.reason) for signal in signals]


def played(run: ExchangeRun, faults: Sequence[Fault]) -> RunResult:
    def switch_on(admin: AdminClient) -> None:
        for kind, when, parameters in faults:
            admin.fault(kind, when, **parameters)

    run.on_exchange = switch_on
    result = run.run()
    assert result.error is None
    return result


def traded(result: RunResult) -> list[tuple[Any, ...]]:
    """What was bought and sold, with dollars a share as the broker's average rounds them."""
    trades = [*result.book.closed, *result.book.open.values()]
    told = [
        (
            trade.symbol,
            trade.decided_at,
            trade.entered,
            trade.exited,
            trade.exit_role,
            round(float(trade.entry_price or 0), 2),
            round(float(trade.exit_price or 0), 2),
        )
        for trade in trades
    ]
    return sorted(told, key=str)


@pytest.fixture(scope="module")
def untroubled(shared_exchange_run: Runs) -> RunResult:
    return played(shared_exchange_run(NearExits), [])


@pytest.mark.parametrize("name", STREAM_FAULTS)
def test_whatever_happens_to_the_stream_the_same_is_traded(exchange_run: Runs, untroubled: RunResult, name: str) -> None:
    result = played(exchange_run(NearExits), [STREAM_FAULTS[name]])
    assert len(traded(untroubled)) > 3
    assert traded(result) == traded(untroubled)
    assert (result.mode, result.counts.reconciliation_breaks) == (Mode.ACTIVE, 0)


def test_a_stream_that_broke_stands_in_the_journal_and_is_up_again_before_time_goes_on(exchange_run: Runs) -> None:
    run = exchange_run(NearExits)
    played(run, [STREAM_FAULTS["the stream breaks after"]])
    with JournalReader(run.folder.journal) as reader:
        links = [row.value for row in (stored.row() for stored in reader.rows(kinds=["link"]))]
    ups = [value.is_up for value in links if isinstance(value, LinkChanged)]
    assert ups and ups == [False, True] * (len(ups) // 2)


def test_the_same_seed_gives_the_same_run_also_when_answers_and_updates_get_lost(exchange_run: Runs) -> None:
    first, second = (played(exchange_run(NearExits), ORDER_FAULTS) for _ in range(2))
    assert traded(first) == traded(second)
    assert first.record.equity == second.record.equity
    assert (first.mode, first.counts.reconciliation_breaks) == (Mode.ACTIVE, 0)


def test_a_hook_whose_requests_are_not_answered_is_left_out_and_the_run_goes_on(exchange_run: Runs) -> None:
    nobody_there = (
        "server_error",
        {"path": "/v2/positions", "since": "2008-09-02T15:00:00Z", "until": "2008-09-02T15:31:00Z"},
        {},
    )
    run = exchange_run(NearExits, sessions=1)
    result = played(run, [nobody_there])
    with JournalReader(run.folder.journal) as reader:
        skipped = list(reader.rows(kinds=["skipped"]))
    assert skipped and result.counts.reconciliation_breaks == 0
