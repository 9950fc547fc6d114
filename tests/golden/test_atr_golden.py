"""Two outside answers: StockCharts' published worked example, and pandas-ta-classic, which seeds one bar later.

The example is ChartSchool, Average True Range, spreadsheet cs-atr.xls: QQQQ from 1 April to 13 May 2010 and the sheet's own
14-day ATR column, blank for the first 13 days.
https://chartschool.stockcharts.com/table-of-contents/technical-indicators-and-overlays/technical-indicators/average-true-range-atr
"""

import numpy as np
import pandas as pd
import pandas_ta_classic as ta

from desk.indicators.atr import AtrState, wilder_atr

LENGTH = 14
# fmt: off
HIGH = np.array([
    48.70, 48.72, 48.90, 48.87, 48.82, 49.05, 49.20, 49.35, 49.92, 50.19, 50.12, 49.66, 49.88, 50.19, 50.36,
    50.57, 50.65, 50.43, 49.63, 50.33, 50.29, 50.17, 49.32, 48.50, 48.3201, 46.80, 47.80, 48.39, 48.66, 48.79,
])
LOW = np.array([
    47.79, 48.14, 48.39, 48.37, 48.24, 48.635, 48.94, 48.86, 49.50, 49.87, 49.20, 48.90, 49.43, 49.725, 49.26,
    50.09, 50.30, 49.21, 48.98, 49.61, 49.20, 49.43, 48.08, 47.64, 41.55, 44.2833, 47.31, 47.20, 47.90, 47.7301,
])
CLOSE = np.array([
    48.16, 48.61, 48.75, 48.63, 48.74, 49.03, 49.07, 49.32, 49.91, 50.13, 49.53, 49.50, 49.75, 50.03, 50.31,
    50.52, 50.41, 49.34, 49.37, 50.23, 49.2375, 49.93, 48.43, 48.18, 46.57, 45.41, 47.77, 47.72, 48.62, 47.85,
])
PUBLISHED = np.array([
    0.5550000000, 0.5939285714, 0.5857908163, 0.5689486152, 0.6154522855, 0.6179199794, 0.6423542666, 0.6743289618, 0.6927697503,
    0.7754290538, 0.7814698357, 1.209229133, 1.302619909, 1.380289916, 1.366697779, 1.336219366, 1.316482269,
])
# fmt: on
SHEET_ROUNDING = 1e-9  # the sheet prints ten digits


def outside(high: np.ndarray, low: np.ndarray, close: np.ndarray) -> np.ndarray:
    columns = (pd.Series(column) for column in (high, low, close))
    return np.asarray(ta.atr(*columns, length=LENGTH, talib=False), dtype=float)


def test_batch_atr_is_the_published_column():
    result = wilder_atr(HIGH, LOW, CLOSE, LENGTH)
    assert np.isnan(result[: LENGTH - 1]).all()
    np.testing.assert_allclose(result[LENGTH - 1 :], PUBLISHED, rtol=0, atol=SHEET_ROUNDING)


def test_incremental_atr_is_the_published_column():
    state = AtrState(LENGTH)
    seen = []
    for bar in zip(HIGH.tolist(), LOW.tolist(), CLOSE.tolist(), strict=True):
        state = state.pushed(*bar)
        seen.append(state.value)
    assert seen[: LENGTH - 1] == [None] * (LENGTH - 1)
    np.testing.assert_allclose(seen[LENGTH - 1 :], PUBLISHED, rtol=0, atol=SHEET_ROUNDING)


def test_pandas_ta_classic_agrees_once_the_first_bar_has_a_close_before_it():
    """A bar in front whose close lies in the first bar's range makes that bar's true range high minus low there too."""
    front = np.array([CLOSE[0]])
    theirs = outside(*(np.concatenate([front, column]) for column in (HIGH, LOW, CLOSE)))
    np.testing.assert_allclose(theirs[1:], wilder_atr(HIGH, LOW, CLOSE, LENGTH), rtol=0, atol=1e-12)


def test_pandas_ta_classic_begins_a_bar_later_and_the_difference_shrinks_with_every_bar():
    ours, theirs = wilder_atr(HIGH, LOW, CLOSE, LENGTH), outside(HIGH, LOW, CLOSE)
    assert np.isnan(theirs[:LENGTH]).all()
    assert np.isfinite(theirs[LENGTH:]).all()
    shrinking = ((LENGTH - 1) / LENGTH) ** np.arange(len(ours) - LENGTH)
    difference = ours[LENGTH:] - theirs[LENGTH:]
    assert abs(difference[0]) > 0.001
    np.testing.assert_allclose(difference, difference[0] * shrinking, rtol=0, atol=1e-12)
