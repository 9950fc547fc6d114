"""The definition in exact fractions, worked by hand: two sessions on both sides of a night, one of them in winter time."""

from datetime import UTC, date, datetime
from fractions import Fraction

import numpy as np

from desk.indicators.vwap import VwapState, new_york_day, session_vwap

# The clocks in New York went back on 2 November 2008: 09:30 is 13:30 UTC on the Friday, 14:30 UTC on the Monday.
STARTS = np.array(
    [int(datetime(2008, 10, 31, 19, minute, tzinfo=UTC).timestamp()) for minute in (57, 58, 59)]
    + [int(datetime(2008, 11, 3, 14, minute, tzinfo=UTC).timestamp()) for minute in (30, 31)],
    dtype=np.int64,
)
HIGH = np.array([10.0, 12.0, 11.0, 20.0, 22.0])
LOW = np.array([8.0, 9.0, 11.0, 17.0, 19.0])
CLOSE = np.array([9.0, 12.0, 11.0, 20.0, 19.0])
VOLUME = np.array([100.0, 300.0, 200.0, 50.0, 150.0])
# Typical prices 9, 11, 11 and 19, 20. Friday: 900/100, 4200/400, 6400/600. Monday: 950/50, 3950/200.
BY_HAND = [Fraction(9), Fraction(21, 2), Fraction(32, 3), Fraction(19), Fraction(79, 4)]


def test_batch_vwap_is_the_one_worked_by_hand_and_begins_anew_at_the_opening():
    np.testing.assert_allclose(session_vwap(STARTS, HIGH, LOW, CLOSE, VOLUME), [float(each) for each in BY_HAND], rtol=1e-14)


def test_incremental_vwap_is_the_one_worked_by_hand_and_begins_anew_at_the_opening():
    state, seen = VwapState(), []
    for bar in zip(STARTS.tolist(), HIGH.tolist(), LOW.tolist(), CLOSE.tolist(), VOLUME.tolist(), strict=True):
        state = state.pushed(*bar)
        seen.append(state.value)
    np.testing.assert_allclose(seen, [float(each) for each in BY_HAND], rtol=1e-14)
    assert state.day == date(2008, 11, 3)


def test_new_yorks_day_is_that_of_its_own_clock():
    assert new_york_day(int(datetime(2008, 11, 3, 4, 59, tzinfo=UTC).timestamp())) == date(2008, 11, 2)
    assert new_york_day(int(datetime(2008, 11, 3, 5, 0, tzinfo=UTC).timestamp())) == date(2008, 11, 3)
    assert new_york_day(int(datetime(2008, 10, 31, 4, 0, tzinfo=UTC).timestamp())) == date(2008, 10, 31)
