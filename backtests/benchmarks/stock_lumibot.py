"""The rules written plainly on stock Lumibot, as its documentation teaches: history and indicator at each iteration, a bracket.

The one thing that a user of daily bars has to know is in the feed: a subclass of PandasDataBacktesting, with bars stamped at the
close, does not show the bar of the day that is being traded. Minutes are stamped at their beginning, as Lumibot wants them.
Everything that Lumibot can leave out of a run is left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from math import floor
from time import perf_counter
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

import desk.runtime  # noqa: F401  # sets Lumibot's switches, so it comes before Lumibot

# isort: split
import numpy as np
import pandas as pd
from lumibot.backtesting import PandasDataBacktesting
from lumibot.entities import Asset, Data, TradingFee
from lumibot.strategies import Strategy

from benchmarks import minute_market, rules
from benchmarks.rules import Outcome, Task

NEW_YORK = ZoneInfo("America/New_York")
# Enough that Wilder's average has forgotten where the window begins (0.2 % of it is left).
HISTORY_BARS = 100


class ClosingBars(PandasDataBacktesting):
    """Another name than its parent's is all it takes: Lumibot treats that class apart, and shows it the day's own bar."""


def rsi(close: pd.Series) -> float:
    """Wilder's RSI of the last close, in the fastest of the plain ways: pandas-ta takes half as long again."""
    change = close.diff()
    gain = np.maximum(change, 0.0).ewm(alpha=1 / rules.RSI_LENGTH, adjust=False).mean().iloc[-1]
    loss = np.maximum(-change, 0.0).ewm(alpha=1 / rules.RSI_LENGTH, adjust=False).mean().iloc[-1]
    return float(100 * gain / (gain + loss))


class PlainRsi(Strategy):
    """What a user of Lumibot writes."""

    parameters: ClassVar[dict[str, Any]] = {"symbols": (), "bar": "day"}

    def initialize(self) -> None:
        self.sleeptime = "1D" if self.parameters["bar"] == "day" else "1M"
        self.bar = 0
        self.entered_in: dict[str, int] = {}
        self.left_on: dict[str, date] = {}
        self.entries: set[tuple[str, date]] = set()

    def on_trading_iteration(self) -> None:
        self.bar += 1
        low: list[tuple[float, str, float]] = []
        for symbol in self.parameters["symbols"]:
            position = self.get_position(symbol)
            if position is not None and position.quantity > 0:
                self.leave_if_overdue(symbol, position)
                continue
            close = self.get_historical_prices(symbol, HISTORY_BARS, self.parameters["bar"]).df["close"]
            level = rsi(close)
            if level <= rules.OVERSOLD_RSI and self.left_on.get(symbol) != self.get_datetime().date():
                low.append((level, symbol, float(close.iloc[-1])))
        self.buy(sorted(low))

    def leave_if_overdue(self, symbol: str, position: Any) -> None:
        if self.bar - self.entered_in[symbol] >= rules.TIME_BARRIER_SESSIONS:
            self.submit_order(self.create_order(symbol, position.quantity, "sell"))

    def buy(self, low: list[tuple[float, str, float]]) -> None:
        cash = float(self.cash)
        for _, symbol, last in low:
            prices = rules.bracket_at(last)
            shares = floor(rules.MAX_POSITION_FRACTION * self.portfolio_value / prices.limit)
            if shares == 0 or shares * prices.limit > cash:
                continue
            cash -= shares * prices.limit
            order = self.create_order(
                symbol,
                shares,
                "buy",
                limit_price=prices.limit,
                secondary_limit_price=prices.target,
                secondary_stop_price=prices.stop,
                order_class="bracket",
                time_in_force="day",
            )
            self.submit_order(order)

    def on_filled_order(self, position: Any, order: Any, price: float, quantity: float, multiplier: float) -> None:
        now = self.get_datetime()
        if order.is_buy_order():
            self.entered_in[order.asset.symbol] = self.bar
            self.entries.add((order.asset.symbol, now.date() if self.parameters["bar"] == "day" else now.replace(tzinfo=None)))
        else:
            self.left_on[order.asset.symbol] = now.date()


def run(task: Task) -> Outcome:
    frames = {
        symbol: frame.set_axis(pd.DatetimeIndex(frame.index) + pd.Timedelta("16h"))
        for symbol, frame in rules.frames(task).items()
    }
    return simulate(frames, "day", rules.traded_sessions(task))


def run_minutes(task: Task) -> Outcome:
    frames = minute_market.frames(task)
    days = sorted({stamp.date() for frame in frames.values() for stamp in frame.index})
    return simulate(frames, "minute", days[1:])


def simulate(frames: Mapping[str, pd.DataFrame], bar: str, days: Sequence[date]) -> Outcome:
    """Trade all frames, on New York's wall clock, together over `days`."""
    fee = TradingFee(percent_fee=rules.FEE_BPS / 10_000)
    began = perf_counter()
    _, strategy = PlainRsi.run_backtest(
        ClosingBars,
        datetime.combine(days[0], datetime.min.time()),
        datetime.combine(days[-1] + timedelta(days=1), datetime.min.time()),
        pandas_data=[Data(Asset(symbol), frame.tz_localize(NEW_YORK), timestep=bar) for symbol, frame in frames.items()],
        parameters={"symbols": tuple(frames), "bar": bar},
        budget=rules.BUDGET_USD,
        buy_trading_fees=[fee],
        sell_trading_fees=[fee],
        benchmark_asset=None,
        risk_free_rate=0.0,
        analyze_backtest=False,
        show_plot=False,
        show_tearsheet=False,
        save_tearsheet=False,
        show_indicators=False,
        show_progress_bar=False,
        quiet_logs=True,
        save_stats_file=False,
        save_logfile=False,
    )
    seconds = perf_counter() - began
    return Outcome(seconds, frozenset(strategy.entries), float(strategy.portfolio_value))
