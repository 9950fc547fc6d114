from datetime import date, timedelta

import numpy as np
import pytest

from desk.domain.market import DailyBars
from desk.indicators.rsi import wilder_rsi
from desk.model.features import FEATURES, LOOKBACK, MARKET, OWN, feature_table, market_state, own_features


def flat_bars(close, first=date(2020, 1, 1), volume=None):
    close = np.asarray(close, dtype=float)
    sessions = tuple(first + timedelta(days=day) for day in range(len(close)))
    return DailyBars(sessions, close, close, close, close, np.ones(len(close)) if volume is None else volume)


def test_a_steadily_rising_price_gives_the_features_worked_out_by_hand():
    close = 100 * 1.01 ** np.arange(250)
    volume = np.where(np.arange(250) == 249, 399.0, 99.0)
    row = dict(zip(OWN, own_features(close, volume, wilder_rsi(close))[-1], strict=True))
    assert row["return_1"] == pytest.approx(0.01)
    assert row["return_5"] == pytest.approx(1.01**5 - 1)
    assert row["return_20"] == pytest.approx(1.01**20 - 1)
    assert row["volatility_20"] == pytest.approx(0.0, abs=1e-12)
    assert row["rsi"] == 100.0
    assert row["rsi_change_3"] == 0.0
    assert row["days_oversold_10"] == 0.0
    assert row["distance_50"] == pytest.approx(close[-1] / close[-50:].mean() - 1)
    assert row["distance_200"] == pytest.approx(close[-1] / close[-200:].mean() - 1)
    assert row["volume_ratio_20"] == pytest.approx(np.log(400 / 115))  # mean volume (19 * 99 + 399) / 20 = 114
    assert row["drawdown_60"] == 0.0


def test_a_fall_shows_in_drawdown_and_days_oversold():
    close = np.concatenate([np.linspace(100, 200, 250), np.linspace(195, 150, 10)])
    row = dict(zip(OWN, own_features(close, np.ones(260), wilder_rsi(close))[-1], strict=True))
    rsi = wilder_rsi(close)
    assert row["drawdown_60"] == pytest.approx(150 / 200 - 1)
    assert row["days_oversold_10"] == (rsi[-10:] < 30).sum() > 0
    assert row["rsi_change_3"] == pytest.approx(rsi[-1] - rsi[-4])


def test_features_are_complete_from_the_longest_window_on():
    generator = np.random.default_rng(1)
    table = feature_table({"A": flat_bars(100 * np.exp(np.cumsum(generator.normal(0, 0.02, 260))))})["A"]
    assert table.shape == (260, len(FEATURES))
    assert np.isfinite(table[LOOKBACK - 1 :]).all()
    assert not np.isfinite(table[: LOOKBACK - 1]).all(axis=1).any()


def test_market_state_is_the_mean_over_the_symbols_of_the_day():
    up, down = flat_bars(100 * 1.02 ** np.arange(30)), flat_bars(100 * 0.99 ** np.arange(30))
    table = feature_table({"UP": up, "DOWN": down})
    np.testing.assert_allclose(table["UP"][-1, -len(MARKET) :], [(0.02 - 0.01) / 2, 50.0])
    np.testing.assert_array_equal(table["UP"][20:, -2:], table["DOWN"][20:, -2:])


def test_a_symbol_listed_later_joins_the_market_state_when_it_has_values():
    old, young = flat_bars(100 * 1.02 ** np.arange(30)), flat_bars(100 * 1.04 ** np.arange(10), date(2020, 1, 21))
    table = feature_table({"OLD": old, "YOUNG": young})
    assert table["OLD"][20, -2] == pytest.approx(0.02)  # the young symbol has a bar but no return yet
    assert table["OLD"][21, -2] == pytest.approx(0.03)


def test_a_market_without_values_has_no_state():
    assert np.isnan(market_state(np.full((3, len(OWN)), np.nan))).all()


def test_no_bars_give_no_table():
    assert feature_table({}) == {}
    assert feature_table({"A": flat_bars([])}) == {}
