"""What makes a backtest fast leaves nothing behind and hides nothing."""

from __future__ import annotations

import gc
from datetime import date
from typing import Any

import pandas as pd
from lumibot.strategies import Strategy

from desk.data.calendars import session_dates
from desk.data.source import Instrument, Source
from desk.runtime.backtest import run_backtest

DAYS = session_dates(date(2020, 1, 2), date(2020, 1, 31))


def _source() -> Source:
    index = pd.DatetimeIndex([pd.Timestamp(day) for day in DAYS])
    frame = pd.DataFrame({"open": 100.0, "high": 101.0, "low": 99.0, "close": 100.0, "volume": 1e6}, index=index)
    return Source("flat", "flat", {"ACME": frame}, {"ACME": Instrument("ACME", "Acme")})


class _LooksUp(Strategy):
    """Buys one share a session and looks for every order that it has sent."""

    def initialize(self) -> None:
        self.sleeptime = "1D"
        self.sent: list[Any] = []
        self.found: list[bool] = []
        self.thresholds: set[tuple[int, int, int]] = set()

    def on_trading_iteration(self) -> None:
        self.thresholds.add(gc.get_threshold())
        self.sent.append(self.submit_order(self.create_order("ACME", 1, "buy")))
        self.found += [self.broker.get_tracked_order(order.identifier) is order for order in self.sent]


def test_every_order_that_was_sent_is_found_by_its_identifier() -> None:
    strategy = run_backtest(_LooksUp, _source(), ["ACME"], DAYS[2], DAYS[-2]).strategy
    assert len(strategy.found) > len(strategy.sent) > 10
    assert all(strategy.found)


def test_an_order_that_nobody_sent_is_not_found() -> None:
    strategy = run_backtest(_LooksUp, _source(), ["ACME"], DAYS[2], DAYS[4]).strategy
    assert strategy.broker.get_tracked_order("nobody's") is None


def test_the_collector_is_left_as_it_was() -> None:
    before = gc.get_threshold()
    strategy = run_backtest(_LooksUp, _source(), ["ACME"], DAYS[2], DAYS[4]).strategy
    assert before not in strategy.thresholds
    assert gc.get_threshold() == before
