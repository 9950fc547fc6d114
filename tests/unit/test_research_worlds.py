"""The made histories have no edge, and the ones without a future hide it everywhere."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk.domain.market import DailyBars
from desk.research.foresight import _continued
from desk.research.neighbourhood import _stepped
from desk.research.random_walk import resampled, walks
from desk.research.simulation import t_of

FIRST = date(2010, 1, 4)


def bars(seed: int, n: int = 400, drift: float = 0.004) -> DailyBars:
    rng = np.random.default_rng(seed)
    opens = 50 * np.exp(np.cumsum(rng.normal(drift, 0.02, n)))
    closes = opens * np.exp(rng.normal(drift, 0.01, n))
    highs, lows = np.maximum(opens, closes) * 1.004, np.minimum(opens, closes) * 0.995
    sessions = tuple(FIRST + timedelta(days=day) for day in range(n))
    return DailyBars(sessions, opens, highs, lows, closes, rng.uniform(1e5, 1e6, n))


REAL = {"AAA": bars(1), "BBB": bars(2, 300)}


@pytest.mark.parametrize("made", [walks, resampled])
def test_made_histories_have_the_real_sessions_and_sound_bars(made):
    for symbol, one in made(REAL, np.random.default_rng(3)).items():
        assert one.sessions == REAL[symbol].sessions
        assert len(one.volume) == len(one) and np.isfinite(one.close).all()
        assert (one.high >= np.maximum(one.open, one.close) - 1e-9).all()
        assert (one.low <= np.minimum(one.open, one.close) + 1e-9).all()


@pytest.mark.parametrize("made", [walks, resampled])
def test_holding_earns_nothing_on_made_histories_though_the_real_one_rises(made):
    moves = []
    for seed in range(60):
        close = made(REAL, np.random.default_rng(seed))["AAA"].close
        moves.append(np.diff(close) / close[:-1])
    assert t_of(np.diff(REAL["AAA"].close) / REAL["AAA"].close[:-1]) > 1
    assert abs(t_of(np.concatenate(moves))) < 3


def test_a_stop_inside_the_day_is_a_fair_bet_on_walks():
    """Bought at the open, sold at a stop when the low is at or below it, else at the close: zero on average."""
    gains = []
    for seed in range(150):
        one = walks(REAL, np.random.default_rng(seed))["AAA"]
        stop = one.open * 0.995
        gains.append(np.where(one.low <= stop, stop, one.close) / one.open - 1)
    assert abs(t_of(np.concatenate(gains))) < 3


def test_the_same_seed_makes_the_same_walk():
    one, two = (walks(REAL, np.random.default_rng(5))["BBB"] for _ in range(2))
    assert np.array_equal(one.close, two.close)


def test_another_future_leaves_the_past_alone_and_changes_the_rest():
    first = REAL["AAA"].sessions[250]
    other = _continued(REAL, "AAA", "BBB", first)
    assert np.array_equal(other.close[:250], REAL["AAA"].close[:250]) and other.sessions == REAL["AAA"].sessions
    assert np.isclose(other.close[250:], REAL["AAA"].close[250:]).mean() < 0.05
    assert (other.high >= np.maximum(other.open, other.close) - 1e-9).all()
    assert (other.low <= np.minimum(other.open, other.close) + 1e-9).all()


@given(st.integers(1, 500), st.sampled_from([-0.2, -0.1, 0.1, 0.2]))
def test_a_whole_number_is_changed_by_one_at_least(value, step):
    changed = _stepped(value, step)
    assert isinstance(changed, int) and abs(changed - value) >= 1 and (changed > value) == (step > 0)
