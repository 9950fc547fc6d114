"""Which fund is chosen, how much of it and with which exits: the parts of a hedge, each by hand."""

from __future__ import annotations

import math

import pytest

from desk.domain.decisions import FixedExit
from hedging.choice import Choice, choose_fund, choose_index, costs_too_much
from hedging.exposure import Exposure, IndexExposure
from hedging.outlook import Outlook, confirms
from hedging.rules import HedgeRules, InverseFund, inverse_funds
from hedging.sizing import Bounds, Strength, bounds, exit_rule, needed_usd, percent, resized, strength, whole_shares
from hedging.trend import Trend, TrendState

SH, SPXS, SQQQ = inverse_funds()
RULES = HedgeRules()

# ---- how strong the reasons are --------------------------------------------------------------------------------------


def test_too_little_history_confirms_nothing() -> None:
    assert not confirms(None, RULES)
    assert confirms(Trend(TrendState.MIXED, 0.05, -0.001), RULES)
    assert not confirms(Trend(TrendState.MIXED, 0.0499, -0.001), RULES)


def test_each_reason_adds_its_boost_and_no_hedge_is_larger_than_the_exposure() -> None:
    falling = Trend(TrendState.FALLING, -0.1, -0.01)
    assert strength(False, None, None, RULES) == Strength(0.5, "50 %")
    assert strength(True, falling, 0.25, RULES).fraction == 0.5 * 1.75
    assert strength(True, falling, 0.2499, RULES).fraction == 0.5 * 1.5
    assert strength(True, falling, 0.4, HedgeRules(hedge_ratio=0.8)).fraction == 1.0


# ---- which fund ----------------------------------------------------------------------------------------------------


def explained(sp500: float, nasdaq: float) -> Exposure:
    both = (IndexExposure(1_000.0, r2, (1.0,), (r2,), (True,)) for r2 in (sp500, nasdaq))
    return Exposure(("AAA",), (1_000.0,), (), *both)


@pytest.mark.parametrize(
    ("sp500", "nasdaq", "held_fund", "index"),
    [
        (0.40, 0.4499, None, "SP500"),
        (0.40, 0.46, None, "NASDAQ"),
        (0.40, 0.4499, SH, "SP500"),
        (0.40, 0.41, SQQQ, "NASDAQ"),
        (0.40, 0.40, SQQQ, "SP500"),
        (0.0, 0.0, None, "SP500"),
    ],
)
def test_the_nasdaq_has_to_be_clearly_better_and_what_is_held_has_the_doubt(
    sp500: float, nasdaq: float, held_fund: InverseFund | None, index: str
) -> None:
    assert choose_index(explained(sp500, nasdaq), RULES.inverse_etfs, held_fund, RULES)[0] == index


def test_a_nasdaq_fund_without_a_price_leaves_the_s_and_p_500() -> None:
    assert choose_index(explained(0.1, 0.9), (SH, SPXS), None, RULES)[0] == "SP500"


def chosen(exposure_usd: float, volatility: float | None = 0.16, held_fund: InverseFund | None = None) -> Choice:
    out = Outlook("SP500", exposure_usd, None, volatility, Strength(0.5, "50 %"), 20_000.0)
    choice = choose_fund(out, RULES.inverse_etfs, held_fund, RULES)
    assert choice is not None
    return choice


def test_without_a_known_volatility_leverage_is_not_taken() -> None:
    assert chosen(60_000.0).fund == SPXS
    assert (chosen(60_000.0, volatility=None).fund, chosen(60_000.0, volatility=None).drag_fraction) == (SH, None)


@pytest.mark.parametrize(
    ("exposure_usd", "held_fund", "fund"),
    [
        (40_000.0, None, SH), (40_100.0, None, SPXS), (49_900.0, SH, SH), (50_100.0, SH, SPXS), (30_100.0, SPXS, SPXS),
        (29_900.0, SPXS, SH),
    ],
)  # fmt: skip
def test_the_fund_changes_a_quarter_beyond_the_threshold(
    exposure_usd: float, held_fund: InverseFund | None, fund: InverseFund
) -> None:
    """With a drag of nothing SH takes half of the exposure, and the cap is 20,000."""
    assert chosen(exposure_usd, volatility=1e-9, held_fund=held_fund).fund == fund


def test_a_leveraged_fund_that_is_held_may_cost_a_quarter_more() -> None:
    """6 * 10 * v^2 / 252 is 0.0202 in logs at 29.13 % a year, which is 2.0 %, and 0.0238 at 31.62 %."""
    assert (chosen(60_000.0, 0.30).fund, chosen(60_000.0, 0.30, SPXS).fund, chosen(60_000.0, 0.33, SPXS).fund) == (SH, SPXS, SH)


def test_a_nasdaq_fund_that_costs_too_much_leaves_the_s_and_p_500_and_says_so() -> None:
    """6 * 10 * 0.36^2 / 252 is 0.0309 in logs, 3 %; the limit is 2 %, and 2.5 % for what is held."""
    dear = Outlook("NASDAQ", 60_000.0, None, 0.36, Strength(0.5, "50 %"), 20_000.0)
    words = costs_too_much(dear, RULES.inverse_etfs, None, RULES)
    assert words == "SQQQ is expected to lose 3 % to its daily reset, more than 2 %"
    assert choose_fund(dear, RULES.inverse_etfs, None, RULES) is None
    index, why = choose_index(explained(0.1, 0.9), RULES.inverse_etfs, None, RULES, words)
    assert (index, why.split("10 %, but ")[1]) == ("SP500", f"{words}: the S&P 500 is hedged")


@pytest.mark.parametrize(
    ("volatility", "held_fund", "is_dear"), [(0.28, None, False), (0.31, None, True), (0.31, SQQQ, False), (None, None, True)]
)
def test_the_only_nasdaq_fund_is_bounded_by_its_drag(
    volatility: float | None, held_fund: InverseFund | None, is_dear: bool
) -> None:
    out = Outlook("NASDAQ", 60_000.0, None, volatility, Strength(0.5, "50 %"), 20_000.0)
    assert (costs_too_much(out, RULES.inverse_etfs, held_fund, RULES) is not None) is is_dear


def test_a_fund_without_leverage_always_may_be_held() -> None:
    wild = Outlook("SP500", 60_000.0, None, 3.0, Strength(0.5, "50 %"), 20_000.0)
    assert costs_too_much(wild, RULES.inverse_etfs, None, RULES) is None
    chosen_fund = choose_fund(wild, RULES.inverse_etfs, None, RULES)
    assert chosen_fund is not None and chosen_fund.fund == SH
    assert costs_too_much(wild, (SPXS, SQQQ), None, RULES) is not None
    assert costs_too_much(wild, (SQQQ,), None, RULES) is None


# ---- sizes ---------------------------------------------------------------------------------------------------------


def test_dollars_of_a_fund_are_exposure_by_leverage_with_the_drag_on_top() -> None:
    assert needed_usd(60_000.0, 0.5, SPXS, 0.0) == 10_000.0
    assert needed_usd(60_000.0, 0.5, SH, 0.04) == 30_000.0 / 0.96
    assert needed_usd(60_000.0, 0.5, SH, 1.0) == 60_000.0
    assert (needed_usd(-1.0, 0.5, SH, 0.0), needed_usd(math.nan, 0.5, SH, 0.0)) == (0.0, 0.0)


def test_shares_are_whole_and_keep_to_the_cap_at_the_entry_limit() -> None:
    assert whole_shares(1_000.0, 5_000.0, 30.0, RULES) == 33
    assert whole_shares(9_000.0, 1_000.0, 10.0, RULES) == 99
    assert whole_shares(9_000.0, 1_000.0, 10.0, HedgeRules(entry_collar_fraction=0.0)) == 100
    assert whole_shares(199.0, 1_000.0, 10.0, RULES) == 0


@pytest.mark.parametrize(
    ("has", "needed", "most", "count"),
    [
        (80, 100, 500, 80), (75, 100, 500, 75), (74, 100, 500, 100), (125, 100, 500, 125), (126, 100, 500, 100), (1, 0, 500, 0),
        (110, 300, 105, 110), (115, 300, 105, 115), (116, 300, 105, 105), (116, 95, 105, 105), (120, 95, 105, 95),
        (106, 20, 105, 20), (106, 0, 105, 0), (5, 300, 0, 0), (5, 300, 1, 0), (0, 0, 0, 0),
    ],
)  # fmt: skip
def test_a_hedge_is_resized_beyond_a_quarter_and_cut_to_the_cap_beyond_its_band(
    has: int, needed: int, most: int, count: int
) -> None:
    """At 10 dollars a share; ten shares above the cap are tolerated, and a position has at least 20 of 200 dollars."""
    limits = Bounds(needed, most, most + 10, min(needed, most))
    assert resized(has, 10.0, limits, RULES) == count


def test_bounds_are_whole_shares_of_need_cap_and_band() -> None:
    assert bounds(9_000.0, 1_000.0, 155.0, 10.0, RULES) == Bounds(115, 100, 115, 99)
    assert bounds(459.0, 1_000.0, 155.0, 10.0, RULES) == Bounds(45, 100, 115, 45)
    assert bounds(math.inf, -50.0, -1.0, 10.0, RULES) == Bounds(0, 0, 0, 0)


def test_exits_of_a_leveraged_fund_are_wider_up_to_a_half() -> None:
    assert exit_rule(SPXS, HedgeRules(stop_loss_fraction=0.25, take_profit_fraction=0.1)) == FixedExit(0.5, 0.1 * 3)
    assert exit_rule(InverseFund("PSQ", "NASDAQ", -1.0), HedgeRules(take_profit_fraction=0.7)) == FixedExit(0.05, 0.5)


def test_a_fraction_is_told_as_percent() -> None:
    assert [percent(value) for value in (0.5, 0.625, 0.0051, 1.0)] == ["50 %", "62.5 %", "0.5 %", "100 %"]
