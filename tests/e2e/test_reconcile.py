"""What happens in the account beside the desk, and what happens inside Lumibot: each ends in a state that is journaled."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from live_desk import Buyer, ExchangeClock, exchange, live_run, to_eleven

from desk.brokers.alpaca_clients import trading_client
from desk.cli.adopt import adopt_shares
from desk.domain.decisions import Mode
from desk.domain.errors import ReconciliationBreak, UsageError
from desk.domain.journal import BreakFound, ForeignSeen, IterationSkipped, ModeChanged
from desk.exchange.process import ExchangeProcess
from desk.journal.sql import SqlJournal
from desk.runtime.account import broker_view
from desk.runtime.alpaca_run import AlpacaRun, account_number
from desk.runtime.clock import stopwatch, wait_seconds
from desk.runtime.result import RunResult
from desk.runtime.run_folder import RunFolder, RunIdentity, create
from desk.settings.load import load_settings

pytestmark = pytest.mark.slow
__all__ = ["exchange"]
PATIENCE_SECONDS = 60.0


@pytest.fixture
def run(exchange: ExchangeProcess, tmp_path: Path) -> Callable[..., AlpacaRun]:
    def build(strategy: str = "Buyer", **more: Any) -> AlpacaRun:
        path = tmp_path / "runs" / "combined-alpaca"
        made = live_run(exchange.url, (exchange.api_key, exchange.api_secret), folder(path).path, strategy, **more)
        return made

    def folder(path: Path) -> RunFolder:
        if path.is_dir():
            return RunFolder(path)
        probe = live_run(exchange.url, (exchange.api_key, exchange.api_secret), tmp_path, "Buyer")
        identity = RunIdentity("combined", "alpaca", "alpaca", None, None, None, account=account_number(probe.endpoint))
        return create(path.parent, path.name, identity)

    return build


def values(run: AlpacaRun, kind: type) -> list[Any]:
    return [row.value for row in SqlJournal(run.folder.journal, "").rows() if isinstance(row.value, kind)]


def api(run: AlpacaRun) -> Any:
    return trading_client(run.endpoint)


def by_hand(run: AlpacaRun, exchange: ExchangeProcess, symbol: str, side: str, shares: int, minute: int) -> None:
    """Somebody trades in the account with another program, before that minute of the hour."""
    to_eleven(exchange, 7, minute - 1)
    api(run).post("/orders", {"symbol": symbol, "side": side, "qty": str(shares), "type": "market", "time_in_force": "day"})
    to_eleven(exchange, 7, minute)


@contextmanager
def going(run: AlpacaRun) -> Iterator[list[RunResult]]:
    """The run in a thread, stopped at the end; its result is in the list then."""
    results: list[RunResult] = []
    thread = Thread(target=lambda: results.append(run.run()))
    thread.start()
    try:
        yield results
    finally:
        run.stop.set()
        thread.join(PATIENCE_SECONDS)


def until(happened: Callable[[], Any]) -> None:
    deadline = stopwatch() + PATIENCE_SECONDS
    while not happened():
        assert stopwatch() < deadline
        wait_seconds(0.2)


# ---- somebody else in the account ----------------------------------------------------------------------------------------


def test_a_manual_trade_is_left_alone_until_a_person_gives_it_to_the_desk(
    run: Callable[..., AlpacaRun], exchange: ExchangeProcess
) -> None:
    first = run(once=True)
    held = first.run().book.shares()
    assert set(held) == {"AAPL", "IBM"}
    by_hand(first, exchange, "AAPL", "buy", 7, minute=5)
    by_hand(first, exchange, "MSFT", "buy", 3, minute=10)

    second = run(once=True)
    result = second.run()
    assert (result.mode, result.book.shares()) == (Mode.ACTIVE, held)
    assert {(seen.symbol, seen.shares) for seen in values(second, ForeignSeen)} == {("AAPL", 7), ("MSFT", 3)}
    assert values(second, BreakFound) == []

    settings = load_settings(environ={}, dotenv=None)
    for symbol, count, why in (("AAPL", 8, "7 are not"), ("XOM", None, "holds no XOM")):
        with pytest.raises(UsageError, match=why):
            adopt_shares(second.folder, second.endpoint, settings, (symbol, count), "mine")
    adopt_shares(second.folder, second.endpoint, settings, ("AAPL", 5), "mine")

    third = run(once=True)
    result = third.run()
    adopted = [trade for trade in result.book.open.values() if trade.reason == "adopted: mine"]
    assert [(trade.shares, trade.is_protected) for trade in adopted] == [(5, True)]
    assert result.book.shares_of("AAPL") == held["AAPL"] + 5
    assert (result.mode, values(third, BreakFound)) == (Mode.ACTIVE, [])
    orders = [order for order in api(third).get("/orders", {"status": "open"}) if order["client_order_id"].endswith("cover1")]
    assert [(order["symbol"], order["qty"], order["order_class"]) for order in orders] == [("AAPL", "5", "oco")]


def test_a_manual_trade_within_minutes_of_the_desks_own_fill_is_told_from_it(
    run: Callable[..., AlpacaRun], exchange: ExchangeProcess
) -> None:
    first = run(once=True)
    held = first.run().book.shares()
    by_hand(first, exchange, "AAPL", "buy", 5, minute=2)
    second = run(once=True)
    result = second.run()
    assert (result.mode, result.book.shares()) == (Mode.ACTIVE, held)
    assert {(seen.symbol, seen.shares) for seen in values(second, ForeignSeen)} == {("AAPL", 5)}
    assert values(second, BreakFound) == []


def test_many_foreign_trades_are_named_by_one_listing(run: Callable[..., AlpacaRun], exchange: ExchangeProcess) -> None:
    first = run(once=True)
    first.run()
    for number in range(6):
        by_hand(first, exchange, "MSFT", "buy", 1, minute=2 + number)
    account = api(first)
    asked: list[str] = []
    get = account.get
    account.get = lambda path, data=None, **more: (asked.append(path), get(path, data, **more))[1]
    after, names = datetime(2008, 10, 7, tzinfo=UTC), dict[str, str]()
    view = broker_view(account, after, lambda broker_id, client_id: None, names)
    assert len([fill for fill in view.fills if fill.symbol == "MSFT"]) == 6
    assert [path for path in asked if path.startswith("/orders/")] == []
    asked.clear()
    broker_view(account, after, lambda broker_id, client_id: None, names)
    assert asked.count("/orders") == 1, "names are asked for once"


def test_shares_of_the_desk_that_somebody_sold_stop_it_at_the_start(
    run: Callable[..., AlpacaRun], exchange: ExchangeProcess
) -> None:
    first = run(once=True)
    held = first.run().book.shares()
    api(first).cancel_orders()
    to_eleven(exchange, 7, 5)
    by_hand(first, exchange, "AAPL", "sell", held["AAPL"], minute=10)
    with pytest.raises(ReconciliationBreak, match="AAPL: the journal says"):
        run(once=True).run()


# ---- Lumibot at its worst ------------------------------------------------------------------------------------------------


def test_an_exception_in_a_callback_halts_and_the_loop_goes_on(run: Callable[..., AlpacaRun]) -> None:
    made = run("BadCallback")
    with going(made) as results:
        until(lambda: made.folder.lock.exists() and values(made, ModeChanged))
    assert [change.mode for change in values(made, ModeChanged)] == [Mode.HALTED]
    assert "the callback is out of its depth" in values(made, ModeChanged)[0].reason
    assert results[0].counts.fills > 0


def test_an_exception_in_a_sync_halts(run: Callable[..., AlpacaRun]) -> None:
    made = run("BadSync", once=True)
    result = made.run()
    assert result.mode is Mode.HALTED
    assert "the sync is out of its depth" in values(made, ModeChanged)[0].reason


def test_an_iteration_that_never_ends_is_noticed_and_halts(run: Callable[..., AlpacaRun], exchange: ExchangeProcess) -> None:
    made = run("Hanging")
    with going(made):
        until(made.folder.lock.exists)
        minutes = iter(range(5, 55, 5))

        def later() -> bool:
            to_eleven(exchange, 7, next(minutes, 59))
            return bool(values(made, ModeChanged))

        until(later)
        made.stop.set()
    assert "no iteration was done by" in values(made, ModeChanged)[0].reason


# ---- clocks --------------------------------------------------------------------------------------------------------------


class Sleeper(Buyer):
    """The machine sleeps between the quotes and the decision."""

    clock: ExchangeClock

    def signals(self, market: Any, book: Any) -> Any:
        self.clock.ahead = timedelta(minutes=20)
        return super().signals(market, book)


def test_a_machine_that_slept_between_quotes_and_decision_decides_nothing(run: Callable[..., AlpacaRun]) -> None:
    made = run(once=True)
    Sleeper.clock = made.clock  # type: ignore[assignment]  # live_run gave it this one
    made.strategy_class = Sleeper
    result = made.run()
    assert result.error is None
    assert (result.mode, result.counts.orders_submitted) == (Mode.ACTIVE, 0)
    assert "the market was observed 20 minutes ago" in values(made, IterationSkipped)[0].reason


def test_quotes_from_before_the_machine_slept_are_not_decided_on(run: Callable[..., AlpacaRun]) -> None:
    made = run(once=True)
    assert isinstance(made.clock, ExchangeClock)
    made.clock.ahead = timedelta(minutes=20)
    result = made.run()
    assert (result.error, result.counts.orders_submitted) == (None, 0)
