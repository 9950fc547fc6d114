from dataclasses import fields
from datetime import date, timedelta

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from desk.domain.market import DailyBars
from desk.model.labels import ExitKind, triple_barrier


@st.composite
def markets(draw):
    """A random walk with gaps and wide bars, steep enough that every kind of exit occurs."""
    n = draw(st.integers(0, 60))
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    close = 100 * np.exp(np.cumsum(generator.normal(0, 0.03, n)))
    opened = close * np.exp(generator.normal(0, 0.03, n))
    high = np.maximum(opened, close) * np.exp(np.abs(generator.normal(0, 0.02, n)))
    low = np.minimum(opened, close) * np.exp(-np.abs(generator.normal(0, 0.02, n)))
    sessions = tuple(date(2024, 1, 1) + timedelta(days=day) for day in range(n))
    return DailyBars(sessions, opened, high, low, close, np.ones(n))


def first(bars, count):
    return DailyBars(*(getattr(bars, field.name)[:count] for field in fields(bars)))


def plainly(bars, signal, stop_fraction, target_fraction, barrier):
    """The trade walked bar by bar, as the rules read."""
    entry = bars.open[signal + 1]
    stop, target = entry * (1 - stop_fraction), entry * (1 + target_fraction)
    for held, bar in enumerate(range(signal + 1, len(bars))):
        if bars.open[bar] <= stop:
            return bars.open[bar], bar, ExitKind.STOP
        if bars.open[bar] >= target:
            return bars.open[bar], bar, ExitKind.TARGET
        if held == barrier:
            return bars.open[bar], bar, ExitKind.TIME
        if bars.low[bar] <= stop:
            return stop, bar, ExitKind.STOP
        if bars.high[bar] >= target:
            return target, bar, ExitKind.TARGET
    return np.nan, -1, ExitKind.UNKNOWN


barriers = st.tuples(st.floats(0.01, 0.2), st.floats(0.01, 0.3), st.integers(1, 12))


@settings(max_examples=60, deadline=None)
@given(markets(), barriers)
def test_every_outcome_is_that_of_the_trade_walked_bar_by_bar(bars, barrier):
    result = triple_barrier(bars, *barrier)
    for signal in range(len(bars) - 1):
        price, at, kind = plainly(bars, signal, *barrier)
        assert (result.exit_index[signal], result.exit_kind[signal]) == (at, kind)
        np.testing.assert_allclose(result.gross_return[signal], price / bars.open[signal + 1] - 1, rtol=1e-12)


@settings(max_examples=60, deadline=None)
@given(markets(), barriers, st.integers(0, 60))
def test_an_outcome_is_known_exactly_when_its_exit_has_been_seen(bars, barrier, count):
    whole, early = triple_barrier(bars, *barrier), triple_barrier(first(bars, count), *barrier)
    n = min(count, len(bars))
    seen = (whole.exit_index[:n] >= 0) & (whole.exit_index[:n] < n)
    np.testing.assert_array_equal(early.exit_index >= 0, seen)
    np.testing.assert_array_equal(early.gross_return[seen], whole.gross_return[:n][seen])
    np.testing.assert_array_equal(early.exit_kind[seen], whole.exit_kind[:n][seen])
    assert np.isnan(early.gross_return[~seen]).all()


@settings(max_examples=30, deadline=None)
@given(markets(), barriers)
def test_no_trade_is_held_longer_than_its_time_barrier(bars, barrier):
    result = triple_barrier(bars, *barrier)
    assert (result.exit_index <= result.horizon_index).all()
