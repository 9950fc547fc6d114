"""The intraday path: exact at its four prices, inside them everywhere, the same for the same seed."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk.exchange.market.path import TickBar, low_first_probability, on_grid, seed_of, spread_volume, tick_bar, walk

MINUTES = st.sampled_from([3, 4, 210, 390])


@st.composite
def tick_bars(draw: st.DrawFn) -> TickBar:
    """Bars on the tick grid: whole cents from a dollar up, hundredths of a cent below."""
    step = draw(st.sampled_from([1, 100]))
    least, most = (1, 9_999) if step == 1 else (100, 100_000)
    low = draw(st.integers(least, most))
    high = draw(st.integers(low, min(most, low + draw(st.sampled_from([0, 1, 3, 5000])))))
    opened, closed = draw(st.integers(low, high)), draw(st.integers(low, high))
    return TickBar(opened * step, high * step, low * step, closed * step, draw(st.integers(0, 10**9)))


@given(tick_bars(), MINUTES, st.integers(0, 2**32))
def test_path_starts_at_open_ends_at_close_touches_high_and_low_and_stays_between(bar: TickBar, minutes: int, seed: int) -> None:
    path = walk(bar, minutes, np.random.default_rng(seed))
    assert path.shape == (minutes + 1,)
    assert (path[0], path.max(), path.min(), path[-1]) == (bar.open, bar.high, bar.low, bar.close)


@given(tick_bars(), st.integers(0, 2**32))
def test_same_seed_walks_the_same_path(bar: TickBar, seed: int) -> None:
    one, other = (walk(bar, 390, np.random.default_rng(seed)) for _ in range(2))
    assert np.array_equal(one, other)


@given(tick_bars(), MINUTES, st.integers(0, 2**32))
def test_every_price_of_a_path_is_legal(bar: TickBar, minutes: int, seed: int) -> None:
    path = walk(bar, minutes, np.random.default_rng(seed))
    assert path.min() >= 1
    assert not np.any(path[path >= 10_000] % 100)


@given(st.floats(0.0001, 5000), st.floats(0.0001, 5000), st.floats(0.0001, 5000), st.floats(0.0001, 5000))
def test_rounding_to_ticks_keeps_a_bar_legal(one: float, two: float, three: float, four: float) -> None:
    low, opened, closed, high = sorted((one, two, three, four))
    bar = tick_bar(opened, high, low, closed, 10.4)
    prices = [bar.low, bar.open, bar.close, bar.high]
    assert 1 <= bar.low <= min(bar.open, bar.close) <= max(bar.open, bar.close) <= bar.high
    assert np.array_equal(on_grid(np.array(prices)), prices)
    assert abs(bar.open - opened * 10_000) <= (50 if opened >= 0.99995 else 0.5)
    assert bar.volume == 10


@given(st.integers(0, 10**10), st.integers(1, 390), st.integers(0, 2**32))
def test_spread_volume_adds_up_to_the_day(volume: int, parts: int, seed: int) -> None:
    spread = spread_volume(volume, parts, np.random.default_rng(seed))
    assert spread.shape == (parts,)
    assert spread.sum() == volume
    assert spread.min() >= 0


def test_seed_depends_on_seed_symbol_day_and_purpose() -> None:
    day = date(2008, 9, 2)
    seeds = {
        seed_of(1, "AAPL", day),
        seed_of(2, "AAPL", day),
        seed_of(1, "MSFT", day),
        seed_of(1, "AAPL", date(2008, 9, 3)),
        seed_of(1, "AAPL", day, "volume"),
    }
    assert len(seeds) == 5
    # A value that must not move between versions of Python or numpy: saved replays depend on it.
    assert seed_of(1, "AAPL", day) == 11555194342811056307


def test_a_day_that_closes_at_its_high_has_its_low_first_more_often() -> None:
    rising, falling = TickBar(1000, 1100, 950, 1100, 1), TickBar(1100, 1150, 1000, 1000, 1)
    assert low_first_probability(rising) > 0.5 > low_first_probability(falling)
    assert low_first_probability(TickBar(1000, 1000, 1000, 1000, 1)) == 0.5


def test_noise_is_there_and_fits_the_range() -> None:
    bar = TickBar(1_000_000, 1_030_000, 970_000, 1_005_000, 1)
    steps = np.concatenate([np.diff(walk(bar, 390, np.random.default_rng(seed))) for seed in range(50)])
    implied = (bar.high - bar.low) / (1.596 * np.sqrt(390))
    assert implied * 0.8 < steps.std() < implied * 1.3


def test_too_short_a_session_is_refused() -> None:
    with pytest.raises(ValueError, match="too short"):
        walk(TickBar(1, 1, 1, 1, 1), 2, np.random.default_rng(1))
