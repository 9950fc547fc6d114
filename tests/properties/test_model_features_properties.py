from datetime import date, timedelta

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from desk.domain.market import DailyBars
from desk.indicators.rsi import wilder_rsi
from desk.model.features import LOOKBACK, feature_table, own_features
from desk.model.training import bars_before

FIRST = date(2020, 1, 1)


def walk(seed, n, first=FIRST):
    generator = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(generator.normal(0, 0.02, n)))
    sessions = tuple(first + timedelta(days=day) for day in range(n))
    return DailyBars(sessions, close, close, close, close, generator.integers(0, 10**7, n).astype(float))


seeds = st.integers(0, 2**32 - 3)


@settings(max_examples=30, deadline=None)
@given(seeds, st.integers(0, 330), st.integers(0, 120), st.integers(1, 12))
def test_features_of_a_day_do_not_change_when_the_future_is_cut_off(seed, count, listed_later, symbols):
    bars = {f"S{number}": walk(seed + number, 330) for number in range(symbols)}
    bars["LATE"] = walk(seed + 1, 330 - listed_later, FIRST + timedelta(days=listed_later))
    before = FIRST + timedelta(days=count)
    whole = feature_table(bars)
    early = feature_table({symbol: bars_before(one, before) for symbol, one in bars.items()})
    for symbol, table in early.items():
        np.testing.assert_array_equal(table, whole[symbol][: len(table)])


@settings(max_examples=30, deadline=None)
@given(seeds, st.integers(1, 400))
def test_the_last_row_needs_no_more_than_the_lookback(seed, n):
    bars = walk(seed, n)
    rsi = wilder_rsi(bars.close)
    whole = own_features(bars.close, bars.volume, rsi)[-1]
    tail = own_features(bars.close[-LOOKBACK:], bars.volume[-LOOKBACK:], rsi[-LOOKBACK:])[-1]
    np.testing.assert_array_equal(tail, whole)
