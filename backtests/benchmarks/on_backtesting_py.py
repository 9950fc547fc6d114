"""The rules written plainly on backtesting.py (`pip install backtesting==0.6.6`, the `bench` extra).

It trades one symbol at a time. So each symbol has an account of its own with the whole budget, of which 15 % is one position:
the signals, brackets, fees and the way out are those of the others, but no symbol competes for cash with another, and the end
is that of the average account.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from datetime import date
from math import floor
from time import perf_counter
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from backtesting import Backtest, Strategy, backtesting

from benchmarks import minute_market, rules
from benchmarks.minute_market import moment_of
from benchmarks.rules import Outcome, Task

# It draws a bar of progress for every symbol and has no switch for it.
backtesting._tqdm = lambda bars, **_: bars
# It tells of every exit that waits for the bar after its entry's, which here is a known difference and hundreds of lines.
warnings.filterwarnings("ignore", message=".*A contingent SL/TP order would execute", category=UserWarning)


def rsi(close: Any) -> np.ndarray:
    """Wilder's RSI of all closes, shape (n,)."""
    change = pd.Series(np.asarray(close)).diff()
    gain = change.clip(lower=0).ewm(alpha=1 / rules.RSI_LENGTH, adjust=False).mean()
    loss = (-change).clip(lower=0).ewm(alpha=1 / rules.RSI_LENGTH, adjust=False).mean()
    return np.asarray(100 * gain / (gain + loss), dtype=np.float64)


class PlainRsi(Strategy):
    """What a user of backtesting.py writes. `next` runs at the close of a bar; orders trade in the one after it."""

    first: ClassVar[int] = 0

    def init(self) -> None:
        self.level = self.I(rsi, self.data.Close)

    def next(self) -> None:
        number = len(self.data)
        if number < self.first:
            return
        if self.trades:
            # The order trades in the next bar, which then is the one after the last that counts.
            if number - 1 - self.trades[0].entry_bar >= rules.TIME_BARRIER_SESSIONS - 1:
                self.trades[0].close()
            return
        for order in self.orders:
            order.cancel()
        if self.level[-1] <= rules.OVERSOLD_RSI:
            prices = rules.bracket_at(float(self.data.Close[-1]))
            shares = floor(rules.MAX_POSITION_FRACTION * self.equity / prices.limit)
            self.buy(size=shares, limit=prices.limit, sl=prices.stop, tp=prices.target)


def simulate(frames: Mapping[str, pd.DataFrame], first: int) -> Outcome:
    """Trade every frame from bar number `first` on, one after the other."""
    began = perf_counter()
    entries: set[tuple[str, date]] = set()
    finals: list[float] = []
    for symbol, frame in frames.items():
        test = Backtest(
            frame.rename(columns=str.capitalize),
            PlainRsi,
            cash=rules.BUDGET_USD,
            commission=rules.FEE_BPS / 10_000,
            finalize_trades=True,  # what is still held is sold at the last close
        )
        found = test.run(first=first)
        finals.append(float(found["Equity Final [$]"]))
        entries |= {(symbol, moment_of(stamp)) for stamp in found["_trades"]["EntryTime"]}
    return Outcome(perf_counter() - began, frozenset(entries), float(np.mean(finals)))


def run(task: Task) -> Outcome:
    return simulate(rules.frames(task), rules.WARM_UP_SESSIONS)


def run_minutes(task: Task) -> Outcome:
    return simulate(minute_market.frames(task), minute_market.WARM_UP_BARS)
