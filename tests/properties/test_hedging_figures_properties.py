"""The figures of the hedge against other ways to get them: numpy's fits, a simulation, and the strategy's own RSI."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk.domain.market import DailyBars, FloatArray, Market, Quote
from hedging.decay import log_drag, log_growth
from hedging.exposure import betas
from hedging.returns import daily_returns, name_returns
from hedging.rules import HedgeRules
from hedging.sentiment import rsi_level
from hedging.sizing import bounds, cap_usd, resized, whole_shares
from hedging.trend import trend, volatility
from strategies.combined import RsiBySymbol

DAYS = tuple(date(2020, 1, 1) + timedelta(days=number) for number in range(400))
NOW = datetime(2021, 3, 1, 18, tzinfo=UTC)
seeds = st.integers(0, 2**32 - 1)


def bars(close: FloatArray, days: tuple[date, ...] = DAYS) -> DailyBars:
    return DailyBars(days[: len(close)], close, close, close, close, close)


def walk(generator: np.random.Generator, sessions: int, spread: float = 0.02) -> FloatArray:
    return 100 * np.exp(generator.normal(0, spread, sessions).cumsum())


@given(seeds, st.integers(3, 80), st.integers(1, 6), st.floats(0, 0.5))
def test_betas_are_those_of_a_fit_over_the_sessions_in_common(seed: int, sessions: int, count: int, holes: float) -> None:
    generator = np.random.default_rng(seed)
    index = generator.normal(0.0005, 0.01, sessions)
    names = generator.normal(0, 2, (count, 1)) * index + generator.normal(0, 0.01, (count, sessions))
    names[generator.random(names.shape) < holes] = math.nan
    index[generator.random(sessions) < holes / 4] = math.nan
    found = zip(names, *betas(names, index, 3), strict=True)
    for name, beta, r2, known in found:
        both = np.isfinite(name) & np.isfinite(index)
        assert known == (both.sum() >= 3)
        if known:
            slope = np.polyfit(index[both], name[both], 1)[0]
            assert beta == pytest.approx(2 / 3 * slope + 1 / 3, rel=1e-6, abs=1e-9)
            assert r2 == pytest.approx(np.corrcoef(index[both], name[both])[0, 1] ** 2, abs=1e-9)


@given(seeds, st.integers(0, 40), st.floats(0, 0.6))
def test_returns_stand_at_their_days_however_the_calendars_differ(seed: int, sessions: int, gone: float) -> None:
    generator = np.random.default_rng(seed)
    calendar = tuple(day for day in DAYS[:sessions] if generator.random() >= gone / 2)
    shown = {f"S{n}": tuple(day for day in DAYS[: sessions + 3] if generator.random() >= gone) for n in range(4)}
    market = Market(NOW, DAYS[-1], {name: bars(walk(generator, len(days)), days) for name, days in shown.items()})
    found = name_returns(tuple(shown), market, calendar)
    assert found.shape == (4, max(len(calendar) - 1, 0))
    for row, name in zip(found, shown, strict=True):
        price = dict(zip(market.bars[name].sessions, market.bars[name].close, strict=True))
        pairs = pairwise(calendar)
        expected = [price[b] / price[a] - 1 if a in price and b in price else math.nan for a, b in pairs]
        assert row.tolist() == pytest.approx(expected, nan_ok=True)


@given(seeds, st.integers(0, 400), st.integers(2, 20), st.none() | st.floats(20, 500))
def test_the_rsi_is_the_one_that_the_strategy_trades_by(seed: int, sessions: int, length: int, last: float | None) -> None:
    close = walk(np.random.default_rng(seed), sessions)
    quotes = {} if last is None else {"AAA": Quote(NOW, last, last, last)}
    market = Market(NOW, NOW.date(), {"AAA": bars(close)}, quotes)
    level, expected = rsi_level("AAA", market, length), RsiBySymbol(length).levels(market)
    assert isinstance(level, str) == (not expected)
    if not isinstance(level, str):
        # Over so many closes the average has forgotten all but a millionth of its beginning.
        assert level == pytest.approx(expected["AAA"], abs=1e-3)


@given(seeds, st.sampled_from([-1.0, -2.0, -3.0]), st.floats(0.002, 0.02), st.floats(-0.0005, 0.0005))
def test_the_drag_is_what_a_simulated_fund_loses(seed: int, leverage: float, spread: float, drift: float) -> None:
    """40,000 sessions of a fund that is reset every day: its log growth, within four standard errors and the terms left out."""
    index = np.random.default_rng(seed).normal(drift, spread, 40_000)
    index_growth, fund_growth = np.log1p(index), np.log1p(leverage * index)
    behind = fund_growth - leverage * index_growth
    error = 4 * behind.std() / math.sqrt(len(index)) + leverage**4 * (spread**4 + abs(drift) ** 2)
    expected = log_growth(leverage, float(index_growth.mean()), spread * spread)
    assert fund_growth.mean() == pytest.approx(expected, abs=error)
    assert error < log_drag(leverage, spread * spread)


@given(seeds, st.integers(0, 120), st.integers(2, 60), st.integers(1, 20))
def test_a_trend_is_that_of_the_averages_of_levels(seed: int, sessions: int, average: int, slope: int) -> None:
    close = walk(np.random.default_rng(seed), sessions + 1)
    found = trend(daily_returns(close), average, slope)
    assert (found is None) == (len(close) < average + slope)
    if found is not None:
        last, before = close[-average:].mean(), close[-average - slope : -slope].mean()
        assert found.distance_fraction == pytest.approx(close[-1] / last - 1, abs=1e-9)
        assert found.slope_fraction == pytest.approx((last / before - 1) / slope, abs=1e-9)


@given(st.lists(st.floats(), max_size=80), st.integers(2, 50), st.integers(1, 20))
def test_figures_of_any_floats_are_finite_or_none(values: list[float], average: int, slope: int) -> None:
    returns = np.array(values, dtype=np.float64)
    found, swing = trend(returns, average, slope), volatility(returns, average)
    assert found is None or math.isfinite(found.distance_fraction)
    assert swing is None or swing >= 0
    fits = betas(np.array([values, values[::-1]], dtype=np.float64).reshape(2, -1), returns, 3)
    assert all(np.isfinite(column).all() for column in fits)
    assert ((fits[1] >= 0) & (fits[1] <= 1)).all()


usd = st.floats(0, 1e6)


@given(st.integers(0, 10**4), usd, usd, usd, st.floats(1, 1e3), st.floats(0, 0.9))
def test_what_was_resized_stays(held: int, needed: float, cap: float, band: float, price: float, dead_band: float) -> None:
    rules = HedgeRules(dead_band_fraction=dead_band)
    limits = bounds(needed, cap, band, price, rules)
    count = resized(held, price, limits, rules)
    assert 0 <= count <= limits.tolerated
    assert resized(count, price, limits, rules) == count
    assert count <= max(held, limits.bought)
    assert count == 0 or count >= held or count in (limits.most, limits.needed)
    assert count <= held or count * price <= cap


@given(st.floats(0, 1e9), st.floats(-1e9, 1e9), st.floats(0, 1e6), st.floats(1e-4, 1e5), st.floats(0, 1))
def test_whole_shares_cost_no_more_than_the_cap(
    needed: float, equity: float, others: float, price: float, fraction: float
) -> None:
    rules = HedgeRules(max_inverse_fraction=fraction)
    cap = cap_usd(equity, others, rules)
    count = whole_shares(needed, cap, price, rules)
    assert count == int(count) >= 0
    assert count * price <= min(needed, cap) * (1 + 1e-12)
    assert count == 0 or count * price >= rules.min_notional_usd
