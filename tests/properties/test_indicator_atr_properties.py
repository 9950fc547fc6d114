import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from desk.domain.market import FloatArray
from desk.indicators.atr import AtrState, wilder_atr


def ordered(cents: tuple[int, int, int]) -> tuple[float, float, float]:
    """High, low and close of one bar in dollars."""
    low, close, high = sorted(cents)
    return high / 100, low / 100, close / 100


prices = st.integers(1, 5_000_000)
bars = st.lists(st.tuples(prices, prices, prices).map(ordered), min_size=0, max_size=80)
lengths = st.integers(1, 20)


def columns(listed: list[tuple[float, float, float]]) -> tuple[FloatArray, FloatArray, FloatArray]:
    high, low, close = np.array(listed, dtype=float).reshape(-1, 3).T
    return high, low, close


@settings(max_examples=150, deadline=None)
@given(bars, lengths)
def test_incremental_atr_equals_batch_bar_by_bar(listed, length):
    batch = wilder_atr(*columns(listed), length)
    state = AtrState(length)
    for place, bar in enumerate(listed):
        state = state.pushed(*bar)
        value = np.nan if state.value is None else state.value
        np.testing.assert_allclose(value, batch[place], rtol=1e-12, atol=1e-9)
    assert state == AtrState.from_bars(*columns(listed), length)


@settings(max_examples=80, deadline=None)
@given(bars, lengths)
def test_atr_lies_between_the_smallest_and_the_largest_true_range_and_sees_no_future(listed, length):
    high, low, close = columns(listed)
    whole = wilder_atr(high, low, close, length)
    assert np.isnan(whole[: length - 1]).all()
    each = wilder_atr(high, low, close, 1)
    known = whole[length - 1 :]
    assert np.isfinite(known).all()
    assert (known >= each.min(initial=np.inf) - 1e-6).all()
    assert (known <= each.max(initial=0.0) + 1e-6).all()
    cut = len(listed) // 2
    np.testing.assert_array_equal(wilder_atr(high[:cut], low[:cut], close[:cut], length), whole[:cut])


@settings(max_examples=80, deadline=None)
@given(bars, lengths, st.sampled_from([0.25, 0.5, 2.0, 4.0]))
def test_atr_of_rescaled_prices_is_rescaled(listed, length, factor):
    """A split changes the unit of the prices and nothing else; powers of two are exact."""
    high, low, close = columns(listed)
    np.testing.assert_array_equal(
        wilder_atr(high * factor, low * factor, close * factor, length), wilder_atr(high, low, close, length) * factor
    )
