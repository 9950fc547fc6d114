import math
from dataclasses import replace

import numpy as np
import pytest

from desk.model.events import Events
from desk.model.features import FEATURES
from desk.model.logistic import fit_platt
from desk.model.validation import OutOfFold, area_under_curve, measure, out_of_fold


def made(m, signal, seed=0):
    """Independent events a day apart; `signal` is how strongly the first feature drives the label."""
    generator = np.random.default_rng(seed)
    features = generator.normal(size=(m, len(FEATURES)))
    chance = 1 / (1 + np.exp(-signal * features[:, 0]))
    day = np.arange(m, dtype=np.int64) * 2
    profitable, none = generator.random(m) < chance, np.zeros(m, dtype=np.int64)
    return Events(features, profitable, np.where(profitable, 0.02, -0.02), none, day, day + 1, day, day + 1, day, day)


def test_area_under_curve_is_the_published_one():
    from sklearn.metrics import roc_auc_score

    generator = np.random.default_rng(3)
    scores = np.round(generator.normal(size=300), 1)  # rounding makes ties
    labels, weights = generator.random(300) < 0.4, generator.random(300)
    expected = roc_auc_score(labels, scores, sample_weight=weights)
    assert area_under_curve(scores, labels, weights) == pytest.approx(expected, abs=1e-12)


def test_area_under_curve_needs_both_kinds_of_event():
    assert math.isnan(area_under_curve(np.ones(3), np.ones(3, dtype=bool), np.ones(3)))


def test_a_planted_signal_is_found_out_of_fold_and_calibrated():
    events = made(1_500, signal=2.0)
    scored = out_of_fold(events, np.ones(1_500), seed=0)
    metrics = measure(scored, 1_500.0, seed=0)
    assert metrics.auc > 0.75
    assert metrics.brier < metrics.brier_base_rate - 0.03
    for one in metrics.calibration:
        if one.events > 60:
            assert one.low <= one.predicted < one.high
            assert one.profitable == pytest.approx(one.predicted, abs=0.15)
    slope, _ = fit_platt(scored.logits, scored.profitable, scored.weights, 0.5, seed=0)
    assert slope == pytest.approx(1.0, abs=0.3)


def test_a_fold_is_predicted_from_events_that_were_over_before_its_first_day():
    events = made(500, signal=2.0)
    first_run = out_of_fold(events, np.ones(500), seed=0)
    # Whatever happens to labels from the second run on, the predictions for it must not move.
    second = events.day >= np.array_split(np.unique(events.day), 5)[1][0]
    flipped = replace(events, profitable=events.profitable ^ second)
    other = out_of_fold(flipped, np.ones(500), seed=0)
    np.testing.assert_array_equal(first_run.logits[first_run.fold == 1], other.logits[other.fold == 1])
    assert not np.array_equal(first_run.logits[first_run.fold == 2], other.logits[other.fold == 2])


def test_an_event_that_overlaps_the_fold_is_purged_from_its_training():
    events = made(500, signal=2.0)
    start = np.array_split(np.unique(events.day), 5)[1][0]
    overlapping = np.flatnonzero(events.day < start)[-40:]
    horizon = events.horizon_session.copy()
    horizon[overlapping] = start  # over on the first day of the fold: one day too late
    labels = events.profitable.copy()
    labels[overlapping] = ~labels[overlapping]
    changed = [replace(events, profitable=label, horizon_session=horizon) for label in (events.profitable, labels)]
    one, two = (out_of_fold(each, np.ones(500), seed=0) for each in changed)
    np.testing.assert_array_equal(one.logits[one.fold == 1], two.logits[two.fold == 1])


def test_predictions_that_rank_backwards_are_calibrated_to_the_base_rate():
    logits = np.linspace(-1, 1, 200)
    slope, offset = fit_platt(logits, logits < 0, np.ones(200), 0.4, seed=0)
    assert slope == 0.0
    assert 1 / (1 + math.exp(-offset)) == pytest.approx(0.4)


def test_labels_of_one_kind_are_calibrated_to_the_base_rate():
    slope, offset = fit_platt(np.ones(5), np.ones(5, dtype=bool), np.ones(5), 0.5, seed=0)
    assert (slope, offset) == (0.0, 0.0)


def test_nothing_to_measure_is_said_as_not_a_number():
    none = np.empty(0)
    metrics = measure(OutOfFold(made(0, 0.0), none, none, none, none.astype(np.int64)), 0.0, seed=0)
    assert metrics.out_of_fold_events == 0
    assert math.isnan(metrics.brier)
    assert math.isnan(metrics.auc)
