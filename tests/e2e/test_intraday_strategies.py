"""Strategies on intraday bars through the whole live path: Lumibot's loop, alpaca-py, the exchange, the journal."""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta
from typing import Any

import pytest

from desk.domain.decisions import Direction
from desk.runtime.build import sleeptime_for
from desk.runtime.corridor import Iteration
from desk.runtime.strategy import DeskStrategy
from strategies.ema_cross import EmaCross
from strategies.volume_breakout import VolumeBreakout
from strategies.vwap import Vwap

pytestmark = pytest.mark.slow


def played(exchange_run: Any, strategy: type[DeskStrategy], start: date, sessions: int = 1) -> tuple[Any, Any, list[Iteration]]:
    run, seen = exchange_run(strategy, sessions=sessions, start=start), []
    run.on_iteration = seen.append
    return run, run.run(), seen


def bracket_count(run: Any) -> int:
    lines = (json.loads(line) for line in run.folder.access_log.read_text().splitlines())
    return sum(line.get("method") == "POST" and line.get("path") == "/v2/orders" and line["status"] == 200 for line in lines)


def test_vwap_looks_every_minute_enters_with_exits_and_ends_the_session_flat(exchange_run: Any) -> None:
    run, result, seen = played(exchange_run, Vwap, date(2008, 10, 7))
    assert result.error is None
    assert result.record.iterations == len(seen) == 390
    assert result.record.trips and bracket_count(run) >= len(result.record.trips)
    assert (result.counts.orders_rejected, result.counts.reconciliation_breaks) == (0, 0)
    for trip in result.record.trips:
        assert trip.stop_price < trip.entry_price < trip.target_price
        assert trip.is_protected
        assert trip.exit_at is not None and trip.exit_at <= datetime.fromisoformat("2008-10-07T20:00:00+00:00")
    for iteration in seen:
        shown = iteration.market.intraday
        assert all(int(bars.starts[-1]) + 60 <= iteration.market.now.timestamp() for bars in shown.values())
        assert shown or iteration.market.now.minute < 31


def test_a_volume_breakout_is_bought_within_five_minutes_of_its_bar_and_protected(exchange_run: Any) -> None:
    """Apple on the morning after its results of 24 January 2012."""
    _, result, seen = played(exchange_run, VolumeBreakout, date(2012, 1, 25))
    assert result.error is None
    (trip,) = result.record.trips
    assert (trip.symbol, trip.is_protected) == ("AAPL", True)
    assert trip.stop_price < trip.entry_price < trip.target_price
    (entry,) = [iteration for iteration in seen if iteration.signals]
    last = entry.market.intraday["AAPL"]
    age = entry.market.now - datetime.fromtimestamp(int(last.starts[-1]) + 3600, entry.market.now.tzinfo)
    assert timedelta(0) <= age < timedelta(minutes=5)


def test_the_ema_cross_buys_and_leaves_over_the_sessions(exchange_run: Any) -> None:
    _, result, seen = played(exchange_run, EmaCross, date(2008, 9, 9))
    assert result.error is None
    said = [(signal.symbol, signal.direction) for iteration in seen for signal in iteration.signals]
    assert said == [("IBM", Direction.LONG), ("IBM", Direction.FLAT)]
    (trip,) = result.record.trips
    assert trip.exit_at is not None and result.counts.orders_rejected == 0


def test_a_strategy_on_bars_looks_as_often_as_they_come_unless_a_person_wants_to_look_more_often() -> None:
    assert [sleeptime_for("1H", strategy) for strategy in (EmaCross, VolumeBreakout, Vwap)] == ["5M", "5M", "1M"]
    assert sleeptime_for("30S", Vwap) == "30S"
    assert sleeptime_for("1D", DeskStrategy) == "1D"
