"""The rules written plainly on backtrader (`pip install backtrader==1.9.78.123`, the `bench` extra)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from math import floor
from time import perf_counter
from typing import Any

import backtrader as bt
import pandas as pd

from benchmarks import minute_market, rules
from benchmarks.minute_market import moment_of
from benchmarks.rules import Outcome, Task

HALF_A_SECOND = timedelta(seconds=0.5)


class PlainRsi(bt.Strategy):
    """What a user of backtrader writes. `next` runs at the close of a bar; orders trade in the one after it."""

    params = (("first", 0),)

    def __init__(self) -> None:
        self.rsi = {data: bt.indicators.RSI(data.close, period=rules.RSI_LENGTH, safediv=True) for data in self.datas}
        self.brackets: dict[Any, list[Any]] = {}
        self.entered_in: dict[Any, int] = {}
        self.entries: set[tuple[str, date]] = set()

    def next(self) -> None:
        if len(self) < self.p.first:
            return
        low = []
        for data in self.datas:
            if self.getposition(data).size > 0:
                self.leave_if_overdue(data)
                continue
            self.cancel_stale_entry(data)
            level = self.rsi[data][0]
            if level <= rules.OVERSOLD_RSI:
                low.append((level, data._name, data))
        self.enter(sorted(low, key=lambda found: found[:2]))

    def leave_if_overdue(self, data: Any) -> None:
        # The order trades in the next bar, which then is the one after the last that counts.
        if len(self) - self.entered_in[data] >= rules.TIME_BARRIER_SESSIONS - 1:
            for exit_ in self.brackets[data][1:]:
                self.cancel(exit_)
            self.close(data=data)

    def cancel_stale_entry(self, data: Any) -> None:
        for entry in self.brackets.pop(data, [])[:1]:
            if entry.alive():
                self.cancel(entry)

    def enter(self, low: list[tuple[float, str, Any]]) -> None:
        cash = self.broker.getcash()
        for _, _, data in low:
            prices = rules.bracket_at(data.close[0])
            shares = floor(rules.MAX_POSITION_FRACTION * self.broker.getvalue() / prices.limit)
            if shares == 0 or shares * prices.limit > cash:
                continue
            cash -= shares * prices.limit
            self.brackets[data] = self.buy_bracket(
                data=data,
                size=shares,
                exectype=bt.Order.Limit,
                price=prices.limit,
                limitprice=prices.target,
                stopprice=prices.stop,
            )

    def notify_order(self, order: Any) -> None:
        if order.status == order.Completed and order.isbuy():
            self.entered_in[order.data] = len(self)
            # Its clock is a fraction of days since the year one, some microseconds off.
            stamp = pd.Timestamp(order.data.datetime.datetime(0) + HALF_A_SECOND).floor("s")
            self.entries.add((order.data._name, moment_of(stamp)))


def simulate(frames: Mapping[str, pd.DataFrame], first: int, timeframe: int) -> Outcome:
    """Trade all frames together from bar number `first` on."""
    began = perf_counter()
    cerebro = bt.Cerebro(stdstats=False)
    cerebro.addstrategy(PlainRsi, first=first)
    for symbol, frame in frames.items():
        cerebro.adddata(bt.feeds.PandasData(dataname=frame, timeframe=timeframe), name=symbol)
    cerebro.broker.setcash(rules.BUDGET_USD)
    cerebro.broker.setcommission(commission=rules.FEE_BPS / 10_000)
    strategy = cerebro.run()[0]
    seconds = perf_counter() - began
    return Outcome(seconds, frozenset(strategy.entries), float(cerebro.broker.getvalue()))


def run(task: Task) -> Outcome:
    return simulate(rules.frames(task), rules.WARM_UP_SESSIONS, bt.TimeFrame.Days)


def run_minutes(task: Task) -> Outcome:
    return simulate(minute_market.frames(task), minute_market.WARM_UP_BARS, bt.TimeFrame.Minutes)
