import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from desk.indicators.rsi import RsiState, wilder_rsi

# Cents: the smallest step between two closes is one tick, as on a real tape.
closes = st.lists(st.integers(1, 5_000_000), min_size=0, max_size=120).map(lambda cents: np.array(cents, dtype=float) / 100)
lengths = st.integers(1, 20)


@settings(max_examples=150, deadline=None)
@given(closes, lengths)
def test_incremental_rsi_equals_batch_bar_by_bar(close, length):
    batch = wilder_rsi(close, length)
    state = RsiState(length)
    for place, price in enumerate(close.tolist()):
        ahead = state.with_last(price)
        state = state.pushed(price)
        value = np.nan if state.value is None else state.value
        np.testing.assert_allclose(value, batch[place], rtol=0, atol=1e-9)
        np.testing.assert_array_equal(ahead, value)


@settings(max_examples=60, deadline=None)
@given(closes, lengths)
def test_rsi_lies_between_zero_and_one_hundred_and_sees_no_future(close, length):
    whole = wilder_rsi(close, length)
    known = whole[np.isfinite(whole)]
    assert ((known >= 0) & (known <= 100)).all()
    cut = len(close) // 2
    np.testing.assert_array_equal(wilder_rsi(close[:cut], length), whole[:cut])
