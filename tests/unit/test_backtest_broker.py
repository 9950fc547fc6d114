"""Each test runs the same few bars through the desk's broker and through Lumibot's own, which gets the point wrong."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime

import pandas as pd
import pytest
from lumibot.backtesting import PandasDataBacktesting
from lumibot.entities import Asset, Data, Order
from lumibot.strategies import Strategy

from desk.data.calendars import session_dates
from desk.data.source import Source
from desk.runtime.backtest import Costs, run_backtest

pytestmark = pytest.mark.slow

DAYS = session_dates(date(2024, 1, 2), date(2024, 1, 31))
Bars = Sequence[tuple[float, float, float, float]]
Script = dict[int, Callable[[Strategy], None]]
FLAT = (100.0, 101.0, 99.0, 100.0)


class Scripted(Strategy):
    """Does what the script says on the n-th session (0 is the first) and keeps a diary."""

    def initialize(self) -> None:
        self.sleeptime = "1D"
        self.seen: list[tuple[str, str, float]] = []
        self.errors: list[str] = []
        self.day = -1

    def on_trading_iteration(self) -> None:
        self.day += 1
        position = self.get_position("AAA")
        self.seen.append(("held", str(self.get_datetime().date()), float(position.quantity) if position else 0.0))
        self.parameters["script"].get(self.day, lambda _: None)(self)

    def on_filled_order(self, position: object, order: Order, price: float, quantity: float, multiplier: float) -> None:
        self.parameters.get("on_fill", lambda *_: None)(self, order)

    def on_error_order(self, order: Order, error: str | None = None) -> None:
        self.errors.append(str(error))


class ClosingStamps(PandasDataBacktesting):
    """The best layout that Lumibot's own parts allow: bars stamped 16:00."""


@dataclass(frozen=True)
class Ran:
    strategy: Scripted
    fills: list[tuple[date, str, float, float]]  # day, side, quantity, price
    statuses: list[str]


def frame_of(bars: Bars) -> pd.DataFrame:
    index = pd.DatetimeIndex([pd.Timestamp(day) for day in DAYS[: len(bars)]])
    frame = pd.DataFrame(list(bars), columns=["open", "high", "low", "close"], index=index, dtype=float)
    return frame.assign(volume=1e6)


def on_desk(script: Script, bars: Bars, costs: Costs | None = None, budget_usd: float = 100_000.0, **parameters: object) -> Ran:
    source = Source("test", "test", {"AAA": frame_of(bars)}, {})
    outcome = run_backtest(
        Scripted,
        source,
        ["AAA"],
        DAYS[1],
        DAYS[len(bars) - 1],
        costs=costs,
        budget_usd=budget_usd,
        parameters={"script": script, **parameters},
    )
    return ran(outcome.strategy)


def on_stock(script: Script, bars: Bars, budget_usd: float = 100_000.0, **more: object) -> Ran:
    frame = frame_of(bars)
    stamped = frame.set_axis((frame.index + pd.Timedelta(hours=16)).tz_localize("America/New_York"))
    _, strategy = Scripted.run_backtest(
        ClosingStamps,
        datetime.combine(DAYS[1], datetime.min.time()),
        datetime.combine(DAYS[len(bars) - 1], datetime.max.time()).replace(microsecond=0),
        pandas_data=[Data(Asset("AAA"), stamped, timestep="day")],
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
        budget=budget_usd,
        parameters={"script": script},
        **more,
    )
    return ran(strategy)


def ran(strategy: Scripted) -> Ran:
    events = strategy.broker._trade_event_log_df
    if events.empty:
        return Ran(strategy, [], [])
    filled = events[events["status"] == "fill"]
    rows = zip(filled["time"], filled["side"], filled["filled_quantity"], filled["price"], strict=True)
    fills = [(t.date(), str(s).split("_")[0], float(q), round(float(p), 4)) for t, s, q, p in rows]
    return Ran(strategy, fills, list(events["status"]))


@pytest.fixture(autouse=True)
def _own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def buy_bracket(stop: float, target: float, quantity: int = 10, **more: object) -> Callable[[Strategy], None]:
    def act(strategy: Strategy) -> None:
        order = strategy.create_order(
            "AAA", quantity, "buy", secondary_limit_price=target, secondary_stop_price=stop, order_class="bracket", **more
        )
        strategy.submit_order(order)

    return act


def submit(*args: object, **kwargs: object) -> Callable[[Strategy], None]:
    return lambda strategy: strategy.submit_order(strategy.create_order("AAA", *args, **kwargs))


def test_a_bar_that_touches_stop_and_target_fills_the_stop():
    bars = [FLAT, FLAT, (100, 120, 90, 110), FLAT]
    script = {0: buy_bracket(stop=95, target=115)}
    assert on_desk(script, bars).fills[1:] == [(DAYS[2], "sell", 10.0, 95.0)]
    assert on_stock(script, bars).fills[1:] == [(DAYS[2], "sell", 10.0, 115.0)]


def test_an_open_beyond_the_target_fills_the_target_although_the_stop_is_touched_later():
    bars = [FLAT, FLAT, (118, 120, 90, 110), FLAT]
    assert on_desk({0: buy_bracket(stop=95, target=115)}, bars).fills[1:] == [(DAYS[2], "sell", 10.0, 118.0)]


def test_a_stop_that_gaps_fills_at_the_open():
    bars = [FLAT, FLAT, (90, 92, 88, 91), FLAT]
    assert on_desk({0: buy_bracket(stop=95, target=115)}, bars).fills[1:] == [(DAYS[2], "sell", 10.0, 90.0)]


def test_todays_exit_is_unknown_to_todays_decision():
    bars = [FLAT, FLAT, (100, 101, 90, 92), FLAT]
    script = {0: buy_bracket(stop=95, target=115)}
    held = [quantity for _, _, quantity in on_desk(script, bars).strategy.seen]
    assert held == [0, 10, 0]
    assert [quantity for _, _, quantity in on_stock(script, bars).strategy.seen] == [0, 0, 0]


def test_the_entry_bar_can_hit_the_stop():
    bars = [FLAT, (100, 101, 94, 96), FLAT]
    assert on_desk({0: buy_bracket(stop=95, target=115)}, bars).fills == [
        (DAYS[1], "buy", 10.0, 100.0),
        (DAYS[1], "sell", 10.0, 95.0),
    ]


def test_a_target_is_not_filled_at_an_open_from_before_the_entry():
    bars = [FLAT, (100, 101, 94, 96), (96, 97, 95.5, 96)]
    script = {0: buy_bracket(stop=80, target=99, limit_price=95.0)}
    assert on_desk(script, bars).fills == [(DAYS[1], "buy", 10.0, 95.0)]
    assert (DAYS[1], "sell", 10.0, 100.0) in on_stock(script, bars).fills


def test_the_close_proves_that_the_target_came_after_the_entry():
    bars = [FLAT, (100, 101, 94, 99.5), FLAT]
    script = {0: buy_bracket(stop=80, target=99, limit_price=95.0)}
    assert on_desk(script, bars).fills[1:] == [(DAYS[1], "sell", 10.0, 99.0)]


def test_every_order_type_pays_fee_and_slippage_but_a_resting_limit_keeps_its_price():
    costs = Costs(fee_bps=10, slippage_bps=5)
    bars = [FLAT, FLAT, (100, 101, 90, 92), (92, 93, 91, 92)]
    ours = on_desk({0: buy_bracket(stop=95, target=115)}, bars, costs)
    assert [price for *_, price in ours.fills] == [100.05, 94.905]  # a stop slips twice as far unless told otherwise
    orders = [order for order in ours.strategy.broker.get_all_orders() if order.is_filled() and order.transactions]
    fees = sorted(round(order.trade_cost, 4) for order in orders)
    assert fees == [0.949, 1.0005]
    assert ours.strategy.cash == pytest.approx(100_000 - 1000.5 + 949.05 - 1.0005 - 0.94905)
    up = [FLAT, FLAT, (100, 116, 99, 110), FLAT]
    assert on_desk({0: buy_bracket(stop=95, target=115)}, up, costs).fills[1] == (DAYS[2], "sell", 10.0, 115.0)


def test_a_stop_that_the_opening_has_passed_slips_from_the_opening_as_any_order():
    gap = [FLAT, FLAT, (90, 91, 89, 90), FLAT]
    ours = on_desk({0: buy_bracket(stop=95, target=115)}, gap, Costs(slippage_bps=5, stop_slippage_bps=50))
    assert [price for *_, price in ours.fills] == [100.05, 89.955]


def test_a_trailing_stop_pays_its_fee():
    from lumibot.entities import TradingFee

    bars = [FLAT, FLAT, FLAT, (100, 101, 90, 92), FLAT]
    script = {0: submit(10, "buy"), 1: submit(10, "sell", trail_price=5.0)}
    ours = on_desk(script, bars, Costs(fee_bps=10))
    paid = {str(o.order_type): o.trade_cost for o in ours.strategy.broker.get_all_orders() if o.transactions}
    assert paid["trailing_stop"] == pytest.approx(96 * 10 * 0.001)
    fee = TradingFee(percent_fee=0.001)
    stock = on_stock(script, bars, buy_trading_fees=[fee], sell_trading_fees=[fee])
    assert {str(o.order_type): o.trade_cost for o in stock.strategy.broker.get_all_orders() if o.transactions}[
        "trailing_stop"
    ] == 0


def test_a_percentage_trailing_stop_never_loosens():
    bars = [FLAT, FLAT, (100, 110, 99.9, 109), (109, 109.5, 108.5, 109), (109, 109.2, 104, 105), FLAT]
    script = {0: submit(10, "buy"), 1: submit(10, "sell", trail_percent=0.02)}
    # Best price 110, two percent behind it.
    assert on_desk(script, bars).fills[1:] == [(DAYS[4], "sell", 10.0, 107.8)]
    assert on_stock(script, bars).fills[1:] != [(DAYS[4], "sell", 10.0, 107.8)]


def test_a_stop_limit_order_fills_at_its_stop_when_the_limit_allows_it():
    bars = [FLAT, FLAT, (100, 101, 94, 96), FLAT]
    script = {0: submit(10, "buy"), 1: submit(10, "sell", stop_price=95.0, stop_limit_price=94.5)}
    assert on_desk(script, bars).fills[1:] == [(DAYS[2], "sell", 10.0, 95.0)]
    assert on_stock(script, bars).fills[1:] == []


def test_a_stop_limit_order_waits_at_its_limit_after_a_gap():
    bars = [FLAT, FLAT, (90, 92, 89, 91), (93, 95, 92, 94), FLAT]
    script = {0: submit(10, "buy"), 1: submit(10, "sell", stop_price=95.0, stop_limit_price=94.5)}
    assert on_desk(script, bars).fills[1:] == [(DAYS[3], "sell", 10.0, 94.5)]


def test_a_buy_beyond_the_cash_is_refused():
    script = {0: submit(2000, "buy")}
    ours = on_desk(script, [FLAT] * 4)
    assert ours.fills == []
    assert ours.statuses == ["error"]
    assert ours.strategy.errors == ["insufficient buying power: $200,000.00 needed, $100,000.00 free"]
    assert ours.strategy.cash == 100_000
    assert on_stock(script, [FLAT] * 4).strategy.cash < 0


def test_orders_of_one_iteration_count_against_the_same_cash():
    def twice(strategy: Strategy) -> None:
        submit(600, "buy")(strategy)
        submit(600, "buy")(strategy)

    ours = on_desk({0: twice}, [FLAT] * 4)
    assert [quantity for _, _, quantity, _ in ours.fills] == [600]


def test_a_buy_that_the_opening_makes_too_dear_is_refused_at_the_opening():
    bars = [FLAT, (110, 111, 109, 110), FLAT]
    ours = on_desk({0: submit(1000, "buy")}, bars)
    assert ours.fills == [] and "insufficient buying power" in ours.strategy.errors[0]


def test_proceeds_of_a_sale_at_the_same_opening_pay_for_a_buy():
    def swap(strategy: Strategy) -> None:
        submit(900, "sell")(strategy)
        submit(850, "buy")(strategy)

    ours = on_desk({0: submit(900, "buy"), 1: swap}, [FLAT] * 4)
    assert [side for _, side, _, _ in ours.fills] == ["buy", "sell", "buy"]
    assert ours.strategy.cash >= 0


def test_a_sale_without_shares_is_refused():
    script = {0: submit(10, "sell")}
    ours = on_desk(script, [FLAT] * 4)
    assert ours.fills == [] and "insufficient shares" in ours.strategy.errors[0]
    assert on_stock(script, [FLAT] * 4).fills == [(DAYS[1], "sell", 10.0, 100.0)]


def test_shares_bound_by_a_bracket_cannot_be_sold_twice():
    bars = [FLAT, FLAT, FLAT, (100, 101, 90, 92), FLAT, FLAT]
    script = {0: buy_bracket(stop=95, target=115), 1: submit(4, "sell")}
    ours = on_desk(script, bars)
    assert "10 held, 0 free of other orders" in ours.strategy.errors[0]
    assert [quantity for _, side, quantity, _ in ours.fills if side == "sell"] == [10]
    sold = sum(quantity for _, side, quantity, _ in on_stock(script, bars).fills if side == "sell")
    assert sold == 14


def test_a_short_sale_is_refused():
    ours = on_desk({0: submit(10, "sell_short")}, [FLAT] * 4)
    assert ours.fills == [] and "short sales are not simulated" in ours.strategy.errors[0]


def test_a_modified_order_is_modified():
    def raise_stop(strategy: Strategy) -> None:
        stop = next(o for o in strategy.get_orders() if o.order_type == Order.OrderType.STOP)
        strategy.modify_order(stop, stop_price=98.0)

    bars = [FLAT, FLAT, (100, 101, 99.5, 100), (99, 99.5, 97, 98), FLAT]
    script = {0: buy_bracket(stop=90, target=115), 1: raise_stop}
    assert on_desk(script, bars).fills[1:] == [(DAYS[3], "sell", 10.0, 98.0)]


def test_cancelling_one_exit_cancels_the_other():
    def cancel_target(strategy: Strategy) -> None:
        strategy.cancel_order(next(o for o in strategy.get_orders() if o.order_type == Order.OrderType.LIMIT))

    bars = [FLAT, FLAT, FLAT, (100, 101, 90, 92), FLAT]
    script = {0: buy_bracket(stop=95, target=115), 1: cancel_target}
    assert [side for _, side, _, _ in on_desk(script, bars).fills] == ["buy"]
    assert [side for _, side, _, _ in on_stock(script, bars).fills] == ["buy", "sell"]


def test_cancelling_a_filled_entry_keeps_it_filled_and_cancels_its_exits():
    orders: list[Order] = []

    def enter(strategy: Strategy) -> None:
        order = strategy.create_order("AAA", 10, "buy", secondary_limit_price=115, secondary_stop_price=95, order_class="bracket")
        orders.append(strategy.submit_order(order))

    ours = on_desk({0: enter, 1: lambda strategy: strategy.cancel_order(orders[0])}, [FLAT] * 4)
    assert orders[0].is_filled()
    assert all(child.is_canceled() for child in orders[0].child_orders)
    assert [o for o in ours.strategy.get_orders() if o.is_active()] == []


def test_exits_of_a_day_bracket_end_with_the_day():
    bars = [FLAT, FLAT, (100, 101, 90, 92), FLAT]
    script = {0: buy_bracket(stop=95, target=115, time_in_force="day")}
    assert [side for _, side, _, _ in on_desk(script, bars).fills] == ["buy"]
    assert [side for _, side, _, _ in on_stock(script, bars).fills] == ["buy", "sell"]


def test_a_day_limit_order_ends_with_the_day_and_a_gtc_one_stays():
    bars = [FLAT, FLAT, (96, 97, 94, 95), FLAT]
    day = {0: submit(10, "buy", limit_price=95.0, time_in_force="day")}
    gtc = {0: submit(10, "buy", limit_price=95.0, time_in_force="gtc")}
    assert on_desk(day, bars).fills == []
    assert on_desk(gtc, bars).fills == [(DAYS[2], "buy", 10.0, 95.0)]


def test_a_marketable_limit_fills_at_the_open_and_slips_no_further_than_its_limit():
    script = {0: submit(10, "buy", limit_price=100.02)}
    assert on_desk(script, [FLAT] * 3).fills == [(DAYS[1], "buy", 10.0, 100.0)]
    assert on_desk(script, [FLAT] * 3, Costs(slippage_bps=50)).fills == [(DAYS[1], "buy", 10.0, 100.02)]


def test_an_oco_pair_protects_a_position_once():
    def oco(strategy: Strategy) -> None:
        strategy.submit_order(strategy.create_order("AAA", 10, "sell", limit_price=115.0, stop_price=95.0, order_class="oco"))

    bars = [FLAT, FLAT, FLAT, (100, 120, 90, 92), FLAT]
    ours = on_desk({0: submit(10, "buy"), 1: oco}, bars)
    assert ours.fills[1:] == [(DAYS[3], "sell", 10.0, 95.0)]
    assert ours.strategy.errors == []


def test_a_stop_placed_in_the_fill_callback_works_on_the_same_day():
    def protect(strategy: Strategy, order: Order) -> None:
        if order.is_buy_order():
            submit(10, "sell", stop_price=95.0)(strategy)

    bars = [FLAT, (100, 101, 94, 96), FLAT]
    ours = on_desk({0: submit(10, "buy")}, bars, on_fill=protect)
    assert ours.fills[1:] == [(DAYS[1], "sell", 10.0, 95.0)]


def test_an_unknown_symbol_is_refused_and_the_run_goes_on():
    def act(strategy: Strategy) -> None:
        strategy.submit_order(strategy.create_order("ZZZ", 1, "buy"))

    ours = on_desk({0: act, 1: submit(1, "buy")}, [FLAT] * 4)
    assert ours.strategy.errors == ["ZZZ has no price yet"]
    assert len(ours.fills) == 1


def test_selling_everything_cancels_the_exits_first():
    ours = on_desk({0: buy_bracket(stop=95, target=115), 1: lambda strategy: strategy.sell_all()}, [FLAT] * 4)
    assert [side for _, side, _, _ in ours.fills] == ["buy", "sell"]
    assert ours.strategy.errors == []
