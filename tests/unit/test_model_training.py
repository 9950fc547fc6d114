from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest

from desk.domain.market import DailyBars
from desk.model.events import collect_events, uniqueness
from desk.model.parameters import MetaParameters
from desk.model.training import bars_hash, fit, train
from desk.model.validation import measure, out_of_fold

PARAMETERS = MetaParameters()
CUT = date(2023, 1, 1)


def walk(seed, n=1_200):
    generator = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(generator.normal(0.0003, 0.02, n)))
    opened = close * np.exp(generator.normal(0, 0.005, n))
    sessions = tuple(date(2020, 1, 1) + timedelta(days=day) for day in range(n))
    return DailyBars(sessions, opened, np.maximum(opened, close) * 1.01, np.minimum(opened, close) * 0.99, close, np.full(n, 1e6))


@pytest.fixture(scope="module")
def bars():
    return {f"S{seed}": walk(seed) for seed in range(4)}


def test_the_same_data_and_seed_give_the_same_model(bars):
    one = train(bars, CUT, PARAMETERS)
    other = train(dict(reversed(bars.items())), CUT, PARAMETERS)
    assert one == other
    assert one.digest == other.digest
    assert one.digest != train(bars, CUT, replace(PARAMETERS, cost_bps=20)).digest


def test_a_model_does_not_know_what_came_on_or_after_its_cut(bars):
    changed = {
        symbol: replace(one, close=np.where(np.array(one.sessions) >= CUT, one.close * 3, one.close), volume=one.volume.copy())
        for symbol, one in bars.items()
    }
    changed["NEW"] = replace(walk(9), sessions=tuple(CUT + timedelta(days=day) for day in range(1_200)))
    assert train(changed, CUT, PARAMETERS) == train(bars, CUT, PARAMETERS)
    assert bars_hash(changed, CUT) == bars_hash(bars, CUT)


def test_a_model_changes_when_one_price_before_its_cut_changes(bars):
    close = bars["S0"].close.copy()
    close[500] *= 1.001
    changed = {**bars, "S0": replace(bars["S0"], close=close)}
    assert train(changed, CUT, PARAMETERS).data_hash != train(bars, CUT, PARAMETERS).data_hash


def test_events_of_a_whole_history_give_the_model_of_its_past(bars):
    assert fit(collect_events(bars, PARAMETERS), bars, CUT, PARAMETERS) == train(bars, CUT, PARAMETERS)


def test_too_few_events_give_no_model(bars):
    assert train(bars, date(2020, 8, 1), PARAMETERS) is None
    assert train(bars, date(2019, 1, 1), PARAMETERS) is None
    assert train({}, CUT, PARAMETERS) is None
    assert train(bars, CUT, replace(PARAMETERS, min_events=10_000)) is None


def test_confidence_is_a_probability_and_needs_every_feature(bars):
    model = train(bars, CUT, PARAMETERS)
    events = collect_events(bars, PARAMETERS)
    answers = [model.confidence(row) for row in events.features]
    assert all(0 < answer < 1 for answer in answers)
    assert model.confidence(events.features[0] * 1e9) is not None
    row = events.features[0].copy()
    row[3] = np.nan
    assert model.confidence(row) is None
    with pytest.raises(ValueError, match="3 features given, the model was trained on 13"):
        model.confidence([1.0, 2.0, 3.0])


def test_confidence_is_the_calibrated_logistic_of_the_row(bars):
    model = train(bars, CUT, PARAMETERS)
    row = collect_events(bars, PARAMETERS).features[5]
    standardised = np.clip((row - model.means) / model.scales, -4, 4)
    logit = standardised @ np.array(model.coefficients) + model.intercept
    expected = 1 / (1 + np.exp(-(model.calibration_slope * logit + model.calibration_intercept)))
    assert model.confidence(row) == pytest.approx(expected, abs=1e-12)


def test_shuffled_labels_teach_nothing(bars):
    events = collect_events({f"S{seed}": walk(seed) for seed in range(8)}, PARAMETERS)
    generator = np.random.default_rng(11)
    areas, gains = [], []
    for _ in range(12):
        shuffled = replace(events, profitable=generator.permutation(events.profitable))
        weights = uniqueness(shuffled)
        metrics = measure(out_of_fold(shuffled, weights, 0), float(weights.sum()), 0)
        areas.append(metrics.auc)
        gains.append(metrics.brier_base_rate - metrics.brier)
    assert np.mean(areas) == pytest.approx(0.5, abs=0.03)
    assert np.mean(gains) < 0.002


def test_shuffled_labels_give_confidences_at_the_base_rate(bars):
    events = collect_events({f"S{seed}": walk(seed) for seed in range(8)}, PARAMETERS)
    shuffled = replace(events, profitable=np.random.default_rng(5).permutation(events.profitable))
    model = fit(shuffled, bars, date(2030, 1, 1), PARAMETERS)
    answers = np.array([model.confidence(row) for row in events.features])
    assert np.abs(answers - model.base_rate).mean() < 0.06
