from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Iterator
from datetime import UTC, date, datetime

import pytest
from lumibot.strategies import Strategy

from desk.data.bundled import load_bundled
from desk.data.calendars import session_dates
from desk.runtime.backtest import BacktestOutcome, run_backtest

START, END = date(2010, 1, 4), date(2010, 3, 31)


class BuyAndHold(Strategy):
    """A plain Lumibot strategy that knows nothing of the desk."""

    def initialize(self) -> None:
        self.sleeptime = "1D"

    def on_trading_iteration(self) -> None:
        if self.get_position("IBM") is None:
            self.submit_order(self.create_order("IBM", self.parameters.get("shares", 100), "buy"))


def run(strategy: type[Strategy] = BuyAndHold, **more: object) -> BacktestOutcome:
    return run_backtest(strategy, load_bundled(), ["IBM", "MSFT"], START, END, **more)


@pytest.fixture
def _no_network(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    def refuse(*_: object) -> None:
        raise AssertionError("a backtest opened a connection")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    yield


@pytest.mark.usefixtures("_no_network")
def test_it_needs_no_network_writes_no_file_says_nothing_and_leaves_no_thread(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    threads, handler = set(threading.enumerate()), signal.getsignal(signal.SIGINT)
    run(parameters={"shares": 1_000_000})  # refused on every day, which Lumibot would log
    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr() == ("", "")
    assert set(threading.enumerate()) <= threads
    assert signal.getsignal(signal.SIGINT) is handler


def test_equity_has_the_start_and_one_point_a_session_at_its_close():
    outcome = run()
    days = session_dates(START, END)
    assert len(outcome.equity) == len(days) + 1
    assert outcome.equity[0].equity_usd == 100_000.0
    assert [point.at.date() for point in outcome.equity[1:]] == list(days)
    assert outcome.equity[1].at == datetime(2010, 1, 4, 21, 0, tzinfo=UTC)
    ibm = load_bundled().daily["IBM"]
    bought = ibm.loc["2010-01-04", "open"]
    for point in (outcome.equity[1], outcome.equity[-1]):
        close = ibm.loc[point.at.date().isoformat(), "close"]
        assert point.cash_usd == pytest.approx(100_000 - 100 * bought)
        assert point.equity_usd == pytest.approx(point.cash_usd + 100 * close)


def test_an_end_on_a_closed_day_ends_with_the_session_before():
    outcome = run_backtest(BuyAndHold, load_bundled(), ["IBM"], START, date(2010, 1, 17))
    assert outcome.equity[-1].at.date() == date(2010, 1, 15)
    assert len(outcome.equity) == 11


def test_result_holds_lumibots_analysis():
    outcome = run()
    gain = outcome.equity[-1].equity_usd / 100_000 - 1
    assert outcome.result["total_return"] == pytest.approx(gain, abs=1e-3)
    assert {"cagr", "volatility", "sharpe", "max_drawdown", "romad"} <= set(outcome.result)


def test_a_run_without_orders_has_an_empty_event_table_with_its_columns():
    class Idle(Strategy):
        def initialize(self) -> None:
            self.sleeptime = "1D"

    events = run(Idle).trade_events
    assert events.empty and {"time", "symbol", "side", "status", "price"} <= set(events.columns)


def test_progress_is_told_at_most_twenty_times_a_second_and_at_the_end():
    told: list[tuple[date, float]] = []
    clock = iter(i * 0.01 for i in range(10_000))  # every look at the clock is 10 ms later
    run(progress=lambda day, fraction: told.append((day, fraction)), monotonic=lambda: next(clock))
    looks = next(clock) / 0.01
    assert 2 < len(told) <= looks / 5 + 2
    assert told[-1] == (END, 1.0)
    assert told == sorted(told)
    assert all(START <= day <= END and 0.0 <= fraction <= 1.0 for day, fraction in told)


def test_a_strategys_error_reaches_the_caller():
    class Broken(Strategy):
        def on_trading_iteration(self) -> None:
            raise ArithmeticError("on purpose")

    with pytest.raises(ArithmeticError, match="on purpose"):
        run(Broken)


def test_budget_and_parameters_reach_the_strategy():
    outcome = run(budget_usd=5_000.0, parameters={"shares": 10})
    assert outcome.strategy.get_position("IBM").quantity == 10
    assert outcome.equity[0].equity_usd == 5_000.0
