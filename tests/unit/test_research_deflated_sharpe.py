"""The deflated Sharpe ratio against the numbers that its authors print."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk.research.deflated_sharpe import CONFIDENT, deflated_sharpe, expected_highest, moments, variance_of_trials

# Bailey and Lopez de Prado (2014), the numerical example: a Sharpe ratio of 2.5 a year over five years of 250 days, the
# trials' ratios with a variance of 1/2 a year, skewness -3 and kurtosis 10.
A_YEAR = 250
SHARPE, VARIANCE, DAYS = 2.5 / math.sqrt(A_YEAR), 0.5 / A_YEAR, 1250


def test_the_authors_hundred_trials_leave_no_confidence():
    assert expected_highest(100, VARIANCE) == pytest.approx(0.1132, abs=5e-5)
    assert deflated_sharpe(SHARPE, DAYS, -3.0, 10.0, 100, VARIANCE) == pytest.approx(0.9004, abs=5e-5)


def test_the_authors_forty_six_trials_would_have_been_few_enough():
    assert deflated_sharpe(SHARPE, DAYS, -3.0, 10.0, 46, VARIANCE) == pytest.approx(0.9505, abs=5e-5)


def test_normal_returns_would_have_borne_eighty_eight_trials():
    assert deflated_sharpe(SHARPE, DAYS, 0.0, 3.0, 88, VARIANCE) == pytest.approx(0.9505, abs=5e-5)


def test_a_single_trial_is_judged_against_zero():
    assert expected_highest(1, VARIANCE) == 0.0
    assert deflated_sharpe(0.0, DAYS, 0.0, 3.0, 1, VARIANCE) == pytest.approx(0.5)


def test_no_trial_at_all_is_a_bug_of_the_caller():
    with pytest.raises(ValueError, match="at least the one"):
        expected_highest(0, VARIANCE)


@given(trials=st.integers(2, 10_000), more=st.integers(1, 10_000))
def test_more_trials_never_make_a_result_more_credible(trials, more):
    few = deflated_sharpe(SHARPE, DAYS, -1.0, 6.0, trials, VARIANCE)
    assert deflated_sharpe(SHARPE, DAYS, -1.0, 6.0, trials + more, VARIANCE) <= few + 1e-12


def test_moments_are_those_of_the_whole_sample():
    # Two values, one in four: skewness (1 - 2p) / sqrt(p (1 - p)), kurtosis (1 - 3p(1 - p)) / (p (1 - p)), p = 1/4.
    skewness, kurtosis = moments(np.array([1.0, 0.0, 0.0, 0.0]))
    assert skewness == pytest.approx(0.5 / math.sqrt(3 / 16))
    assert kurtosis == pytest.approx((1 - 9 / 16) / (3 / 16))
    assert moments(np.zeros(5)) == (0.0, 3.0)


def test_trials_that_nobody_shows_vary_as_worthless_ones_do():
    alike = [0.05, 0.05, 0.05]
    assert variance_of_trials(alike, 0, 400) == pytest.approx(0, abs=1e-12)
    assert variance_of_trials(alike, 3, 400) == pytest.approx(0.5 / 400)
    apart = [-0.2, 0.0, 0.2]
    assert variance_of_trials(apart, 7, 400) == pytest.approx(0.04)  # more than chance would make: that is what they do
    assert variance_of_trials([0.1], 0, 400) == 1 / 400


def test_the_best_of_fifty_worthless_versions_is_seldom_called_proven():
    rng = np.random.default_rng(4)
    days, versions, rounds = 400, 50, 300
    proven = naive = 0
    for _ in range(rounds):
        returns = rng.normal(0, 0.01, (versions, days))
        best = float((returns.mean(axis=1) / returns.std(axis=1, ddof=1)).max())
        variance = variance_of_trials([best, best], versions - 2, days)
        proven += deflated_sharpe(best, days, 0.0, 3.0, versions, variance) >= CONFIDENT
        naive += deflated_sharpe(best, days, 0.0, 3.0, 1, variance) >= CONFIDENT
    assert proven / rounds <= 0.05 < 0.5 < naive / rounds
