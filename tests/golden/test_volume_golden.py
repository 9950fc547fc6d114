"""Outside answers from SciPy's filters over images, moved so that each place sees the bars before it alone."""

import numpy as np
import pytest
from scipy.ndimage import maximum_filter1d, uniform_filter1d

from desk.indicators.volume import HighestHighState, RelativeVolumeState, highest_high_before, relative_volume

RNG = np.random.default_rng(7)
HIGH = np.round(100 + RNG.normal(0, 1, 60).cumsum(), 2)
VOLUME = RNG.integers(1_000, 90_000, 60).astype(float)


def before(filtered: np.ndarray, length: int) -> np.ndarray:
    """The filter of the `length` values that end one place earlier; `filtered` is centred on the last of them."""
    moved = np.full(len(filtered), np.nan)
    moved[length:] = filtered[length - 1 : -1]
    return moved


@pytest.mark.parametrize("length", [1, 2, 5, 20])
def test_the_channel_is_scipys_maximum_filter_one_bar_back(length):
    expected = before(maximum_filter1d(HIGH, length, origin=(length - 1) // 2), length)
    np.testing.assert_array_equal(highest_high_before(HIGH, length), expected)


@pytest.mark.parametrize("length", [1, 2, 5, 20])
def test_the_usual_volume_is_scipys_uniform_filter_one_bar_back(length):
    expected = VOLUME / before(uniform_filter1d(VOLUME, length, origin=(length - 1) // 2), length)
    np.testing.assert_allclose(relative_volume(VOLUME, length), expected, rtol=1e-12)


def test_a_bar_of_twice_the_usual_volume_has_a_relative_volume_of_two_in_both_forms():
    volume = np.array([100.0, 300.0, 200.0, 400.0])
    assert relative_volume(volume, 3)[3] == 2.0
    state = RelativeVolumeState(3)
    for each in volume[:3].tolist():
        assert state.of(400.0) is None
        state = state.pushed(each)
    assert state.of(400.0) == 2.0


def test_the_channel_does_not_know_the_bar_that_leaves_it():
    high = np.array([10.0, 12.0, 11.0, 13.0])
    assert highest_high_before(high, 3)[3] == 12.0
    state = HighestHighState(3)
    for each in high[:3].tolist():
        assert state.value is None
        state = state.pushed(each)
    assert state.value == 12.0
