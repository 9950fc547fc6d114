import math
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta

import numpy as np
import pytest

from desk.domain.market import DailyBars, Market
from desk.model.features import FEATURES, RSI
from desk.model.gate import ConfidenceGate
from desk.model.health import DRIFT_SESSIONS, HealthBounds, drift_share, health, since_training
from desk.model.history import Precomputed, recent_rows, sessions_since
from desk.model.parameters import MetaParameters
from desk.model.recent import RecentRows
from desk.model.rows import LiveRows
from desk.model.training import bars_before, train
from desk.model.validation import Recent

FIRST = date(2020, 1, 1)
PARAMETERS = MetaParameters(retrain_every_sessions=100)
BOUNDS = HealthBounds()
GOOD = Recent(100, 40.0, 0.55, 0.02)


def reverting(seed, n):
    generator = np.random.default_rng(seed)
    level, log_price = 0.0, []
    for shock in generator.normal(0, 0.03, n):
        level = 0.93 * level + shock
        log_price.append(level)
    close = 100 * np.exp(np.array(log_price))
    opened = close * np.exp(generator.normal(0, 0.005, n))
    sessions = tuple(FIRST + timedelta(days=day) for day in range(n))
    high, low = np.maximum(opened, close) * 1.01, np.minimum(opened, close) * 0.99
    return DailyBars(sessions, opened, high, low, close, generator.integers(1, 10**7, n).astype(float))


@pytest.fixture(scope="module")
def bars():
    return {f"S{seed}": reverting(seed, 1_000) for seed in range(4)}


@pytest.fixture(scope="module")
def model(bars):
    return train(bars, FIRST + timedelta(days=800), PARAMETERS)


def rows_inside(model, m=40):
    return np.tile(np.array(model.means), (m, 1))


def market(bars, day):
    session = FIRST + timedelta(days=day)
    shown = {symbol: cut for symbol, one in bars.items() if len(cut := bars_before(one, session))}
    return Market(datetime.combine(session, time(15), UTC), session, shown)


def test_a_young_model_of_good_quality_on_a_market_that_it_knows_is_fit(model):
    found = health(model, 10, rows_inside(model), BOUNDS, GOOD)
    assert found.is_fit
    assert (found.age_sessions, found.drift_share) == (10, 0.0)


@pytest.mark.parametrize(
    ("age", "recent", "bounds", "told"),
    [
        (127, GOOD, BOUNDS, "it is 127 sessions old, at most 126 are allowed"),
        (10, replace(GOOD, auc=0.2), BOUNDS, "its recent AUC 0.20 is below 0.25"),
        (10, replace(GOOD, brier_skill=-1.5), BOUNDS, "its recent Brier skill -1.50 is below -1"),
        (10, GOOD, HealthBounds(min_effective_events=10_000), "at least 10000 are needed"),
    ],
)
def test_a_model_beyond_a_bound_is_refused_in_words(model, age, recent, bounds, told):
    found = health(model, age, rows_inside(model), bounds, recent)
    assert len(found.reasons) == 1
    assert told in found.reasons[0]


def test_a_market_that_it_has_not_seen_refuses_a_model(model):
    rows = rows_inside(model)
    rows[:38, 3] = model.highs[3] * 10
    found = health(model, 10, rows, BOUNDS, GOOD)
    assert found.drift_share == 0.95
    assert found.reasons == ("95 % of recent rows lie outside what it was trained on, at most 90 % may",)


def test_every_reason_is_told_at_once(model):
    found = health(model, 500, rows_inside(model) * 1e6, BOUNDS, Recent(100, 40.0, 0.1, -3.0))
    assert len(found.reasons) == 4


def test_too_little_to_judge_by_refuses_nothing(model):
    few = Recent(19, 12.0, 0.0, -9.0)
    assert health(model, 10, rows_inside(model, 19) * 1e6, BOUNDS, few).is_fit
    assert health(model, 10, rows_inside(model), BOUNDS, Recent(100, 40.0, math.nan, 0.0)).is_fit
    assert math.isnan(drift_share(model, np.full((50, len(FEATURES)), np.nan)))


def test_trades_from_the_cut_on_are_what_a_model_is_judged_by(model, bars):
    later = since_training(model, bars)
    assert later.events > 20
    assert later.events < len(bars) * 200
    cut = {symbol: bars_before(one, model.trained_before) for symbol, one in bars.items()}
    assert since_training(model, cut) is None


def test_age_is_counted_in_sessions(bars):
    assert sessions_since(bars, FIRST + timedelta(days=800), FIRST + timedelta(days=850)) == 50
    assert sessions_since(bars, FIRST + timedelta(days=990), FIRST + timedelta(days=2_000)) == 10
    assert sessions_since({}, FIRST, FIRST) == 0


def test_recent_rows_are_those_of_the_last_sessions_looked_up_or_computed(bars):
    late = {**bars, "GONE": bars_before(reverting(9, 1_000), FIRST + timedelta(days=870))}
    past = Precomputed(late, PARAMETERS)
    for day in (0, 1, 100, 250, 600, 880, 1_000):
        shown = {symbol: cut for symbol, one in late.items() if len(cut := bars_before(one, FIRST + timedelta(days=day)))}
        computed = recent_rows(shown, PARAMETERS)
        np.testing.assert_allclose(computed, past.recent_rows(FIRST + timedelta(days=day)), rtol=1e-10, atol=1e-12)
        assert (computed[:, RSI] < PARAMETERS.event_rsi).all()
        assert len(computed) <= DRIFT_SESSIONS * len(late)


@pytest.mark.slow
def test_rows_of_late_that_are_kept_from_session_to_session_are_those_computed_anew(bars):
    late = {**bars, "GONE": bars_before(reverting(9, 1_000), FIRST + timedelta(days=870))}
    live, kept = LiveRows(PARAMETERS.rsi_length), RecentRows(PARAMETERS)
    names = sorted(late)
    corrected = replace(late[names[0]], close=late[names[0]].close / 2.0)
    for day in (*range(5, 30), *range(795, 960, 3), *range(960, 975)):
        shown = late if day < 900 else {**late, names[0]: corrected}
        cut = {symbol: there for symbol, one in shown.items() if len(there := bars_before(one, FIRST + timedelta(days=day)))}
        np.testing.assert_allclose(kept.rows(cut, live.latest(cut)), recent_rows(cut, PARAMETERS), rtol=1e-9, atol=1e-11)


def test_a_refused_model_is_not_asked_and_the_gate_says_why(bars):
    strict = HealthBounds(min_auc=1.0)
    refusing, asked = ConfidenceGate(PARAMETERS, bounds=strict), ConfidenceGate(PARAMETERS)
    answered = 0
    for day in range(900, 1_000, 2):
        shown = market(bars, day)
        for symbol in bars:
            answer = asked.confidence(symbol, shown)
            assert refusing.confidence(symbol, shown) is None
            assert (asked.silence(symbol) == "") == (answer is not None)
            if answer is not None:
                answered += 1
                assert refusing.silence(symbol).startswith("the model of 2022-06-19 is refused: its recent AUC 0.")
    assert answered > 5


@pytest.mark.slow
def test_a_precomputed_gate_refuses_when_one_that_computes_bar_by_bar_does(bars):
    strict = HealthBounds(max_drift_share=0.02, max_age_sessions=60)
    slow, fast = ConfidenceGate(PARAMETERS, bounds=strict), ConfidenceGate(PARAMETERS, bounds=strict)
    fast.precompute(bars)
    words = set()
    for day in range(500, 1_001, 9):
        shown = market(bars, day)
        slow.prepare(shown.bars, shown.session)
        for symbol in bars:
            assert (slow.confidence(symbol, shown) is None) == (fast.confidence(symbol, shown) is None)
            assert slow.silence(symbol) == fast.silence(symbol)
            words.add(slow.silence(symbol).partition("refused")[2][:8])
    assert {": it is ", ""} <= words


@pytest.mark.parametrize(
    ("symbol", "day", "told"),
    [
        ("NONE", 900, "no bar of the last session"),
        ("S0", 50, "too little history"),
        ("S0", 0, "no bar of the last session"),
    ],
)
def test_a_gate_without_an_answer_says_why(bars, symbol, day, told):
    gate = ConfidenceGate(PARAMETERS)
    assert gate.silence(symbol) == ""
    assert gate.confidence(symbol, market(bars, day)) is None
    assert gate.silence(symbol) == told


def test_a_gate_before_its_first_model_says_so(bars):
    gate, asked = ConfidenceGate(replace(PARAMETERS, min_events=10_000)), ConfidenceGate(PARAMETERS)
    day = next(day for day in range(300, 600) if asked.confidence("S0", market(bars, day)) is not None)
    assert gate.confidence("S0", market(bars, day)) is None
    assert gate.silence("S0") == "too few finished trades for a model yet"
