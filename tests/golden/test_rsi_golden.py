"""Published worked example: StockCharts ChartSchool, Relative Strength Index, spreadsheet cs-rsi.xls.

QQQQ closes from 14 December 2009 to 1 February 2010 and the sheet's own 14-day RSI column, blank for the first 14 closes.
https://chartschool.stockcharts.com/table-of-contents/technical-indicators-and-overlays/technical-indicators/relative-strength-index-rsi
"""

import numpy as np

from desk.indicators.rsi import RsiState, wilder_rsi

# fmt: off
CLOSES = np.array([
    44.3389, 44.0902, 44.1497, 43.6124, 44.3278, 44.8264, 45.0955, 45.4245, 45.8433, 46.0826, 45.8931,
    46.0328, 45.6140, 46.2820, 46.2820, 46.0028, 46.0328, 46.4116, 46.2222, 45.6439, 46.2122, 46.2521,
    45.7137, 46.4515, 45.7835, 45.3548, 44.0288, 44.1783, 44.2181, 44.5672, 43.4205, 42.6628, 43.1314,
])
PUBLISHED = np.array([
    70.5328, 66.3186, 66.5498, 69.4063, 66.3552, 57.9749, 62.9296, 63.2571, 56.0593, 62.3771,
    54.7076, 50.4228, 39.9898, 41.4605, 41.8689, 45.4632, 37.3040, 33.0795, 37.7730,
])
# fmt: on
SHEET_ROUNDING = 1e-3  # the sheet prints closes to four places and computes with more


def test_batch_rsi_is_the_published_column():
    result = wilder_rsi(CLOSES, 14)
    assert np.isnan(result[:14]).all()
    np.testing.assert_allclose(result[14:], PUBLISHED, rtol=0, atol=SHEET_ROUNDING)


def test_incremental_rsi_is_the_published_column():
    state = RsiState(14)
    seen = []
    for close in CLOSES.tolist():
        state = state.pushed(close)
        seen.append(state.value)
    assert seen[:14] == [None] * 14
    np.testing.assert_allclose(seen[14:], PUBLISHED, rtol=0, atol=SHEET_ROUNDING)
