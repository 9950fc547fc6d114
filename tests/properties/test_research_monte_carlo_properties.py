"""What holds for draws from any series of returns."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from desk.research.monte_carlo import bootstrap

series = st.lists(st.floats(-0.9, 0.9), min_size=2, max_size=60).map(np.array)
seeds = st.integers(0, 2**32 - 1)
FIGURES = ("final_return", "max_drawdown", "under_water", "lowest")


@given(series, seeds, st.integers(0, 40))
def test_with_one_block_of_the_whole_length_every_draw_is_the_run(returns, seed, more):
    found = bootstrap(returns, draws=10, seed=seed, block=len(returns) + more)
    for name in FIGURES:
        own = getattr(found.own, name)[0]
        assert (getattr(found.drawn, name) == own).all()
    assert np.allclose(found.fan, found.own_path)


@given(series, seeds, st.integers(1, 60))
@settings(max_examples=50)
def test_the_same_seed_gives_the_same_draws(returns, seed, block):
    first, second = (bootstrap(returns, draws=10, seed=seed, block=block) for _ in range(2))
    for name in FIGURES:
        assert (getattr(first.drawn, name) == getattr(second.drawn, name)).all()


@given(series, seeds, st.integers(1, 60))
def test_figures_stay_within_what_they_can_be(returns, seed, block):
    found = bootstrap(returns, draws=10, seed=seed, block=block).drawn
    assert ((found.max_drawdown >= 0) & (found.max_drawdown <= 1)).all()
    assert ((found.under_water >= 0) & (found.under_water <= len(returns))).all()
    assert (found.final_return >= -1).all()
    assert ((found.lowest >= 0) & (found.lowest <= 1)).all()
    # A fall from the start is a fall from a high that was no lower.
    assert (1 - found.lowest <= found.max_drawdown + 1e-9).all()


@given(series, seeds, st.integers(1, 60), st.floats(0.01, 0.98))
def test_ruin_is_no_rarer_at_a_higher_bound(returns, seed, block, fraction):
    found = bootstrap(returns, draws=10, seed=seed, block=block)
    assert 0 <= found.ruin_probability(fraction) <= found.ruin_probability(fraction + 0.01) <= 1
    assert found.ruin_probability(fraction) <= found.ruin_bound(fraction) <= 1
