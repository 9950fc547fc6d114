import itertools
import math
from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from desk.domain.model_card import Slice
from desk.model.events import Events
from desk.model.features import FEATURES
from desk.model.quality import Told, by_answer, by_era, by_year, importances, null_tests, rank_correlation, summed, trend
from desk.model.validation import calibrations, out_of_fold

FIRST_DAY = date(2015, 1, 1).toordinal()


def made(m, signal, seed=0):
    """Independent events two days apart; `signal` is how strongly the first feature drives label and return."""
    generator = np.random.default_rng(seed)
    features = generator.normal(size=(m, len(FEATURES)))
    profitable = generator.random(m) < 1 / (1 + np.exp(-signal * features[:, 0]))
    returns = np.where(profitable, 0.02, -0.02) + generator.normal(0, 0.001, m)
    at, none = np.arange(m, dtype=np.int64) * 2, np.zeros(m, dtype=np.int64)
    day = FIRST_DAY + at
    return Events(features, profitable, returns, none, day, day + 1, at, at + 1, at, at)


def told(events, answers):
    m = len(events)
    return Told(np.asarray(answers, dtype=float), np.full(m, 0.5), np.ones(m), events)


def test_rank_correlation_is_spearmans_when_all_weights_are_equal():
    from scipy.stats import spearmanr

    generator = np.random.default_rng(3)
    one = np.round(generator.normal(size=200), 1)  # rounding makes ties
    other = one + generator.normal(size=200)
    assert rank_correlation(one, other, np.full(200, 0.3)) == pytest.approx(spearmanr(one, other).statistic, abs=1e-12)


def test_what_stands_still_has_no_rank_correlation():
    assert math.isnan(rank_correlation(np.full(30, 0.4), np.arange(30.0), np.ones(30)))
    assert math.isnan(rank_correlation(np.ones(1), np.ones(1), np.ones(1)))


def test_events_of_small_weight_hardly_count_in_the_rank_correlation():
    one = np.arange(40.0)
    other = np.concatenate([np.arange(20.0), np.arange(20.0)[::-1]])
    weights = np.concatenate([np.ones(20), np.full(20, 1e-9)])
    assert rank_correlation(one, other, weights) > 0.9


def test_the_drawdown_of_a_slice_is_the_deepest_fall_of_its_running_sum():
    events = replace(made(5, 0.0), net_return=np.array([-0.1, 0.3, -0.2, -0.05, 0.4]))
    part = summed("all", told(events, [0.5] * 5))
    assert part.drawdown == pytest.approx(0.25)
    assert part.net_return == pytest.approx(0.07)
    assert part.effective_events == 5


def test_years_hold_every_event_once_and_the_eras_too():
    events = made(900, 1.0)
    whole = told(events, np.linspace(0.2, 0.8, 900))
    years, eras = by_year(whole), by_era(whole, 2018)
    assert [year.name for year in years] == ["2015", "2016", "2017", "2018", "2019"]
    assert sum(year.events for year in years) == sum(era.events for era in eras) == 900
    assert [era.name for era in eras] == ["2015 to 2017", "2018 to 2019"]
    assert len(by_era(whole, 2000)) == 1


def test_fifths_of_the_answers_rise_and_equal_answers_stay_together():
    events = made(500, 2.0)
    fifths = by_answer(told(events, 1 / (1 + np.exp(-2 * events.features[:, 0]))))
    assert [fifth.events for fifth in fifths] == [100] * 5
    assert all(low.net_return < high.net_return for low, high in itertools.pairwise(fifths))
    assert [part.events for part in by_answer(told(events, np.full(500, 0.4)))] == [500]
    assert by_answer(told(made(0, 0.0), [])) == ()


def a_year(name, value, effective=50.0):
    return Slice(str(name), 100, effective, 0.5, 0.5, 0.0, 0.01, 0.0, 0.5, value, 0.0)


def test_a_trend_is_the_slope_of_the_yearly_coefficients():
    slope, error = trend([a_year(2010 + number, 0.1 - 0.02 * number) for number in range(6)])
    assert slope == pytest.approx(-0.02)
    assert error == pytest.approx(0.0, abs=1e-9)


def test_years_of_few_independent_trades_hardly_bend_the_trend():
    slope, _ = trend([a_year(2010, 0.1), a_year(2011, 0.1), a_year(2012, 0.1), a_year(2013, -0.9, effective=1e-6)])
    assert slope == pytest.approx(0.0, abs=1e-4)


def test_two_years_have_no_trend():
    assert all(math.isnan(value) for value in trend([a_year(2010, 0.1), a_year(2011, 0.2), a_year(2012, math.nan)]))


def test_a_planted_signal_passes_the_null_test_and_noise_does_not():
    events = made(600, 2.0)
    good = null_tests(told(events, 1 / (1 + np.exp(-2 * events.features[:, 0]))))
    noise = null_tests(told(events, np.random.default_rng(9).random(600)))
    assert [test.chance < 0.01 for test in good] == [True, True]
    assert [test.chance > 0.05 for test in noise] == [True, True]
    assert null_tests(told(made(5, 1.0), [0.5] * 5)) == ()


def test_importance_finds_the_feature_that_was_planted_and_is_repeatable():
    scored = out_of_fold(made(1_000, 2.0), np.ones(1_000), seed=0, embargo_sessions=3)
    rows = importances(scored, [1.0] * len(FEATURES), FEATURES, seed=0)
    assert rows == importances(scored, [1.0] * len(FEATURES), FEATURES, seed=0)
    assert rows[0].feature == FEATURES[0]
    assert rows[0].log_loss_increase > 0.1
    assert all(abs(row.log_loss_increase) < 0.02 for row in rows[1:])


def test_a_model_that_only_tells_the_base_rate_needs_no_feature():
    events = made(600, 2.0)
    # What drives the label turns round from fold to fold, so the rank is of no use and the calibration tells the base rate.
    flipped = replace(events, profitable=events.profitable ^ (np.arange(600) // 120 % 2 == 1))
    scored = out_of_fold(flipped, np.ones(600), seed=0)
    flat = replace(scored, folds=scored.folds[:2])
    assert calibrations(flat, 0)[2][0] == 0.0
    assert {row.log_loss_increase for row in importances(flat, [0.0] * len(FEATURES), FEATURES, seed=0)} == {0.0}
