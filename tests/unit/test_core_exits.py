"""Exit rules: which make no sense, what multiples come to, where the stop goes, when the time is up, how far the exits are."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest

from desk.core.exits import APPROACHING_FRACTION, Distance, distance, overdue, problem, ratcheted, resolve
from desk.domain.decisions import AtrExit, ExitRule, FixedExit
from desk.domain.market import DailyBars, Market
from desk.domain.orders import OrderClass, OrderSpec, OrderStatus, OrderType, Side
from desk.domain.trades import Trade

NOW = datetime(2024, 1, 3, 15, tzinfo=UTC)
NAN, INF = float("nan"), float("inf")
SPEC = OrderSpec(
    "n-AAA-open", "AAA", Side.BUY, 10, OrderType.LIMIT, OrderClass.BRACKET, limit_price=Decimal(100),
    take_profit=Decimal(115), stop_loss=Decimal(95),
)  # fmt: skip
HELD = Trade(
    SPEC, NOW, 100.0, "test", entry_status=OrderStatus.FILLED, target_price=Decimal("115.00"), entered=10,
    entry_value=Decimal(1000), entered_at=NOW, rule=FixedExit(0.05, 0.15), stop_price=Decimal("95.00"),
)  # fmt: skip
BREAK_EVEN = FixedExit(0.05, 0.15, break_even_after_fraction=0.04)
TRAIL = FixedExit(0.05, 0.15, trail_fraction=0.05)
BOTH = FixedExit(0.05, 0.15, break_even_after_fraction=0.04, trail_fraction=0.05)


def under(rule: FixedExit | None, **changes: object) -> Trade:
    return replace(HELD, rule=rule, **changes)


def daily(count: int, spread: float = 2.0) -> DailyBars:
    """Bars around 100 dollars whose true range is `spread`."""
    sessions = tuple(date(2024, 1, 2) + timedelta(days=day) for day in range(count))
    close = np.full(count, 100.0)
    return DailyBars(sessions, close, close + spread / 2, close - spread / 2, close, close)


@pytest.mark.parametrize(
    "rule", [FixedExit(0.05, 0.15), BOTH, FixedExit(0.05, 1.5, 2.0, 0.9, 1), AtrExit(2, 3), AtrExit(2, 3, 1, 1, 2, 5)]
)
def test_sound_rules_have_no_problem(rule: ExitRule) -> None:
    assert problem(rule) is None


@pytest.mark.parametrize("value", [0.0, -0.05, 1.0, 1.5, NAN, INF])
def test_a_fixed_stop_or_trail_outside_zero_to_one_is_named(value: float) -> None:
    assert problem(FixedExit(value, 0.15)) == (
        f"stop_loss_fraction {value} leaves the position without a stop: give one between 0 and 1"
    )
    assert problem(FixedExit(0.05, 0.15, trail_fraction=value)) == (
        f"trail_fraction {value} is no distance below the market: give one between 0 and 1, or None"
    )


@pytest.mark.parametrize("value", [0.0, -0.15, NAN, INF])
def test_a_fixed_target_or_gain_that_is_none_is_named(value: float) -> None:
    assert problem(FixedExit(0.05, value)) == f"take_profit_fraction {value} is no target: give one above 0"
    assert problem(FixedExit(0.05, 0.15, value)) == (
        f"break_even_after_fraction {value} is no gain to wait for: give one above 0, or None"
    )


@pytest.mark.parametrize("value", [0, -1, 2.5, NAN, INF])
def test_a_number_of_sessions_that_is_none_is_named_in_either_rule(value: float) -> None:
    told = f"time_barrier_sessions {value} is no time to hold: give whole sessions, 1 or more, or None"
    assert problem(FixedExit(0.05, 0.15, time_barrier_sessions=value)) == told
    assert problem(AtrExit(2, 3, time_barrier_sessions=value)) == told
    assert problem(AtrExit(2, 3, length=value)) == f"length {value} is no number of daily bars: give a whole one, 1 or more"


@pytest.mark.parametrize("field", ["stop_multiple", "target_multiple", "break_even_after_multiple", "trail_multiple"])
@pytest.mark.parametrize("value", [0.0, -2.0, NAN, INF])
def test_a_multiple_that_is_none_is_named(field: str, value: float) -> None:
    told = problem(replace(AtrExit(2, 3), **{field: value}))
    assert told is not None
    assert told.startswith(f"{field} {value} ") and "give one above 0" in told


def test_a_fixed_rule_is_its_own_answer_and_needs_no_bars() -> None:
    assert resolve(BOTH, NAN, None) is BOTH
    assert resolve(FixedExit(0.0, 0.15), 100.0, None) == problem(FixedExit(0.0, 0.15))


def test_multiples_become_fractions_of_the_price() -> None:
    rule = AtrExit(2.0, 6.0, 14, break_even_after_multiple=1.0, trail_multiple=3.0, time_barrier_sessions=7)
    assert resolve(rule, 50.0, daily(14)) == FixedExit(0.08, 0.24, 0.04, 0.12, 7)
    assert resolve(AtrExit(2.0, 6.0), 50.0, daily(40)) == FixedExit(0.08, 0.24)


@pytest.mark.parametrize(
    ("rule", "price", "bars", "told"),
    [
        (AtrExit(2, 6), 50.0, None, "length 14 needs as many completed daily bars, there are 0"),
        (AtrExit(2, 6), 50.0, daily(13), "length 14 needs as many completed daily bars, there are 13"),
        (AtrExit(2, 6), NAN, daily(14), "price nan is no price"),
        (AtrExit(2, 6), 0.0, daily(14), "price 0.0 is no price"),
        (AtrExit(2, 6), 50.0, daily(14, NAN), "a daily bar lacks a price"),
        (
            AtrExit(2, 6),
            50.0,
            daily(14, 0.0),
            "stop_multiple 2 of an average true range of 0 at 50: stop_loss_fraction 0.0 leaves",
        ),
        (AtrExit(25, 60), 50.0, daily(14), "stop_multiple 25 of an average true range of 2 at 50: stop_loss_fraction 1.0 leaves"),
        (
            AtrExit(2, 6, trail_multiple=30),
            50.0,
            daily(14),
            "trail_multiple 30 of an average true range of 2 at 50: trail_fraction 1.2",
        ),
        (
            AtrExit(2, 1e308),
            50.0,
            daily(14),
            "target_multiple 1e+308 of an average true range of 2 at 50: take_profit_fraction inf",
        ),
        (AtrExit(0, 6), 50.0, daily(14), "stop_multiple 0 leaves the position without a stop"),
    ],
)
def test_what_keeps_multiples_from_becoming_fractions_is_told(rule: AtrExit, price: float, bars: DailyBars, told: str) -> None:
    answer = resolve(rule, price, bars)
    assert isinstance(answer, str)
    assert told in answer


@pytest.mark.parametrize(("price", "stop"), [(103.99, None), (104.0, "100.00"), (104.01, "100.00"), (120.0, "100.00")])
def test_the_stop_goes_to_the_entry_price_once_the_gain_is_there(price: float, stop: str | None) -> None:
    assert ratcheted(under(BREAK_EVEN), price) == (None if stop is None else Decimal(stop))


def test_break_even_rounds_the_entry_price_up_to_the_tick() -> None:
    assert ratcheted(under(BREAK_EVEN, entered=3, entry_value=Decimal("300.01")), 110.0) == Decimal("100.01")
    penny = under(BREAK_EVEN, entry_value=Decimal("5.00005"), stop_price=Decimal("0.4800"), target_price=Decimal("0.6000"))
    assert ratcheted(penny, 0.55) == Decimal("0.5001")


def test_break_even_is_worth_the_smallest_move() -> None:
    assert ratcheted(under(BREAK_EVEN, stop_price=Decimal("99.99")), 104.0) == Decimal("100.00")


def test_break_even_stays_a_cent_below_the_market() -> None:
    eager = FixedExit(0.05, 0.15, break_even_after_fraction=0.00001)
    assert ratcheted(under(eager), 100.004) == Decimal("99.99")
    assert ratcheted(under(eager, stop_price=Decimal("99.99")), 100.004) is None
    assert ratcheted(under(eager, stop_price=Decimal("99.99")), 100.01) == Decimal("100.00")


def test_a_stop_kept_from_the_entry_by_the_market_does_not_creep_up_tick_by_tick() -> None:
    """Below a dollar a tick is a hundredth of a cent, and a cent below the market is far away."""
    eager = FixedExit(0.05, 0.15, break_even_after_fraction=0.00001)
    penny = under(eager, entry_value=Decimal(5), stop_price=Decimal("0.4800"), target_price=Decimal("0.6000"))
    assert ratcheted(penny, 0.5005) == Decimal("0.4905")
    waiting = replace(penny, stop_price=Decimal("0.4905"))
    assert [ratcheted(waiting, price) for price in (0.5006, 0.5010, 0.51)] == [None, None, Decimal("0.5000")]


@pytest.mark.parametrize(("price", "stop"), [(100.0, None), (100.20, None), (100.30, "95.28"), (110.0, "104.50"), (90.0, None)])
def test_a_trailing_stop_follows_the_market_up_in_steps_that_are_worth_a_message(price: float, stop: str | None) -> None:
    assert ratcheted(under(TRAIL), price) == (None if stop is None else Decimal(stop))


def test_the_least_move_is_the_callers_and_counts_when_it_is_exactly_reached() -> None:
    assert ratcheted(under(TRAIL), 100.2, least_move_fraction=0.0) == Decimal("95.19")
    assert ratcheted(under(TRAIL, stop_price=Decimal("113.70")), 120.0) == Decimal("114.00")
    assert ratcheted(under(TRAIL, stop_price=Decimal("113.71")), 120.0) is None


def test_of_break_even_and_trail_the_higher_stop_counts() -> None:
    assert ratcheted(under(BOTH), 104.0) == Decimal("100.00")
    assert ratcheted(under(BOTH), 110.0) == Decimal("104.50")


def test_a_stop_at_the_entry_price_trails_on_in_large_steps_alone() -> None:
    secured = under(BOTH, stop_price=Decimal("100.00"))
    assert [ratcheted(secured, price) for price in (105.3, 106.0)] == [None, Decimal("100.70")]


def test_the_stop_stays_a_cent_below_market_and_target() -> None:
    close = FixedExit(0.05, 0.15, trail_fraction=0.00001)
    assert ratcheted(under(close), 110.0) == Decimal("109.99")
    assert ratcheted(under(close), 120.0) == Decimal("114.99")
    assert ratcheted(under(close, target_price=None), 120.0) == Decimal("119.99")
    assert ratcheted(under(close, stop_price=Decimal("0.0001")), 0.01) is None


def test_a_trail_that_is_exact_on_the_tick_loses_no_cent_to_binary_dust() -> None:
    for cents in range(10_500, 11_500, 100):
        expected = Decimal(cents) / 100 * Decimal("0.93")
        assert ratcheted(under(replace(TRAIL, trail_fraction=0.07)), cents / 100) == expected


@pytest.mark.parametrize(
    "resting",
    [
        under(None),
        under(FixedExit(0.05, 0.15)),
        under(BOTH, stop_price=None),
        under(BOTH, exited=10),
        under(BOTH, entry_status=OrderStatus.PARTIALLY_FILLED),
        under(BOTH, is_being_sold=True),
        under(BOTH, is_renewing=True),
        under(BOTH, exit_requested="time is up"),
    ],
)
def test_the_stop_stays_where_no_rule_moves_it_or_the_exits_are_in_use(resting: Trade) -> None:
    assert ratcheted(resting, 110.0) is None


@pytest.mark.parametrize("price", [NAN, INF, -INF, 0.0, -1.0])
def test_a_price_that_is_none_moves_nothing_and_measures_nothing(price: float) -> None:
    assert ratcheted(under(BOTH), price) is None
    assert distance(HELD, price) == Distance(None, None, None)


def shown(sessions: list[date], symbol: str = "AAA") -> Market:
    column = np.full(len(sessions), 100.0)
    bars = DailyBars(tuple(sessions), column, column, column, column, column)
    return Market(datetime(2024, 3, 1, 15, tzinfo=UTC), date(2024, 3, 1), {symbol: bars})


SESSIONS = [date(2024, 1, day) for day in (2, 3, 4, 5, 8, 9)]


@pytest.mark.parametrize(("completed", "is_over"), [(2, False), (3, False), (4, True), (5, True)])
def test_a_trade_is_overdue_after_its_completed_sessions_with_the_entrys(completed: int, is_over: bool) -> None:
    """Entered in the second session shown, so of `completed` sessions one is before the entry."""
    held = under(FixedExit(0.05, 0.15, time_barrier_sessions=3))
    assert overdue(held, shown(SESSIONS[:completed])) == ("held for 3 sessions" if is_over else None)


def test_a_history_that_begins_with_the_entry_is_enough() -> None:
    held = under(FixedExit(0.05, 0.15, time_barrier_sessions=3))
    assert overdue(held, shown(SESSIONS[1:4])) == "held for 3 sessions"


def test_the_entrys_session_is_the_day_in_new_york() -> None:
    late = under(FixedExit(0.05, 0.15, time_barrier_sessions=3), entered_at=datetime(2024, 1, 4, 0, 30, tzinfo=UTC))
    assert overdue(late, shown(SESSIONS[:4])) == "held for 3 sessions"


@pytest.mark.parametrize(
    "changes",
    [
        {"rule": None},
        {"rule": FixedExit(0.05, 0.15)},
        {"rule": FixedExit(0.05, 0.15, time_barrier_sessions=NAN)},
        {"exited": 10},
        {"entered_at": None},
        {"spec": replace(SPEC, symbol="ZZZ")},
    ],
)
def test_without_barrier_shares_entry_or_bars_nothing_is_overdue(changes: dict[str, object]) -> None:
    held = under(FixedExit(0.05, 0.15, time_barrier_sessions=1))
    assert overdue(held, shown(SESSIONS)) == "held for 1 sessions"
    assert overdue(replace(held, **changes), shown(SESSIONS)) is None


@pytest.mark.parametrize(
    ("price", "way", "is_approaching"),
    [(110.0, 0.0, False), (100.0, 0.0, False), (97.5, 0.5, False), (97.0, 0.6, True), (95.0, 1.0, True), (92.5, 1.5, True)],
)
def test_the_way_to_the_stop_is_counted_from_the_entry(price: float, way: float, is_approaching: bool) -> None:
    seen = distance(HELD, price)
    assert seen.way_to_stop == pytest.approx(way)
    assert seen.is_approaching is is_approaching
    assert APPROACHING_FRACTION == 0.6


def test_the_distances_are_fractions_of_the_market_price() -> None:
    seen = distance(HELD, 100.0)
    assert (seen.to_stop_fraction, seen.to_target_fraction) == pytest.approx((0.05, 0.15))
    past = distance(HELD, 125.0)
    assert past.to_target_fraction == pytest.approx(-0.08)


def test_a_stop_at_the_entry_price_or_above_is_approached_only_when_reached() -> None:
    for stop in (100.0, 104.0):
        secured = under(BOTH, stop_price=Decimal(str(stop)))
        assert [distance(secured, price).way_to_stop for price in (110.0, stop + 0.01, stop, 99.0)] == [0.0, 0.0, 1.0, 1.0]


def test_distances_to_what_is_not_there_are_none() -> None:
    bare = under(None, stop_price=None, target_price=None)
    assert distance(bare, 100.0) == Distance(None, None, None)
    assert distance(bare, 100.0).is_approaching is False
    assert distance(replace(HELD, entered=0, entry_value=Decimal(0)), 100.0).way_to_stop is None
