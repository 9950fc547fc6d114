"""What holds for figures and random moments of any run."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from research_runs import START_USD, bars, day, record, trip

from desk.research.compare_figures import Curve, correlations, curve_of, returns_of
from desk.research.compare_null import random_moments

SESSIONS = 25


@st.composite
def runs(draw):
    """A market that moves and a few trades on it, some still open, held over any stretch of it."""
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    closes = 100 * np.cumprod(1 + generator.normal(0, 0.03, SESSIONS))
    stretches = draw(st.lists(st.tuples(st.integers(0, 24), st.integers(0, 24), st.integers(1, 900)), min_size=1, max_size=8))
    trips = [trip(min(a, b), None if b == 24 else max(a, b), 100.0, 101.0, shares) for a, b, shares in stretches]
    return record((START_USD * np.cumprod(1 + generator.normal(0, 0.01, SESSIONS))).tolist(), trips, bars(closes.tolist()))


@given(runs(), st.sampled_from((0.0, 0.0006, 0.01)), st.integers(0, 1000))
@settings(max_examples=40)
def test_random_moments_of_any_run_are_figures_of_an_account(run, cost, seed):
    null = random_moments(run, cost, 20, seed)
    assert null is not None
    assert 1 / 21 <= null.as_good_fraction <= 1
    assert null.low_return_fraction <= null.medians.total_return_fraction <= null.high_return_fraction
    assert 0 <= null.medians.exposure_fraction <= 1
    assert 0 <= null.medians.max_drawdown_fraction <= 1
    assert null.medians.trades == len(run.trips)
    assert (null.medians.costs_usd > 0) == (cost > 0)


@given(runs(), st.integers(0, 1000))
@settings(max_examples=30)
def test_costs_never_make_a_random_moment_better(run, seed):
    free, dear = (random_moments(run, cost, 20, seed) for cost in (0.0, 0.01))
    assert free is not None and dear is not None
    assert dear.medians.total_return_fraction <= free.medians.total_return_fraction


@given(runs())
@settings(max_examples=30)
def test_returns_lead_from_the_start_to_the_end(run):
    curve = curve_of(run)
    assert np.allclose(START_USD * np.cumprod(1 + curve.returns), curve.closes_usd)


@given(st.lists(st.floats(-0.5, 0.5), min_size=3, max_size=30), st.lists(st.floats(-0.5, 0.5), min_size=3, max_size=30))
def test_correlations_are_symmetric_and_bounded(first, second):
    n = min(len(first), len(second))
    days = tuple(day(number) for number in range(n))
    curves = [Curve(days, 100 * np.cumprod(1 + np.array(each[:n])), 100.0) for each in (first, second)]
    found = correlations(curves)
    known = found[np.isfinite(found)]
    assert ((known >= -1) & (known <= 1)).all()
    assert np.array_equal(found, found.T, equal_nan=True)


@given(st.lists(st.integers(0, 10**9).map(lambda cents: cents / 100), min_size=1, max_size=20))
def test_returns_of_any_path_are_finite(values):
    assert np.isfinite(returns_of(np.array(values))).all()
