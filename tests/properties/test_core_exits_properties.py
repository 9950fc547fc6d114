from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from desk.core.exits import distance, overdue, problem, ratcheted, resolve
from desk.domain.decisions import AtrExit, ExitRule, FixedExit
from desk.domain.market import DailyBars, Market
from desk.domain.orders import OrderSpec, OrderStatus, OrderType, Side
from desk.domain.prices import Rounding, legal_price, tick_size
from desk.domain.trades import Trade
from desk.indicators.atr import wilder_atr

NOW = datetime(2024, 1, 3, 15, tzinfo=UTC)
CENT = Decimal("0.01")

parts = st.floats(min_value=0.0001, max_value=0.99)
gains = st.floats(min_value=0.0001, max_value=3.0)
fixed_rules = st.builds(FixedExit, parts, gains, st.none() | gains, st.none() | parts, st.none() | st.integers(1, 30))
dollars = st.floats(min_value=0.0001, max_value=20_000)
# Prices whose cents a Decimal of 28 digits can count.
wild_prices = st.floats(max_value=1e12) | st.sampled_from([float("nan"), float("inf")])
anything = st.one_of(st.none(), st.integers(-3, 30), st.floats())
numbers = st.one_of(st.integers(-3, 30), st.floats())
wild_rules = st.one_of(
    st.builds(FixedExit, numbers, numbers, anything, anything, anything),
    st.builds(AtrExit, numbers, numbers, numbers, anything, anything, anything),
)


@st.composite
def trades(draw: st.DrawFn, rules: st.SearchStrategy[FixedExit] = fixed_rules) -> Trade:
    """A trade that is held under a stop and, mostly, a target, from prices of a few cents up; its fills need not be on a tick."""
    limit = Decimal(draw(st.integers(5, 200_000))) / 100
    stop = legal_price(float(limit) * draw(st.floats(min_value=0.2, max_value=0.99)))
    target = draw(st.none() | st.just(legal_price(float(limit) * draw(st.floats(min_value=1.01, max_value=3.0)))))
    shares = draw(st.integers(1, 500))
    spec = OrderSpec("n-AAA-open", "AAA", Side.BUY, shares, OrderType.LIMIT, limit_price=limit)
    value = limit * shares - Decimal(draw(st.integers(0, 99))) / 10_000
    return Trade(
        spec, NOW, float(limit), "test", entry_status=OrderStatus.FILLED, target_price=target, entered=shares,
        entry_value=value, entered_at=NOW, rule=draw(rules), stop_price=stop,
    )  # fmt: skip


@st.composite
def paths(draw: st.DrawFn) -> tuple[Trade, list[float]]:
    """A held trade and prices around its entry, far moves among them."""
    trade = draw(trades())
    steps = draw(st.lists(st.floats(min_value=0.05, max_value=4.0) | st.floats(min_value=0.97, max_value=1.03), max_size=25))
    return trade, [float(trade.spec.limit_price or 1) * step for step in steps]


def legal(stop: Decimal, price: float, trade: Trade) -> bool:
    """On the tick grid, a cent or more below market and target."""
    ceilings = [Decimal(repr(price)), *([] if trade.target_price is None else [trade.target_price])]
    return stop > 0 and stop % tick_size(stop) == 0 and all(stop <= ceiling - CENT for ceiling in ceilings)


@settings(max_examples=100, deadline=None)
@given(paths(), st.sampled_from([0.0, 0.0025, 0.02]))
def test_over_any_path_the_stop_never_falls_and_is_always_legal_and_settled(path, least):
    trade, prices = path
    for price in prices:
        stop = ratcheted(trade, price, least)
        if stop is None:
            continue
        assert stop > trade.stop_price
        assert legal(stop, price, trade)
        trade = replace(trade, stop_price=stop)
        assert ratcheted(trade, price, least) is None


@settings(max_examples=100, deadline=None)
@given(paths())
def test_moves_are_worth_their_message_or_reach_the_entry_price(path):
    trade, prices = path
    entry = legal_price(trade.entry_price, Rounding.UP)
    for price in prices:
        stop = ratcheted(trade, price)
        if stop is not None:
            is_large = stop - trade.stop_price >= Decimal("0.0025") * Decimal(repr(price))
            assert is_large or trade.stop_price < entry <= stop
            trade = replace(trade, stop_price=stop)


@settings(max_examples=100, deadline=None)
@given(trades(st.builds(FixedExit, parts, gains, gains)), dollars)
def test_break_even_alone_never_puts_the_stop_above_the_entry_nor_before_the_gain(trade, price):
    stop = ratcheted(trade, price)
    entry, after = trade.entry_price, Decimal(repr(trade.rule.break_even_after_fraction))
    if stop is not None:
        assert stop <= legal_price(entry, Rounding.UP)
        assert Decimal(repr(price)) >= entry * (1 + after)


@settings(max_examples=100, deadline=None)
@given(trades(st.builds(FixedExit, parts, gains, st.none(), parts)), dollars)
def test_a_trail_alone_never_comes_nearer_than_its_fraction(trade, price):
    stop = ratcheted(trade, price)
    if stop is not None:
        assert stop <= Decimal(repr(price)) * (1 - Decimal(repr(trade.rule.trail_fraction)))


@settings(max_examples=150, deadline=None)
@given(
    trades(st.builds(FixedExit, parts, gains, st.none() | st.floats(), st.none() | st.floats(), anything)),
    wild_prices,
    st.floats(),
)
def test_numbers_that_are_none_never_raise(trade, price, least):
    assert ratcheted(trade, price, least) is None or price > 0
    distance(trade, price)
    overdue(trade, Market(NOW, NOW.date(), {"AAA": daily([(1.0, 1.0, 1.0)])}))


def daily(bars: list[tuple[float, float, float]]) -> DailyBars:
    """Bars of high, low and close in dollars, before the session of NOW."""
    columns = np.array(bars, dtype=float).reshape(-1, 3).T
    sessions = tuple(NOW.date() - timedelta(days=back) for back in range(len(bars), 0, -1))
    return DailyBars(sessions, columns[2], columns[0], columns[1], columns[2], columns[2])


def ordered(prices: tuple[float, float, float]) -> tuple[float, float, float]:
    low, close, high = sorted(prices)
    return high, low, close


sound_bars = st.lists(st.tuples(dollars, dollars, dollars).map(ordered), max_size=40).map(daily)
wild_bars = st.none() | st.lists(st.tuples(st.floats(), st.floats(), st.floats()), max_size=20).map(daily)


@given(fixed_rules, st.floats(), wild_bars)
def test_a_sound_fixed_rule_resolves_to_itself(rule, price, bars):
    assert problem(rule) is None
    assert resolve(rule, price, bars) is rule


@settings(max_examples=100, deadline=None)
@given(
    st.builds(AtrExit, gains, gains, st.integers(1, 20), st.none() | gains, st.none() | gains, st.none() | st.integers(1, 30)),
    dollars,
    sound_bars,
)
def test_fractions_times_the_price_are_multiples_of_the_range(rule, price, bars):
    answer = resolve(rule, price, bars)
    if isinstance(answer, str):
        assert answer
        return
    assert problem(answer) is None
    assert answer.time_barrier_sessions == rule.time_barrier_sessions
    atr = wilder_atr(bars.high, bars.low, bars.close, rule.length)[-1]
    pairs = [
        (answer.stop_loss_fraction, rule.stop_multiple),
        (answer.take_profit_fraction, rule.target_multiple),
        (answer.break_even_after_fraction, rule.break_even_after_multiple),
        (answer.trail_fraction, rule.trail_multiple),
    ]
    for fraction, multiple in pairs:
        assert (fraction is None) == (multiple is None)
        if fraction is not None:
            np.testing.assert_allclose(fraction * price, multiple * atr, rtol=1e-12, atol=1e-9)


@settings(max_examples=100, deadline=None)
@given(wild_rules, st.floats(), wild_bars)
def test_any_rule_at_any_price_is_a_sound_fixed_rule_or_a_sentence(rule: ExitRule, price: float, bars: DailyBars | None):
    with np.errstate(all="ignore"):
        answer = resolve(rule, price, bars)
    if isinstance(answer, str):
        assert len(answer) > 20
    else:
        assert problem(answer) is None


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 12), st.integers(0, 15), st.integers(0, 15))
def test_overdue_counts_the_completed_sessions_from_the_entrys_on(barrier, before, held):
    first = date(2024, 2, 1)
    sessions = tuple(first + timedelta(days=day) for day in range(before + held))
    column = np.full(len(sessions), 100.0)
    bars = DailyBars(sessions, column, column, column, column, column)
    market = Market(datetime(2024, 6, 3, 15, tzinfo=UTC), date(2024, 6, 3), {"AAA": bars})
    spec = OrderSpec("n-AAA-open", "AAA", Side.BUY, 1, OrderType.LIMIT, limit_price=Decimal(100))
    entered_at = datetime(2024, 2, 1, 15, tzinfo=UTC) + timedelta(days=before)
    trade = Trade(spec, NOW, 100.0, "test", entry_status=OrderStatus.FILLED, entered=1, entered_at=entered_at)
    trade = replace(trade, rule=FixedExit(0.05, 0.15, time_barrier_sessions=barrier))
    assert overdue(trade, market) == (f"held for {barrier} sessions" if held >= barrier else None)


@given(trades(), dollars)
def test_the_way_to_the_stop_is_zero_at_the_entry_and_one_or_more_at_the_stop(trade, price):
    way = distance(trade, price).way_to_stop
    assert way >= 0
    assert (way >= 1) == (price <= float(trade.stop_price)) or abs(way - 1) < 1e-9
    if trade.stop_price < trade.entry_price <= Decimal(repr(price)):
        assert way == 0
