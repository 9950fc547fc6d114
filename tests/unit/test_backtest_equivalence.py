"""What makes the backtest fast changes no fill: every shortcut is run against the long way."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest
from lumibot.backtesting import PandasDataBacktesting
from lumibot.backtesting.market_input_evidence import MarketInputEvidence
from lumibot.data_sources import PandasData
from lumibot.entities import Asset, Data
from lumibot.strategies import Strategy

from desk.data.calendars import session_dates
from desk.data.daily_feed import DailyFeed
from desk.data.source import Source
from desk.runtime.backtest import BacktestOutcome, Costs, run_backtest

pytestmark = pytest.mark.slow

DAYS = session_dates(date(2022, 1, 3), date(2022, 7, 29))
SYMBOLS = ("AAA", "BBB", "CCC")


def walks(seed: int, daily_volatility: float = 0.02) -> Source:
    rng = np.random.default_rng(seed)
    index = pd.DatetimeIndex([pd.Timestamp(day) for day in DAYS])
    frames = {}
    for symbol in SYMBOLS:
        steps = rng.normal(0, daily_volatility / 2, (len(index), 4)).cumsum(axis=1)
        closes = 100 * np.exp(np.concatenate([[0.0], steps[:-1, 3].cumsum()]))
        path = np.round(closes[:, None] * np.exp(steps), 2)
        columns = {"open": path[:, 0], "high": path.max(axis=1), "low": path.min(axis=1), "close": path[:, 3]}
        frames[symbol] = pd.DataFrame(columns, index=index).assign(volume=1e6)
    return Source("walks", "walks", frames, {})


class EveryOrderType(Strategy):
    """Enters and leaves at random, by every kind of order; the same seed gives the same wishes on the same history."""

    def initialize(self) -> None:
        self.sleeptime = "1D"
        self.rng = np.random.default_rng(self.parameters["seed"])

    def on_trading_iteration(self) -> None:
        for symbol in SYMBOLS:
            kind, gap = int(self.rng.integers(0, 8)), float(self.rng.uniform(0.005, 0.04))
            price = self.get_last_price(symbol)
            working = [order for order in self.get_orders() if order.is_active() and order.asset.symbol == symbol]
            position = self.get_position(symbol)
            if position is None and not working:
                self.submit_order(self._entry(symbol, kind, gap, price))
            elif position is not None and not [order for order in working if order.is_sell_order()] and kind < 6:
                self.submit_order(self._exit(symbol, kind, gap, price, position.quantity))
            elif kind == 7:
                for order in working:
                    self.cancel_order(order)

    def _entry(self, symbol: str, kind: int, gap: float, price: float) -> Any:
        exits = {"secondary_limit_price": round(price * (1 + gap), 2), "secondary_stop_price": round(price * (1 - 2 * gap), 2)}
        choices = [
            {},
            {"limit_price": round(price * (1 - gap / 2), 2)},
            {"stop_price": round(price * (1 + gap / 2), 2)},
            {**exits, "order_class": "bracket"},
            {**exits, "order_class": "bracket", "limit_price": round(price * (1 - gap / 3), 2)},
            {"secondary_stop_price": exits["secondary_stop_price"], "order_class": "oto"},
            {**exits, "order_class": "bracket", "secondary_trail_percent": gap},
            {"limit_price": round(price * 1.01, 2), "time_in_force": "day"},
        ]
        return self.create_order(symbol, 50, "buy", **choices[kind])

    def _exit(self, symbol: str, kind: int, gap: float, price: float, quantity: float) -> Any:
        choices = [
            {},
            {"limit_price": round(price * (1 + gap), 2)},
            {"stop_price": round(price * (1 - gap), 2)},
            {"stop_price": round(price * (1 - gap), 2), "stop_limit_price": round(price * (1 - 1.2 * gap), 2)},
            {"trail_percent": gap},
            {"limit_price": round(price * (1 + gap), 2), "stop_price": round(price * (1 - gap), 2), "order_class": "oco"},
        ]
        return self.create_order(symbol, quantity, "sell", **choices[kind])


def events(outcome: BacktestOutcome) -> pd.DataFrame:
    columns = ["time", "symbol", "side", "type", "status", "price", "filled_quantity", "trade_cost"]
    return outcome.trade_events[columns].astype({"side": str, "type": str}).reset_index(drop=True)


def run(seed: int, **more: Any) -> BacktestOutcome:
    costs = Costs(fee_bps=2, slippage_bps=3)
    return run_backtest(EveryOrderType, walks(seed), SYMBOLS, DAYS[5], DAYS[-1], costs=costs, parameters={"seed": seed}, **more)


@pytest.mark.parametrize("seed", [1, 2])
def test_the_prescreen_changes_no_event_and_no_cent(seed: int):
    fast, slow = run(seed), run(seed, prescreen=False)
    assert (fast.trade_events["status"] == "fill").sum() > 20
    pd.testing.assert_frame_equal(events(fast), events(slow))
    assert fast.equity == slow.equity


class EverySwitchBack(DailyFeed):
    """Our feed with Lumibot's own price look-up, evidence, splits and dividends in place again."""

    APPLY_BACKTEST_POSITION_SPLITS = True
    get_last_price = PandasData.get_last_price
    get_yesterday_stock_splits = PandasData.get_yesterday_stock_splits
    get_yesterday_dividends = PandasData.get_yesterday_dividends

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._market_input_evidence = MarketInputEvidence()


@pytest.mark.parametrize("seed", [3])
def test_lumibots_switched_off_parts_change_no_event_and_no_cent(seed: int):
    fast, slow = run(seed), run(seed, feed=EverySwitchBack)
    pd.testing.assert_frame_equal(events(fast), events(slow))
    assert fast.equity == slow.equity


class OneBracketAtATime(Strategy):
    """Buys at the opening with wide exits, on every fifth session that finds it flat and without an exit on that day."""

    def initialize(self) -> None:
        self.sleeptime = "1D"
        self.day = 0
        self.left: dict[str, date] = {}

    def on_filled_order(self, position: Any, order: Any, price: float, quantity: float, multiplier: float) -> None:
        if order.is_sell_order():
            self.left[order.asset.symbol] = self.get_datetime().date()

    def on_trading_iteration(self) -> None:
        self.day += 1
        today = self.get_datetime().date()
        for symbol in SYMBOLS:
            if self.day % 5 or self.get_position(symbol) or self.left.get(symbol) == today:
                continue
            price = self.get_last_price(symbol)
            exits = {"secondary_limit_price": round(price * 1.05, 2), "secondary_stop_price": round(price * 0.95, 2)}
            self.submit_order(self.create_order(symbol, 20, "buy", order_class="bracket", **exits))


class ClosingStamps(PandasDataBacktesting):
    """The best layout that Lumibot's own parts allow: bars stamped 16:00."""


def stock_fills(source: Source) -> list[tuple[Any, ...]]:
    data = []
    for symbol, frame in source.daily.items():
        stamps = (frame.index + pd.Timedelta(hours=16)).tz_localize("America/New_York")
        data.append(Data(Asset(symbol), frame.set_axis(stamps), timestep="day"))
    _, strategy = OneBracketAtATime.run_backtest(
        ClosingStamps,
        datetime.combine(DAYS[5], datetime.min.time()),
        datetime.combine(DAYS[70], datetime.max.time()).replace(microsecond=0),
        pandas_data=data,
        benchmark_asset=None,
        risk_free_rate=0.0,
        analyze_backtest=False,
        show_plot=False,
        show_tearsheet=False,
        save_tearsheet=False,
        show_indicators=False,
        show_progress_bar=False,
        save_stats_file=False,
        quiet_logs=True,
    )
    return fills(strategy.broker._trade_event_log_df)


def fills(log: pd.DataFrame) -> list[tuple[Any, ...]]:
    filled = log[log["status"] == "fill"]
    rows = zip(filled["time"], filled["symbol"], filled["side"], filled["filled_quantity"], filled["price"], strict=True)
    return sorted((t.date(), symbol, str(side), float(q), round(float(price), 6)) for t, symbol, side, q, price in rows)


def test_where_a_bar_leaves_no_doubt_the_fills_are_lumibots_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    # Exits 10 % apart and bars a tenth of that: no bar touches both.
    source = walks(7, daily_volatility=0.012)
    ours = run_backtest(OneBracketAtATime, source, SYMBOLS, DAYS[5], DAYS[70])
    expected = stock_fills(source)
    assert len(expected) > 8
    assert fills(ours.trade_events) == expected


def test_the_same_run_twice_gives_the_same_events():
    pd.testing.assert_frame_equal(events(run(5)), events(run(5)))
