from __future__ import annotations

import subprocess
import sys
from datetime import date

import numpy as np
import pandas as pd
import pytest
from bokeh_sampledata.stocks import AAPL

from desk.data.bundled import DERIVED_FUNDS, load_bundled, load_indices
from desk.data.calendars import session_dates
from desk.data.source import OHLCV


def test_it_holds_five_stocks_and_three_derived_funds():
    source = load_bundled()
    assert source.symbols == ("AAPL", "FB", "GOOG", "IBM", "MSFT", "SH", "SPXS", "SQQQ")
    assert set(source.instruments) == set(source.symbols)
    derived = {symbol: item.leverage for symbol, item in source.instruments.items() if item.derived}
    assert derived == {"SH": -1.0, "SPXS": -3.0, "SQQQ": -3.0}


def test_its_days_are_the_exchanges_sessions():
    source = load_bundled()
    assert source.sessions() == session_dates(date(2000, 3, 1), date(2013, 3, 1))
    for symbol in ("AAPL", "SH", "SPXS", "SQQQ"):
        assert len(source.daily[symbol]) == len(source.sessions())


@pytest.mark.parametrize("symbol", ["AAPL", "FB", "GOOG", "IBM", "MSFT", "SH", "SPXS", "SQQQ"])
def test_every_bar_is_legal(symbol):
    frame = load_bundled().daily[symbol]
    assert list(frame.columns) == list(OHLCV) and all(frame.dtypes == np.float64)
    assert frame.index.is_monotonic_increasing and frame.index.is_unique and frame.index.tz is None
    prices = frame[list(OHLCV[:4])]
    assert (prices > 0).all().all() and frame["volume"].gt(0).all()
    assert (frame["low"] <= prices.min(axis=1)).all() and (frame["high"] >= prices.max(axis=1)).all()
    ticks = np.where(prices >= 1, 100, 10_000)
    assert np.allclose(prices * ticks, np.round(prices * ticks), atol=1e-6)


def test_stock_prices_carry_splits_and_dividends():
    frame = load_bundled().daily["AAPL"]
    at = AAPL["date"].index("2005-02-25")  # three days before a two-for-one split
    factor = AAPL["adj_close"][at] / AAPL["close"][at]
    assert frame.loc["2005-02-25", "close"] == pytest.approx(AAPL["adj_close"][at], abs=0.005)
    assert frame.loc["2005-02-25", "high"] == pytest.approx(AAPL["high"][at] * factor, abs=0.005)
    turnover = frame.loc["2005-02-25", "volume"] * frame.loc["2005-02-25", "close"]
    assert turnover == pytest.approx(AAPL["volume"][at] * AAPL["close"][at], rel=0.005)
    assert frame["close"].pct_change().abs().max() < 0.6


@pytest.mark.parametrize("fund", DERIVED_FUNDS, ids=lambda fund: fund.symbol)
def test_a_fund_pays_its_leverage_times_the_indexs_daily_return(fund):
    frame = load_bundled().daily[fund.symbol]
    index = load_indices()[fund.index]
    expected = fund.leverage * index["close"].pct_change().loc[frame.index]
    got = frame["close"].pct_change()
    cent = 0.01 / frame["close"].shift()
    assert ((got - expected).abs()[1:] <= 1.01 * cent[1:]).all()
    # The fund's low of a day comes from the index's high.
    low = 1 + fund.leverage * (index["high"] / index["close"].shift() - 1).loc[frame.index]
    assert ((frame["low"] / frame["close"].shift() - low).abs()[1:] <= 1.01 * cent[1:]).all()


def test_no_derived_price_is_below_a_dollar_and_a_higher_start_is_told():
    source = load_bundled()
    assert all(source.daily[fund.symbol]["low"].min() >= 1.0 for fund in DERIVED_FUNDS)
    assert "starts at $1,000 instead of $100" in source.instruments["SQQQ"].note
    assert "starts at" not in source.instruments["SPXS"].note


def test_the_notes_say_what_must_stand_beside_figures():
    notes = "\n".join(load_bundled().notes)
    assert "total-return prices" in notes and "no dividends are paid" in notes
    assert all(f"{fund.symbol} is derived" in notes for fund in DERIVED_FUNDS)


def test_indices_serve_as_benchmarks():
    indices = load_indices()
    assert set(indices) == {"SP500", "NASDAQ"}
    assert indices["SP500"].index[0] == pd.Timestamp("1999-01-04") and indices["SP500"].index[-1] == pd.Timestamp("2018-12-31")


def test_loading_imports_nothing_heavy_and_reads_the_files_once():
    code = (
        "import sys; from desk.data.bundled import load_bundled; load_bundled();"
        "assert not {'arch', 'scipy', 'lumibot', 'pandas_market_calendars'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert load_bundled() is load_bundled()
