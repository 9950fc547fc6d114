"""Draws from a run: what must come out for series whose answer is known, and how it is told."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from research_runs import START_USD, bars, record, trip

from desk.domain.errors import UsageError
from desk.research.monte_carlo import (
    QUANTILES,
    Outcomes,
    bootstrap,
    day_returns_of,
    longest,
    mean_block,
    trade_returns_of,
)
from desk.research.monte_carlo_page import HEADS, monte_carlo_page, quantile_rows, ruin_words
from desk.research.monte_carlo_runs import Drawn, draw, journaled

RETURNS = np.random.default_rng(8).normal(0.0005, 0.01, 250)


def test_an_account_that_always_gains_is_never_under_water_or_ruined():
    found = bootstrap(np.full(50, 0.01), draws=20, seed=1)
    assert found.drawn.final_return == pytest.approx(np.full(20, 1.01**50 - 1))
    assert not found.drawn.max_drawdown.any() and not found.drawn.under_water.any()
    assert found.ruin_probability(0.5) == 0
    assert 0 < found.ruin_bound(0.5) < 0.2


def test_an_account_that_always_loses_is_under_water_from_the_first_day_and_ruined():
    found = bootstrap(np.full(50, -0.05), draws=20, seed=1)
    assert found.drawn.under_water.tolist() == [50] * 20
    assert found.ruin_probability(0.5) == found.ruin_bound(0.5) == 1


def test_what_has_lost_everything_stays_there():
    found = bootstrap(np.array([0.1, -1.5, 0.1, 0.1]), draws=10, seed=1, block=4)
    assert found.drawn.final_return.tolist() == [-1.0] * 10
    assert found.drawn.max_drawdown.tolist() == [1.0] * 10


def test_days_that_belong_together_stay_together_in_long_blocks():
    storm = np.zeros(200)
    storm[100:110] = -0.03
    whole = bootstrap(storm, draws=400, seed=2, block=50).drawn.max_drawdown
    torn = bootstrap(storm, draws=400, seed=2, block=1).drawn.max_drawdown
    assert np.std(whole) > 1.5 * np.std(torn)


def test_the_mean_over_draws_is_the_mean_of_the_run():
    found = bootstrap(RETURNS, draws=2000, seed=3, block=5)
    grown = np.log1p(found.drawn.final_return)
    error = grown.std() / np.sqrt(len(grown))
    assert grown.mean() == pytest.approx(np.log1p(RETURNS).sum(), abs=4 * error)


def test_the_estimated_block_is_longer_for_returns_that_follow_each_other():
    generator = np.random.default_rng(1)
    noise = generator.normal(0, 0.01, 1000)
    followed = np.convolve(noise, np.ones(10) / 10, mode="same")
    assert 1 <= mean_block(noise) < mean_block(followed) <= 1000
    assert mean_block(np.zeros(27)) == 3
    assert mean_block(np.array([0.1, 0.2])) == 2


def test_a_single_return_is_refused():
    with pytest.raises(UsageError, match="too few"):
        bootstrap(np.array([0.1]), draws=10, seed=1)


@pytest.mark.parametrize(("flags", "length"), [([], 0), ([0, 0], 0), ([1, 1], 2), ([1, 0, 1, 1, 0, 1], 2), ([0, 1, 1, 1], 3)])
def test_the_longest_stretch_is_counted(flags, length):
    assert longest(np.array(flags, dtype=bool)) == length


def test_a_trade_counts_as_a_part_of_the_equity_before_its_session():
    trips = [trip(2, 4, 100, 110), trip(0, 1, 100, 90), trip(3, None)]
    run = record([100_000, 50_000, 50_000, 50_000, 50_000], trips)
    # In order of the exits: a loss of 1,000 on 100,000, then a gain of 1,000 on 50,000.
    assert trade_returns_of(run) == pytest.approx([-0.01, 0.02])
    assert day_returns_of(run) == pytest.approx([0, -0.5, 0, 0, 0])


def made_draw(trips: int = 6) -> Drawn:
    values = (START_USD * np.cumprod(1 + RETURNS)).tolist()
    prices = bars((100 * np.cumprod(1 + RETURNS)).tolist())
    made = [trip(20 * number, 20 * number + 5, 100, 97 + number) for number in range(trips)]
    return draw(record(values, made, prices), 0.0006, draws=100, seed=1, block=None, ruin_fraction=0.95)


def test_every_figure_has_the_run_and_every_quantile_beside_it():
    found = made_draw()
    rows = quantile_rows(found.days, "session")
    assert all(len(row) == len(HEADS) for row in rows)
    assert found.days.fan.shape == (len(QUANTILES), len(found.days.points))
    assert found.days.own_path[0] == 1 and found.days.points[-1] == len(RETURNS)


def test_ruin_is_told_with_its_bound():
    assert "Below 95 % of the start at any time" in ruin_words(made_draw().days, 0.95)


def test_a_run_with_one_trade_is_drawn_from_its_days_alone():
    found = made_draw(trips=1)
    assert found.trades is None and found.null is not None
    assert "From 250 sessions" in monte_carlo_page(found) and "trades, in blocks" not in monte_carlo_page(found)


def test_the_page_needs_nothing_else_and_tells_costs_drawdown_and_the_null_test():
    page = monte_carlo_page(made_draw())
    assert page == monte_carlo_page(made_draw())
    assert "http" not in page.replace("http://www.w3.org", "") and "<script" not in page
    assert "prefers-color-scheme:dark" in page and "var(--equity)" in page
    assert all(word in page for word in ("Fees and slippage", "Deepest drawdown", "Null test", "Made by hand."))


def test_a_backtests_folder_is_refused_with_what_to_give_instead(tmp_path: Path):
    identity = {"strategy": "combined", "broker": "backtest", "source": "bundled", "start": None, "sessions": None, "seed": None}
    (tmp_path / "run.json").write_text(json.dumps(identity))
    with pytest.raises(UsageError, match="give the strategy combined"):
        journaled(tmp_path, None, 0.6)


def test_outcomes_have_one_value_a_draw():
    found = bootstrap(RETURNS, draws=30, seed=1)
    assert isinstance(found.drawn, Outcomes)
    assert {np.shape(getattr(found.drawn, name)) for name in ("final_return", "max_drawdown", "under_water", "lowest")} == {(30,)}
