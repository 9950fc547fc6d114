"""Two outside answers: StockCharts' published worked example, and a linear filter of SciPy's from the same seed.

The example is ChartSchool, Moving Averages - Simple and Exponential, spreadsheet cs-movavg.xls: Intel's closes and the sheet's
own 10-day EMA column, seeded with the 10-day SMA and printed to the cent.
https://chartschool.stockcharts.com/table-of-contents/technical-indicators-and-overlays/technical-overlays/moving-averages-simple-and-exponential
"""

import numpy as np
import pytest
from scipy.signal import lfilter

from desk.indicators.ema import EmaState, ema

LENGTH = 10
# fmt: off
CLOSES = np.array([
    22.2734, 22.1940, 22.0847, 22.1741, 22.1840, 22.1344, 22.2337, 22.4323, 22.2436, 22.2933,
    22.1542, 22.3926, 22.3816, 22.6109, 23.3558, 24.0519, 23.7530, 23.8324, 23.9516, 23.6338,
    23.8225, 23.8722, 23.6537, 23.1870, 23.0976, 23.3260, 22.6805, 23.0976, 22.4025, 22.1725,
])
PUBLISHED = np.array([
    22.22, 22.21, 22.24, 22.27, 22.33, 22.52, 22.80, 22.97, 23.13, 23.28, 23.34, 23.43, 23.51, 23.54, 23.47, 23.40, 23.39, 23.26,
    23.23, 23.08, 22.92,
])
# fmt: on
SHEET_ROUNDING = 0.005 + 1e-6


def test_batch_ema_is_the_published_column():
    result = ema(CLOSES, LENGTH)
    assert np.isnan(result[: LENGTH - 1]).all()
    np.testing.assert_allclose(result[LENGTH - 1 :], PUBLISHED, rtol=0, atol=SHEET_ROUNDING)


def test_incremental_ema_is_the_published_column():
    state, seen = EmaState(LENGTH), []
    for close in CLOSES.tolist():
        state = state.pushed(close)
        seen.append(state.value)
    assert seen[: LENGTH - 1] == [None] * (LENGTH - 1)
    np.testing.assert_allclose(seen[LENGTH - 1 :], PUBLISHED, rtol=0, atol=SHEET_ROUNDING)


@pytest.mark.parametrize("length", [1, 3, 10, 30])
def test_ema_is_scipys_first_order_filter_from_the_mean_of_the_first_closes(length):
    weight = 2.0 / (length + 1)
    seed = CLOSES[:length].mean()
    filtered, _ = lfilter([weight], [1.0, weight - 1.0], CLOSES[length:], zi=[(1.0 - weight) * seed])
    np.testing.assert_allclose(ema(CLOSES, length)[length - 1 :], [seed, *filtered], rtol=1e-12)
