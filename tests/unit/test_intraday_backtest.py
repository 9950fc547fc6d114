"""Orders on minutes and hours. Where Lumibot gets a point wrong, the same bars run through its own feed and broker too."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest
from lumibot.entities import Order, TradingFee
from lumibot.strategies import Strategy

from desk.data.calendars import NEW_YORK
from desk.data.intraday_feed import IntradayFeed, daily_from_intraday
from desk.runtime.backtest import BacktestOutcome, Costs, run_backtest
from tests.intraday_days import (
    FRIDAY,
    HALF_DAY,
    TUESDAY,
    Scripted,
    bracket,
    frame,
    minutes,
    on_desk,
    on_stock,
    ran,
    source_of,
    stamps,
    submit,
)

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


# ---- when an order fills, and at what price --------------------------------------------------------------------------------


def test_an_order_fills_at_the_open_of_the_bar_that_begins_when_it_is_decided():
    bars = minutes({"02 10:29": (90, 91, 89, 90), "02 10:30": (107, 108, 106, 107)})
    assert on_desk({"10:30": submit(10, "buy")}, bars).fills == [("02 10:30", "buy", 107.0)]


def test_nobody_knows_the_open_of_the_bar_that_begins_now():
    seen: list[float] = []
    bars = minutes({"02 10:29": (90, 91, 89, 90), "02 10:30": (107, 108, 106, 107)})
    script = {"10:30": lambda strategy: seen.append(strategy.get_last_price("AAA"))}
    on_desk(script, bars)
    on_stock(script, bars)
    assert seen == [90.0, 107.0]


def test_minutes_without_trading_are_not_traded():
    missing = [f"02 10:{minute}" for minute in range(30, 35)]
    bars = minutes({"02 10:29": (50, 50, 50, 50), "02 10:35": (60, 60, 60, 60)}, missing)
    script = {"10:30": submit(10, "buy")}
    assert on_desk(script, bars).fills == [("02 10:35", "buy", 60.0)]
    assert on_stock(script, bars).fills == [("02 10:30", "buy", 50.0)]


def test_a_stop_is_watched_in_every_minute_of_a_strategy_that_looks_once_an_hour():
    bars = minutes({"02 11:03": (100, 100, 94, 96)})
    script = {"10:00": bracket(stop=95, target=115), "10:30": bracket(stop=95, target=115)}  # Lumibot stands at half hours
    ours = on_desk(script, bars, parameters={"sleeptime": "1H"})
    assert ours.fills == [("02 10:00", "buy", 100.0), ("02 11:04", "sell", 95.0)]
    assert [f"{look:%H:%M}" for look in ours.strategy.looks] == ["09:30", *(f"{hour}:00" for hour in range(10, 16))]
    assert on_stock(script, bars, sleeptime="1H").fills == [("02 10:30", "buy", 100.0)]


def test_a_bar_that_touches_stop_and_target_fills_the_stop():
    bars = minutes({"02 10:31": (100, 120, 90, 110)})
    script = {"09:31": bracket(stop=95, target=115)}
    assert on_desk(script, bars).fills[1:] == [("02 10:32", "sell", 95.0)]
    assert [price for *_, price in on_stock(script, bars).fills[1:]] == [115.0]


def test_gaps_fill_at_the_open():
    script = {"09:31": bracket(stop=95, target=115)}
    assert on_desk(script, minutes({"02 10:31": (90, 92, 88, 91)})).fills[1:] == [("02 10:31", "sell", 90.0)]
    assert on_desk(script, minutes({"02 10:31": (118, 120, 90, 91)})).fills[1:] == [("02 10:31", "sell", 118.0)]


def test_a_stop_gaps_over_the_night_and_fills_at_the_first_print_of_the_morning():
    bars = minutes({"03 09:33": (90, 91, 89, 90)}, ["03 09:30", "03 09:31", "03 09:32"], days=(TUESDAY, HALF_DAY))
    assert on_desk({"02 15:59": bracket(stop=95, target=115)}, bars).fills[1:] == [("03 09:33", "sell", 90.0)]


def test_the_minute_of_the_entry_can_hit_the_stop():
    bars = minutes({"02 10:30": (100, 101, 94, 96)})
    script = {"10:30": bracket(stop=95, target=115)}
    assert on_desk(script, bars).fills == [("02 10:30", "buy", 100.0), ("02 10:31", "sell", 95.0)]
    assert on_stock(script, bars).fills == [("02 10:30", "buy", 100.0)]


def test_a_limit_that_fills_inside_a_minute_leaves_an_unknown_part_of_it_to_its_exits():
    bars = minutes({"02 10:30": (100, 101, 94, 96), "02 10:31": (96, 97, 95.5, 96)})
    assert on_desk({"10:30": bracket(stop=80, target=99, limit_price=95.0)}, bars).fills[:1] == [("02 10:31", "buy", 95.0)]
    assert on_desk({"10:30": bracket(stop=80, target=99, limit_price=95.0)}, bars).fills[1:] == [("02 10:32", "sell", 100.0)]


def test_fills_are_told_when_they_happen_and_a_reaction_trades_after_them():
    told: list[datetime] = []

    def react(strategy: Strategy, order: Order) -> None:
        told.append(strategy.get_datetime())
        if order.is_sell_order():
            submit(5, "buy")(strategy)

    bars = minutes({"02 11:03": (100, 100, 94, 96), "02 11:04": (97, 98, 96, 97)})
    script = {"10:00": bracket(stop=95, target=115)}
    ours = on_desk(script, bars, parameters={"sleeptime": "1H", "on_fill": react})
    assert [f"{at:%H:%M}" for at in told] == ["10:00", "11:04", "11:04"]
    assert ours.fills[1:] == [("02 11:04", "sell", 95.0), ("02 11:04", "buy", 97.0)]


# ---- costs, cash, shares -------------------------------------------------------------------------------------------------


def test_every_order_type_pays_and_stops_slip():
    costs = Costs(fee_bps=10, slippage_bps=5, stop_slippage_bps=8)
    ours = on_desk({"09:31": bracket(stop=95, target=115)}, minutes({"02 10:31": (100, 100, 90, 92)}), costs=costs)
    assert [price for *_, price in ours.fills] == [100.05, 94.924]
    assert ours.strategy.cash == pytest.approx(100_000 - 1000.5 + 949.24 - 1.0005 - 0.94924)
    trail = {"09:31": submit(10, "buy"), "10:00": submit(10, "sell", trail_price=5.0)}
    bars = minutes({"02 10:31": (100, 100, 90, 92)})
    paid = [o.trade_cost for o in on_desk(trail, bars, costs=costs).strategy.broker.get_all_orders() if o.transactions]
    assert len(paid) == 2 and all(cost > 0.9 for cost in paid)
    fees = [TradingFee(percent_fee=0.001)]
    stock = on_stock(trail, bars, buy_trading_fees=fees, sell_trading_fees=fees)
    assert sorted(bool(o.trade_cost) for o in stock.strategy.broker.get_all_orders() if o.transactions) == [False, True]


def test_a_percentage_trailing_stop_never_loosens():
    bars = minutes({"02 10:31": (100, 110, 99.9, 109), "02 10:32": (109, 109.2, 108.5, 109), "02 10:33": (109, 109, 104, 105)})
    bars.loc[bars.index > pd.Timestamp("2024-07-02 10:33", tz=NEW_YORK), ["open", "high", "low", "close"]] = 105.0
    script = {"09:31": submit(10, "buy"), "10:00": submit(10, "sell", trail_percent=0.02)}
    assert on_desk(script, bars).fills[1:] == [("02 10:34", "sell", 107.8)]
    assert [price for *_, price in on_stock(script, bars).fills[1:]] != [107.8]


def test_a_buy_beyond_the_cash_is_refused():
    script = {"10:30": submit(2000, "buy")}
    ours = on_desk(script, minutes())
    assert ours.fills == [] and ours.strategy.errors == ["insufficient buying power: $200,000.00 needed, $100,000.00 free"]
    assert on_stock(script, minutes()).strategy.cash < 0


def test_a_sale_of_shares_that_are_not_there_is_refused():
    script = {"10:30": submit(10, "sell")}
    ours = on_desk(script, minutes())
    assert ours.fills == [] and "insufficient shares" in ours.strategy.errors[0]
    assert on_stock(script, minutes()).fills == [("02 10:30", "sell", 100.0)]


# ---- sessions ------------------------------------------------------------------------------------------------------------


def test_half_days_end_at_one_and_what_lies_outside_regular_hours_is_left_out():
    early, late = ("08:00", "09:30"), ("13:00", "16:00")
    outside = [frame(stamps(HALF_DAY, first=a, last=b), {"03 13:00": (50, 50, 50, 50)}) for a, b in (early, late)]
    bars = pd.concat([minutes(days=(TUESDAY, HALF_DAY, FRIDAY)), *outside]).sort_index()
    ours = on_desk({"03 12:59": submit(10, "sell", stop_price=60.0), "02 10:00": submit(10, "buy")}, bars)
    looks = [look for look in ours.strategy.looks if look.date() == HALF_DAY]
    assert (f"{looks[0]:%H:%M}", f"{looks[-1]:%H:%M}") == ("09:30", "12:59")
    assert [side for _, side, _ in ours.fills] == ["buy"]
    feed = IntradayFeed(source_of(AAA=bars), ["AAA"], 60, TUESDAY, FRIDAY)
    assert len(feed.intraday["AAA"]) == 390 + 210 + 390
    assert list(daily_from_intraday(source_of(AAA=bars), ["AAA"]).daily["AAA"]["volume"]) == [390_000, 210_000, 390_000]


def test_an_order_for_the_day_ends_with_the_session_whether_or_not_its_symbol_traded():
    thin = minutes(missing=[f"02 15:{minute:02}" for minute in range(60)], days=(TUESDAY, HALF_DAY))
    day, gtc = submit(10, "buy", time_in_force="day"), submit(10, "buy", time_in_force="gtc")
    assert on_desk({"02 15:10": day}, thin).statuses[-1] == "canceled"
    assert on_desk({"02 15:10": gtc}, thin).fills == [("03 09:30", "buy", 100.0)]
    dip = minutes({"03 10:00": (94, 95, 93, 94)}, days=(TUESDAY, HALF_DAY))
    limit = submit(10, "buy", limit_price=95.0, time_in_force="day")
    assert on_desk({"02 10:00": limit}, dip).fills == []
    assert on_desk({"03 09:40": limit}, dip).fills == [("03 10:00", "buy", 94.0)]
    exits = bracket(stop=95, target=115, time_in_force="day")
    assert [side for _, side, _ in on_desk({"02 10:00": exits}, dip).fills] == ["buy"]


def test_an_order_placed_after_the_close_waits_for_the_morning():
    class Late(Scripted):
        def after_market_closes(self) -> None:
            if self.get_datetime().date() == TUESDAY:
                submit(10, "buy", time_in_force="day")(self)

    source = source_of(AAA=minutes({"03 09:30": (103, 104, 102, 103)}, days=(TUESDAY, HALF_DAY)))
    outcome = run_backtest(Late, source, ["AAA"], TUESDAY, HALF_DAY, parameters={"script": {}}, bar_seconds=60)
    assert ran(outcome.strategy).fills == [("03 09:30", "buy", 103.0)]


def test_equity_has_one_point_a_session_at_its_close():
    bars = minutes({"02 15:59": (100, 111, 100, 110)}, days=(TUESDAY, HALF_DAY))
    frames = {"AAA": bars}
    script = {"02 10:00": submit(10, "buy")}
    outcome = run_backtest(
        Scripted, source_of(**frames), frames, TUESDAY, HALF_DAY, parameters={"script": script}, bar_seconds=60
    )
    assert [point.equity_usd for point in outcome.equity] == [100_000, 100_100, 100_000]
    assert [f"{point.at.astimezone(NEW_YORK):%d %H:%M}" for point in outcome.equity[1:]] == ["02 16:00", "03 13:00"]


# ---- shortcuts -----------------------------------------------------------------------------------------------------------------


class EveryOrderType(Strategy):
    """Enters and leaves at random by every kind of order."""

    def initialize(self) -> None:
        self.sleeptime = self.parameters["sleeptime"]
        self.rng = np.random.default_rng(self.parameters["seed"])

    def on_trading_iteration(self) -> None:
        kind, gap, price = int(self.rng.integers(0, 8)), float(self.rng.uniform(0.001, 0.01)), self.get_last_price("AAA")
        working = [order for order in self.get_orders() if order.is_active()]
        position = self.get_position("AAA")
        low, high = round((price or 0) * (1 - gap), 2), round((price or 0) * (1 + gap), 2)
        if price is None:
            return
        if position is None and not working:
            exits = {"secondary_limit_price": high, "secondary_stop_price": low, "order_class": "bracket"}
            day = {"limit_price": low, "time_in_force": "day"}
            choices = [
                {},
                {"limit_price": low},
                {"stop_price": high},
                exits,
                exits | {"limit_price": low + 0.01},
                day,
                exits,
                day,
            ]
            self.submit_order(self.create_order("AAA", 50, "buy", **choices[kind]))
        elif position is not None and not working:
            pair = {"limit_price": high, "stop_price": low, "order_class": "oco"}
            limited = {"stop_price": low, "stop_limit_price": low - 0.05}
            choices = [{}, {"limit_price": high}, {"stop_price": low}, limited, {"trail_percent": gap}, pair, pair, pair]
            self.submit_order(self.create_order("AAA", position.quantity, "sell", **choices[kind]))
        elif kind == 7:
            for order in working:
                self.cancel_order(order)


def random_minutes(seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    index = stamps(TUESDAY).append(stamps(HALF_DAY))
    path = 100 * np.exp(
        rng.normal(0, 0.001, (len(index), 4)).cumsum(axis=1) + rng.normal(0, 0.001, (len(index), 1)).cumsum(axis=0)
    )
    path = np.round(path, 2)
    made = {"open": path[:, 0], "high": path.max(axis=1), "low": path.min(axis=1), "close": path[:, 3], "volume": 1e4}
    return pd.DataFrame(made, index=index).loc[rng.uniform(size=len(index)) > 0.2]


def events(outcome: BacktestOutcome) -> pd.DataFrame:
    columns = ["time", "symbol", "side", "type", "status", "price", "filled_quantity", "trade_cost"]
    return outcome.trade_events[columns].astype({"side": str, "type": str}).reset_index(drop=True)


@pytest.mark.parametrize(("seed", "sleeptime"), [(1, "1M"), (2, "10M")])
def test_the_prescreen_changes_no_event_and_no_cent(seed: int, sleeptime: str):
    def run(**more: Any) -> BacktestOutcome:
        parameters = {"seed": seed, "sleeptime": sleeptime}
        source = source_of(AAA=random_minutes(seed))
        costs = Costs(fee_bps=2, slippage_bps=3)
        return run_backtest(
            EveryOrderType, source, ["AAA"], TUESDAY, HALF_DAY, parameters=parameters, costs=costs, bar_seconds=60, **more
        )

    fast, slow = run(), run(prescreen=False)
    assert (fast.trade_events["status"] == "fill").sum() > 10
    pd.testing.assert_frame_equal(events(fast), events(slow))
    assert fast.equity == slow.equity
