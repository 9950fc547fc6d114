from datetime import date, timedelta

import numpy as np
import pytest

from desk.domain.errors import ConfigurationError
from desk.domain.market import DailyBars
from desk.model.events import Events, collect_events, uniqueness
from desk.model.features import FEATURES, RSI
from desk.model.parameters import MetaParameters
from desk.model.training import bars_before


def walk(seed, n=700):
    generator = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(generator.normal(0, 0.02, n)))
    opened = close * np.exp(generator.normal(0, 0.005, n))
    sessions = tuple(date(2020, 1, 1) + timedelta(days=day) for day in range(n))
    return DailyBars(sessions, opened, np.maximum(opened, close) * 1.01, np.minimum(opened, close) * 0.99, close, np.full(n, 1e6))


def spans(*entry_and_exit, symbol=None):
    m = len(entry_and_exit)
    entry, last = (np.array(column, dtype=np.int64) for column in zip(*entry_and_exit, strict=True))
    symbol = np.zeros(m, dtype=np.int64) if symbol is None else np.array(symbol)
    days = (entry - 1, last, entry - 1, last)
    return Events(np.zeros((m, len(FEATURES))), np.zeros(m, dtype=bool), np.zeros(m), symbol, *days, entry, last)


def test_events_that_never_overlap_count_in_full():
    np.testing.assert_allclose(uniqueness(spans((1, 3), (4, 4), (9, 12))), [1, 1, 1])


def test_two_equal_events_count_half_each():
    np.testing.assert_allclose(uniqueness(spans((1, 4), (1, 4))), [0.5, 0.5])


def test_partly_overlapping_events_get_the_mean_share_of_their_life():
    # Sessions 1-4 and 3-6: alone in two of four sessions, shared in the other two.
    np.testing.assert_allclose(uniqueness(spans((1, 4), (3, 6))), [0.75, 0.75])


def test_events_of_different_symbols_do_not_overlap():
    np.testing.assert_allclose(uniqueness(spans((1, 4), (1, 4), symbol=[0, 1])), [1, 1])


def test_events_have_all_features_a_whole_horizon_and_an_rsi_below_the_event_line():
    bars = {"A": walk(1), "B": walk(2)}
    events = collect_events(bars, MetaParameters())
    assert len(events) > 50
    assert np.isfinite(events.features).all()
    assert (events.features[:, RSI] < 40).all()
    assert (np.diff(events.day) >= 0).all()
    assert events.horizon_day.max() <= bars["A"].sessions[-1].toordinal()
    assert (events.horizon_day - events.day == 11).all()  # entry the day after, ten sessions more; sessions here are days


def test_events_completed_before_a_day_are_those_that_its_bars_alone_give():
    bars, cut = {"A": walk(1), "B": walk(2)}, date(2021, 6, 1)
    early = collect_events({symbol: bars_before(one, cut) for symbol, one in bars.items()}, MetaParameters())
    whole = collect_events(bars, MetaParameters()).completed_before(cut)
    for name in Events.__slots__:
        np.testing.assert_array_equal(getattr(early, name), getattr(whole, name))
    assert (early.horizon_day < cut.toordinal()).all()
    assert len(early)


def test_no_bars_give_no_events():
    events = collect_events({}, MetaParameters())
    assert len(events) == 0
    assert events.features.shape == (0, len(FEATURES))


def test_a_parameter_out_of_range_is_refused_by_name_value_and_range():
    with pytest.raises(ConfigurationError, match=r"stop_loss_fraction 5 is out of range: give a value from 0.001 to 0.99"):
        MetaParameters(stop_loss_fraction=5)
