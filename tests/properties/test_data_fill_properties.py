from __future__ import annotations

from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from desk.brokers.daily_fills import Kind, Resting, at_opening, during_session, may_trade

prices = st.integers(min_value=50, max_value=150).map(float)


class Bar(NamedTuple):
    open: float
    high: float
    low: float
    close: float


@st.composite
def bars(draw: st.DrawFn) -> Bar:
    path = draw(st.lists(prices, min_size=4, max_size=4))
    return Bar(path[0], max(path), min(path), path[-1])


orders = st.builds(
    Resting, kind=st.sampled_from(list(Kind)), is_buy=st.booleans(), limit=prices, stop=prices, triggered=st.just(False)
)


@given(orders, bars(), st.booleans())
def test_a_fill_is_a_price_that_the_bar_traded_at(order: Resting, bar: Bar, whole: bool):
    for outcome in (at_opening(order, bar.open), during_session(order, bar, whole)):
        if outcome.price is not None:
            assert bar.low <= outcome.price <= bar.high


@given(orders, bars(), st.booleans())
def test_no_limit_is_filled_beyond_its_price(order: Resting, bar: Bar, whole: bool):
    if order.kind not in (Kind.LIMIT, Kind.STOP_LIMIT):
        return
    for outcome in (at_opening(order, bar.open), during_session(order, bar, whole)):
        if outcome.price is not None:
            assert outcome.price <= order.limit if order.is_buy else outcome.price >= order.limit


@given(orders, bars(), st.booleans())
def test_no_stop_is_filled_better_than_its_price(order: Resting, bar: Bar, whole: bool):
    if order.kind is not Kind.STOP:
        return
    for outcome in (at_opening(order, bar.open), during_session(order, bar, whole)):
        if outcome.price is not None:
            assert outcome.price >= order.stop if order.is_buy else outcome.price <= order.stop


@given(orders, bars(), st.booleans())
def test_what_the_prescreen_skips_would_not_have_traded(order: Resting, bar: Bar, whole: bool):
    if not may_trade(order, bar):
        assert at_opening(order, bar.open).price is None
        assert during_session(order, bar, whole).price is None


@given(orders, bars())
def test_an_order_that_saw_part_of_a_bar_fills_only_if_the_whole_bar_would_fill_it(order: Resting, bar: Bar):
    if during_session(order, bar, whole=False).price is not None and order.kind is not Kind.STOP_LIMIT:
        assert during_session(order, bar, whole=True).price is not None


@given(orders, bars())
def test_only_the_open_trades_at_the_opening(order: Resting, bar: Bar):
    assert at_opening(order, bar.open).price in (None, bar.open)


@given(bars(), prices, prices)
def test_when_both_exits_are_in_doubt_only_the_stop_trades_for_certain(bar: Bar, first: float, second: float):
    """A pair that lives since inside the bar: the target needs the close, the stop needs only a touch."""
    stop, target = min(first, second), max(first, second)
    sell_stop = during_session(Resting(Kind.STOP, is_buy=False, stop=stop), bar, whole=False)
    sell_limit = during_session(Resting(Kind.LIMIT, is_buy=False, limit=target), bar, whole=False)
    if sell_limit.price is not None:
        assert bar.close >= target
    if bar.close <= stop:
        assert sell_stop.price is not None
