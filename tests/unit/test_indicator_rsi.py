import math

import numpy as np
import pytest

from desk.indicators.rsi import RsiState, wilder_rsi


def test_only_gains_give_one_hundred_in_both_forms():
    closes = np.arange(1.0, 21.0)
    assert (wilder_rsi(closes)[14:] == 100.0).all()
    assert RsiState.from_closes(closes).value == 100.0


def test_only_losses_give_zero_in_both_forms():
    closes = np.arange(20.0, 0.0, -1.0)
    assert (wilder_rsi(closes)[14:] == 0.0).all()
    assert RsiState.from_closes(closes).value == 0.0


def test_a_price_that_never_moved_has_no_rsi_in_either_form():
    closes = np.full(30, 5.0)
    assert np.isnan(wilder_rsi(closes)).all()
    state = RsiState.from_closes(closes)
    assert state.value is None
    assert math.isnan(state.with_last(5.0))
    assert state.with_last(5.01) == 100.0


def test_warm_up_takes_length_changes():
    closes = [1.0, 2.0, 1.5, 2.5]
    assert np.isnan(wilder_rsi(np.array(closes), 4)).all()
    assert RsiState.from_closes(closes, 4).value is None
    assert RsiState.from_closes([*closes, 2.0], 4).value == pytest.approx(wilder_rsi(np.array([*closes, 2.0]), 4)[-1])


def test_fewer_closes_than_the_length_are_no_error():
    assert np.isnan(wilder_rsi(np.array([1.0, 2.0]))).all()
    assert wilder_rsi(np.empty(0)).shape == (0,)
    assert RsiState.from_closes([]).value is None


def test_with_last_leaves_the_state_alone():
    state = RsiState.from_closes(np.arange(1.0, 21.0))
    assert state.with_last(10.0) < 100.0
    assert state.value == 100.0


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_closes_that_are_not_finite_are_refused(bad):
    with pytest.raises(ValueError, match="close 1 of 3 is not a finite number"):
        wilder_rsi(np.array([1.0, bad, 2.0]), 2)
    with pytest.raises(ValueError, match="is not a finite number"):
        RsiState().pushed(bad)


def test_a_length_below_one_is_refused():
    with pytest.raises(ValueError, match="length 0"):
        wilder_rsi(np.array([1.0, 2.0]), 0)
    with pytest.raises(ValueError, match="length 0"):
        RsiState.from_closes([1.0], 0)
