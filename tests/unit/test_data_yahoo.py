from __future__ import annotations

from datetime import date
from importlib.util import find_spec

import pandas as pd
import pytest

from desk.data.yahoo import daily_frame, load_yahoo
from desk.domain.errors import ConfigurationError


def answer(**changes: list[float]) -> pd.DataFrame:
    """Three rows as yfinance gives them: stamped at the close in New York, with more columns than are needed."""
    index = pd.DatetimeIndex(["2024-07-01 16:00", "2024-07-02 16:00", "2024-07-03 16:00"], tz="America/New_York")
    columns = {
        "Open": [100.0, 102.0, 104.0],
        "High": [103.0, 105.0, 106.0],
        "Low": [99.0, 101.0, 103.0],
        "Close": [102.0, 104.0, 105.0],
        "Adj Close": [51.0, 104.0, 105.0],
        "Volume": [1000, 2000, 3000],
        "Dividends": [0.0, 0.0, 0.0],
    }
    return pd.DataFrame(columns | changes, index=index)


@pytest.mark.skipif(find_spec("yfinance") is not None, reason="the extra is installed")
def test_without_the_extra_it_says_what_to_install():
    with pytest.raises(ConfigurationError, match=r"pip install -e '.\[yahoo\]'"):
        load_yahoo(["AAPL"], date(2024, 1, 2), date(2024, 1, 31))


def test_prices_are_adjusted_to_total_return_and_cut_to_the_dates():
    frame = daily_frame("AAA", answer(), date(2024, 7, 1), date(2024, 7, 2))
    assert [stamp.date() for stamp in frame.index] == [date(2024, 7, 1), date(2024, 7, 2)]
    assert frame.iloc[0].tolist() == [50.0, 51.5, 49.5, 51.0, 2000.0]
    assert frame.iloc[1].tolist() == [102.0, 105.0, 101.0, 104.0, 2000.0]


def test_a_symbol_without_bars_in_the_dates_is_refused():
    with pytest.raises(ConfigurationError, match="no bars of AAA between 2020-01-02"):
        daily_frame("AAA", answer(), date(2020, 1, 2), date(2020, 1, 31))


def test_bars_that_cannot_be_true_are_refused():
    with pytest.raises(ConfigurationError, match="Yahoo AAA:2: AAA: low -1 is not above zero"):
        daily_frame("AAA", answer(Low=[99.0, -1.0, 103.0]), date(2024, 7, 1), date(2024, 7, 3))
