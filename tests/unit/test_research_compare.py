"""Strategies side by side: figures that can be worked out by hand, the null test on markets with a known answer, the page."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import ClassVar

import numpy as np
import pytest
from research_runs import START_USD, bars, day, made_comparison, record, trip

from desk.domain.decisions import Signal, Target
from desk.domain.errors import ConfigurationError, UsageError
from desk.research import compare_contenders
from desk.research.compare import HOLD, stage
from desk.research.compare_contenders import Wish, contender
from desk.research.compare_figures import (
    SESSIONS_A_YEAR,
    Curve,
    buy_and_hold,
    correlations,
    figures_of,
    paid_fraction,
    sharpe_of,
)
from desk.research.compare_null import random_moments
from desk.research.compare_page import HEADS, comparison_page, correlation_rows, table_rows
from desk.runtime.build import plain
from desk.runtime.strategy import DeskStrategy
from desk.settings.behaviour import Behaviour

BEHAVIOUR = Behaviour()


# ---- who is compared -------------------------------------------------------------------------------------------------------


def test_a_name_alone_keeps_every_setting():
    found = contender("combined", BEHAVIOUR)
    assert found.label == "combined"
    assert found.behaviour == BEHAVIOUR


def test_a_variant_changes_the_settings_that_it_names_and_no_other():
    found = contender("combined:oversold_rsi=25,confidence_gate=report", BEHAVIOUR)
    assert found.behaviour == BEHAVIOUR.model_copy(update={"oversold_rsi": 25.0, "confidence_gate": "report"})


@dataclass(frozen=True)
class OwnParameters:
    oversold_rsi: float = 30.0
    patience: int = 3


class Patient(DeskStrategy):
    """Has a parameter that no setting fills."""

    Parameters: ClassVar[type] = OwnParameters

    def signals(self, market: object, book: object) -> list[Signal]:
        return []

    def targets(self, signals: object, market: object, book: object) -> list[Target]:
        return []


def test_a_parameter_that_the_strategy_alone_has_is_changed_there(monkeypatch):
    monkeypatch.setattr(compare_contenders, "load_strategy", lambda name: Patient)
    found = contender("patient:patience=7,oversold_rsi=20", BEHAVIOUR)
    parameters = found.strategy.parameters_from(plain(found.behaviour))
    assert parameters == OwnParameters(oversold_rsi=20.0, patience=7)
    assert Patient.parameters_from(plain(BEHAVIOUR)) == OwnParameters()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "a contender is"),
        (":oversold_rsi=25", "a contender is"),
        ("combined:", "a contender is"),
        ("combined:oversold_rsi", "a contender is"),
        ("combined:oversold_rsi=", "a contender is"),
        ("combined:oversold_rsi=20,oversold_rsi=25", "set twice"),
        ("combined:oversold_rsi=[", "cannot be read"),
    ],
)
def test_what_cannot_be_read_as_a_contender_is_refused(text, said):
    with pytest.raises(UsageError, match=said):
        Wish.read(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("nonesuch", "unknown strategy"),
        ("combined:oversold=25", "has no setting oversold"),
        ("combined:oversold_rsi=250", "oversold_rsi is 250"),
        ("combined:fee_bps=0", "costs are the same"),
        ("combined:slippage_bps=0", "costs are the same"),
        ("combined:universe=AAPL", "symbols are the same"),
    ],
)
def test_a_contender_that_would_not_compare_is_refused_by_name(text, said):
    with pytest.raises(UsageError, match=said):
        contender(text, BEHAVIOUR)


# ---- the stage -------------------------------------------------------------------------------------------------------------


def test_the_first_two_years_are_left_to_learn_from():
    assert stage(None, BEHAVIOUR, None, None).start == date(2002, 1, 2)


def test_dates_without_a_session_are_refused_with_those_that_there_are():
    with pytest.raises(ConfigurationError, match="2000-03-01 to 2013-03-01"):
        stage(None, BEHAVIOUR, date(2020, 1, 1), None)


# ---- figures ---------------------------------------------------------------------------------------------------------------


def test_sharpe_of_normal_returns_has_the_error_that_lo_gives():
    returns = np.random.default_rng(5).normal(0.001, 0.01, 50_000)
    found = sharpe_of(returns)
    assert found is not None
    daily = returns.mean() / returns.std(ddof=1)
    assert found.ratio == pytest.approx(daily * np.sqrt(252))
    lo = np.sqrt((1 + daily**2 / 2) / len(returns) * SESSIONS_A_YEAR)
    assert found.standard_error == pytest.approx(lo, rel=0.02)


def test_the_error_of_the_sharpe_ratio_is_its_spread_over_samples():
    generator = np.random.default_rng(6)
    # Skewed: many small gains and seldom a large loss.
    samples = np.where(generator.random((2000, 500)) < 0.05, -0.04, 0.003)
    found = [sharpe_of(sample) for sample in samples]
    ratios, errors = [each.ratio for each in found], [each.standard_error for each in found]
    assert np.mean(errors) == pytest.approx(np.std(ratios), rel=0.15)


def test_returns_that_never_vary_have_no_sharpe_ratio():
    assert sharpe_of(np.zeros(20)) is None
    assert sharpe_of(np.full(20, 0.01)) is None
    assert sharpe_of(np.array([0.01])) is None


def test_figures_of_a_run_are_those_of_its_record():
    run = record([100_000, 99_000, 101_000], [trip(0, 1, 100, 90), trip(2, None, 50)])
    found = figures_of(run)
    assert found.total_return_fraction == pytest.approx(0.01)
    assert found.max_drawdown_fraction == pytest.approx(0.01)
    assert found.trades == 2
    assert found.exposure_fraction == 0
    # 100 shares bought at 100 and sold at 90, 100 bought at 50, over an equity of 100,000, in three sessions.
    assert found.turnover_a_year == pytest.approx((10_000 + 9_000 + 5_000) / 100_000 * 252 / 3)


def test_an_empty_run_has_figures_too():
    found = figures_of(record([100_000.0]))
    assert (found.total_return_fraction, found.trades, found.sharpe) == (0.0, 0, None)


def test_buying_and_holding_pays_once_and_waits_for_what_is_not_listed():
    days = [day(number) for number in range(4)]
    early, late = bars([100, 110, 120, 200]), bars([50, 50], first=2)
    curve, found = buy_and_hold([early, late], days, 100_000.0, 0.001)
    paid = 50_000 / 1.001
    assert curve.closes_usd == pytest.approx([paid + 50_000, 1.1 * paid + 50_000, 1.2 * paid + paid, 3 * paid])
    assert found.costs_usd == pytest.approx(2 * paid * 0.001)
    assert found.trades == 2


def test_a_held_share_keeps_its_last_price_where_it_has_no_bar():
    curve, _ = buy_and_hold([bars([100, 120])], [day(number) for number in range(3)], 1000.0, 0.0)
    assert curve.closes_usd == pytest.approx([1000, 1200, 1200])


def test_correlation_is_one_with_oneself_and_none_with_a_flat_account():
    days = tuple(day(number) for number in range(4))
    rising = Curve(days, np.array([101.0, 99.0, 105.0, 104.0]), 100.0)
    opposite = Curve(days, 100 * np.cumprod(1 - rising.returns), 100.0)
    flat = Curve(days, np.full(4, 100.0), 100.0)
    found = correlations([rising, opposite, flat])
    assert found[0, 0] == pytest.approx(1)
    assert found[0, 1] == pytest.approx(-1)
    assert np.isnan(found[2]).all()


def test_a_backtest_pays_what_it_paid_and_another_run_what_is_modelled():
    run = record([100_000, 100_000], [trip(0, 1)])
    assert paid_fraction(run, 0.0006) == 0
    assert paid_fraction(record([100_000]), 0.0006) == 0.0006


# ---- the null test ---------------------------------------------------------------------------------------------------------


def test_on_a_market_that_rises_evenly_every_moment_is_the_same():
    closes = 100 * 1.01 ** np.arange(40)
    run = record(np.full(40, START_USD).tolist(), [trip(5, 9), trip(20, 24)], bars(closes.tolist()))
    null = random_moments(run, 0.0, 200, 1)
    assert null is not None
    # A tenth of the equity each, over five sessions of 1 %; one drawn at the first session finds it flat.
    assert null.high_return_fraction == pytest.approx(1.001**10 - 1, rel=0.01)
    assert null.as_good_fraction == pytest.approx(1.0)


def test_a_run_that_bought_before_the_only_rise_beats_nearly_every_random_moment():
    closes = [100.0] * 100
    closes[50:] = [120.0] * 50
    gained = [START_USD] * 50 + [START_USD + 2000] * 50
    run = record(gained, [trip(50, 50, 100, 120)], bars(closes))
    null = random_moments(run, 0.0, 999, 1)
    assert null is not None
    assert null.as_good_fraction < 0.05
    assert null.medians.total_return_fraction == 0


def test_random_moments_pay_costs_on_both_ways():
    run = record([START_USD] * 30, [trip(3, 6)], bars([100.0] * 30))
    null = random_moments(run, 0.001, 50, 1)
    assert null is not None
    # A tenth of the equity bought and sold for a thousandth each.
    assert null.medians.costs_usd == pytest.approx(20, rel=0.001)
    assert null.medians.total_return_fraction == pytest.approx(-0.0002, rel=0.001)
    assert null.medians.turnover_a_year == pytest.approx(0.2 * SESSIONS_A_YEAR / 30)


def test_trades_that_overlap_never_hold_more_than_the_equity():
    many = [trip(1, 28, shares=500) for _ in range(10)]
    run = record([START_USD] * 30, many, bars((100 * 1.01 ** np.arange(30)).tolist()))
    null = random_moments(run, 0.0, 50, 1)
    assert null is not None
    assert null.medians.exposure_fraction <= 1
    assert null.high_return_fraction <= 1.01**30 - 1 + 1e-9


def test_the_same_seed_gives_the_same_null_and_another_one_another():
    closes = (100 * np.cumprod(1 + np.random.default_rng(3).normal(0, 0.02, 60))).tolist()
    run = record([START_USD] * 60, [trip(5, 9), trip(20, 31)], bars(closes))
    assert random_moments(run, 0.0, 50, 4) == random_moments(run, 0.0, 50, 4)
    assert random_moments(run, 0.0, 50, 4) != random_moments(run, 0.0, 50, 5)


def test_a_run_without_trades_or_without_their_prices_has_no_null():
    assert random_moments(record([START_USD] * 5), 0.0, 50, 1) is None
    assert random_moments(record([START_USD] * 5, [trip(1, 2)]), 0.0, 50, 1) is None


# ---- table and page --------------------------------------------------------------------------------------------------------


def test_under_every_strategy_stands_its_null_and_last_comes_holding():
    rows = table_rows(made_comparison())
    assert [row[0].split(",")[0] for row in rows] == [
        "made",
        "  at random moments",
        "idle",
        "  no trade to place at random",
        HOLD,
    ]
    assert all(len(row) == len(HEADS) for row in rows)


def test_correlations_beside_a_flat_account_are_not_available():
    rows = correlation_rows(made_comparison())
    assert rows[0][1] == "1.00"
    assert rows[1][1:] == ("n/a", "n/a", "n/a")


def test_the_page_needs_nothing_else_and_is_the_same_every_time():
    page = comparison_page(made_comparison())
    assert page == comparison_page(made_comparison())
    assert "http" not in page.replace("http://www.w3.org", "") and "<script" not in page
    assert "prefers-color-scheme:dark" in page and "var(--equity)" in page
    assert all(head in page for head in HEADS)
    assert "Made by hand." in page and "says nothing about future returns" in page


def test_a_label_is_text_on_the_page():
    page = comparison_page(made_comparison("<b>bold</b>"))
    assert "<b>bold</b>" not in page
    assert "&lt;b&gt;bold&lt;/b&gt;" in page
