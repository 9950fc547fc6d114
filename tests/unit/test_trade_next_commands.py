"""What a run at the exchange suggests to do next: for option spreads something else than for shares."""

from __future__ import annotations

from pathlib import Path

import pytest

from desk.cli.outcome import trades_spreads
from desk.cli.trade_exchange import _next_commands
from desk.domain.records import RunRecord
from desk.domain.trades import Book
from desk.runtime.plugins import load_strategy
from desk.runtime.record import RunFacts, run_record
from desk.runtime.run_folder import RunFolder


def record(strategy: str) -> RunRecord:
    return run_record((), Book(), None, RunFacts(strategy, "exchange", "the market", None, 0.6, False))


def test_after_a_run_of_spreads_come_its_positions_and_their_backtest(tmp_path: Path) -> None:
    again, positions, backtest, paper = _next_commands(record("bull_put_spread"), RunFolder(tmp_path), is_of_spreads=True)
    assert again.endswith("live_trader.py --strategy bull_put_spread --broker exchange --seed 2")
    assert positions.endswith(f"desk options positions --run {tmp_path} --all")
    assert "backtests/spreads.py" in backtest and "your paper account" in paper


def test_after_a_run_of_shares_nothing_is_said_of_options(tmp_path: Path) -> None:
    said = _next_commands(record("combined"), RunFolder(tmp_path), is_of_spreads=False)
    assert said[:2] == ('make trade ARGS="--seed 2"', "make backtest") and not any("options" in line for line in said)


@pytest.mark.parametrize(("name", "is_of_spreads"), [("bull_put_spread", True), ("combined", False)])
def test_a_strategy_says_whether_it_trades_spreads(name: str, is_of_spreads: bool) -> None:
    assert trades_spreads(load_strategy(name)) is is_of_spreads
    assert not trades_spreads(object)
