from dataclasses import fields, replace
from datetime import UTC, date, datetime, time, timedelta

import numpy as np
import pytest

from desk.domain.errors import ConfigurationError
from desk.domain.market import DailyBars, Market, Quote
from desk.model.features import FEATURES, RSI, feature_table
from desk.model.gate import ConfidenceGate
from desk.model.history import retraining_session
from desk.model.parameters import MetaParameters
from desk.model.rows import LiveRows
from desk.model.store import ModelStore
from desk.model.training import bars_before, train

FIRST = date(2020, 1, 1)
PARAMETERS = MetaParameters(retrain_every_sessions=100)


def reverting(seed, n, first=FIRST):
    """Prices that come back to their mean, so that there is something to learn and answers differ from row to row."""
    generator = np.random.default_rng(seed)
    level, log_price = 0.0, []
    for shock in generator.normal(0, 0.03, n):
        level = 0.93 * level + shock
        log_price.append(level)
    close = 100 * np.exp(np.array(log_price))
    opened = close * np.exp(generator.normal(0, 0.005, n))
    sessions = tuple(first + timedelta(days=day) for day in range(n))
    high, low = np.maximum(opened, close) * 1.01, np.minimum(opened, close) * 0.99
    return DailyBars(sessions, opened, high, low, close, generator.integers(1, 10**7, n).astype(float))


@pytest.fixture(scope="module")
def bars():
    return {**{f"S{seed}": reverting(seed, 1_000) for seed in range(4)}, "LATE": reverting(7, 500, FIRST + timedelta(days=500))}


def market(bars, day, quotes=None):
    session = FIRST + timedelta(days=day)
    now = datetime.combine(session, time(15), UTC)
    shown = {symbol: cut for symbol, one in bars.items() if len(cut := bars_before(one, session))}
    return Market(now, session, shown, {symbol: Quote(now, last, last, last) for symbol, last in (quotes or {}).items()})


def answers(gate, bars, days):
    return {(day, symbol): gate.confidence(symbol, shown) for day in days for shown in [market(bars, day)] for symbol in bars}


def agree(one, other):
    assert one.keys() == other.keys()
    assert [key for key in one if (one[key] is None) != (other[key] is None)] == []
    known = [key for key in one if one[key] is not None]
    np.testing.assert_allclose([one[key] for key in known], [other[key] for key in known], rtol=0, atol=1e-9)
    return len(known)


@pytest.mark.slow
def test_precomputed_answers_equal_those_computed_bar_by_bar(bars):
    fast = ConfidenceGate(PARAMETERS)
    fast.precompute(bars)
    days = range(300, 1_001)
    assert agree(answers(ConfidenceGate(PARAMETERS), bars, days), answers(fast, bars, days)) > 200


@pytest.mark.slow
def test_answers_do_not_depend_on_where_a_run_starts(bars):
    days = range(850, 1_001, 3)
    early = answers(ConfidenceGate(PARAMETERS), bars, range(700, 1_001, 3))
    late = answers(ConfidenceGate(PARAMETERS), bars, days)
    assert agree(late, {key: early[key] for key in late}) > 10


@pytest.mark.slow
def test_an_answer_is_the_model_of_the_last_retraining_session_on_the_row_of_the_last_bar(bars):
    gate = ConfidenceGate(PARAMETERS)
    assert gate.model_for(market(bars, 950)).calibration_slope > 0
    models = {boundary: train(bars, FIRST + timedelta(days=boundary), PARAMETERS) for boundary in (800, 900)}
    checked = 0
    for day in range(800, 1_000, 7):
        shown = market(bars, day)
        for symbol, table in feature_table(shown.bars).items():
            answer = gate.confidence(symbol, shown)
            expected = models[day // 100 * 100].confidence(table[-1]) if table[-1, RSI] < 40 else None
            assert answer == pytest.approx(expected, abs=1e-9)
            checked += answer is not None
    assert checked > 5


def test_retraining_sessions_are_counted_from_the_start_of_the_longest_series(bars):
    def at(day):
        return retraining_session(bars, FIRST + timedelta(days=day), 100)

    assert at(99) is None
    assert at(100) == at(199) == FIRST + timedelta(days=100)
    assert at(1_000) == FIRST + timedelta(days=1_000)  # the first session after all bars
    assert retraining_session({}, FIRST, 100) is None


def test_the_future_of_a_precomputed_history_changes_nothing(bars):
    changed = {
        symbol: replace(one, **{f.name: getattr(one, f.name).copy() for f in fields(one) if f.name != "sessions"})
        for symbol, one in bars.items()
    }
    for one in changed.values():
        later = np.array(one.sessions) >= FIRST + timedelta(days=700)
        for column in (one.open, one.high, one.low, one.close):
            column[later] *= np.linspace(1, 3, later.sum())
    gates = [ConfidenceGate(PARAMETERS), ConfidenceGate(PARAMETERS)]
    for gate, history in zip(gates, (bars, changed), strict=True):
        gate.precompute(history)
    days = range(600, 701)
    assert answers(gates[0], bars, days) == answers(gates[1], changed, days)


def test_a_last_price_stands_for_todays_close(bars):
    day = next(day for day in range(900, 1_000) if feature_table(market(bars, day + 1).bars)["S0"][-1, RSI] < 40)
    closes = {symbol: float(one.close[-1]) for symbol, one in market(bars, day + 1).bars.items()}
    tables = feature_table(market(bars, day + 1).bars)
    shown = market(bars, day, quotes=closes)
    row = LiveRows(14).row("S0", shown, shown.bars)
    known = [place for place, name in enumerate(FEATURES) if name != "volume_ratio_20"]  # the day's volume is not over
    np.testing.assert_allclose(row[known], tables["S0"][-1][known], rtol=1e-9)
    assert ConfidenceGate(PARAMETERS).confidence("S0", shown) is not None


def test_a_quote_changes_the_answer_from_hour_to_hour_and_precomputed_gates_take_it_too(bars):
    slow, fast = ConfidenceGate(PARAMETERS), ConfidenceGate(PARAMETERS)
    fast.precompute(bars)
    last = {symbol: float(one.close[-1]) for symbol, one in market(bars, 950).bars.items()}
    seen = []
    for fall in (0.84, 0.82, 0.80):
        shown = market(bars, 950, quotes={symbol: price * fall for symbol, price in last.items()})
        seen.append(slow.confidence("S1", shown))
        assert fast.confidence("S1", shown) == seen[-1]
    assert None not in seen
    assert len(set(seen)) == 3


def test_a_correction_of_past_prices_is_noticed(bars):
    rows, before = LiveRows(14), market(bars, 940)
    rows.row("S0", before, before.bars)
    split = {
        symbol: replace(one, close=np.where(np.arange(len(one)) < 600, one.close / 2, one.close)) for symbol, one in bars.items()
    }
    shown = market(split, 941)
    expected = feature_table(shown.bars)["S0"][-1]
    np.testing.assert_allclose(rows.row("S0", shown, shown.bars), expected, rtol=1e-9)


def test_a_symbol_without_a_bar_of_the_last_session_gets_no_answer(bars):
    for precomputed in (False, True):
        gate = ConfidenceGate(PARAMETERS)
        if precomputed:
            gate.precompute(bars)
        for day in range(900, 960):
            shown = market(bars, day)
            stale = bars_before(bars["S2"], FIRST + timedelta(days=day - 1))
            behind = replace(shown, bars={**shown.bars, "S2": stale})
            assert gate.confidence("S2", behind) is None


def test_unknown_symbols_and_young_markets_get_no_answer(bars):
    gate = ConfidenceGate(PARAMETERS)
    assert gate.confidence("NONE", market(bars, 900)) is None
    assert all(answer is None for answer in answers(gate, bars, [1, 50, 150]).values())
    assert gate.model_for(market(bars, 150)) is None


def test_symbols_outside_the_universe_neither_train_nor_count(bars):
    chosen = {symbol: one for symbol, one in bars.items() if symbol != "S3"}
    limited = ConfidenceGate(PARAMETERS, universe=chosen)
    days = range(900, 1_000, 5)
    expected = answers(ConfidenceGate(PARAMETERS), chosen, days)
    got = answers(limited, bars, days)
    assert all(got[day, "S3"] is None for day in days)
    agree({key: got[key] for key in expected}, expected)


def test_bars_that_were_not_precomputed_are_refused(bars):
    gate = ConfidenceGate(PARAMETERS)
    gate.precompute({**bars, "S0": reverting(99, 1_000)})
    with pytest.raises(ValueError, match=r"S0: the bar of .* is not the precomputed one"):
        gate.confidence("S0", market(bars, 900))


@pytest.mark.slow
def test_a_stored_model_is_loaded_instead_of_trained(bars, tmp_path):
    store = ModelStore(tmp_path)
    first = ConfidenceGate(PARAMETERS, store).model_for(market(bars, 950))
    files = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    assert len(files) == 2
    again = ConfidenceGate(PARAMETERS, store).model_for(market(bars, 999))
    assert again == first
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == files


@pytest.mark.slow
def test_a_damaged_stored_model_stops_the_run_with_the_fix(bars, tmp_path):
    ConfidenceGate(PARAMETERS, ModelStore(tmp_path)).model_for(market(bars, 950))
    next(tmp_path.glob("*.skops")).write_bytes(b"damaged")
    with pytest.raises(ConfigurationError, match="delete it"):
        ConfidenceGate(PARAMETERS, ModelStore(tmp_path)).model_for(market(bars, 950))


@pytest.mark.slow
def test_a_prepared_gate_answers_as_one_that_trains_when_asked_and_trains_no_more(bars, tmp_path):
    asked, prepared = ConfidenceGate(PARAMETERS), ConfidenceGate(PARAMETERS, ModelStore(tmp_path))
    for day in (899, 900, 930):
        shown = market(bars, day)
        prepared.prepare(shown.bars, shown.session)
        files = sorted(path.name for path in tmp_path.iterdir())
        quotes = {symbol: float(one.close[-1]) * 0.84 for symbol, one in shown.bars.items()}
        later = market(bars, day, quotes)
        assert answers(prepared, bars, [day]) == answers(asked, bars, [day])
        assert [prepared.confidence(symbol, later) for symbol in bars] == [asked.confidence(symbol, later) for symbol in bars]
        assert sorted(path.name for path in tmp_path.iterdir()) == files
    assert len(files) == 4


def test_a_model_prepared_with_all_bars_stands_when_a_symbol_has_no_quote_at_the_first_look(bars):
    gate, shown = ConfidenceGate(PARAMETERS), market(bars, 900)
    gate.prepare(shown.bars, shown.session)
    without = replace(shown, bars={symbol: one for symbol, one in shown.bars.items() if symbol != "S3"})
    assert gate.model_for(without) == train(bars, shown.session, PARAMETERS)


def test_a_gate_too_young_for_a_model_prepares_nothing(bars):
    gate = ConfidenceGate(PARAMETERS)
    for day in (0, 1, 50):
        shown = market(bars, day)
        gate.prepare(shown.bars, shown.session)
        assert gate.model_for(shown) is None


def test_a_last_price_that_is_no_number_is_refused(bars):
    shown = market(bars, 950, quotes={"S0": float("nan"), "S1": 100.0})
    with pytest.raises(ValueError, match="S0: last price nan is not a finite number"):
        LiveRows(14).row("S1", shown, shown.bars)
